"""Scope, stage and camera as one readable file: what a simulated microscope is made of.

Some microscopes come with the package (`shipped`); a facility copies one of the files in
`instruments` and writes its own numbers into it. Everything in the file is checked: a key that is
missing, misspelt or of the wrong kind is an error that names the file, the key and what to do.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.simulator.column.letters import AREA_LETTERS, SET_LETTERS
from space.simulator.column.optics import Magnification, Matrix, Optics
from space.simulator.column.states import Area, ImagingState

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("instruments")
DEFAULT = "krios_300kv"
SPOT_SIZES = 11
OBJECTIVE_APERTURE = 2
EUCENTRICITY_ROUTINES = ("rough", "fine", "focus")

_REQUIRED = object()
_LOW_MAG_OFFSET = 71  # what random numbers are drawn for


class InstrumentError(ValueError):
    """An instrument file that cannot be used: which file, which key, what to do."""


@dataclass(frozen=True)
class StageModel:
    """The stage: how it lies, how far and how fast it goes, how well it gets there.

    Attributes
    ----------
    invert_x : bool
        Whether stage X runs the other way (SerialEM's property InvertStageXAxis).
    scale : tuple of float
        Stage µm per specimen µm along X and Y; a calibrated stage is some tenths of a percent off.
    limits_um : tuple of float
        Lowest and highest X, lowest and highest Y.
    error_um, readout_error_um : float
        Standard deviation per axis of where a move ends, and of what is then read.
    play_um : float
        Mechanical play: how far the position after a move depends on where the stage came from.
    backlash_um : tuple of float
        Last leg of the moves that the Navigator makes, which takes the play out.
    tilt_axis_offset_um : float
        Distance of the tilt axis from the optical axis, along specimen Y.
    tilt_range_deg : tuple of float
        Lowest and highest angle to which it goes; it refuses others, also those within the limit
        that the program knows (`max_tilt_deg`).
    tilt_error_um, tilt_readout_error_deg : float
        Standard deviations of the displacement that a tilt brings, and of the angle reached.
    """

    invert_x: bool
    scale: tuple[float, float]
    limits_um: tuple[float, float, float, float]
    z_limit_um: float
    speed_um_s: float
    settle_s: float
    error_um: float
    readout_error_um: float
    play_um: float
    backlash_um: tuple[float, float]
    tilt_axis_offset_um: float
    max_tilt_deg: float
    tilt_range_deg: tuple[float, float]
    tilt_speed_deg_s: float
    tilt_settle_s: float
    tilt_error_um: float
    tilt_readout_error_deg: float

    def specimen_to_stage(self) -> Matrix:
        """Stage µm per specimen µm: turned by 180 degrees, X the other way when inverted."""
        x, y = self.scale
        return ((x if self.invert_x else -x, 0.0), (0.0, -y))


@dataclass(frozen=True)
class BeamModel:
    """The illumination.

    Attributes
    ----------
    condensers : int
        Lenses that set the width of the beam. With 3 the illuminated area is set and read
        directly, with 2 or 1 only an intensity is.
    crossover : tuple of float
        Intensity at which the beam is smallest, for each spot size from 1 on.
    currents_nA : tuple of float
        Beam current of each spot size from 1 on.
    shift_rows : Matrix
        Specimen µm per unit of beam shift.
    tilt_direction_deg : float
        Direction on the specimen in which a beam tilt along X displaces the image.
    coma_rows : Matrix
        Beam tilt (mrad) per unit of image shift that keeps the picture free of coma.
    focus_spread_um : float
        How far from zero the reading in focus may lie.
    free_diameter_px, free_rate_e_px_s, free_low_mag_rate_e_px_s : float
        Outside low dose the beam is kept that many unbinned pixels wide and that bright.
    """

    condensers: int
    crossover: tuple[float, ...]
    currents_nA: tuple[float, ...]
    shift_rows: Matrix
    tilt_direction_deg: float
    coma_rows: Matrix
    focus_spread_um: float
    free_diameter_px: float
    free_rate_e_px_s: float
    free_low_mag_rate_e_px_s: float

    def tilt_rows(self) -> Matrix:
        """Rotation from beam tilt to the direction in which it displaces the image."""
        angle = math.radians(self.tilt_direction_deg)
        return (
            (math.cos(angle), -math.sin(angle)),
            (math.sin(angle), math.cos(angle)),
        )


@dataclass(frozen=True)
class CameraSet:
    """Parameters of one camera set; `window_px` = (left, right, top, bottom), unbinned."""

    binning: float = 4
    exposure_s: float = 1.0
    drift_s: float = 0.3
    window_px: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class CameraKind:
    """How SerialEM treats a kind of camera.

    Attributes
    ----------
    k2_type : int
        Property K2Type: 0 for all but Gatan's K2 and K3.
    counted_per_px : int
        Unbinned pixels that SerialEM counts per real one: two for cameras with super-resolution.
        Binnings in Navigator files, image shifts in pixels and matrices with a camera side are in
        the former; sizes, binnings and pixel sizes that dialogs, scripts and mdocs show are in
        real pixels.
    """

    k2_type: int
    counted_per_px: int


CAMERA_KINDS = {
    "plain": CameraKind(0, 1),
    "super-resolution": CameraKind(0, 2),
    "K2": CameraKind(1, 2),
    "K3": CameraKind(3, 2),
}


@dataclass(frozen=True)
class CameraModel:
    """The camera.

    Attributes
    ----------
    size_px : tuple of int
        Columns and rows, real unbinned pixels.
    rotation_and_flip : int
        SerialEM's code 0-7 of how its pictures are turned; told to scripts, pictures come turned.
    kind : CameraKind
        How SerialEM treats it.
    frame_folder : str
        Folder that scripts are told for frames; empty when the camera saves none.
    sets : dict
        Parameters of each camera set at the start, by letter.
    """

    name: str
    size_px: tuple[int, int]
    chip_pixel_um: float
    rotation_and_flip: int
    kind: CameraKind
    frame_folder: str
    binnings: tuple[int, ...]
    counts_per_electron: float
    readout_noise_counts: float
    saturation_counts: float
    min_exposure_s: float
    sets: dict[SetLetter, CameraSet]


@dataclass(frozen=True)
class Aperture:
    """An aperture holder: SerialEM's number, its name, and its size at the start (0 = out)."""

    number: int
    name: str
    size_um: int


@dataclass(frozen=True)
class Controls:
    """What scripts can drive: what is not here is refused, and done by hand.

    Attributes
    ----------
    valves, apertures : bool
        Whether the column or gun valve, and the sizes of apertures, can be set and read.
    autoloader_names : bool
        Whether the autoloader tells the names of grids.
    eucentricity : tuple of str
        Routines that find the eucentric height, of `EUCENTRICITY_ROUTINES`.
    """

    valves: bool = True
    apertures: bool = True
    autoloader_names: bool = True
    eucentricity: tuple[str, ...] = EUCENTRICITY_ROUTINES


@dataclass(frozen=True)
class Instrument:
    """A microscope with its stage and camera, as the file describes it.

    Attributes
    ----------
    source : str
        File that it was read from.
    low_mag_offset_range_um : tuple of float
        Shortest and longest distance between what stands in the centre in low magnification and
        above it; the seed of a session draws the vector.
    low_mag_field_radius_um : float
        What an inserted objective aperture leaves of the field in low magnification.
    """

    source: str
    name: str
    voltage_kV: float
    cs_mm: float
    amplitude_contrast: float
    magnifications: tuple[Magnification, ...]
    low_mag_offset_range_um: tuple[float, float]
    is_to_specimen_rows: Matrix
    is_to_specimen_low_mag_rows: Matrix
    image_shift_limit_um: float
    low_mag_image_shift_limit_um: float
    stage: StageModel
    beam: BeamModel
    camera: CameraModel
    areas: tuple[Area, ...]
    states: tuple[ImagingState, ...]
    apertures: tuple[Aperture, ...]
    low_mag_field_radius_um: float
    energy_filter: bool
    slit_width_eV: float
    autoloader_slots: int
    controls: Controls

    def optics(self, seed: int = 1) -> Optics:
        """Calibrations of this microscope; the seed sets the low magnification offset."""
        rng = np.random.default_rng([seed, _LOW_MAG_OFFSET])
        length = rng.uniform(*self.low_mag_offset_range_um)
        angle = rng.uniform(0.0, 2.0 * math.pi)
        return Optics(
            magnifications=self.magnifications,
            specimen_to_stage_rows=self.stage.specimen_to_stage(),
            is_to_specimen_rows=self.is_to_specimen_rows,
            is_to_specimen_low_mag_rows=self.is_to_specimen_low_mag_rows,
            low_mag_offset_um=(length * math.cos(angle), length * math.sin(angle)),
            tilt_axis_offset_um=self.stage.tilt_axis_offset_um,
        )

    def mag_index(self, nominal: float) -> int:
        """Index of a nominal magnification of the table.

        Raises
        ------
        ValueError
            If the table does not have it.
        """
        for mag in self.magnifications:
            if mag.nominal == nominal:
                return mag.index
        raise ValueError(f"{nominal:g}x is not in the magnification table of {self.name}")


def shipped() -> list[str]:
    """Names of the microscopes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_instrument(source: str | Path | Instrument = DEFAULT) -> Instrument:
    """Microscope by name, by file, or as it is.

    Parameters
    ----------
    source : str, Path or Instrument
        Name of a shipped microscope (`shipped`) or path of a TOML file.

    Raises
    ------
    InstrumentError
        If there is no such file or it cannot be used; the text says what to do.
    """
    if isinstance(source, Instrument):
        return source
    path = Path(source)
    if path.suffix.lower() != ".toml":
        path = FOLDER / f"{source}.toml"
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
    return _instrument(_Table(path.name, "", values), str(path))


class _Table:
    """One table of the file, from which each key is taken once and none may be left."""

    def __init__(self, file: str, name: str, values: dict[str, Any]) -> None:
        self._file = file
        self._name = name
        self._values = values
        self._taken: set[str] = set()

    def error(self, key: str, problem: str, remedy: str) -> InstrumentError:
        """Error about a key."""
        place = f"[{self._name}] {key}" if self._name else key
        return InstrumentError(f"{self._file}: {place}: {problem}. {remedy}.")

    def _take(self, key: str, kind: str, default: Any) -> Any:
        self._taken.add(key)
        if key in self._values:
            return self._values[key]
        if default is _REQUIRED:
            raise self.error(key, "is missing", f"Add it: {kind}")
        return default

    def _wrong(self, key: str, value: Any, kind: str) -> InstrumentError:
        return self.error(key, f"{value!r} is not {kind}", f"Give {kind}")

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        value = self._take(key, "a text in quotes", default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a text in quotes")
        return value

    def flag(self, key: str) -> bool:
        value = self._take(key, "true or false", _REQUIRED)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def number(
        self,
        key: str,
        default: Any = _REQUIRED,
        *,
        above: float = -math.inf,
        least: float = -math.inf,
    ) -> float:
        kind = "a number"
        if above > -math.inf:
            kind = f"a number above {above:g}"
        elif least > -math.inf:
            kind = f"a number of at least {least:g}"
        value = self._take(key, kind, default)
        if not _is_number(value) or value <= above or value < least:
            raise self._wrong(key, value, kind)
        return float(value)

    def integer(self, key: str, choices: Iterable[int]) -> int:
        allowed = list(choices)
        kind = f"a whole number from {allowed[0]} to {allowed[-1]}"
        value = self._take(key, kind, _REQUIRED)
        if isinstance(value, bool) or value not in allowed or not isinstance(value, int):
            raise self._wrong(key, value, kind)
        return value

    def numbers(self, key: str, count: int, default: Any = _REQUIRED) -> tuple[float, ...]:
        kind = f"a list of {count} numbers"
        value = self._take(key, kind, default)
        if not _is_list(value, count) or not all(_is_number(part) for part in value):
            raise self._wrong(key, value, kind)
        return tuple(float(part) for part in value)

    def pair(self, key: str, default: Any = _REQUIRED) -> tuple[float, float]:
        x, y = self.numbers(key, 2, default)
        return x, y

    def matrix(self, key: str) -> Matrix:
        kind = "a matrix [[xx, xy], [yx, yy]] that can be inverted"
        value = self._take(key, kind, _REQUIRED)
        good = _is_list(value, 2) and all(
            _is_list(row, 2) and all(_is_number(part) for part in row) for row in value
        )
        if not good or abs(np.linalg.det(np.array(value, dtype=float))) < 1e-9:
            raise self._wrong(key, value, kind)
        (a, b), (c, d) = value
        return ((float(a), float(b)), (float(c), float(d)))

    def rows(self, key: str, count: int) -> list[tuple[float, ...]]:
        kind = f"a list of rows of {count} numbers"
        value = self._take(key, kind, _REQUIRED)
        if not isinstance(value, list):
            raise self._wrong(key, value, kind)
        for row in value:
            if not _is_list(row, count) or not all(_is_number(part) for part in row):
                raise self.error(key, f"the row {row!r} is not {count} numbers", "Correct the row")
        return [tuple(float(part) for part in row) for row in value]

    def integers(self, key: str) -> tuple[int, ...]:
        kind = "a list of whole numbers above 0"
        value = self._take(key, kind, _REQUIRED)
        good = isinstance(value, list) and value
        if not good or not all(type(part) is int and 0 < part < 2**31 for part in value):
            raise self._wrong(key, value, kind)
        return tuple(value)

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        kind = f"a list of some of {', '.join(repr(one) for one in allowed)}, or []"
        value = self._take(key, kind, _REQUIRED)
        if not isinstance(value, list) or not all(part in allowed for part in value):
            raise self._wrong(key, value, kind)
        return tuple(value)

    def table(self, key: str) -> _Table:
        value = self._take(key, f"a table [{self._inner(key)}]", _REQUIRED)
        if not isinstance(value, dict):
            raise self._wrong(key, value, f"a table [{self._inner(key)}]")
        return _Table(self._file, self._inner(key), value)

    def tables(self, key: str, default: Any = _REQUIRED) -> list[_Table]:
        kind = f"one or more tables [[{self._inner(key)}]]"
        value = self._take(key, kind, default)
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise self._wrong(key, value, kind)
        if not value and default is _REQUIRED:
            raise self.error(key, "is empty", f"Give {kind}")
        name = self._inner(key)
        return [
            _Table(self._file, f"{name} {number}", part)
            for number, part in enumerate(value, start=1)
        ]

    def done(self) -> None:
        """All keys must have been taken."""
        for key in self._values:
            if key not in self._taken:
                known = ", ".join(sorted(self._taken))
                raise self.error(
                    key, "is not a known key", f"Delete it or correct its name; known are {known}"
                )

    def _inner(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


def _is_number(value: Any) -> bool:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return real and abs(value) <= sys.float_info.max  # integers of TOML may be larger


def _is_list(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count


def _instrument(file: _Table, source: str) -> Instrument:
    shift = file.table("image_shift")
    mags = file.table("magnifications")
    magnifications = _magnifications(mags)
    beam = _beam(file.table("beam"))
    areas = _areas(file.table("low_dose"), magnifications, beam)
    apertures, field_radius_um = _apertures(file.table("apertures"))
    energy_filter = file.table("energy_filter")
    instrument = Instrument(
        source=source,
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
        camera=_camera(file.table("camera")),
        areas=areas,
        states=_states(file.tables("states"), magnifications, beam, areas),
        apertures=apertures,
        low_mag_field_radius_um=field_radius_um,
        energy_filter=energy_filter.flag("present"),
        slit_width_eV=energy_filter.number("slit_width_eV", above=0),
        autoloader_slots=file.integer("autoloader_slots", range(0, 101)),
        controls=_controls(file.table("controls")),
    )
    for table in (shift, mags, energy_filter, file):
        table.done()
    return instrument


def _magnifications(mags: _Table) -> tuple[Magnification, ...]:
    displaced = []
    for part in mags.tables("displaced", []):
        displaced.append((part.number("from"), part.number("to"), part.pair("center_um")))
        part.done()
    rows = [(row, True) for row in mags.rows("low", 3)]
    rows += [(row, False) for row in mags.rows("high", 3)]
    found: list[Magnification] = []
    for index, ((nominal, pixel_nm, rotation_deg), low_mag) in enumerate(rows, start=1):
        key = "low" if low_mag else "high"
        if nominal <= 0 or pixel_nm <= 0:
            raise mags.error(key, f"{nominal:g}, {pixel_nm:g} must be above 0", "Correct the row")
        if any(mag.nominal == nominal for mag in found):
            raise mags.error(key, f"{nominal:g}x is there twice", "Delete one of the rows")
        center = next((um for low, high, um in displaced if low <= nominal <= high), (0.0, 0.0))
        found.append(
            Magnification(index, nominal, pixel_nm / 1000.0, rotation_deg, low_mag, center)
        )
    for key, low_mag in (("low", True), ("high", False)):
        if not any(mag.low_mag == low_mag for mag in found):
            raise mags.error(key, "has no rows", "Give at least one row")
    return tuple(found)


def _stage(stage: _Table, tilt: _Table) -> StageModel:
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


def _beam(beam: _Table) -> BeamModel:
    model = BeamModel(
        condensers=beam.integer("condensers", (1, 2, 3)),
        crossover=beam.numbers("crossover", SPOT_SIZES),
        currents_nA=beam.numbers("currents_nA", SPOT_SIZES),
        shift_rows=beam.matrix("shift_matrix"),
        tilt_direction_deg=beam.number("tilt_direction_deg"),
        coma_rows=beam.matrix("coma_matrix"),
        focus_spread_um=beam.number("focus_spread_um", least=0),
        free_diameter_px=beam.number("free_diameter_px", above=0),
        free_rate_e_px_s=beam.number("free_rate_e_px_s", above=0),
        free_low_mag_rate_e_px_s=beam.number("free_low_mag_rate_e_px_s", above=0),
    )
    if min(model.currents_nA) <= 0:
        raise beam.error("currents_nA", "has a current of 0 or less", "Give positive currents")
    beam.done()
    return model


def _camera(camera: _Table) -> CameraModel:
    columns, rows = camera.pair("size_px")
    if min(columns, rows) < 1 or columns % 1 or rows % 1:
        raise camera.error("size_px", "must be whole pixels", "Give columns and rows of the chip")
    kind = camera.text("kind")
    if kind not in CAMERA_KINDS:
        raise camera.error(
            "kind", f"{kind!r} is not a kind of camera", f"Give one of {', '.join(CAMERA_KINDS)}"
        )
    binnings = camera.integers("binnings")
    sets = camera.table("sets")
    parameters = {}
    for letter in SET_LETTERS:
        one = sets.table(letter)
        parameters[letter] = CameraSet(
            binning=one.integer("binning", range(1, 1 + max(binnings))),
            exposure_s=one.number("exposure_s", above=0),
            drift_s=one.number("drift_s", least=0),
        )
        if parameters[letter].binning not in binnings:
            raise one.error("binning", "is not in binnings", f"Give one of {list(binnings)}")
        one.done()
    sets.done()
    model = CameraModel(
        name=camera.text("name"),
        size_px=(int(columns), int(rows)),
        chip_pixel_um=camera.number("chip_pixel_um", above=0),
        rotation_and_flip=camera.integer("rotation_and_flip", range(8)),
        kind=CAMERA_KINDS[kind],
        frame_folder=camera.text("frame_folder"),
        binnings=binnings,
        counts_per_electron=camera.number("counts_per_electron", above=0),
        readout_noise_counts=camera.number("readout_noise_counts", least=0),
        saturation_counts=camera.number("saturation_counts", above=0),
        min_exposure_s=camera.number("min_exposure_s", least=0),
        sets=parameters,
    )
    camera.done()
    return model


def _index(table: _Table, magnifications: tuple[Magnification, ...]) -> int:
    nominal = table.number("magnification")
    for mag in magnifications:
        if mag.nominal == nominal:
            return mag.index
    raise table.error(
        "magnification", f"{nominal:g} is not in [magnifications]", "Give a nominal value of a row"
    )


def _spot_and_intensity(table: _Table, beam: BeamModel) -> dict[str, Any]:
    spot_size = table.integer("spot_size", range(1, SPOT_SIZES + 1))
    intensity = table.number("intensity")
    crossover = beam.crossover[spot_size - 1]
    if not 0.0 < intensity < 1.0 or abs(intensity - crossover) < 1e-4:
        raise table.error(
            "intensity",
            f"{intensity:g} is no intensity at which the beam has a width",
            f"Give a number between 0 and 1 that is not the crossover, {crossover:g}",
        )
    return {"spot_size": spot_size, "intensity": intensity}


def _areas(
    low_dose: _Table, magnifications: tuple[Magnification, ...], beam: BeamModel
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
    tables: list[_Table],
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
                f"{letter!r} is no low dose area",
                f'Give one of {", ".join(AREA_LETTERS)}, or "" for a state outside low dose',
            )
        area = next((one for one in areas if one.letter == letter), None)
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


def _controls(table: _Table) -> Controls:
    controls = Controls(
        valves=table.flag("valves"),
        apertures=table.flag("apertures"),
        autoloader_names=table.flag("autoloader_names"),
        eucentricity=table.choices("eucentricity", EUCENTRICITY_ROUTINES),
    )
    table.done()
    return controls


def _apertures(table: _Table) -> tuple[tuple[Aperture, ...], float]:
    radius_um = table.number("low_mag_field_radius_um", above=0)
    found = []
    for part in table.tables("holders"):
        size_um = part.integer("size_um", range(0, 2001))
        found.append(Aperture(part.integer("number", range(0, 13)), part.text("name"), size_um))
        part.done()
    table.done()
    if OBJECTIVE_APERTURE not in [one.number for one in found]:
        raise table.error(
            "holders",
            f"there is no number {OBJECTIVE_APERTURE}",
            "Add the objective aperture; size_um = 0 takes it out",
        )
    return tuple(found), radius_um
