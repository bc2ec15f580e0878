"""Valves, beam tilt, apertures, dewars, autoloader and long operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column import faults
from space.simulator.column.errors import SEMerror
from space.simulator.commands.dewars import start_pump

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands, Reply

LONG_OPERATIONS = ("BU", "RE", "IN", "LO", "UN", "DA", "RS", "RT", "RB", "FF", "PA", "AV", "SM")


def report_coma_vs_is_matrix(session: Session) -> tuple[float, float, float, float]:
    """Beam tilt per image shift that removes coma."""
    (a, b), (c, d) = session.instrument.beam.coma_rows
    return (a, b, c, d)


def adjust_beam_tilt_for_is(session: Session) -> None:
    """Beam tilt, and stigmator where calibrated, for the present image shift.

    The originals are remembered.
    """
    scope = session.scope
    scope.restore_beam_tilt()
    scope.save_beam_tilt()
    scope.adjust_for_image_shift(np.array(scope.image_shift))


def restore_beam_tilt(session: Session) -> None:
    """Back to the remembered beam tilt and stigmator."""
    if not session.scope.restore_beam_tilt():
        raise SEMerror("There is no saved beam tilt to restore")


def save_beam_tilt(session: Session) -> None:
    """Remember beam tilt and stigmator."""
    session.scope.save_beam_tilt()


def _require_control(session: Session, of: str, name: str) -> None:
    if not getattr(session.instrument.controls, of):
        raise SEMerror(f"{name} is not available on this microscope")


def set_column_or_gun_valve(session: Session, is_open: int) -> None:
    """Open or close the column valves."""
    _require_control(session, "valves", "Control of the column valves")
    session.scope.valve_open = bool(is_open)
    session.clock.advance(3.0)


def report_column_or_gun_valve(session: Session) -> float:
    """1 open, 0 closed."""
    _require_control(session, "valves", "Control of the column valves")
    return float(session.scope.valve_open)


def _require_aperture(session: Session, index: int) -> None:
    _require_control(session, "apertures", "Control of the apertures")
    if index not in session.scope.apertures_um:
        raise SEMerror(f"There is no aperture number {index}")


def set_aperture_size(session: Session, index: int, size_um: int) -> None:
    """Aperture: 0 takes it out, 1 brings it in again, otherwise a size in µm."""
    scope = session.scope
    _require_aperture(session, index)
    if size_um < 0:
        raise SEMerror(f"{size_um} is not an aperture size")
    present = scope.apertures_um[index]
    if present:
        session.last_apertures[index] = present
    scope.apertures_um[index] = session.last_apertures.get(index, 70) if size_um == 1 else size_um
    session.clock.advance(20.0)


def report_aperture_size(session: Session, index: int) -> float:
    """Size in µm, 0 when out."""
    _require_aperture(session, index)
    return float(session.scope.apertures_um[index])


def remove_aperture(session: Session, index: int) -> None:
    """Take an aperture out."""
    set_aperture_size(session, index, 0)


def reinsert_aperture(session: Session, index: int) -> None:
    """Bring an aperture in again."""
    set_aperture_size(session, index, 1)


def are_dewars_filling(session: Session) -> float:
    """1 while they are."""
    return float(faults.dewars_filling(session))


def _require_slot(session: Session, slot: int) -> None:
    if session.instrument.autoloader_slots == 0:
        raise SEMerror("This microscope has no autoloader")
    if not 1 <= slot <= session.instrument.autoloader_slots:
        raise SEMerror(f"There is no slot {slot} in the cassette")


def load_cartridge(session: Session, slot: int) -> tuple[float, float]:
    """Load a grid; valves are closed afterwards and the stage is at home.

    The grid lies on the stage a bit differently each time.

    Valves that scripts cannot drive are the business of a person, who opens them again.
    Returns the end code of the operation (0 good) and 0.
    """
    _require_slot(session, slot)
    scope = session.scope
    if slot == session.loaded_slot:
        return (0.0, 0.0)
    scope.valve_open = not session.instrument.controls.valves
    if session.faults.strikes("autoloader-failure"):
        session.clock.advance(60.0)
        return (faults.LOAD_FAILED_CODE, 0.0)
    if slot not in session.grids:
        session.clock.advance(60.0)
        session.write_log(f"Slot {slot} is empty, nothing was loaded")
        return (1.0, 0.0)
    session.clock.advance(120.0)
    start_pump(session)
    session.loaded_slot = slot
    session.loads[slot] = session.loads.get(slot, 0) + 1
    scope.stage.go_home()
    scope.set_image_shift(0.0, 0.0)
    return (0.0, 0.0)


def unload_cartridge(session: Session) -> tuple[float, float]:
    """Bring the grid back to the cassette."""
    if session.loaded_slot is None:
        raise SEMerror("There is no cartridge on the stage")
    session.scope.valve_open = not session.instrument.controls.valves
    session.loaded_slot = None
    session.scope.stage.go_home()
    session.clock.advance(90.0)
    start_pump(session)
    return (0.0, 0.0)


def report_slot_status(session: Session, slot: int) -> Reply:
    """Status 1 occupied, 0 empty; and the name, if the autoloader reports it.

    The slot of the grid on the stage is empty, unless the instrument file says otherwise.
    """
    if slot == 0:
        _require_slot(session, 1)
        _require_control(session, "autoloader_names", "The list of names in the autoloader")
        lines = [f"{number} {grid.name}" for number, grid in sorted(session.grids.items())]
        session.variables.set("autoloaderInfo", "\n".join(lines), persistent=True)
        return None
    _require_slot(session, slot)
    if slot not in session.grids:
        return 0.0
    controls = session.instrument.controls
    away = slot == session.loaded_slot and not controls.loaded_slot_occupied
    status = 0.0 if away else 1.0
    name = session.slot_names.get(slot, session.grids[slot].name)
    return (status, name) if name and controls.autoloader_names else status


def report_loaded_slot(session: Session) -> float:
    """Slot of the grid on the stage, 0 when there is none."""
    return float(session.loaded_slot or 0)


def long_operation(session: Session, *pairs: str | None) -> tuple[float, float]:
    """Pairs of operation code and interval in hours, as text; with Lo a slot (inferred)."""
    hours = session.clock.seconds / 3600.0
    for name, interval_h in _operations(pairs):
        last = session.long_operations.get(name, -100.0)
        if interval_h < -1.5:
            return (hours - last, 0.0)
        if name in ("LO", "UN"):
            load = name == "LO"
            code, _ = (
                load_cartridge(session, int(interval_h)) if load else unload_cartridge(session)
            )
            session.long_operations[name] = hours
            if code:
                return (code, 0.0)
        elif hours - last >= interval_h:
            session.long_operations[name] = hours
            if name == "FF":
                session.scope.flash()
            session.clock.advance(60.0)
    return (0.0, 0.0)


def _operations(pairs: Sequence[str | None]) -> list[tuple[str, float]]:
    """Names of operations and intervals in hours; nothing is done unless all can be read."""
    given = [text for text in pairs if text]
    if len(given) % 2:
        raise SEMerror("Each long operation needs an interval")
    operations = []
    for code, interval in zip(given[::2], given[1::2]):
        name = code[:2].upper()
        if name not in LONG_OPERATIONS:
            raise SEMerror(f"{code} is not a long operation")
        try:
            operations.append((name, float(interval)))
        except ValueError as problem:
            raise SEMerror(f"{code}: {interval!r} is not an interval in hours") from problem
    return operations


def report_high_voltage(session: Session) -> float:
    """High tension in kV."""
    return session.instrument.voltage_kV


def set_beam_blank(session: Session, on: int) -> None:
    """Blanking is automatic; nothing to see of it."""


def normalize_lenses(session: Session, which: int | None = None) -> None:
    """Takes a few seconds."""
    session.clock.advance(5.0)


COMMANDS: Commands = {
    "ReportComaVsISmatrix": report_coma_vs_is_matrix,
    "AdjustBeamTiltforIS": adjust_beam_tilt_for_is,
    "RestoreBeamTilt": restore_beam_tilt,
    "SaveBeamTilt": save_beam_tilt,
    "SetColumnOrGunValve": set_column_or_gun_valve,
    "ReportColumnOrGunValve": report_column_or_gun_valve,
    "SetApertureSize": set_aperture_size,
    "ReportApertureSize": report_aperture_size,
    "RemoveAperture": remove_aperture,
    "ReInsertAperture": reinsert_aperture,
    "AreDewarsFilling": are_dewars_filling,
    "LoadCartridge": load_cartridge,
    "UnloadCartridge": unload_cartridge,
    "ReportSlotStatus": report_slot_status,
    "ReportLoadedSlot": report_loaded_slot,
    "LongOperation": long_operation,
    "ReportHighVoltage": report_high_voltage,
    "SetBeamBlank": set_beam_blank,
    "NormalizeLenses": normalize_lenses,
    "NormalizeAllLenses": normalize_lenses,
}
