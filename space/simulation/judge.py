"""A finished simulated session compared with the truth about its specimen.

Only simulated sessions know the truth. Product files are read as a user would find them; the
truth comes as the simulator's `Grid` and its list of exposures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import cos, radians, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space import pacetomo
from space.images import read_png_text
from space.lamellae import FINAL_LABEL, FIRST_LABEL, mark_of
from space.simulation.map_truth import dice
from space.simulation.series_truth import defocus_errors_um, off_lamella
from space.simulation.square_truth import TrueSquare, off_film, squares_at
from space.simulator.column import AS_DRAWN, Lying
from space.simulator.judging import DoubleExposure, by_series, double_exposed
from space.steps import BY_GREY
from space.targeting import TargetingOptions, class_tables

if TYPE_CHECKING:
    from space.simulator import Exposure
    from space.simulator.formats.navfile import NavItem
    from space.simulator.specimen import Grid, Lamella

FOUND_WITHIN_UM = 12.0
"""A position closer than this to a lamella's centre counts as having found it."""

Point = tuple[float, float]
Rows = tuple[tuple[float, float], tuple[float, float]]

_TOUCH_UM = 0.01  # finer than the edge of any beam


@dataclass(frozen=True)
class LamellaVerdict:
    """What became of one lamella.

    Attributes
    ----------
    number, kind :
        Number and category in the truth.
    found : bool
    category : str
        What detection called it.
    error_um : float or None
        Distance of the last Navigator position from the true centre; None for a lamella that was
        left out for its class.
    map, segmentation : str
        File names, empty when there is none.
    dice : dict
        Dice coefficient by class, for classes present in the truth.
    targets, on_wanted, tilt_series : int
    target_spread_um : float or None
        How far the imaged points lie from where they were planned, at most, once the shift common
        to all of them (the map's own position error) is taken off.
    name : str
        What the names of its files begin with, empty if it has none.
    """

    number: int
    kind: str
    found: bool = False
    category: str = ""
    error_um: float | None = None
    map: str = ""
    segmentation: str = ""
    dice: dict[str, float] = field(default_factory=dict)
    targets: int = 0
    on_wanted: int = 0
    tilt_series: int = 0
    target_spread_um: float | None = None
    name: str = ""


@dataclass(frozen=True)
class GridVerdict:
    """What became of one grid.

    Attributes
    ----------
    false_positions : int
        Navigator positions with no lamella near.
    beam_conflicts : int
        Pairs of tilt series whose beams really overlapped at the highest tilt.
    double_exposed : DoubleExposure
        What beams of two tilt series really hit.
    defocus_errors_um : tuple of float
        How far each picture of the tilt series was from the defocus that was asked for.
    off_lamella : int
        Tilt series that were taken beside any lamella; without lamellae, where nothing can be
        imaged.
    """

    grid: str
    lamellae: tuple[LamellaVerdict, ...]
    false_positions: int
    beam_conflicts: int
    errors_um: tuple[float, ...]
    double_exposed: DoubleExposure = DoubleExposure()
    defocus_errors_um: tuple[float, ...] = ()
    off_lamella: int = 0


@dataclass(frozen=True)
class SeriesOptics:
    """What a tilt series is judged with.

    Attributes
    ----------
    field_um : (width, height) of the Record field
    beam_um : float
        Diameter of the illuminated area.
    max_tilt_deg : float
        Highest tilt of the stage, to both sides; how far that tilts a lamella follows from the
        truth, whatever pretilt a session has set.
    stage_to_specimen : 2 x 2
        A stage's micrometre is not quite a specimen's.
    """

    field_um: tuple[float, float]
    beam_um: float
    max_tilt_deg: float
    stage_to_specimen: Rows = ((-1.0, 0.0), (0.0, -1.0))


def positions(nav_items: Sequence[NavItem]) -> dict[int, tuple[np.ndarray, str]]:
    """Last known position and category of each lamella, by number.

    A refined item (FL) takes the place of the first one (PL).
    """
    result: dict[int, tuple[np.ndarray, str]] = {}
    for prefix in (FIRST_LABEL, FINAL_LABEL):
        for item in nav_items:
            mark = mark_of(item.label, item.note, item.kind)
            if mark is not None and mark.prefix == prefix:
                category = "" if mark.by_hand else mark.category
                result[mark.number] = (np.array(item.stage_um[:2]), category)
    return result


