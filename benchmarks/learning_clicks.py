"""Learned targets: how well 30 clicks on one kind of place find more of it on new maps.

Simulated lamella maps of one microscope (the same noise and focus), each of another lamella. On
some of them 30 places of one class are clicked on near their middles. What is learnt from these
clicks, by ``spacetomo train``, gives heat maps of new maps, and target selection chooses on them as
in a session. Labels of the class are used for the clicks and for the truth, and nowhere else.

Beside it stand the darkest places on the lamella, and random ones, as many and as far apart. What
is lamella is taken from the truth, for all alike. A target counts as right if it lies within
`WITHIN_UM` of the middle of a place that no other target has.

    python -m benchmarks.learning --clicks --json clicks.json
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from space.learning import Incoming, Item, Origin, add, read_train_config, train
from space.segmentation.heat import HeatModel
from space.simulator.specimen import LABEL
from space.targeting import ExposureOptics, KnownMap, TargetingOptions, select_targets, with_learned
from training.lamella_maps import lamella_map

PIXEL_NM = 24.0
CLICKS, ON_A_MAP = 30, 6
NEW_MAPS = 3
WITHIN_UM = 0.5
LEAST_PX = 80
"""Smaller specks are no places."""

THRESHOLD = 0.3
"""Of the score of a target: the share of its field that is hot."""

MOST_TARGETS = 30
"""On a map."""

OPTICS = ExposureOptics(
    PIXEL_NM, (0.6, 0.6), 0.6, tilt_axis_deg=0.0, image_shift_limit_um=100.0, max_tilt_deg=0.0,
    pretilt_deg=0.0, beam_margin_um=0.0,
)  # fmt: skip
MICROSCOPE: Mapping[str, Any] = {
    "noise": 1.0, "blur_px": 0.0, "sharpen": 0.0, "haze": 0.0, "native_nm": 6.0, "faulty": False,
}  # fmt: skip
_CLICKED_OFF_PX = 1.5
_RANDOM_DRAWS = 10
_NAMES = {"white": 0, "lamella": 1}
_CONFIG = (
    f'data = "set"\nout = "run"\nengine = "clicks"\npixel_nm = {PIXEL_NM:g}\n'
    'trained_on = "simulated"\n'
)


def clicks(seeds: int = 3, wanted: str = "mitos") -> dict[str, Any]:
    """Return F1 of learned targets and of both baselines: each seed, mean and deviation."""
    runs = [_run(seed, LABEL[wanted]) for seed in range(seeds)]
    kinds = ("learned", "darkest", "random")
    mean = {kind: float(np.mean([run[kind] for run in runs])) for kind in kinds}
    deviation = {kind: float(np.std([run[kind] for run in runs], ddof=1)) for kind in kinds}
    better = max("darkest", "random", key=lambda kind: mean[kind])
    found = {
        "class": wanted,
        "clicks": CLICKS,
        "within_um": WITHIN_UM,
        "threshold": THRESHOLD,
        "runs": runs,
        "f1": {kind: [round(mean[kind], 3), round(deviation[kind], 3)] for kind in kinds},
        "above_by_deviations": round(
            (mean["learned"] - mean[better]) / max(deviation["learned"], deviation[better], 1e-9), 1
        ),
    }
    _print(found)
    return found


def _print(found: Mapping[str, Any]) -> None:
    print(f"F1 of targets on {found['class']} of new maps, from {found['clicks']} clicks")
    for kind, (mean, deviation) in found["f1"].items():
        each = ", ".join(f"{run[kind]:.3f}" for run in found["runs"])
        print(f"  {kind:8} {mean:.3f} +- {deviation:.3f}  ({each})")
    print(f"  above the better baseline by {found['above_by_deviations']:g} deviations")


def _run(seed: int, label: int) -> dict[str, Any]:
    rng = np.random.default_rng([19, seed])
    items = []
    left = CLICKS
    for number, picture, labels in _maps(1000 * seed):
        middles = _middles(labels == label)
        if len(middles) < ON_A_MAP:
            continue
        here = rng.permutation(middles)[: min(ON_A_MAP, left)]
        here = here + rng.normal(0, _CLICKED_OFF_PX, here.shape)
        left -= len(here)
        points = tuple(("target", float(column), float(row)) for row, column in here)
        origin = Origin("simulated", f"G{number}")
        items.append(
            Item(
                f"map_{number}",
                picture=picture,
                points=points,
                pixel_nm=PIXEL_NM,
                split="train",
                origin=origin,
            )  # fmt: skip
        )
        if not left:
            break
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        add(folder / "set", Incoming([lambda: items]), print)
        (folder / "training.toml").write_text(f"{_CONFIG}seed = {seed}\n", encoding="utf-8")
        start_s = time.process_time()
        path = train(read_train_config(folder / "training.toml"), print)
        cpu_s = time.process_time() - start_s
        model = HeatModel(path)
    counts = {kind: np.zeros(3) for kind in ("learned", "darkest", "random")}
    new = _maps(900_000 + 100 * seed)
    for _, (_, picture, labels) in zip(range(NEW_MAPS), new):
        for kind, count in _judged(model, picture, labels, label, rng).items():
            counts[kind] += count
    f1 = {kind: 2 * hits / max(1, given + there) for kind, (hits, given, there) in counts.items()}
    hits, given, there = counts["learned"]
    return {
        **{kind: round(float(value), 4) for kind, value in f1.items()},
        "targets": int(given),
        "places": int(there),
        "hits": int(hits),
        "maps_clicked": len(items),
        "train_cpu_s": round(cpu_s, 1),
    }


def _maps(first: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    for number in range(first, first + 100):
        yield (number, *lamella_map(number, PIXEL_NM, **MICROSCOPE))


def _middles(mask: np.ndarray) -> np.ndarray:
    """Return the innermost point (row, column) of each place."""
    places, count = ndimage.label(mask)
    found = []
    for number, part in enumerate(ndimage.find_objects(places), 1):
        inside = places[part] == number
        if inside.sum() < LEAST_PX:
            continue
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        at = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append([one.start + int(step) + 0.5 for one, step in zip(part, at)])
    return np.array(found, float).reshape(-1, 2)


def _judged(
    model: HeatModel, picture: np.ndarray, labels: np.ndarray, label: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return hits, targets and places of one map for each way to choose."""
    there = _middles(labels == label)
    off = np.isin(labels, [LABEL[name] for name in ("background", "white", "black")])
    plain = np.where(off, _NAMES["white"], _NAMES["lamella"]).astype(np.uint8)
    options = TargetingOptions(
        ("learned",),
        (),
        target_score_threshold=THRESHOLD,
        max_targets=MOST_TARGETS,
        off_lamella=("white",),
    )
    known, names = with_learned(KnownMap(plain), dict(_NAMES), model.heat(picture), "", options)
    choice = select_targets(known, names, options, OPTICS)
    points = [area.targets_map_px for area in choice.areas]
    learned = np.concatenate([np.empty((0, 2)), *points])
    field_px = OPTICS.field_um[0] / OPTICS.pixel_um
    dark = -ndimage.uniform_filter(picture.astype(np.float32), round(field_px))
    draws = [rng.random(picture.shape, np.float32) for _ in range(_RANDOM_DRAWS)]
    found = {
        "learned": _hits(learned, there),
        "darkest": _hits(_highest(dark, ~off, len(learned)), there),
        "random": np.mean(
            [_hits(_highest(one, ~off, len(learned)), there) for one in draws], axis=0
        ),
    }
    return found


