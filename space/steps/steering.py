"""A person may step in at any time: pause, skip a lamella or a grid, stop, go on.

Orders come from a file in the directory of the session (`space.orders`), which other programs write
too, or from a key. They are looked for before each lamella and each grid, after each item that was
acquired, and while something is waited for. A stop ends the run there; the next run goes on.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import Enum
from pathlib import Path

from space import journal, orders
from space.journal import Kind
from space.microscope import Item, key_pressed, navigator, pause
from space.orders import NotAnOrderError, Scene, Standing, StopAfter
from space.steps import lamella_list, placement, planned, tried
from space.steps.grid_names import earlier_names
from space.steps.session import GridSession
from space.steps.target_facts import begun_files
from space.steps.telling import tell

PAUSE_KEY = "P"
"""Pauses the run after the current lamella. B goes on, as it ends every other wait."""

LONGEST_PAUSE_S = 12 * 3600.0
"""After this the run stops: who ordered the pause meant to come back."""

_SETTLED_S = 1.0
_MOST_LOOKS = 5
_POLL_S = 1.0
log = logging.getLogger("space.workflow")


class Course(Enum):
    """What to do with a lamella, a grid or the rest of an acquisition."""

    GO_ON = "go on"
    SKIP = "skip"
    STOP = "stop"


# --- between lamellae -----------------------------------------------------------------------------


def checkpoint(session: GridSession, number: int | None = None) -> Course:
    """Read the orders before a lamella, or before a step, and say what to do with it.

    A pause waits here.
    """
    return _checkpoint(session, number)[0]


def visits(
    session: GridSession, numbers: Iterable[int], resumed: Callable[[], None] | None = None
) -> Iterator[int]:
    """Give the lamellae one after the other, as ordered; ends early when the run is to stop.

    Parameters
    ----------
    session : GridSession
        The grid's session.
    numbers : iterable of int
        Lamellae in their order.
    resumed : callable, optional
        Called after a pause, in which a person may have changed the microscope.
    """
    for number in numbers:
        course, paused = _checkpoint(session, number)
        if course is Course.STOP:
            return
        if course is Course.SKIP:
            log.info("Lamella %d is skipped, as ordered.", number)
            journal.note(
                session.directory, Kind.LAMELLA_SKIPPED, session.grid, number, text="as ordered"
            )
            continue
        if paused and resumed is not None:
            resumed()
        yield number
        standing = _look(session.directory, lambda: _scene(session))
        if standing.stop_after == StopAfter(session.grid, number):
            _stop_now(session.directory, standing)


def skipped(session: GridSession) -> frozenset[int]:
    """Return the numbers of the lamellae of a grid that are skipped as ordered."""
    standing = orders.read_standing(session.directory)
    return frozenset(number for grid, number in standing.skipped if grid == session.grid)


def left_out(session: GridSession) -> frozenset[int]:
    """Return the lamellae that are to be left out.

    They are skipped as ordered, a person gave their note an excluded class, or they were not
    recognized when the grid was loaded again.
    """
    return skipped(session) | excluded(session) | placement.unseen(session)


def excluded(session: GridSession) -> frozenset[int]:
    """Return the lamellae whose note a person has changed to an excluded class."""
    return lamella_list.excluded_by_hand(
        map(lamella_list.mark, lamella_list.to_visit(navigator.items())),
        lamella_list.load(session.lamellae_file),
        session.settings.excluded_classes,
    )


def leaves_grid(session: GridSession) -> bool:
    """Whether no more is to be done on a grid: the run stops, or the grid is skipped."""
    standing = orders.read_standing(session.directory)
    return standing.stop or _grid_is_skipped(session, standing)


def why_to_stop_waiting(session: GridSession) -> str:
    """Read the orders during a wait; return why it has to end, empty if it has not."""
    _look(session.directory, lambda: _scene(session))
    return f"as ordered in {orders.CONTROL_FILE}" if leaves_grid(session) else ""


def _checkpoint(session: GridSession, number: int | None) -> tuple[Course, bool]:
    what = f"grid {session.grid}" if number is None else session.map_stem(number)
    standing, paused = _attended(session, lambda: _scene(session), what)
    if standing.stop:
        return Course.STOP, paused
    if _grid_is_skipped(session, standing) or (session.grid, number) in standing.skipped:
        return Course.SKIP, paused
    return Course.GO_ON, paused


def _scene(session: GridSession) -> Scene:
    numbers = tuple(lamella_list.numbers_to_visit(navigator.items()))
    return Scene(session.grid, numbers, _slots(session))


def _slots(session: GridSession) -> dict[str, str]:
    """Return the names of the grids of the session by slot, "" where it has none yet."""
    unnamed = {str(slot): "" for slot in session.settings.grid_list}
    return {**unnamed, **earlier_names(session.directory)}


def _grid_is_skipped(session: GridSession, standing: Standing) -> bool:
    if not standing.skipped_grids:
        return False
    names = earlier_names(session.directory)
    return any(names.get(slot) == session.grid for slot in standing.skipped_grids)


# --- between grids --------------------------------------------------------------------------------


def before_grid(session: GridSession, slot: int | str) -> Course:
    """Read the orders before a grid is loaded, and say what to do with it; a pause waits here."""
    directory, name = session.directory, session.grid
    standing = orders.read_standing(directory)
    after = standing.stop_after
    if after is not None and after.lamella is None and after.grid != name:
        _stop_now(directory, standing)
    scene = Scene(name, (), {**_slots(session), str(slot): name})
    standing, _ = _attended(session, lambda: scene, f"grid {name}")
    if standing.stop:
        return Course.STOP
    if str(slot) in standing.skipped_grids:
        log.info("Grid %s is skipped, as ordered. To take it again: take grid %s.", name, slot)
        return Course.SKIP
    return Course.GO_ON


def run_stops(directory: Path) -> bool:
    """Whether the run is to stop."""
    return orders.read_standing(directory).stop


def log_standing(directory: Path) -> None:
    """Say at the start of a run which orders of earlier ones still hold."""
    standing = orders.read_standing(directory)
    held = [f"skip {grid}_L{number:02d}" for grid, number in sorted(standing.skipped)]
    held += [f"skip grid {slot}" for slot in sorted(standing.skipped_grids)]
    held += [f"pin {grid}_L{number:02d}" for grid, number in standing.pinned]
    held += [f"pin grid {slot}" for slot in standing.pinned_grids]
    if standing.pause:
        held.append("pause")
    if standing.stop:
        held.append("stop")
    if standing.stop_after is not None:
        held.append(f"stop after {standing.stop_after}")
    if held:
        log.info(
            "Orders that were given before and still hold: %s. They are withdrawn by: go on, "
            "take L03, take grid 2, unpin L03, unpin grid 2 (in %s).",
            ", ".join(held),
            directory / orders.CONTROL_FILE,
        )


def was_stopped(directory: Path) -> bool:
    """Whether the run was to stop; the order is fulfilled then, and the next run goes on."""
    standing = orders.read_standing(directory)
    if not standing.stop:
        return False
    _write(directory, replace(standing, stop=False, stop_after=None))
    log.info("The run has stopped, as ordered. Run the script again to go on; nothing is lost.")
    return True


# --- during an acquisition ------------------------------------------------------------------------


def after_item(session: GridSession) -> Course:
    """Read the orders after an item was acquired, and obey those that Acquire at Items allows.

    Acquire of skipped lamellae is turned off; a pause waits here; a stop ends the acquisition.
    """
    directory = session.directory
    standing = _look(directory, lambda: _scene(session))
    keep_skipped_off(session)
    if _stops_after_this_item(session, standing):
        _stop_now(directory, standing)
    standing, _ = _attended(session, lambda: _scene(session), "the next item")
    keep_skipped_off(session)
    if not (standing.stop or _grid_is_skipped(session, standing)):
        return Course.GO_ON
    left = navigator.left_to_acquire()
    navigator.end_acquisition()
    log.info(
        "The acquisition ends here, as ordered; %d item(s) keep their Acquire. Run the script "
        "again to go on.",
        left,
    )
    if standing.stop and left:  # else the script that follows the last item is to find the order
        _write(directory, replace(standing, stop=False, stop_after=None))
    return Course.STOP


def keep_skipped_off(session: GridSession) -> None:
    """Turn Acquire off for what is skipped or not planned, and on again for what is taken again.

    Notes of items stay as they are: PACEtomo finds its targets file by them.
    """
    standing = orders.read_standing(session.directory)
    skip = left_out(session) | tried.failed(session)
    items = items_with_targets(session)
    unplanned = planned.turned_off(session, items)
    if not skip and not unplanned and not standing.turned_off:
        return
    turned_off = set(standing.turned_off)
    # Among items that are being acquired, one that was passed over would be left with Acquire on,
    # and the next run would take this for an acquisition that was broken off.
    stay_off = session.settings.follows_plan and navigator.is_acquiring()
    for item, number in items:
        is_on = navigator.acquire_is_on(item.index)
        if number in skip or item.note in unplanned:
            if is_on and navigator.set_acquire(item.index, on=False):
                turned_off.add(item.note)
                by_plan = f"as planned: {unplanned.get(item.note)}"
                why = _why(standing, session, number) if number in skip else by_plan
                log.info("Acquire of %s was turned off, %s.", item.note, why)
        elif item.note in turned_off and not stay_off:
            begun = begun_files(session.directory / item.note)
            if begun or is_on or navigator.set_acquire(item.index):
                turned_off.discard(item.note)
                log.info("%s is taken again%s.", item.note, " (it was begun)" if begun else "")
    if turned_off != standing.turned_off:
        navigator.save()
        _write(session.directory, replace(standing, turned_off=frozenset(turned_off)))


def _why(standing: Standing, session: GridSession, number: int) -> str:
    if (session.grid, number) in standing.skipped:
        return f"as ordered. To take it again: take {session.grid}_L{number:02d}"
    if number in tried.failed(session):
        return "since its focus and tilt range were tried and failed"
    if number in placement.unseen(session):
        return "since the lamella was not recognized after the grid was loaded again"
    return "since the note of the lamella names an excluded class"


def _stops_after_this_item(session: GridSession, standing: Standing) -> bool:
    """Whether the lamella after which the run stops has just been acquired."""
    after, just = standing.stop_after, navigator.acquired_item()
    if after is None or after.lamella is None or after.grid != session.grid or just is None:
        return False
    return number_in(session, just.note) == after.lamella and not any(
        number == after.lamella and navigator.acquire_is_on(item.index)
        for item, number in items_with_targets(session)
    )


def items_with_targets(session: GridSession) -> list[tuple[Item, int]]:
    """Return the items that PACEtomo runs from, with the numbers of their lamellae."""
    found = ((item, number_in(session, item.note)) for item in navigator.items() if item.is_map)
    return [(item, number) for item, number in found if number is not None]


def number_in(session: GridSession, note: str) -> int | None:
    """Return the lamella of an item with targets, by its note; None for other items."""
    found = re.fullmatch(
        rf"{re.escape(session.grid)}_L([0-9]+)(?:_broad)?(?:_area[0-9]+)?_tgts\.txt", note
    )
    return int(found[1]) if found else None


# --- reading and obeying --------------------------------------------------------------------------


def _attended(session: GridSession, scene: Callable[[], Scene], what: str) -> tuple[Standing, bool]:
    """Read the orders, wait while there is a pause; return those that hold, and if it waited."""
    directory = session.directory
    standing = _look(directory, scene)
    if key_pressed(PAUSE_KEY) and not standing.stop:
        log.info("Key %s: pause.", PAUSE_KEY)
        standing = _write(directory, replace(standing, pause=True))
    if not standing.pause or standing.stop:
        return standing, False
    return _wait(session, scene, standing, what), True


def _wait(
    session: GridSession, scene: Callable[[], Scene], standing: Standing, what: str
) -> Standing:
    directory = session.directory
    log.warning(
        "Paused before %s. To go on, press B, or write a line with the words: go on, into %s. "
        "After %.0f hours the run stops.",
        what,
        directory / orders.CONTROL_FILE,
        LONGEST_PAUSE_S / 3600,
    )
    journal.note(directory, Kind.PAUSED, text=f"before {what}")
    text = f"Paused before {what}, as ordered. After {LONGEST_PAUSE_S / 3600:.0f} h the run stops."
    tell(session.settings, directory, "person needed", text, session.grid)
    key_pressed("B")  # forget what was pressed earlier
    start = time.monotonic()
    while standing.pause and not standing.stop:
        pause(_POLL_S)
        standing = _look(directory, scene)
        if key_pressed("B"):
            standing = _write(directory, replace(standing, pause=False))
        elif standing.pause and time.monotonic() - start > LONGEST_PAUSE_S:
            log.warning("Nobody ended the pause.")
            standing = _write(directory, replace(standing, pause=False, stop=True))
    if standing.pause:  # a stop ends the pause, too
        standing = _write(directory, replace(standing, pause=False))
    log.info("The pause is over%s.", ": the run stops" if standing.stop else "")
    journal.note(directory, Kind.RESUMED, text=f"before {what}")
    return standing


def _look(directory: Path, scene: Callable[[], Scene]) -> Standing:
    """Take new orders out of the file, answer them in the log; return all that hold."""
    standing = orders.read_standing(directory)
    if orders.stamp(directory) is None:
        return standing
    _let_settle(directory)
    taken = orders.take(directory, standing.read)
    if taken.problem:
        log.warning("%s", taken.problem)
    if taken.stamp is None:
        return standing
    around, answers = scene() if taken.lines else Scene(), []
    for line in taken.lines:
        words = orders.words_of(line)
        try:
            standing, answer = orders.applied(standing, orders.read_order(line), around)
            log.info("Order: %s. %s", words, answer)
        except NotAnOrderError as error:
            answer = str(error)
            log.warning("%s: %s", orders.CONTROL_FILE, answer)
        answers.append((line, answer))
    standing = replace(standing, read=taken.stamp)
    if _is_saved(directory, standing):  # else they are read once more at the next look
        orders.finish(directory, answers)
    return standing


def _let_settle(directory: Path) -> None:
    """Wait until nobody is writing the file: a half-written order is another one."""
    seen = orders.stamp(directory)
    for _ in range(_MOST_LOOKS):
        pause(_SETTLED_S)
        now = orders.stamp(directory)
        if now == seen:
            return
        seen = now


def _stop_now(directory: Path, standing: Standing) -> None:
    if standing.stop_after is not None:
        log.info("The run stops after %s, as ordered.", standing.stop_after)
    _write(directory, replace(standing, stop=True, stop_after=None))


def _write(directory: Path, standing: Standing) -> Standing:
    """Save the orders that hold; one that cannot be saved is obeyed now, but may be forgotten."""
    _is_saved(directory, standing)
    return standing


def _is_saved(directory: Path, standing: Standing) -> bool:
    try:
        orders.write_standing(directory, standing)
    except OSError as error:
        log.warning("The orders were not saved in %s: %s.", orders.STANDING_FILE, error)
        return False
    return True
