"""Runs Acquire at Items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from space.simulator.acquire.steps import (
    ACTIONS,
    MAY_FAIL,
    REALIGN,
    in_range,
    is_due,
    not_possible,
    place_in_group,
)
from space.simulator.column.errors import ScriptStopped, SEMerror
from space.simulator.formats.navfile import NavItem
from space.simulator.program.acquire_state import (
    MULTIPLE_RECORDS,
    RUN_SCRIPT,
    SAVE_IMAGE,
    SAVE_MAP,
    SCRIPT,
    AcquireParams,
    LastDone,
    Step,
)
from space.simulator.python.host import ScriptResult
from space.simulator.python.wrapper import script_name
from space.simulator.scripts import run_script

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

DONE = ScriptResult(True)


@dataclass
class _Acquisition:
    """One run over the items: what to do, and what was done when."""

    session: Session
    commands: Commands
    params: AcquireParams
    last: dict[tuple[bool, int], LastDone] = field(default_factory=dict)

    def why_not(self) -> str:
        """Why it cannot be started, "" if it can."""
        params = self.params
        steps = (*params.steps_before(), *params.steps_after())
        if params.action == RUN_SCRIPT:
            steps = (Step(SCRIPT, params.primary), *steps)
        elif params.action == MULTIPLE_RECORDS:
            if "MultipleRecords" not in self.commands:
                return "Primary action 4 (multiple Records) is not simulated"
        elif params.action not in (SAVE_IMAGE, SAVE_MAP):
            return f"Primary action {params.action} (tilt series) is not simulated"
        return not_possible(steps, self.commands, self.session.scripts)

    def next_index(self, after: int) -> int:
        """Index of the next item to acquire behind `after`, 0 when there is none.

        The table is read anew each time: items that scripts add at its end are acquired too.
        """
        navigator, skipped = self.session.navigator, self.session.acquire.skipped_groups
        for index in range(after + 1, len(navigator.items) + 1):
            if in_range(navigator.items[index - 1], navigator.registration, skipped):
                return index
        return 0

    def item(self, index: int) -> ScriptResult:
        """Acquire one item; the result is not ok when the acquisition has to end."""
        state, navigator = self.session.acquire, self.session.navigator
        item = navigator.items[index - 1]
        group = place_in_group(
            navigator.items, index, navigator.registration, tuple(state.acquired)
        )
        if not _within_limits(self.session, item):
            self.session.write_log(f"Item {index} skipped: it is outside the stage limits")
            navigator.update(index, {"Acquire": None})
            return DONE
        result = self._prepared(index, item, group)
        if not result.ok or state.skip_item:
            return DONE if result.tolerated else result
        result = self._primary()
        if not result.ok:
            return DONE if result.tolerated else result
        if not state.skip_item:
            state.acquired.append(item.map_id)
            place = self._place(item)
            if place:
                navigator.update(place, {"Acquire": None, "TargetDefocus": None})
        for number, step in enumerate(self.params.steps_after()):
            result = self._step(number, step, item, group)
            if not result.ok:
                return DONE if result.tolerated else result
        return DONE

    def _prepared(self, index: int, item: NavItem, group: tuple[bool, bool]) -> ScriptResult:
        """Go to an item, take the steps before it is acquired, and open its file."""
        state = self.session.acquire
        result = self._get_there(index)
        for number, step in enumerate(self.params.steps_before()):
            if not result.ok or state.skip_item:
                return result
            result = self._step(number, step, item, group)
        if result.ok and not state.skip_item:
            result = self._file(item)
        return result

    def _place(self, item: NavItem) -> int:
        """Where an item is in the table now, 0 when a script has taken it out."""
        navigator, index = self.session.navigator, self.session.acquire.item_index
        if item.map_id:
            return navigator.index_with_id(item.map_id)
        return index if navigator.label_of(index) == item.label else 0

    def _do(self, name: str, *arguments: str | float) -> ScriptResult:
        """Carry out a command with the valves open."""
        self.session.scope.open_valves()
        try:
            self.commands[name](self.session, *arguments)
        except SEMerror as error:
            return ScriptResult(False, f"{name}: {error}")
        except ScriptStopped as stopped:
            return ScriptResult(False, str(stopped), stopped=True)
        return DONE

    def _script(self, number: int) -> ScriptResult:
        session = self.session
        script = session.scripts.get(number)
        if script is None:
            return ScriptResult(False, f"There is no script number {number}")
        session.scope.open_valves()
        session.acquire.script_running = True
        try:
            return run_script(session, script.text, script_name(script), self.commands)
        finally:
            session.acquire.script_running = False

    def _get_there(self, index: int) -> ScriptResult:
        movers = (SCRIPT, REALIGN)
        moved_later = any(step.action in movers for step in self.params.steps_before())
        if self.params.skip_initial_move and moved_later:
            return DONE
        return self._do("MoveToNavItem", index)

    def _step(
        self, number: int, step: Step, item: NavItem, group: tuple[bool, bool]
    ) -> ScriptResult:
        last = self.last.setdefault((step.after, number), LastDone())
        place, seconds = item.stage_um[:2], self.session.clock.seconds
        due = is_due(step, last, place, seconds, *group)
        last.items += 1
        if not due:
            return DONE
        last.place_um = place
        if step.action == SCRIPT:
            result = self._script(step.script)
        else:
            name, arguments = ACTIONS[step.action]
            if step.action == REALIGN:
                arguments = (self._place(item), 1)
            result = self._do(name, *arguments)
            if not result.ok and step.action in MAY_FAIL:
                result = self._allowed(result)
        last.seconds = self.session.clock.seconds
        return result

    def _allowed(self, failed: ScriptResult) -> ScriptResult:
        """A failure that costs the item only, if the user wants it so."""
        if failed.stopped or not self.params.go_on_after_failure:
            return failed
        self.session.write_log(f"Going on to the next item: {failed.error}")
        return ScriptResult(False, failed.error, tolerated=True)

    def _file(self, item: NavItem) -> ScriptResult:
        """Open the file that was set for an item, once."""
        name = item.values.get("FileToOpen", "")
        place = self._place(item)
        if not name or not place:
            return DONE
        if "MontParamIndex" in item.values:
            return ScriptResult(False, f"{name}: montage files of items are not simulated")
        result = self._do("OpenNewFile", name)
        if result.ok:
            self.session.navigator.update(place, {"FileToOpen": None, "FilePropIndex": None})
        return result

    def _primary(self) -> ScriptResult:
        params, session = self.params, self.session
        if params.relax_stage and "RelaxStage" in self.commands:
            result = self._do("RelaxStage")
            if not result.ok:
                return result
        if params.action == RUN_SCRIPT:
            return self._script(params.primary)
        if params.action == MULTIPLE_RECORDS:
            result = self._do("MultipleRecords")
            return result if result.ok else self._allowed(result)
        file = session.files.current
        montage = file is not None and file.montage is not None
        pictures = ["M"] if montage else ["R", "S"]
        for name in [*pictures, *(["NewMap"] if params.action == SAVE_MAP else [])]:
            result = self._do(name)
            if not result.ok:
                return result
        return DONE


def _within_limits(session: Session, item: NavItem) -> bool:
    x, y, _ = item.stage_um
    off_x, off_y = session.scope.adjust_stage_for_nav(0.0, 0.0)
    x0, x1, y0, y1 = session.scope.stage.limits_um
    return x0 <= x - off_x <= x1 and y0 <= y - off_y <= y1


def _refused(session: Session, why: str) -> ScriptResult:
    session.write_log(f"Acquire at Items was not started: {why}")
    return ScriptResult(False, why)


def _acquire(session: Session, commands: Commands) -> ScriptResult:
    """Acquire all items that are set to, in table order."""
    state = session.acquire
    acquisition = _Acquisition(session, commands, state.used_params())
    state.prepared = None
    state.start_at_end = False
    state.skipped_groups.clear()
    if not session.navigator.is_open:
        return _refused(session, "The Navigator is not open")
    index = acquisition.next_index(0)
    if index == 0:
        return _refused(session, "There are no items to acquire")
    why = acquisition.why_not()
    if why:
        return _refused(session, why)
    state.acquiring = True
    state.end_requested = state.quiet_end = False
    state.run_end_script = True
    state.last_index = len(session.navigator.items)
    state.acquired.clear()
    result = DONE
    try:
        while index and result.ok and not state.end_requested:
            state.item_index = index
            state.skip_item = False
            result = acquisition.item(index)
            index = acquisition.next_index(state.item_index)
    finally:
        state.acquiring = False
        state.item_index = 0
        state.skip_item = False
    session.scope.open_valves()
    ended = f"Acquire at Items ended after {len(state.acquired)} items"
    session.write_log(ended + ("" if result.ok else f": {result.error}"))
    if state.end_requested and not state.quiet_end:
        session.note_dialog("message", "Acquire at Items was ended by a script", "ok")
    return result


def _acquire_and_after(session: Session, commands: Commands) -> ScriptResult:
    """Acquire the items, then run the script that was asked for."""
    state = session.acquire
    result = _acquire(session, commands)
    number, state.script_after = state.script_after, 0
    if not result.ok or not number or not state.run_end_script:
        return result
    script = session.scripts.get(number)
    if script is None:
        return ScriptResult(False, f"There is no script number {number}")
    return run_script(session, script.text, script_name(script), commands)


def run_acquire(session: Session, commands: Commands) -> ScriptResult:
    """Acquire all items that are set to, and what scripts ask for at the end.

    Returns
    -------
    ScriptResult
        Not ok when a script's error ended it; then the item keeps its Acquire.
    """
    result = _acquire_and_after(session, commands)
    while result.ok and session.acquire.start_at_end:
        result = _acquire_and_after(session, commands)
    return result


def run_with_acquisitions(
    session: Session, text: str, name: str, commands: Commands
) -> ScriptResult:
    """Run a script and what it asked to run at its end."""
    result = run_script(session, text, name, commands)
    if result.ok and session.acquire.start_at_end:
        return run_acquire(session, commands)
    return result
