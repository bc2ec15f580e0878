"""Stage and pictures of the simulated microscopes agree: what should be in the centre is there.

Random places are brought into the centre by stage move, image shift and tilt, in SerialEM's
commands and with the numbers that its commands report. What then is in the picture is found by
correlating it with the specimen painted around the place through the matrices that scripts see;
nothing of the simulator's own way from pixels to the specimen is used.

Then the geometry of lamellae is measured as PACEtomo does it: `examples/parallel_tilt_series.py`
focuses at well spread points of a targets file and fits a plane. Its pretilt and rotation are
held against the truth.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from space.simulator import Script, Simulation
from space.simulator.column import load_instrument
from space.simulator.commands import all_commands
from space.simulator.specimen import Grid, inclination_deg

from . import simulator_tracking

INSTRUMENTS = ("krios_k3", "talos_ceta")
TILTS_DEG = (0.0, 45.0, -45.0)
AREAS = ("V", "R")
LIMIT_PX = 1.5
FRAME_PX = 256
BINNING = 4
FARTHEST_SHIFT_UM = 3.0
LARGEST_HEIGHT_UM = 0.5
LEAST_GRADIENT = 0.002  # transmission per pixel, in the direction in which it changes least
LONG_EXPOSURE_S = 8.0


@dataclass(frozen=True)
class Speckle:
    """Dark dots thrown on a level plane, painted as a function of the place.

    Attributes
    ----------
    spacing_um : float
        Mean distance of the dots.
    """

    spacing_um: float
    height: float = 0.0
    name: str = "speckle"
    lamellae: tuple = ()

    def transmission(self, px_to_grid: np.ndarray, shape: tuple[int, int], pixel_um: float):
        """Transmission seen through an affine map, as the simulator asks for it."""
        cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
        x, y = (row[0] * cols + row[1] * rows + row[2] for row in px_to_grid)
        x, y = x / self.spacing_um, y / self.spacing_um
        dark = np.zeros(shape)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                column, row = np.floor(x) + i, np.floor(y) + j
                right, up, depth = (_scattered(column, row, key) for key in (1, 2, 3))
                away = (x - column - right) ** 2 + (y - row - up) ** 2
                dark += depth * np.exp(-away / (2 * 0.2**2))
        return np.exp(-dark).astype(np.float32)

    def height_um(self, x: float, y: float) -> float:
        """Height of the plane."""
        return self.height


def _scattered(column: np.ndarray, row: np.ndarray, key: int) -> np.ndarray:
    """Numbers from 0 to 1 that belong to the cells of a lattice."""
    mixed = column.astype(np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= row.astype(np.int64).astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed += np.uint64(key) * np.uint64(0x165667B19E3779F9)
    for shift in (29, 32):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(40)).astype(float) / 2.0**24


@dataclass(frozen=True)
class Case:
    """One microscope, low dose area and tilt.

    Attributes
    ----------
    errors_px : tuple of float
        Distance of each place from the centre of its picture, binned pixels.
    claims_px : tuple of float
        Distance of each place from what the simulator says was in the centre.
    """

    instrument: str
    area: str
    tilt_deg: float
    pixel_nm: float
    errors_px: tuple[float, ...]
    claims_px: tuple[float, ...]

    def row(self) -> dict:
        """Numbers of the case."""
        errors = np.array(self.errors_px)
        return {
            "instrument": self.instrument,
            "area": self.area,
            "tilt_deg": self.tilt_deg,
            "targets": len(errors),
            "pixel_nm": round(self.pixel_nm, 3),
            "median_px": round(float(np.median(errors)), 3),
            "worst_px": round(float(errors.max()), 3),
            "worst_nm": round(float(errors.max()) * self.pixel_nm, 2),
            "claimed_px": round(max(self.claims_px), 3),
            "within_limit": int((errors <= LIMIT_PX).sum()),
        }


class Operator:
    """Works the microscope through commands and knows only what they tell."""

    def __init__(self, simulation: Simulation) -> None:
        self._session = simulation.session
        self._commands: dict[str, Callable] = all_commands()

    def __call__(self, command: str, *arguments):
        """Result of a command."""
        return self._commands[command](self._session, *arguments)

    def matrix(self, command: str) -> np.ndarray:
        """Matrix at the present magnification."""
        return np.reshape(self(command, 0), (2, 2))

    def picture(self) -> np.ndarray:
        """Newest picture; row 0 on top."""
        return self._session.buffers.require("A").data

    def claimed_center_um(self) -> tuple[float, float]:
        """What the simulator says was in the centre of the newest picture."""
        return self._session.exposures[-1].center_um


def prepare(operator: Operator, area: str) -> None:
    """Small frames in the middle of the chip, in an area of low dose."""
    operator("GoToImagingState", "MM")
    operator("GoToLowDoseArea", area)
    operator("SetBinning", area, BINNING)
    if area == "V":
        operator("SetExposure", area, LONG_EXPOSURE_S)
    width, height, *_ = operator("CameraProperties")
    half = FRAME_PX * BINNING // 2
    left, top = int(width) // 2 - half, int(height) // 2 - half
    operator("SetCameraArea", area, str(left), left + 2 * half, top, top + 2 * half)


def centre(operator: Operator, place_um, height_um: float, aim: np.random.Generator, own_um):
    """Bring a place into the centre by a stage move and an image shift, both random.

    Parameters
    ----------
    place_um : (x, y)
        Stage coordinates of the place.
    height_um : float
        Height of the specimen there when the stage is at Z = 0.
    own_um : (x, y)
        What is known to stand off the centre in this area, specimen µm in the picture.
    """
    distance, angle = FARTHEST_SHIFT_UM * math.sqrt(aim.random()), aim.uniform(0, 2 * math.pi)
    x, y = distance * math.cos(angle), distance * math.sin(angle)
    z = aim.uniform(-LARGEST_HEIGHT_UM, LARGEST_HEIGHT_UM)
    stage = place_um - operator.matrix("SpecimenToStageMatrix") @ (x, y)
    operator("SetImageShift", 0.0, 0.0)
    operator("MoveStageTo", *map(float, stage), z - height_um)
    axis, *_ = operator("ReportTiltAxisOffset")
    tilt = math.radians(operator("ReportTiltAngle"))
    seen_y = axis + (y - axis) * math.cos(tilt) - z * math.sin(tilt)
    if operator("ImageShiftByMicrons", x - own_um[0], seen_y - own_um[1]) != 0.0:
        raise RuntimeError("The image shift was refused")


def rise(operator: Operator, specimen, place_um) -> np.ndarray:
    """By how much the specimen rises at a place, along and across the tilt axis, by steps of it."""
    step = 0.01
    along, across = step * operator.matrix("SpecimenToStageMatrix").T
    heights = [
        [specimen.height_um(*(place_um + sign * way)) for sign in (1.0, -1.0)]
        for way in (along, across)
    ]
    return np.subtract(*np.transpose(heights)) / (2 * step)


def stage_to_px(operator: Operator, slope: np.ndarray) -> np.ndarray:
    """Matrix from stage µm to pixels of the picture, Y down, at the present tilt.

    A point of a plane that rises by `slope` is seen at y cos(tilt) - z sin(tilt).
    """
    tilt = math.radians(operator("ReportTiltAngle"))
    along, across = slope * math.sin(tilt)
    squeeze = np.array([[1.0, 0.0], [-along, math.cos(tilt) - across]])
    # Matrices of a K2 or K3 count half pixels.
    counted = 2 if operator("ReportCameraProperty", 0, "K2Type") > 0 else 1
    to_camera = operator.matrix("SpecimenToCameraMatrix") / counted
    to_specimen = operator.matrix("StageToSpecimenMatrix")
    return np.diag([1.0, -1.0]) @ to_camera @ squeeze @ to_specimen / BINNING


def painted(operator: Operator, specimen, place_um) -> np.ndarray:
    """Specimen around a place as the matrices that scripts see say that it looks.

    The beam's way through a tilted layer is longer, which darkens it accordingly, and the walls of
    a lamella's trench take some of it away.
    """
    slope, tilt = rise(operator, specimen, place_um), math.radians(operator("ReportTiltAngle"))
    px_to_stage = np.linalg.inv(stage_to_px(operator, slope))
    middle = np.full(2, FRAME_PX / 2.0)
    offset = place_um - px_to_stage @ middle
    pixel_um = operator("CameraProperties")[4] * 1e-3 * BINNING
    shape = (FRAME_PX, FRAME_PX)
    to_stage = np.column_stack([px_to_stage, offset])
    flat = specimen.transmission(to_stage, shape, pixel_um)
    if specimen.lamellae:
        lean = operator.matrix("SpecimenToStageMatrix") @ (0.0, math.tan(tilt))
        shade = specimen.shade(to_stage, shape, pixel_um, tuple(lean))
        flat = flat if shade is None else np.minimum(flat, shade)
    path = 1.0 / (math.cos(tilt) - slope[1] * math.sin(tilt))
    return np.clip(flat, 0.0, 1.0) ** path


def least_gradient(reference: np.ndarray) -> float:
    """Root mean square gradient in the direction in which a picture's middle has least of it.

    It is small for an empty picture, and for a straight edge, which looks the same all along.
    """
    quarter = len(reference) // 4
    middle = reference[quarter:-quarter, quarter:-quarter].astype(float)
    slopes = np.gradient(ndimage.gaussian_filter(middle, 1.5))
    return math.sqrt(max(0.0, np.linalg.eigvalsh(np.cov([part.ravel() for part in slopes]))[0]))


def displacement_px(picture: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """How far right and down the picture's content is from the reference's.

    The peak of the cross-correlation, refined by least squares: the picture is taken as the
    reference, brighter or darker by a factor, plus its gradients times the displacement.
    """
    window = np.outer(np.hanning(len(picture)), np.hanning(len(picture)))
    spectra = [np.fft.fft2((part - part.mean()) * window) for part in (picture, reference)]
    score = np.fft.fftshift(np.fft.ifft2(spectra[0] * np.conj(spectra[1])).real)
    found = np.subtract(np.unravel_index(int(score.argmax()), score.shape), len(picture) // 2)
    found = found.astype(float)
    smooth = ndimage.gaussian_filter(picture.astype(float), 1.0)
    for _ in range(4):
        model = ndimage.shift(reference.astype(float), found, order=1, mode="nearest")
        model = ndimage.gaussian_filter(model, 1.0)
        terms = np.stack([model, np.ones_like(model), *np.gradient(model)])[:, 20:-20, 20:-20]
        noise = np.sqrt(terms[0] + 0.02)
        matrix = (terms / noise).reshape(4, -1).T
        values = (smooth[20:-20, 20:-20] / noise).ravel()
        gain, _, down, right = np.linalg.lstsq(matrix, values, rcond=None)[0]
        found -= np.array([down, right]) / gain
    return float(found[1]), float(found[0])


def _places(specimen, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random places, on lamellae if there are any."""
    while True:
        if not specimen.lamellae:
            yield rng.uniform(-600, 600, 2)
            continue
        x0, y0, x1, y1 = specimen.lamellae[rng.integers(len(specimen.lamellae))].box_um
        yield np.array([rng.uniform(x0, x1), rng.uniform(y0, y1)])


