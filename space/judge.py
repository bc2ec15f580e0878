"""A finished simulated session compared with the truth about its specimen.

Only simulated sessions know the truth. Product files are read as a user would find them; the
truth comes as the simulator's `Grid` and its list of exposures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import cos, radians
from pathlib import Path
from typing import Any

import numpy as np

from space import pacetomo
from space.double_exposure import DoubleExposure, double_exposed, series_of
from space.geometry import MapFrame

FOUND_WITHIN_UM = 12.0
"""A position closer than this to a lamella's centre counts as having found it."""

_REGISTER_WITHIN_UM = 2.0
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
    """

    grid: str
    lamellae: tuple[LamellaVerdict, ...]
    false_positions: int
    beam_conflicts: int
    errors_um: tuple[float, ...]
    double_exposed: DoubleExposure = DoubleExposure()


@dataclass(frozen=True)
class Optics:
    """What a tilt series is judged with.

    Simulated lamellae are level, whatever pretilt a session was told of: the highest tilt of the
    stage is that of the lamella.

    Attributes
    ----------
    field_um : (width, height) of the Record field
    beam_um : float
        Diameter of the illuminated area.
    max_tilt_deg : float
    stage_to_specimen : 2 x 2
        A stage's micrometre is not quite a specimen's.
    """

    field_um: tuple[float, float]
    beam_um: float
    max_tilt_deg: float
    stage_to_specimen: tuple = ((-1.0, 0.0), (0.0, -1.0))


def positions(nav_items: Sequence[Any]) -> dict[int, tuple[np.ndarray, str]]:
    """Last known position and category of each lamella, by number.

    A refined item (FL) takes the place of the first one (PL).
    """
    result: dict[int, tuple[np.ndarray, str]] = {}
    for prefix in ("PL", "FL"):
        for item in nav_items:
            if re.fullmatch(rf"{prefix}\d+", item.label):
                category = item.note.split(" ")[0] if item.note else ""
                xy = np.array(item.stage_um[:2])
                result[int(item.label[2:])] = (xy, category)
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
        -count: (np.array(one["stage_um"]) + offset, one["category"])
        for count, one in enumerate(known["others"], 1)
    }


def match(
    truth_um: np.ndarray, found_um: np.ndarray, within_um: float = FOUND_WITHIN_UM
) -> list[tuple[int, int, float]]:
    """Pairs (truth index, found index, distance), nearest first, each used once."""
    if not len(truth_um) or not len(found_um):
        return []
    distance = np.linalg.norm(truth_um[:, None] - found_um[None], axis=-1)
    pairs = []
    for flat in np.argsort(distance, axis=None, kind="stable"):
        i, j = np.unravel_index(flat, distance.shape)
        if distance[i, j] > within_um:
            break
        if all(i != p and j != q for p, q, _ in pairs):
            pairs.append((int(i), int(j), float(distance[i, j])))
    return pairs


def dice_by_class(
    predicted: np.ndarray, truth: np.ndarray, names: Sequence[str], min_px: int = 50
) -> dict[str, float]:
    """Dice coefficient of each class of which the truth holds at least `min_px` pixels.

    Pixels that are background in the truth (no picture there) do not count.
    """
    valid = truth > 0
    result = {}
    for value, name in enumerate(names):
        is_true = truth == value
        if value == 0 or int(is_true.sum()) < min_px:
            continue
        is_predicted = (predicted == value) & valid
        both = int((is_true & is_predicted).sum())
        result[name] = 2.0 * both / (int(is_true.sum()) + int(is_predicted.sum()))
    return result


def registered_truth(grid: Any, frame: MapFrame, predicted: np.ndarray) -> np.ndarray:
    """Truth labels on the map's pixels, shifted to where the map really lies.

    The stage lands half a µm off at each piece, which is a matter of position (judged by the
    targets), not of segmentation. The shift with the most equal labels is taken.
    """
    m = _to_grid(frame)
    step = max(1, round(0.08 / frame.pixel_um))
    truth = grid.label_map(m, frame.shape)
    reach = int(_REGISTER_WITHIN_UM / (step * frame.pixel_um))
    coarse = step * _best_shift(predicted[::step, ::step], truth[::step, ::step], (0, 0), reach)
    row, col = _best_shift(predicted, truth, coarse, step, step)
    m[:, 2] -= m[:, :2] @ (col, row)
    return grid.label_map(m, frame.shape)


def _best_shift(
    predicted: np.ndarray, truth: np.ndarray, around, reach: int, sample: int = 1
) -> np.ndarray:
    """Shift (rows, columns) of `truth` that makes most labels equal those of `predicted`."""
    pad = reach + int(np.abs(around).max())
    rows, cols = predicted.shape
    inner = predicted[pad : rows - pad : sample, pad : cols - pad : sample]
    best, shift = -1, np.array(around)
    for dr in range(around[0] - reach, around[0] + reach + 1):
        for dc in range(around[1] - reach, around[1] + reach + 1):
            r, c = pad - dr, pad - dc
            seen = truth[r : r + rows - 2 * pad : sample, c : c + cols - 2 * pad : sample]
            equal = int(np.count_nonzero(inner == seen))
            if equal > best:
                best, shift = equal, np.array([dr, dc])
    return shift


def _to_grid(frame: MapFrame) -> np.ndarray:
    """Affine (2, 3) map from pixel (column, row, 1) to the stage."""
    inverse = np.linalg.inv(np.array(frame.stage_to_px))
    middle = inverse @ (frame.shape[1] / 2, frame.shape[0] / 2)
    return np.column_stack([inverse, np.array(frame.center_stage_um) - middle])


def holds_wanted(
    grid: Any, center_um: tuple[float, float], optics: Optics, rotation_deg: float, wanted: set[int]
) -> bool:
    """Whether a wanted class lies in the Record field around a point of the grid."""
    n = 48
    width, height = optics.field_um
    a = radians(rotation_deg)
    turn = np.array([[cos(a), -np.sin(a)], [np.sin(a), cos(a)]]) @ np.diag([width / n, height / n])
    m = np.column_stack([turn, np.asarray(center_um) - turn @ (n / 2, n / 2)])
    return bool(np.isin(grid.label_map(m, (n, n)), list(wanted)).any())


def beam_conflicts(points_stage_um: np.ndarray, optics: Optics) -> int:
    """Pairs of points (n, 2) whose beams overlap at the highest tilt by more than 10 nm."""
    squeezed = np.asarray(points_stage_um, float).reshape(-1, 2)
    squeezed = squeezed @ np.asarray(optics.stage_to_specimen).T
    squeezed[:, 1] *= cos(radians(optics.max_tilt_deg))
    distance = np.linalg.norm(squeezed[:, None] - squeezed[None], axis=-1)
    upper = np.triu(np.ones(distance.shape, bool), 1)
    return int((upper & (distance < optics.beam_um - _TOUCH_UM)).sum())


def judge_grid(
    grid: Any,
    directory: Path,
    map_dir: Path,
    nav_items: Sequence[Any],
    exposures: Sequence[Any],
    label_names: Sequence[str],
    wanted: Sequence[str],
    optics: Optics,
    rotation_deg: float,
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
        The simulator's exposures of this grid.
    label_names : sequence of str
        Class names by label value.
    wanted : sequence of str
        The session's `target_list`.
    optics : Optics
    rotation_deg : float
        Direction of the Record image's columns on the stage.
    """
    known = positions(nav_items) | excluded(directory / f"{grid.name}_lamellae.json")
    numbers = sorted(known)
    truth_um = np.array([lamella.center_um for lamella in grid.lamellae]).reshape(-1, 2)
    found_um = np.array([known[n][0] for n in numbers]).reshape(-1, 2)
    pairs = {i: (numbers[j], d) for i, j, d in match(truth_um, found_um)}
    classes = _wanted_values(wanted, label_names)
    imaged = _imaged_points(exposures)
    verdicts = []
    conflicts = 0
    for i, lamella in enumerate(grid.lamellae):
        if i not in pairs:
            verdicts.append(LamellaVerdict(lamella.number, lamella.kind))
            continue
        number, error = pairs[i]
        if number < 0:
            category = known[number][1]
            verdicts.append(LamellaVerdict(lamella.number, lamella.kind, True, category))
            continue
        stem = f"{grid.name}_L{number:02d}"
        planned, points, n_series = _target_points(directory, stem, imaged)
        conflicts += beam_conflicts(points, optics)
        on_wanted = sum(holds_wanted(grid, p, optics, rotation_deg, classes) for p in points)
        segmentation = map_dir / f"{stem}_seg.png"
        has_segmentation = segmentation.exists()
        verdicts.append(
            LamellaVerdict(
                number=lamella.number,
                kind=lamella.kind,
                found=True,
                category=known[number][1],
                error_um=round(error, 3),
                map=f"{stem}.mrc" if (directory / f"{stem}.mrc").exists() else "",
                segmentation=segmentation.name if has_segmentation else "",
                dice=_dice(grid, segmentation, label_names) if has_segmentation else {},
                targets=len(points),
                on_wanted=on_wanted,
                tilt_series=n_series,
                target_spread_um=_spread(planned, points) if n_series else None,
            )
        )
    errors = tuple(v.error_um for v in verdicts if v.error_um is not None)
    return GridVerdict(
        grid.name,
        tuple(verdicts),
        len(numbers) - len(pairs),
        conflicts,
        errors,
        double_exposed(exposures),
    )


