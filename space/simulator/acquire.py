"""Runs Acquire at Items."""

from __future__ import annotations

from space.simulator.acquire_state import AcquireParams
from space.simulator.errors import SEMerror
from space.simulator.host import ScriptResult, run_script

SAVE_IMAGE, SAVE_MAP, RUN_SCRIPT = 0, 1, 2


def next_item(navigator, after: int) -> int:
    """Index of the next item to acquire behind `after`, 0 when there is none.

    The table is read anew each time: items that scripts add at its end are acquired too.
    """
    for index in range(after + 1, len(navigator.items) + 1):
        item = navigator.items[index - 1]
        if item.acquire and item.registration == navigator.registration:
            return index
    return 0


def _run_numbered(session, number: int, commands: dict) -> ScriptResult:
    script = session.scripts.get(number)
    if script is None:
        return ScriptResult(False, f"There is no script number {number}")
    session.acquire.script_running = True
    try:
        result = run_script(session, script.text, script.name, commands)
    finally:
        session.acquire.script_running = False
    session.scope.valve_open = True
    return result


def _primary(session, params: AcquireParams, commands: dict) -> ScriptResult:
    if params.action == RUN_SCRIPT:
        return _run_numbered(session, params.primary, commands)
    if params.action not in (SAVE_IMAGE, SAVE_MAP):
        return ScriptResult(False, f"Primary action {params.action} is not simulated")
    try:
        commands["R"](session)
        commands["S" if params.action == SAVE_IMAGE else "NewMap"](session)
    except SEMerror as error:
        return ScriptResult(False, str(error))
    return ScriptResult(True)


def _where_now(session, map_id: int, index: int) -> int:
    """Index of the item after scripts may have changed the table."""
    return session.navigator.index_with_id(map_id) or index


def _one_item(session, index: int, params: AcquireParams, commands: dict) -> ScriptResult:
    """Acquire one item; the result is not ok when acquisition has to end."""
    state, navigator = session.acquire, session.navigator
    map_id = navigator.items[index - 1].map_id
    try:
        commands["MoveToNavItem"](session, index)
    except SEMerror as error:
        session.write_log(f"Item {index} skipped: {error}")
        navigator.update(index, {"Acquire": None})
        return ScriptResult(True)
    if params.before:
        result = _run_numbered(session, params.before, commands)
        state.item_index = _where_now(session, map_id, index)
        if not result.ok and not result.tolerated:
            return result
    if state.skip_item:
        return ScriptResult(True)
    result = _primary(session, params, commands)
    state.item_index = _where_now(session, map_id, index)
    if not result.ok:
        return ScriptResult(True) if result.tolerated else result
    if not state.skip_item:
        state.acquired.append(map_id)
        navigator.update(state.item_index, {"Acquire": None, "TargetDefocus": None})
    if params.after:
        result = _run_numbered(session, params.after, commands)
        state.item_index = _where_now(session, map_id, state.item_index)
        if not result.ok and not result.tolerated:
            return result
    return ScriptResult(True)


def run_acquire(session, commands: dict) -> ScriptResult:
    """Acquire all items that are set to, in table order.

    Returns
    -------
    ScriptResult
        Not ok when a script's error ended it; then the item keeps its Acquire.
    """
    state = session.acquire
    params = state.used_params()
    state.prepared = None
    state.start_at_end = False
    index = next_item(session.navigator, 0)
    if index == 0:
        session.write_log("There are no items to acquire")
        return ScriptResult(False, "There are no items to acquire")
    state.acquiring = True
    state.end_requested = False
    state.run_end_script = True
    state.last_index = len(session.navigator.items)
    session.scope.valve_open = True
    result = ScriptResult(True)
    try:
        while index and result.ok and not state.end_requested:
            state.item_index = index
            state.skip_item = False
            result = _one_item(session, index, params, commands)
            index = next_item(session.navigator, state.item_index)
    finally:
        state.acquiring = False
        state.item_index = 0
        state.skip_item = False
    session.write_log("Acquire at Items ended" + ("" if result.ok else f": {result.error}"))
    return result


def run_with_acquisitions(session, text: str, name: str, commands: dict) -> ScriptResult:
    """Run a script and what it asked to run at its end."""
    result = run_script(session, text, name, commands)
    state = session.acquire
    while result.ok and state.start_at_end:
        acquired = run_acquire(session, commands)
        number, state.script_after = state.script_after, 0
        if not acquired.ok:
            return acquired
        if not number or not state.run_end_script:
            break
        result = _run_numbered(session, number, commands)
    return result