def excluded(path: Path) -> dict[int, tuple[np.ndarray, str]]:
    """Lamellae that were found and left out for their class, under negative numbers.

    They have no Navigator item; their place is that at low magnification with the offset taken off.
    """
    if not path.exists():
        return {}
    known = json.loads(path.read_text(encoding="utf-8"))
    offset = np.array(known["offset_um"] or (0.0, 0.0))
    return {
        -count: (np.array(lamella["stage_um"]) + offset, lamella["category"])
        for count, lamella in enumerate(known["others"], 1)
    }


def match(
    truth_um: np.ndarray, found_um: np.ndarray, within_um: float = FOUND_WITHIN_UM
) -> list[tuple[int, int, float]]:
    """Pairs (truth index, found index, distance), nearest first, each used once."""
    if not len(truth_um) or not len(found_um):
        return []
    distance = np.linalg.norm(truth_um[:, None] - found_um[None], axis=-1)
    pairs: list[tuple[int, int, float]] = []
    for flat in np.argsort(distance, axis=None, kind="stable"):
        i, j = np.unravel_index(flat, distance.shape)
        if distance[i, j] > within_um:
            break
        if all(i != p and j != q for p, q, _ in pairs):
            pairs.append((int(i), int(j), float(distance[i, j])))
    return pairs


def holds_wanted(
    grid: Grid,
    center_um: tuple[float, float],
    optics: SeriesOptics,
    rotation_deg: float,
    wanted: set[int],
) -> bool:
    """Whether a wanted class lies in the Record field around a point of the grid."""
    n = 48
    width, height = optics.field_um
    a = radians(rotation_deg)
    turn = np.array([[cos(a), -np.sin(a)], [np.sin(a), cos(a)]]) @ np.diag([width / n, height / n])
    m = np.column_stack([turn, np.asarray(center_um) - turn @ (n / 2, n / 2)])
    return bool(np.isin(grid.label_map(m, (n, n)), list(wanted)).any())


def beam_conflicts(
    points_stage_um: np.ndarray, optics: SeriesOptics, slope: tuple[float, float] = (0.0, 0.0)
) -> int:
    """Pairs of points whose beams overlap at the highest tilt, to either side, by more than 10 nm.

    Parameters
    ----------
    points_stage_um : ndarray (n, 2)
    optics : SeriesOptics
    slope : (dz/dx, dz/dy)
        Of the plane in which the points lie, grid frame.
    """
    points = np.asarray(points_stage_um, float).reshape(-1, 2)
    heights = points @ slope
    specimen = points @ np.asarray(optics.stage_to_specimen).T
    overlap = np.zeros((len(points), len(points)), bool)
    for angle in (radians(optics.max_tilt_deg), -radians(optics.max_tilt_deg)):
        y = specimen[:, 1] * cos(angle) - heights * sin(angle)
        seen = np.column_stack([specimen[:, 0], y])
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
        overlap |= distance < optics.beam_um - _TOUCH_UM
    return int(np.triu(overlap, 1).sum())


def judge_grid(
    grid: Grid,
    directory: Path,
    map_dir: Path,
    nav_items: Sequence[NavItem],
    exposures: Sequence[Exposure],
    label_names: Sequence[str],
    options: TargetingOptions,
    optics: SeriesOptics,
    rotation_deg: float,
    map_root: str = "",
) -> GridVerdict:
    """Compare one grid's files with its truth.

    Parameters
    ----------
    grid : Grid
        The simulated grid.
    directory, map_dir : Path
        Where the session's files are.
    nav_items : sequence
        Items with `label`, `note`, `stage_um`.
    exposures : sequence
        The simulator's exposures of this grid. The files are taken to say where it lay at the last.
    label_names : sequence of str
        Class names by label value.
    options : TargetingOptions
        What the session was asked for.
    optics : SeriesOptics
    rotation_deg : float
        Direction of the Record image's columns on the stage.
    map_root : str
        What the names of the grid's files begin with in the map folder, if not with its name.
    """
    lying = exposures[-1].lying if exposures else AS_DRAWN
    on_grid = np.array(optics.stage_to_specimen) @ lying.rows
    grid_optics = replace(optics, stage_to_specimen=_rows(on_grid))
    rotation_deg -= lying.turned_deg
    known = positions(nav_items) | excluded(directory / f"{grid.name}_lamellae.json")
    numbers = sorted(known)
    found_um = lying.to_grid(np.array([known[n][0] for n in numbers]).reshape(-1, 2))
    squares = squares_at(grid, found_um)
    places: tuple[Lamella | TrueSquare, ...] = grid.lamellae or squares
    truth_um = np.array([place.center_um for place in places]).reshape(-1, 2)
    within_um = grid.film.mesh_pitch_um / 2 if squares else FOUND_WITHIN_UM
    pairs = {i: (numbers[j], d) for i, j, d in match(truth_um, found_um, within_um)}
    wanted = wanted_values(options, label_names)
    imaged = {name: taken[0] for name, taken in by_series(exposures).items()}
    verdicts = []
    conflicts = 0
    for i, lamella in enumerate(places):
        verdict = LamellaVerdict(lamella.number, lamella.kind)
        number, error_um = pairs.get(i, (0, 0.0))
        if number:
            verdict = replace(verdict, found=True, category=known[number][1])
        if number > 0:
            stem = f"{grid.name}_L{number:02d}"
            planned, points, n_series = _target_points(directory, stem, imaged, nav_items, lying)
            conflicts += beam_conflicts(np.array(points), grid_optics, lamella.slope)
            verdict = replace(
                verdict,
                name=stem,
                error_um=round(error_um, 3),
                targets=len(points),
                on_wanted=sum(holds_wanted(grid, p, optics, rotation_deg, wanted) for p in points),
                tilt_series=n_series,
                target_spread_um=_spread(planned, points) if n_series else None,
                **_map_facts(
                    grid,
                    directory / f"{stem}.mrc",
                    map_dir / f"{map_root or grid.name}_L{number:02d}_seg.png",
                    label_names,
                    lying,
                ),
            )
        verdicts.append(verdict)
    centers_um = [first.center_um for first in imaged.values()]
    beside = off_lamella(centers_um, grid.lamellae, label_names)
    return GridVerdict(
        grid.name,
        tuple(verdicts),
        len(numbers) - len(pairs),
        conflicts,
        tuple(v.error_um for v in verdicts if v.error_um is not None),
        double_exposed(exposures),
        defocus_errors_um(exposures, optics.stage_to_specimen),
        off_film(grid, centers_um) if squares else beside,
    )