def _wanted_values(wanted: Sequence[str], label_names: Sequence[str]) -> set[int]:
    if wanted and wanted[0] == "lamella":
        outside = {"background", "white", "black", "crack", "ice"}
        return {v for v, name in enumerate(label_names) if name not in outside}
    return {label_names.index(name) for name in wanted}


def _imaged_points(exposures: Sequence[Any]) -> dict[str, tuple[float, float]]:
    """True centre of the first (untilted) picture of each tilt series, by file name."""
    result: dict[str, tuple[float, float]] = {}
    for exposure in exposures:
        name = series_of(exposure)
        if name and name not in result:
            result[name] = exposure.center_um
    return result


def _target_points(directory: Path, stem: str, imaged: dict) -> tuple[list, list, int]:
    """Planned points of a lamella's targets, where they were imaged, and how many series.

    A target without a tilt series counts where it was planned.
    """
    planned, points, series = [], [], 0
    for path in sorted(directory.glob(f"{stem}*_tgts.txt")):
        for target in pacetomo.read(path).targets:
            if target.stage_um is None:
                continue
            planned.append(target.stage_um)
            points.append(imaged.get(target.tsfile, target.stage_um))
            series += target.tsfile in imaged
    return planned, points, series


def _spread(planned: list, points: list) -> float:
    away = np.subtract(points, planned)
    return round(float(np.linalg.norm(away - np.median(away, axis=0), axis=1).max()), 3)


