"""What any acquisition script did, held against the truth: where, how far out of focus, what dose.

The simulator knows where each picture was really taken, which no script and no file can tell. A
script needs to know nothing of this: its series are found by the pictures (`series.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column import Instrument, InstrumentError, load_instrument
from space.simulator.column.optics import Matrix, tilted_y_um
from space.simulator.judging.exposed import SharedArea, shared_areas
from space.simulator.judging.geometry import (
    Point,
    defocus_at_um,
    grid_to_specimen,
    lamella_tilt_deg,
    order_of,
    ramp_um,
    slope_of,
)
from space.simulator.judging.series import Series, tilt_series
from space.simulator.keeping import SessionError, is_session, pictures, stored_setup
from space.simulator.specimen.stand import inclination_deg

if TYPE_CHECKING:
    from space.simulator.imaging import Exposure
    from space.simulator.simulation import Simulation

_POINTS = (9, 7)  # of a field, across and down, at which dose is summed up


@dataclass(frozen=True)
class PictureTruth:
    """The truth about one picture of a series.

    Attributes
    ----------
    index : int
        In the simulator's list of exposures.
    tilt_deg : float
        Of the stage.
    lamella_tilt_deg : float
        Angle about the tilt axis between the beam and the normal of the specimen at this place.
    along_nm, across_nm : float
        From the place of the first picture to that of this one, along the tilt axis and across
        it, on the specimen.
    seen_nm : float
        Distance of the two as the tilted picture shows it: shorter across the tilt axis.
    defocus_um, defocus_error_um : float
        At the place of the first picture; negative is under focus. The error is the defocus less
        the one that was asked for.
    dose_e_A2, dose_so_far_e_A2 : float
        Of this picture across its beam; of all pictures up to this one, at the place of the first.
    drift_nm_s : float
        Mean speed of the specimen during the exposure.
    """

    index: int
    tilt_deg: float
    lamella_tilt_deg: float
    along_nm: float
    across_nm: float
    seen_nm: float
    defocus_um: float
    defocus_error_um: float
    dose_e_A2: float
    dose_so_far_e_A2: float
    drift_nm_s: float

    @property
    def off_nm(self) -> float:
        """Distance from the place of the first picture."""
        return hypot(self.along_nm, self.across_nm)


@dataclass(frozen=True)
class SeriesTruth:
    """The truth about one tilt series.

    Attributes
    ----------
    name, grid, area : str
        File or place, name of the grid, low dose area ("LM" or "M" outside of low dose).
    place_um : tuple of float
        Where the first picture was taken, grid frame.
    field_um : tuple of float
        Width and height of the camera's field.
    pretilt_deg, rotation_deg : float
        Inclination of the specimen at this place, as PACEtomo counts it.
    pictures : tuple of PictureTruth
        In the order in which they were taken.
    ramp_um : float or None
        How far from the tilt axis a place would be whose defocus changes like that of the series,
        if nothing corrects it; None where there are too few tilts to tell.
    dose_elsewhere_e_A2, most_dose_elsewhere_e_A2 : float
        Of pictures that are not of the series, before, meanwhile and afterwards: mean over the
        field, and at the point of it that had most.
    beam_um2 : float
        Area of the beam at the first tilt.
    shared : SharedArea
        What other series have exposed as well.
    """

    name: str
    grid: str
    area: str
    place_um: Point
    field_um: Point
    pretilt_deg: float
    rotation_deg: float
    pictures: tuple[PictureTruth, ...]
    ramp_um: float | None
    dose_elsewhere_e_A2: float
    most_dose_elsewhere_e_A2: float
    beam_um2: float
    shared: SharedArea

    @property
    def tilts_deg(self) -> tuple[float, ...]:
        """Tilts of the stage, in the order in which they were taken."""
        return tuple(picture.tilt_deg for picture in self.pictures)

    @property
    def order(self) -> str:
        """How the tilts follow one another; see `order_of`."""
        return order_of(self.tilts_deg)

    @property
    def dose_e_A2(self) -> float:
        """Sum over the pictures."""
        return sum(picture.dose_e_A2 for picture in self.pictures)

    @property
    def worst_off_nm(self) -> float:
        """Largest distance from the place of the first picture."""
        return max(picture.off_nm for picture in self.pictures)

    @property
    def worst_seen_nm(self) -> float:
        """Largest distance from the place of the first picture as a picture shows it."""
        return max(picture.seen_nm for picture in self.pictures)

    @property
    def worst_defocus_error_um(self) -> float:
        """Largest difference from the defocus asked for, without sign."""
        return max(abs(picture.defocus_error_um) for picture in self.pictures)


@dataclass(frozen=True)
class ScriptTruth:
    """The truth about all tilt series of a session.

    Attributes
    ----------
    series : tuple of SeriesTruth
        In the order in which they were begun.
    pictures : int
        All pictures of the session.
    """

    series: tuple[SeriesTruth, ...]
    pictures: int

    def __getitem__(self, name: str) -> SeriesTruth:
        """Series of a name."""
        for series in self.series:
            if series.name == name:
                return series
        raise KeyError(f"{name}; there are {', '.join(s.name for s in self.series) or 'none'}")


def judge_session(folder: Path, defocus_um: float | None = None) -> ScriptTruth:
    """Judge the tilt series of a session that is kept on disk; nothing is changed there.

    Parameters
    ----------
    folder : Path
        The session's folder.
    defocus_um : float, optional
        What the defocus should have been; by default what the script set with SetTargetDefocus.

    Raises
    ------
    SessionError
        If the folder holds no session, or one that cannot be read.
    """
    folder = Path(folder)
    if not is_session(folder):
        raise SessionError(
            f"{folder} holds no simulated session"
            if folder.is_dir()
            else f"There is no folder {folder}"
        )
    exposures = pictures(folder)
    try:
        instrument = load_instrument(stored_setup(folder).instrument)
    except InstrumentError as error:
        raise SessionError(f"{folder}: {error}") from error
    return judge_pictures(exposures, instrument, defocus_um)


def judge_simulation(simulation: Simulation, defocus_um: float | None = None) -> ScriptTruth:
    """Judge the tilt series that scripts have taken at a simulated microscope so far.

    Parameters
    ----------
    simulation : Simulation
    defocus_um : float, optional
        What the defocus should have been; by default what the script set with SetTargetDefocus.
    """
    return judge_pictures(simulation.exposures, simulation.session.instrument, defocus_um)


def judge_pictures(
    exposures: Sequence[Exposure], instrument: Instrument, defocus_um: float | None = None
) -> ScriptTruth:
    """Judge the tilt series among all pictures of a session; the others are dose elsewhere.

    Parameters
    ----------
    exposures : sequence of Exposure
    instrument : Instrument
        That they were taken with.
    defocus_um : float, optional
        As above.
    """
    by_grid: dict[str, dict[str, Series]] = {}
    for series in tilt_series(exposures):
        by_grid.setdefault(series.grid, {})[series.name] = series
    judged = []
    for grid, found in by_grid.items():
        taken = [exposure for exposure in exposures if exposure.grid == grid]
        bench = _Bench(taken, instrument, defocus_um)
        shared = shared_areas({name: series.pictures for name, series in found.items()})
        judged += [bench.judge(series, shared[name]) for name, series in found.items()]
    judged.sort(key=lambda series: series.pictures[0].index)
    return ScriptTruth(tuple(judged), len(exposures))


class _Bench:
    """What the series of one grid are judged with."""

    def __init__(
        self, exposures: Sequence[Exposure], instrument: Instrument, defocus_um: float | None
    ) -> None:
        self._exposures = exposures
        self._defocus_um = defocus_um
        self._size_px = instrument.camera.size_px
        self._optics = instrument.optics()
        self._to_specimen = _rows(self._optics.stage_to_specimen())

    def judge(self, series: Series, shared: SharedArea) -> SeriesTruth:
        first = series.pictures[0]
        slope = slope_of(first, self._optics.specimen_to_stage())
        to_specimen = _rows(grid_to_specimen(first, self._to_specimen))
        pretilt_deg, rotation_deg = inclination_deg(first.slope, to_specimen)
        pictures = self._pictures(series, slope)
        own = {exposure.index for exposure in series.pictures}
        others = [exposure for exposure in self._exposures if exposure.index not in own]
        elsewhere = doses_e_A2(self._field_points_um(first), others).sum(axis=1)
        (a, b), (c, d) = first.beam_axes_um
        return SeriesTruth(
            name=series.name,
            grid=series.grid,
            area=first.area,
            place_um=first.center_um,
            field_um=self._field_um(first),
            pretilt_deg=pretilt_deg,
            rotation_deg=rotation_deg + 0.0,  # 0 and not -0 of what is level
            pictures=pictures,
            ramp_um=ramp_um(
                [picture.tilt_deg for picture in pictures],
                [picture.defocus_error_um for picture in pictures],
            ),
            dose_elsewhere_e_A2=float(elsewhere.mean()),
            most_dose_elsewhere_e_A2=float(elsewhere.max()),
            beam_um2=float(np.pi * abs(a * d - b * c)),
            shared=shared,
        )

    def _pictures(self, series: Series, slope: Point) -> tuple[PictureTruth, ...]:
        place_um = series.pictures[0].center_um
        doses = doses_e_A2([place_um], self._exposures)[0]
        so_far = dict(zip([e.index for e in self._exposures], np.cumsum(doses).tolist()))
        return tuple(
            self._picture(picture, place_um, slope, so_far[picture.index])
            for picture in series.pictures
        )

    def _picture(
        self, picture: Exposure, place_um: Point, slope: Point, so_far_e_A2: float
    ) -> PictureTruth:
        away_um = np.subtract(picture.center_um, place_um)
        along_um, across_um = grid_to_specimen(picture, self._to_specimen) @ away_um
        higher_um = float(np.dot(picture.slope, away_um))
        defocus_um = defocus_at_um(picture, place_um, self._to_specimen)
        asked_um = picture.target_defocus_um if self._defocus_um is None else self._defocus_um
        return PictureTruth(
            index=picture.index,
            tilt_deg=picture.tilt_deg,
            lamella_tilt_deg=lamella_tilt_deg(picture.tilt_deg, slope),
            along_nm=1e3 * float(along_um),
            across_nm=1e3 * float(across_um),
            seen_nm=1e3 * hypot(along_um, tilted_y_um(across_um, higher_um, picture.tilt_deg)),
            defocus_um=defocus_um,
            defocus_error_um=defocus_um - asked_um,
            dose_e_A2=picture.dose_e_A2,
            dose_so_far_e_A2=so_far_e_A2,
            drift_nm_s=hypot(*picture.drift_nm_s),
        )

    def _field_um(self, exposure: Exposure) -> Point:
        pixel_um = self._optics.entry(exposure.mag_index).pixel_um
        return self._size_px[0] * pixel_um, self._size_px[1] * pixel_um

    def _field_points_um(self, exposure: Exposure) -> np.ndarray:
        """Points (n, 2) spread over the camera's field at zero tilt, grid frame."""
        columns, rows = (np.linspace(-0.5, 0.5, n) * px for n, px in zip(_POINTS, self._size_px))
        camera_px = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        to_grid = exposure.lying.rows.T @ self._optics.camera_to_stage(exposure.mag_index)
        return camera_px @ to_grid.T + exposure.center_um


def doses_e_A2(
    points_um: Sequence[Point] | np.ndarray, exposures: Sequence[Exposure]
) -> np.ndarray:
    """Dose that each point (grid frame) got from each picture, (points, pictures)."""
    centers_um = np.array([e.beam_center_um for e in exposures]).reshape(-1, 2)
    to_disc = np.linalg.inv(np.array([e.beam_axes_um for e in exposures]).reshape(-1, 2, 2))
    away_um = np.asarray(points_um, float)[:, None] - centers_um
    in_disc = np.einsum("nij,pnj->pni", to_disc, away_um)
    return (np.linalg.norm(in_disc, axis=2) < 1.0) * np.array([e.dose_e_A2 for e in exposures])


def _rows(matrix: np.ndarray) -> Matrix:
    (a, b), (c, d) = matrix.tolist()
    return (a, b), (c, d)
