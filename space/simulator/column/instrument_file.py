"""Instrument files: a microscope read from TOML, with every value checked.

Some microscopes come with the package (`shipped`); a facility copies one of the files in
`instruments` and writes its own numbers into it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from space.simulator.column.aberrations import AberrationModel
from space.simulator.column.energy_filter import FilterModel
from space.simulator.column.gun import GunModel
from space.simulator.column.instrument import (
    CAMERA_KINDS,
    EUCENTRICITY_ROUTINES,
    OBJECTIVE_APERTURE,
    SPOT_SIZES,
    Aperture,
    BeamModel,
    CameraModel,
    CameraSet,
    Controls,
    Instrument,
    StageModel,
)
from space.simulator.column.letters import AREA_LETTERS, SET_LETTERS
from space.simulator.column.lying import LoadModel
from space.simulator.column.optics import Magnification
from space.simulator.column.states import Area, ImagingState
from space.simulator.column.toml_table import InstrumentError, Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INSTRUMENT_FOLDER = Path(__file__).with_name("instruments")
DEFAULT = "krios_k3"
FORMER_NAMES = {
    "krios_300kv": "krios_k3",
    "talos_200kv": "talos_ceta",
    "jeol_200kv": "jeol_cryoarm_k3",
}


def shipped() -> list[str]:
    """Names of the microscopes that come with the package."""
    return sorted(path.stem for path in INSTRUMENT_FOLDER.glob("*.toml"))


def present_name(source: str) -> str:
    """Name of a shipped microscope for a former name of it; anything else as it is."""
    return FORMER_NAMES.get(source, source)


def load_instrument(source: str | Path | Instrument = DEFAULT) -> Instrument:
    """Microscope by name, by file, or as it is.

    Parameters
    ----------
    source : str, Path or Instrument
        Name of a shipped microscope (`shipped`, also one of `FORMER_NAMES`) or path of a TOML file.

    Raises
    ------
    InstrumentError
        If there is no such file or it cannot be used; the text says what to do.
    """
    if isinstance(source, Instrument):
        return source
    path = Path(source)
    if path.suffix.lower() != ".toml":
        path = INSTRUMENT_FOLDER / f"{present_name(str(source))}.toml"
        if not path.is_file():
            raise InstrumentError(
                f"There is no instrument {str(source)!r}. "
                f"Give one of {', '.join(shipped())}, or the path of a .toml file."
            )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InstrumentError(
            f"{path}: cannot be read ({error.strerror}). Give the path of an instrument file."
        ) from error
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: huge numbers
        raise InstrumentError(f"{path}: is not a TOML file: {error}. Correct that line.") from error
    return instrument_of(values, path)


def instrument_of(values: dict[str, Any], path: Path) -> Instrument:
    """Microscope from the values of a TOML file; messages name the path.

    Raises
    ------
    InstrumentError
        If a value is missing, unknown or not allowed.
    """
    file = Table(path.name, "", values)
    shift = file.table("image_shift")
    mags = file.table("magnifications")
    magnifications = _magnifications(mags)
    beam = _beam(file.table("beam"))
    areas = _areas(file.table("low_dose"), magnifications, beam)
    apertures, field_radius_um = _apertures(file.table("apertures"))
    instrument = Instrument(
        source=str(path),
        name=file.text("name"),
        voltage_kV=file.number("voltage_kV", above=0),
        cs_mm=file.number("cs_mm", above=0),
        amplitude_contrast=file.number("amplitude_contrast", least=0),
        magnifications=magnifications,
        low_mag_offset_range_um=mags.pair("low_offset_range_um"),
        is_to_specimen_rows=shift.matrix("matrix"),
        is_to_specimen_low_mag_rows=shift.matrix("low_mag_matrix"),
        image_shift_limit_um=shift.number("limit_um", above=0),
        low_mag_image_shift_limit_um=shift.number("low_mag_limit_um", above=0),
        stage=_stage(file.table("stage"), file.table("tilt")),
        beam=beam,
        aberrations=_aberrations(file.table("aberrations")),
        camera=_camera(file.table("camera")),
        areas=areas,
        states=_states(file.tables("states"), magnifications, beam, areas),
        apertures=apertures,
        low_mag_field_radius_um=field_radius_um,
        energy_filter=_energy_filter(file.table("energy_filter")),
        gun=_gun(file.table("gun")),
        autoloader_slots=file.integer("autoloader_slots", range(0, 101)),
        controls=_controls(file.table("controls")),
        loading=_loading(file.optional_table("loading")),
    )
    for table in (shift, mags, file):
        table.done()
    return instrument


def _magnifications(mags: Table) -> tuple[Magnification, ...]:
    displaced = []
    for part in mags.tables("displaced", []):
        displaced.append((part.number("from"), part.number("to"), part.pair("center_um")))
        part.done()
    found: list[Magnification] = []
    for key, low_mag in (("low", True), ("high", False)):
        rows = mags.rows(key, 3)
        if not rows:
            raise mags.error(key, "has no rows", "Give at least one row")
        for nominal, pixel_nm, rotation_deg in rows:
            _check_magnification(mags, key, nominal, pixel_nm, found)
            centers = (um for low, high, um in displaced if low <= nominal <= high)
            found.append(
                Magnification(
                    index=len(found) + 1,
                    nominal=nominal,
                    pixel_um=pixel_nm / 1000.0,
                    rotation_deg=rotation_deg,
                    low_mag=low_mag,
                    center_um=next(centers, (0.0, 0.0)),
                )
            )
    return tuple(found)


def _check_magnification(
    mags: Table, key: str, nominal: float, pixel_nm: float, found: list[Magnification]
) -> None:
    if nominal <= 0 or pixel_nm <= 0:
        raise mags.error(key, f"{nominal:g}, {pixel_nm:g} must be above 0", "Correct the row")
    if any(mag.nominal == nominal for mag in found):
        raise mags.error(key, f"{nominal:g}x is there twice", "Delete one of the rows")


def _stage(stage: Table, tilt: Table) -> StageModel:
    x0, x1, y0, y1 = stage.numbers("limits_um", 4)
    if x0 >= x1 or y0 >= y1:
        raise stage.error("limits_um", "is empty", "Give lowest X, highest X, lowest Y, highest Y")
    lowest_deg, highest_deg = tilt.pair("range_deg")
    if not lowest_deg <= 0 <= highest_deg:
        raise tilt.error("range_deg", "does not hold 0", "Give lowest and highest angle")
    scale = stage.pair("scale")
    if min(scale) <= 0:
        raise stage.error("scale", "must be above 0", "Turn the X axis with invert_x instead")
    model = StageModel(
        invert_x=stage.flag("invert_x"),
        scale=scale,
        limits_um=(x0, x1, y0, y1),
        z_limit_um=stage.number("z_limit_um", above=0),
        speed_um_s=stage.number("speed_um_s", above=0),
        settle_s=stage.number("settle_s", least=0),
        error_um=stage.number("error_um", least=0),
        readout_error_um=stage.number("readout_error_um", least=0),
        play_um=stage.number("play_um", least=0),
        backlash_um=stage.pair("backlash_um"),
        tilt_axis_offset_um=tilt.number("axis_offset_um"),
        max_tilt_deg=tilt.number("limit_deg", above=0),
        tilt_range_deg=(lowest_deg, highest_deg),
        tilt_speed_deg_s=tilt.number("speed_deg_s", above=0),
        tilt_settle_s=tilt.number("settle_s", least=0),
        tilt_error_um=tilt.number("error_um", least=0),
        tilt_readout_error_deg=tilt.number("readout_error_deg", least=0),
    )
    stage.done()
    tilt.done()
    return model


def _beam(beam: Table) -> BeamModel:
    model = BeamModel(
        condensers=beam.integer("condensers", (1, 2, 3)),
        crossover=beam.numbers("crossover", SPOT_SIZES),
        currents_nA=beam.numbers("currents_nA", SPOT_SIZES),
        shift_rows=beam.matrix("shift_matrix"),
        nanoprobe_width=beam.number("nanoprobe_width", above=0),
        nanoprobe_shift_rows=beam.matrix("nanoprobe_shift_matrix"),
        unevenness=beam.number("unevenness", least=0),
        fringes=beam.number("fringes", least=0),
        tilt_direction_deg=beam.number("tilt_direction_deg"),
        coma_rows=beam.matrix("coma_matrix"),
        focus_spread_um=beam.number("focus_spread_um", least=0),
        free_diameter_px=beam.number("free_diameter_px", above=0),
        free_rate_e_px_s=beam.number("free_rate_e_px_s", above=0),
        free_low_mag_rate_e_px_s=beam.number("free_low_mag_rate_e_px_s", above=0),
    )
    for key in ("unevenness", "fringes"):
        if getattr(model, key) > 1:
            raise beam.error(key, "must not be above 1", "Give a number from 0 to 1")
    if min(model.currents_nA) <= 0:
        raise beam.error("currents_nA", "has a current of 0 or less", "Give positive currents")
    beam.done()
    return model


def _aberrations(table: Table) -> AberrationModel:
    model = AberrationModel(
        astigmatism_um=table.number("astigmatism_um", least=0),
        astigmatism_rows=table.matrix("astigmatism_matrix", invertible=False),
        stigmator_rows=table.matrix("stigmator_matrix"),
        coma_tilt_mrad=table.number("coma_tilt_mrad", least=0),
    )
    table.done()
    return model


def _camera(camera: Table) -> CameraModel:
    columns, rows = camera.pair("size_px")
    if min(columns, rows) < 1 or columns % 1 or rows % 1:
        raise camera.error("size_px", "must be whole pixels", "Give columns and rows of the chip")
    kind = camera.text("kind")
    if kind not in CAMERA_KINDS:
        raise camera.error(
            "kind", f"{kind!r} is not a kind of camera", f"Give one of {', '.join(CAMERA_KINDS)}"
        )
    binnings = camera.integers("binnings")
    frame_folder = camera.text("frame_folder")
    sets = camera.table("sets")
    parameters = {}
    for letter in SET_LETTERS:
        table = sets.table(letter)
        parameters[letter] = CameraSet(
            binning=table.integer("binning", range(1, 1 + max(binnings))),
            exposure_s=table.number("exposure_s", above=0),
            drift_s=table.number("drift_s", least=0),
            fractionate=letter == "R" and bool(frame_folder),
            save_frames=letter == "R" and bool(frame_folder),
        )
        if parameters[letter].binning not in binnings:
            raise table.error("binning", "is not in binnings", f"Give one of {list(binnings)}")
        table.done()
    sets.done()
    model = CameraModel(
        name=camera.text("name"),
        size_px=(int(columns), int(rows)),
        chip_pixel_um=camera.number("chip_pixel_um", above=0),
        rotation_and_flip=camera.integer("rotation_and_flip", range(8)),
        kind=CAMERA_KINDS[kind],
        frame_folder=frame_folder,
        frame_size_px=camera.integer("frame_size_px", range(0, 1 + int(max(columns, rows)))),
        binnings=binnings,
        counts_per_electron=camera.number("counts_per_electron", above=0),
        readout_noise_counts=camera.number("readout_noise_counts", least=0),
        saturation_counts=camera.number("saturation_counts", above=0),
        min_exposure_s=camera.number("min_exposure_s", least=0),
        sets=parameters,
    )
    camera.done()
    return model


def _index(table: Table, magnifications: tuple[Magnification, ...]) -> int:
    nominal = table.number("magnification")
    for mag in magnifications:
        if mag.nominal == nominal:
            return mag.index
    raise table.error(
        "magnification", f"{nominal:g} is not in [magnifications]", "Give a nominal value of a row"
    )


def _spot_and_intensity(table: Table, beam: BeamModel) -> dict[str, Any]:
    spot_size = table.integer("spot_size", range(1, SPOT_SIZES + 1))
    intensity = table.number("intensity")
    crossover = beam.crossover[spot_size - 1]
    if not 0.0 < intensity < 1.0 or abs(intensity - crossover) < 1e-4:
        raise table.error(
            "intensity",
            f"{intensity:g} is not an intensity at which the beam has a width",
            f"Give a number between 0 and 1 that is not the crossover, {crossover:g}",
        )
    return {"spot_size": spot_size, "intensity": intensity}


def _areas(
    low_dose: Table, magnifications: tuple[Magnification, ...], beam: BeamModel
) -> tuple[Area, ...]:
    areas = []
    for letter in AREA_LETTERS:
        table = low_dose.table(letter)
        aside = letter in "VS"
        areas.append(
            Area(
                letter,
                _index(table, magnifications),
                table.number("beam_um", above=0),
                table.number("dose_rate_e_A2_s", above=0),
                defocus_offset_um=table.number("defocus_offset_um") if aside else 0.0,
                **_spot_and_intensity(table, beam),
                axis_um=table.number("axis_um") if letter in "FT" else 0.0,
                image_shift_um=table.pair("image_shift_um") if aside else (0.0, 0.0),
            )
        )
        table.done()
    low_dose.done()
    return tuple(areas)


def _states(
    tables: list[Table],
    magnifications: tuple[Magnification, ...],
    beam: BeamModel,
    areas: tuple[Area, ...],
) -> tuple[ImagingState, ...]:
    states = []
    for table in tables:
        conditions = {
            "mag_index": _index(table, magnifications),
            **_spot_and_intensity(table, beam),
        }
        letter = table.text("low_dose_area")
        if letter and letter not in AREA_LETTERS:
            raise table.error(
                "low_dose_area",
                f"{letter!r} is not a low dose area",
                f'Give one of {", ".join(AREA_LETTERS)}, or "" for a state outside low dose',
            )
        area = next((area for area in areas if area.letter == letter), None)
        states.append(
            ImagingState(
                table.text("name"),
                exposure_s=table.number("exposure_s", above=0),
                **conditions,
                area=_changed(area, beam, **conditions) if area else None,
            )
        )
        table.done()
    return tuple(states)


def _changed(area: Area, beam: BeamModel, mag_index: int, spot_size: int, intensity: float) -> Area:
    """Area at another magnification, spot size and intensity: its beam follows from these."""

    def spread(spot: int, at: float) -> float:
        return abs(at - beam.crossover[spot - 1])

    wider = spread(spot_size, intensity) / spread(area.spot_size, area.intensity)
    brighter = beam.currents_nA[spot_size - 1] / beam.currents_nA[area.spot_size - 1]
    return replace(
        area,
        mag_index=mag_index,
        spot_size=spot_size,
        intensity=intensity,
        beam_um=area.beam_um * wider,
        dose_rate_e_A2_s=area.dose_rate_e_A2_s * brighter / wider**2,
    )


def _energy_filter(table: Table) -> FilterModel | None:
    present = table.flag("present")
    model = FilterModel(
        slit_width_eV=table.number("slit_width_eV", above=0),
        drift_eV=table.number("drift_eV", least=0),
    )
    table.done()
    return model if present else None


def _gun(table: Table) -> GunModel:
    flash_below = table.number("flash_below", least=0)
    if flash_below >= 1:
        raise table.error("flash_below", "must be below 1", "Give a part of the full current")
    model = GunModel(table.number("current_loss_per_h", least=0), flash_below)
    table.done()
    return model


def _loading(table: Table | None) -> LoadModel:
    """How grids are loaded; files of before this was simulated say nothing about it."""
    if table is None:
        return LoadModel()
    smallest, largest = table.pair("far_turn_deg")
    model = LoadModel(
        turn_deg=table.number("turn_deg", least=0),
        shift_um=table.number("shift_um", least=0),
        far_share=table.number("far_share", least=0),
        far_turn_deg=(smallest, largest),
        first_too=table.flag("first_too"),
    )
    if model.far_share > 1:
        raise table.error("far_share", "must not be above 1", "Give a number from 0 to 1")
    if not 0 <= smallest <= largest <= 180:
        raise table.error(
            "far_turn_deg", "is no range of angles", "Give the smallest and the largest angle"
        )
    table.done()
    return model


def _controls(table: Table) -> Controls:
    controls = Controls(
        valves=table.flag("valves"),
        apertures=table.flag("apertures"),
        autoloader_names=table.flag("autoloader_names"),
        loaded_slot_occupied=table.flag("loaded_slot_occupied"),
        eucentricity=table.choices("eucentricity", EUCENTRICITY_ROUTINES),
    )
    table.done()
    return controls


def _apertures(table: Table) -> tuple[tuple[Aperture, ...], float]:
    radius_um = table.number("low_mag_field_radius_um", above=0)
    found = []
    for part in table.tables("holders"):
        size_um = part.integer("size_um", range(0, 2001))
        found.append(Aperture(part.integer("number", range(0, 13)), part.text("name"), size_um))
        part.done()
    table.done()
    if OBJECTIVE_APERTURE not in [aperture.number for aperture in found]:
        raise table.error(
            "holders",
            f"there is no number {OBJECTIVE_APERTURE}",
            "Add the objective aperture; size_um = 0 takes it out",
        )
    return tuple(found), radius_um