def _dice(grid, segmentation: Path, label_names) -> dict[str, float]:
    from PIL import Image

    about = segmentation.with_name(segmentation.name.replace("_seg.png", ".json"))
    frame = MapFrame.from_dict(json.loads(about.read_text(encoding="utf-8"))["frame"])
    predicted = np.asarray(Image.open(segmentation))
    truth = registered_truth(grid, frame, predicted)
    return {k: round(v, 4) for k, v in dice_by_class(predicted, truth, label_names).items()}


def summary(grids: Sequence[GridVerdict], seconds: dict[str, float]) -> dict[str, Any]:
    """The numbers of a session, as they go into summary.json."""
    lamellae = [v for g in grids for v in g.lamellae]
    found = [v for v in lamellae if v.found]
    false = sum(g.false_positions for g in grids)
    segmented = [v for v in lamellae if v.dice]
    targets = sum(v.targets for v in lamellae)
    series = sum(v.tilt_series for v in lamellae)
    by_class: dict[str, list[float]] = {}
    for verdict in segmented:
        for name, value in verdict.dice.items():
            by_class.setdefault(name, []).append(value)
    return {
        "lamellae_true": len(lamellae),
        "lamellae_found": len(found),
        "recall": _ratio(len(found), len(lamellae)),
        "precision": _ratio(len(found), len(found) + false),
        "class_accuracy": _ratio(sum(v.kind == v.category for v in found), len(found)),
        "position_error_um_median": _median([e for g in grids for e in g.errors_um]),
        "maps": sum(bool(v.map) for v in lamellae),
        "segmentations": sum(bool(v.segmentation) for v in lamellae),
        "mean_dice": _mean([_mean(v.dice.values()) for v in segmented]),
        "dice": {name: _mean(values) for name, values in sorted(by_class.items())},
        "targets": targets,
        "targets_on_wanted": sum(v.on_wanted for v in lamellae),
        "beam_conflicts": sum(g.beam_conflicts for g in grids),
        "double_exposed_px": sum(g.double_exposed.at_one_tilt for g in grids) if series else None,
        "double_exposed_px_all_tilts": (
            sum(g.double_exposed.all_tilts for g in grids) if series else None
        ),
        "tilt_series": series,
        "lamellae": [{"grid": g.grid, **asdict(v)} for g in grids for v in g.lamellae],
        "seconds": seconds,
    }


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 3) if len(values) else None


def _mean(values) -> float | None:
    values = [v for v in values if v is not None]
    return round(float(np.mean(values)), 4) if values else None


def table(result: dict[str, Any]) -> str:
    """The session as a table for a person."""
    head = ("grid", "no", "class", "found as", "error um", "map", "targets", "on wanted", "series")
    rows = [head]
    for v in result["lamellae"]:
        rows.append(
            (
                v["grid"],
                str(v["number"]),
                v["kind"],
                v["category"] if v["found"] else "-",
                f"{v['error_um']:.2f}" if v["error_um"] is not None else "-",
                v["map"] or "-",
                str(v["targets"]) if v["map"] else "-",
                str(v["on_wanted"]) if v["map"] else "-",
                str(v["tilt_series"]) if v["map"] else "-",
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)) for row in rows]
    lines.insert(1, "  ".join("-" * w for w in widths))
    lines.append("")
    for key in (
        "recall", "precision", "class_accuracy", "position_error_um_median", "mean_dice",
        "targets", "targets_on_wanted", "beam_conflicts", "double_exposed_px", "tilt_series",
    ):  # fmt: skip
        lines.append(f"{key:26s} {result[key]}")
    for level, spent in result["seconds"].items():
        lines.append(f"seconds {level:18s} {spent:.1f}")
    return "\n".join(lines)