def measure(
    instrument: str,
    area: str,
    tilt_deg: float,
    n: int,
    folder: Path,
    seed: int = 41,
    lamellae: int = 3,
) -> Case:
    """Centre n random places and find how far from the centre they are seen.

    View pictures are taken on lamellae, Record pictures on a field of dots.
    """
    model = load_instrument(instrument)
    specimen = Grid.make(seed, lamellae) if area == "V" else Speckle(0.025, height=-7.3)
    simulation = Simulation(
        folder, seed, {1: specimen}, time_scale=0.0, stage_error_um=0.0, instrument=model
    )
    operator, rng = Operator(simulation), np.random.default_rng([seed, AREAS.index(area)])
    prepare(operator, area)
    operator("TiltTo", tilt_deg)
    stored = next(one for one in model.areas if one.letter == area)
    own_um = np.add(model.magnifications[stored.mag_index - 1].center_um, stored.image_shift_um)
    errors, claims = [], []
    for place_um in _places(specimen, rng):
        if len(errors) == n:
            break
        reference = painted(operator, specimen, place_um)
        if least_gradient(reference) < LEAST_GRADIENT:
            continue  # nothing there by which the place could be found again
        centre(operator, place_um, float(specimen.height_um(*place_um)), rng, own_um)
        operator(area)
        errors.append(math.hypot(*displacement_px(operator.picture(), reference)))
        slope = rise(operator, specimen, place_um)
        claim = stage_to_px(operator, slope) @ (operator.claimed_center_um() - place_um)
        claims.append(float(np.hypot(*claim)))
    pixel_nm = operator("CameraProperties")[4] * BINNING
    return Case(instrument, area, tilt_deg, pixel_nm, tuple(errors), tuple(claims))