def _highest(values: np.ndarray, allowed: np.ndarray, count: int) -> np.ndarray:
    """Return the highest places (row, column), a beam apart."""
    apart_px = OPTICS.beam_diameter_um / OPTICS.pixel_um
    left = np.where(allowed, values, -np.inf)
    found = []
    for _ in range(count):
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        if left[row, column] == -np.inf:
            break
        found.append((row + 0.5, column + 0.5))
        first = max(0, int(row - apart_px)), max(0, int(column - apart_px))
        part = left[first[0] : int(row + apart_px) + 1, first[1] : int(column + apart_px) + 1]
        rows, columns = np.indices(part.shape)
        near = np.hypot(rows + first[0] - row, columns + first[1] - column) < apart_px
        part[near] = -np.inf
    return np.array(found, float).reshape(-1, 2)


def _hits(points: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return how many targets are right, how many there are, and how many places."""
    hits = 0
    if len(points) and len(there):
        apart_um = np.hypot(*(points[:, None] - there[None]).transpose(2, 0, 1)) * OPTICS.pixel_um
        # The most pairs that are near enough.
        rows, columns = linear_sum_assignment(apart_um > WITHIN_UM)
        hits = int((apart_um[rows, columns] <= WITHIN_UM).sum())
    return np.array([hits, len(points), len(there)], float)