def _rows(matrix: np.ndarray) -> Rows:
    (a, b), (c, d) = matrix.tolist()
    return (a, b), (c, d)


def _map_facts(
    grid: Grid, map_file: Path, segmentation: Path, label_names: Sequence[str], lying: Lying
) -> dict[str, Any]:
    """Files of a lamella's map and its segmentation, as fields of its verdict."""
    is_segmented = segmentation.exists()
    by_grey = BY_GREY in read_png_text(segmentation).values() if is_segmented else False
    return {
        "map": map_file.name if map_file.exists() else "",
        "segmentation": segmentation.name if is_segmented else "",
        "dice": (
            dice(grid, segmentation, label_names, lying) if is_segmented and not by_grey else {}
        ),
    }


def wanted_values(options: TargetingOptions, label_names: Sequence[str]) -> set[int]:
    """Label values of the classes that a session was asked for, as target selection takes them.

    Classes of another model, which the truth does not know, are left out.
    """
    names = {name: value for value, name in enumerate(label_names)}
    known = {name: weight for name, weight in options.priorities.items() if name in names}
    if not known:
        return set()
    known_options = replace(
        options,
        target_list=tuple(known),
        target_weights=tuple(known.values()),
        avoid_list=tuple(name for name in options.avoid_list if name in names),
    )
    tables = class_tables(names, known_options)
    return set(np.flatnonzero(tables.wanted).tolist())


def _target_points(
    directory: Path,
    stem: str,
    imaged: Mapping[str, Exposure],
    nav_items: Sequence[NavItem],
    lying: Lying = AS_DRAWN,
) -> tuple[list[Point], list[Point], int]:
    """Planned points of a lamella's targets, where they were imaged, and how many series.

    All are points of the grid.

    A target without a tilt series counts where it was planned. The targets file has the stage's
    readings, which differ from the places by the tilt axis offset; the tracking target's
    Navigator item shows by how much.
    """
    places = {item.note: item.stage_um[:2] for item in nav_items}
    planned, points, series = [], [], 0
    for path in sorted(directory.glob(f"{stem}*_tgts.txt")):
        targets = [
            (target.tsfile, target.stage_um)
            for target in pacetomo.read(path).targets
            if target.stage_um is not None
        ]
        if not targets:
            continue
        _, first_um = targets[0]
        aside = np.subtract(places.get(path.name, first_um), first_um)
        for name, stage_um in targets:
            first = imaged.get(name)
            there = lying if first is None else first.lying
            x_um, y_um = there.to_grid(aside + stage_um).tolist()
            planned.append((x_um, y_um))
            points.append((x_um, y_um) if first is None else first.center_um)
            series += name in imaged
    return planned, points, series


def _spread(planned: Sequence[Point], points: Sequence[Point]) -> float:
    away = np.subtract(points, planned)
    return round(float(np.linalg.norm(away - np.median(away, axis=0), axis=1).max()), 3)
