"""A tilt series at one place without a script, for tests and benchmarks of what comes after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from space.simulator.commands.files import store
from space.simulator.imaging.camera import projection
from space.simulator.imaging.pictures import picture_geometry
from space.simulator.program.picture_taking import acquire
from space.simulator.recording.truth import Camera, series_truth, write_truth
from space.simulator.simulation import Simulation
from space.simulator.specimen import LABEL, Grid
from space.simulator.specimen.depth import slab_of
from space.simulator.specimen.depth.ground import Ground

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.specimen.site import Site

Point3 = tuple[float, float, float]

_PLACE = 71  # what random numbers are drawn for


@dataclass(frozen=True)
class RecordedSeries:
    """Files of a tilt series.

    Attributes
    ----------
    stack, mdoc : Path
        As SerialEM writes them.
    truth : Path
        JSON; the file with volumes that it names lies beside it.
    """

    stack: Path
    mdoc: Path
    truth: Path


def dose_symmetric(highest_deg: float = 60.0, step_deg: float = 3.0) -> tuple[float, ...]:
    """Tilts in the order 0, +1, -1, -2, +2, +3, -3 ... times the step."""
    tilts, sign = [0.0], 1
    for k in range(1, int(highest_deg / step_deg + 1e-6) + 1):
        tilts += [sign * k * step_deg, -sign * k * step_deg]
        sign = -sign
    return tuple(tilts)


def record_series(
    out: Path,
    seed: int = 1,
    tilts_deg: Sequence[float] | None = None,
    shape: tuple[int, int] = (1023, 1440),
    binning: float = 4,
    tracking_error_nm: float = 0.0,
    *,
    name: str = "TS_1",
    defocus_um: float = -4.0,
    defocus_error_um: float = 0.0,
    dose_e_A2: float = 3.0,
    noise: bool = True,
    kind: str = "good",
    holds: Sequence[str] = ("cell",),
    instrument: str = "krios_k3",
) -> RecordedSeries:
    """Take a tilt series of a place on a simulated lamella and write the truth beside it.

    Parameters
    ----------
    out : Path
        Folder for the files; it is made.
    seed : int
        Of specimen, place, errors and noise.
    tilts_deg : sequence of float, optional
        In the order in which they are taken; by default dose-symmetric to 60 degrees by 3.
    shape : (rows, columns)
        Of the pictures, which are cut out of the middle of the camera.
    binning : float
    tracking_error_nm : float
        Standard deviation per axis of where a picture is centred, on the specimen.
    name : str
        Of the files.
    defocus_um, defocus_error_um : float
        Defocus at the target, and standard deviation of it.
    dose_e_A2 : float
        Of each picture.
    noise : bool
        Whether electrons are counted.
    kind : str
        Category of the lamella.
    holds : sequence of str
        Labels that the field shall hold, about as much of each.
    instrument : str

    Returns
    -------
    RecordedSeries
    """
    tilts = dose_symmetric() if tilts_deg is None else tuple(tilts_deg)
    out = Path(out)
    grid = Grid.make(seed, 1, kinds=(kind,))  # type: ignore[arg-type]  # checked there
    simulation = Simulation(
        out, seed, {1: grid}, noise=noise, stage_error_um=0.0, instrument=instrument
    )
    session = simulation.session
    scope = session.scope
    scope.set_low_dose(True)
    scope.go_to_area("R")
    scope.target_defocus_um = defocus_um
    field_um = binning * scope.pixel_um(scope.mag_index) * max(shape)
    target = place_with(grid.lamellae[0].site, holds, field_um, seed)
    scope.stage.move_to(target[0], target[1], -target[2])
    seconds = dose_e_A2 / scope.dose_rate_e_A2_s()
    rng = np.random.default_rng([_PLACE, seed])
    stack = out / f"{name}.mrc"
    session.files.overwrite = True
    session.files.open_new(stack)
    file = session.files.current
    assert file is not None
    for tilt in tilts:
        scope.tilt_to(tilt)
        error = 1e-3 * tracking_error_nm * rng.standard_normal(2)
        _point_at(session, target, binning, shape, error)
        off_um = defocus_um + defocus_error_um * rng.standard_normal()
        scope.defocus_um += off_um - picture_geometry(session, binning, shape).defocus_um
        image = acquire(
            session, "R", binning=binning, frame_px=(shape[1], shape[0]), exposure_s=seconds,
            save_frames=False,
        )  # fmt: skip
        store(session, image, file)
    session.files.close()
    simulation.close()
    pixel_um = binning * scope.pixel_um(scope.mag_index)
    camera = Camera(binning, shape, 1e3 * pixel_um, scope.rotation_deg(scope.mag_index))
    found = series_truth(session.exposures[-len(tilts) :], camera, scope.optics, grid)
    assert found is not None  # the place lies on the lamella
    return RecordedSeries(stack, Path(f"{stack}.mdoc"), write_truth(stack, *found))


def place_with(site: Site, holds: Sequence[str], field_um: float, seed: int) -> Point3:
    """A place (x, y, height), grid frame, whose surroundings hold all of some labels."""
    ground = Ground.of(site)
    window = max(1, int(1e3 * field_um / ground.pixel_nm))
    worth = np.ones(ground.labels.shape, np.float32)
    for label in holds:
        share = (ground.labels == LABEL[label]).astype(np.float32)
        worth *= ndimage.uniform_filter(share, window, mode="constant")
    if not worth.max() > 0:
        raise ValueError(f"no place on this lamella holds all of {', '.join(holds)}; try a seed")
    best = np.flatnonzero(worth.ravel() > 0.9 * worth.max())
    chosen = int(np.random.default_rng([_PLACE, seed, 1]).choice(best))
    row, column = np.unravel_index(chosen, worth.shape)
    st = np.array([column + 0.5, row + 0.5]) * ground.pixel_nm + ground.corner_nm
    x, y, z = slab_of(site).tangent((float(st[0]), float(st[1]))) @ (*st, 0.0, 1.0)
    return float(x), float(y), float(z)


def _point_at(
    session: Session,
    target: Point3,
    binning: float,
    shape: tuple[int, int],
    error_um: np.ndarray,
) -> None:
    """Bring a target to the centre of the picture, but for an error, by image shift."""
    scope = session.scope
    view = picture_geometry(session, binning, shape).unshifted
    to_px = projection(scope.optics, view, scope.stage.position_um[2])
    off_px = to_px @ (*target, 1.0) - np.array([shape[1] / 2.0, shape[0] / 2.0])
    seen = scope.optics.camera_to_specimen(view.mag_index) @ (off_px * binning * [1.0, -1.0])
    change = scope.optics.specimen_to_is(view.mag_index) @ (seen + error_um)
    scope.image_shift = (
        scope.image_shift[0] + float(change[0]),
        scope.image_shift[1] + float(change[1]),
    )