@dataclass(frozen=True)
class Geometry:
    """How a lamella stands, measured and true, in degrees."""

    instrument: str
    seed: int
    points: int
    pretilt_deg: float
    rotation_deg: float
    true_pretilt_deg: float
    true_rotation_deg: float

    def row(self) -> dict:
        """Numbers of the lamella."""
        return {
            name: round(value, 2) if isinstance(value, float) else value
            for name, value in vars(self).items()
        }

    @property
    def errors_deg(self) -> tuple[float, float]:
        """Of pretilt and rotation."""
        return (
            abs(self.pretilt_deg - self.true_pretilt_deg),
            abs(self.rotation_deg - self.true_rotation_deg),
        )


def spread_places(grid: Grid, count: int) -> list[np.ndarray]:
    """Clean places on the first lamella, each as far as can be from those before it."""
    places = simulator_tracking.clean_places(grid)
    chosen = [places[0]]
    while len(chosen) <= count:
        apart = np.linalg.norm(places[:, None] - np.array(chosen)[None], axis=-1).min(axis=1)
        chosen.append(places[int(apart.argmax())])
    return chosen[1:]


def measure_lamella(instrument: str, seed: int, points: int, folder: Path) -> Geometry:
    """Have a stand-in for PACEtomo measure the pretilt and rotation of a lamella."""
    simulation = simulator_tracking.set_up(folder, seed, 1, instrument=instrument)
    grid, operator = simulation.session.grid, Operator(simulation)
    path = folder / f"{simulator_tracking.ROOT}_tgts.txt"
    tracking = next(e for e in simulation.exposures if e.file.endswith("_tgt_001.mrc"))
    lines = ["_bset measureGeo = True", *path.read_text(encoding="utf-8").splitlines()]
    for number, place in enumerate(spread_places(grid, points), 1):
        shift = operator.matrix("StageToSpecimenMatrix") @ (place - tracking.center_um)
        lines += [f"_geo = {number}", f"SSX = {shift[0]:.3f}", f"SSY = {shift[1]:.3f}", ""]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = simulator_tracking.example("parallel_tilt_series.py", max_tilt=0)
    simulation.scripts[2] = Script("tilt series", text)
    simulation.acquire_params(primary=2)
    result = simulation.run_acquire()
    if not result.ok:
        raise RuntimeError(result.error)
    said = next(line for line in simulation.log if line.startswith("Geometry of the lamella"))
    pretilt, rotation = (float(number) for number in re.findall(r"-?\d+\.\d+", said))
    optics = simulation.session.scope.optics
    true = inclination_deg(grid.lamellae[0].slope, optics.stage_to_specimen().tolist())
    return Geometry(instrument, seed, points, pretilt, rotation, *true)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="places per case")
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--lamellae", type=int, default=6, help="of which the geometry is measured")
    parser.add_argument("--points", type=int, default=8, help="at which it is measured")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()
    rows, lamellae = [], []
    for instrument in INSTRUMENTS:
        for area in AREAS:
            for tilt_deg in TILTS_DEG:
                with tempfile.TemporaryDirectory() as folder:
                    case = measure(instrument, area, tilt_deg, args.n, Path(folder), args.seed)
                rows.append(case.row())
                _show(rows)
    for seed in range(args.seed, args.seed + args.lamellae):
        with tempfile.TemporaryDirectory() as folder:
            found = measure_lamella(
                INSTRUMENTS[seed % len(INSTRUMENTS)], seed, args.points, Path(folder)
            )
        lamellae.append(found.row())
        _show(lamellae)
    if args.json:
        numbers = {"places": rows, "lamellae": lamellae}
        args.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def _show(rows: list[dict]) -> None:
    """Print the last row, the first one with the names above it."""
    if len(rows) == 1:
        print(*(f"{name:>17s}" for name in rows[0]))
    print(*(f"{value!s:>17s}" for value in rows[-1].values()), flush=True)


if __name__ == "__main__":
    main()
