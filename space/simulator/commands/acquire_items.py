"""Acquire at Items: reports, preparing it, and steering it from scripts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.program.acquire_state import AcquireParams

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

STATE_SCRIPT_RUNNING = 7.0


def report_if_nav_acquiring(session: Session) -> tuple[float, float]:
    """Whether it acquires, and the Navigator's state."""
    if not session.acquire.acquiring:
        return (0.0, 0.0)
    return (1.0, STATE_SCRIPT_RUNNING if session.acquire.script_running else 0.0)


def report_num_nav_acquire(session: Session) -> tuple[float, float]:
    """Items to acquire and items with a tilt series; -1 with the Navigator closed."""
    navigator = session.navigator
    if not navigator.is_open:
        return (-1.0, -1.0)
    here = [item for item in navigator.items if item.registration == navigator.registration]
    series = sum("TSparamIndex" in item.values for item in here)
    return (float(sum(item.acquire for item in here)), float(series))


def _refuse_while_acquiring(session: Session) -> None:
    if session.acquire.acquiring:
        raise SEMerror("This is not possible while the Navigator is acquiring")


def start_nav_acquire_at_end(session: Session) -> None:
    """Start when this script has completed."""
    _refuse_while_acquiring(session)
    if not session.navigator.is_open:
        raise SEMerror("The Navigator is not open")
    session.acquire.start_at_end = True


def nav_acq_at_end_use_params(session: Session, kind: str, file_name: str | None = None) -> None:
    """Temporary copy of the mapping (M) or final (F) parameters."""
    _refuse_while_acquiring(session)
    key = kind[:1].upper()
    if key == "R":
        raise SEMerror("Reading Acquire at Items parameters from a file is not simulated")
    if key not in session.acquire.params:
        raise SEMerror(f"{kind!r} is not a set of parameters: use M or F")
    session.acquire.prepared = session.acquire.params[key]


def _changed(params: AcquireParams, name: str, number: float) -> AcquireParams:
    value = int(number)
    option = name.lower()
    if option.startswith("prim"):
        if not 0 <= value <= 4:
            raise SEMerror(f"{value} is not a primary action")
        return replace(params, action=value)
    if option.startswith("scrp-p"):
        return replace(params, primary=value)
    if option.startswith("scrp-b"):
        return replace(params, before=value)
    if option.startswith("scrp-a"):
        return replace(params, after=value)
    raise SEMerror(f"{name!r} is not an option of Acquire at Items")


def set_nav_acq_at_end_params(session: Session, *pairs: str | float) -> None:
    """Options of the temporary copy: name, number, name, number and so on."""
    prepared = session.acquire.prepared
    if prepared is None:
        raise SEMerror("NavAcqAtEndUseParams must be used first")
    if len(pairs) % 2:
        raise SEMerror("Each option needs a value")
    for name, number in zip(pairs[::2], pairs[1::2]):
        prepared = _changed(prepared, str(name), float(number))
    session.acquire.prepared = prepared


def run_script_after_nav_acquire(session: Session, number: int) -> None:
    """Script to run when the next acquisition has ended well; -1 is the last one."""
    if number == -1:
        number = max(session.scripts, default=0)
    if number not in session.scripts:
        raise SEMerror(f"There is no script number {number}")
    session.acquire.script_after = number


def end_acquire_at_items(session: Session, option: int | None = None) -> None:
    """End after this item."""
    if not session.acquire.acquiring:
        raise SEMerror("The Navigator is not acquiring")
    session.acquire.end_requested = True
    session.acquire.quiet_end = option == 1
    session.acquire.run_end_script = option == 2


def skip_acquiring_nav_item(session: Session) -> None:
    """Skip the primary action of this item."""
    if not session.acquire.acquiring:
        raise SEMerror("The Navigator is not acquiring")
    session.acquire.skip_item = True


def skip_acquiring_group(
    session: Session, group: int | None = None, unused: int | None = None
) -> None:
    """Acquire no more items of a group, by default that of this item; their Acquire stays on."""
    state = session.acquire
    if not state.acquiring:
        raise SEMerror("The Navigator is not acquiring")
    if group is None:
        group = session.navigator.item(state.item_index).integer("GroupID")
    if not group:
        raise SEMerror("The item is in no group")
    state.skipped_groups.add(int(group))


COMMANDS: Commands = {
    "ReportIfNavAcquiring": report_if_nav_acquiring,
    "ReportNumNavAcquire": report_num_nav_acquire,
    "StartNavAcquireAtEnd": start_nav_acquire_at_end,
    "NavAcqAtEndUseParams": nav_acq_at_end_use_params,
    "SetNavAcqAtEndParams": set_nav_acq_at_end_params,
    "RunScriptAfterNavAcquire": run_script_after_nav_acquire,
    "EndAcquireAtItems": end_acquire_at_items,
    "SkipAcquiringGroup": skip_acquiring_group,
    "SkipAcquiringNavItem": skip_acquiring_nav_item,
}
