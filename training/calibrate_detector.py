"""Make the probabilities of a detector mean what they say on whole grids.

python -m training.calibrate_detector --weights DATA/runs/second/weights/best.pt
python -m training.calibrate_detector --weights AVERAGE.pt --cut-at 0.28

Crops for training hold many more lamellae per area than grids do, so a detector expects too many
and is too sure of them. On grids for validation, half of them without lamellae and half of them of
the new kinds (`training.grid_maps`), logistic regression tells how likely a box of some probability
is a lamella (Platt scaling). Its two numbers go into the last layer of the network, and the file is
written anew: boxes stay where they are and keep their order. A table tells what thresholds give
before and after.

Where a threshold was chosen by hand, ``--cut-at`` shifts the probabilities so that it becomes the
default one; no grid is drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from space.config import Config, load_config
from space.files import atomic_path
from space.lamellae.detector import Detector
from space.lamellae.network import load_yolo
from space.settings import Settings

from .formats import as_ranges
from .grid_maps import FIRST_NEW_SEED, MODEL_PIXEL_NM, whole_map
from .matching import matched
from .records import read_record, write_record
from .seeds import FIRST_TEST_SEED, FIRST_VALIDATION_SEED

PROJECT = Path(__file__).resolve().parent.parent
LEAST_PROBABILITY = 0.01
DEFAULT_THRESHOLD = Settings().WG_detection_threshold
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5)


def looked_at(detector: Detector, config: Config, seed: int) -> tuple[list[tuple], int]:
    """Of every box on a grid its probability and whether a lamella is there; the lamellae."""
    seen, grid_map = whole_map(seed, milled=seed % 2 == 0)
    pixel_um = MODEL_PIXEL_NM * 1e-3 * grid_map.conditions.magnification
    truth = np.array(seen.boxes, float).reshape(-1, 5)
    boxes = detector.detect(seen.transmission, MODEL_PIXEL_NM, LEAST_PROBABILITY, config)
    real = {j for _, j, _ in matched(truth, boxes, pixel_um)}
    return [(box.probability, j in real) for j, box in enumerate(boxes)], len(truth)


def seeds_of_both_kinds(first: int, n: int) -> list[int]:
    """Seeds of n grids: as many of the usual kinds from `first` on as of the new ones."""
    new = first - first % 100_000 + FIRST_NEW_SEED
    return [*range(first, first + n - n // 2), *range(new, new + n // 2)]


def platt_scaling(probabilities: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the log-odds that fit best.

    Parameters
    ----------
    probabilities : (n,) float array
        0..1.
    real : (n,) bool array

    Returns
    -------
    slope, offset : float
        The calibrated log-odds are slope × log-odds + offset; the slope is positive.

    Raises
    ------
    ValueError
        If all boxes are real, or none.

    Notes
    -----
    J. Platt, Probabilistic outputs for support vector machines (1999), with his targets, which
    keep the fit finite where the two kinds do not overlap.
    """
    real = np.asarray(real, bool)
    positive, negative = int(real.sum()), int((~real).sum())
    if not positive or not negative:
        raise ValueError("calibration needs boxes with and without a lamella")
    odds = logit(np.clip(probabilities, 1e-6, 1 - 1e-6))
    target = np.where(real, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters):
        slope, offset = np.exp(parameters[0]), parameters[1]
        z = slope * odds + offset
        error = expit(z) - target
        gradient = np.array([(error * odds).sum() * slope, error.sum()])
        return float((np.logaddexp(0, z) - target * z).sum()), gradient

    log_slope, offset = minimize(loss, np.zeros(2), jac=True, method="BFGS").x
    return float(np.exp(log_slope)), float(offset)


def rescale_last_layer(network: Any, slope: float, offset: float) -> None:
    """Apply slope and offset to the log-odds that a YOLO network gives."""
    import torch

    with torch.no_grad():
        for branch in network.model[-1].cv3:
            layer = branch[-1]
            layer.weight.mul_(slope)
            layer.bias.mul_(slope).add_(offset)


def rewrite(weights: Path, slope: float, offset: float, how: dict[str, Any]) -> None:
    """Put a calibration into a file of weights, and note it in the record beside it."""
    import torch

    checkpoint = load_yolo(weights)
    rescale_last_layer(checkpoint.get("ema") or checkpoint["model"], slope, offset)
    with atomic_path(weights) as temporary:
        torch.save(checkpoint, temporary)
    path = weights.with_name("record.json")
    calibration = {**how, "slope": slope, "offset": offset}
    write_record(path, {**read_record(path), "calibration": calibration})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seed-start", type=int, default=150_000)
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--cut-at", type=float, help="probability that becomes the threshold")
    args = parser.parse_args()
    if args.cut_at is not None:
        if not 0 < args.cut_at < 1:
            parser.error("--cut-at lies between 0 and 1")
        offset = round(float(logit(DEFAULT_THRESHOLD) - logit(args.cut_at)), 3)
        rewrite(args.weights, 1.0, offset, {"cut_at": args.cut_at})
        return
    seeds = seeds_of_both_kinds(args.seed_start, args.n)
    if not FIRST_VALIDATION_SEED <= min(seeds) <= max(seeds) < FIRST_TEST_SEED:
        parser.error("grids for calibration must have seeds for validation")
    config, detector = load_config(PROJECT), Detector(args.weights)
    rows, lamellae = [], 0
    for seed in seeds:
        boxes, n = looked_at(detector, config, seed)
        rows, lamellae = rows + boxes, lamellae + n
        print(f"grid {seed}: {n} lamellae, {len(boxes)} boxes", flush=True)
    seen = np.array(rows)
    slope, offset = (round(v, 3) for v in platt_scaling(seen[:, 0], seen[:, 1] > 0))
    print(f"{len(seen)} boxes, {lamellae} lamellae: log-odds × {slope} {offset:+}")
    calibrated = expit(slope * logit(seen[:, 0]) + offset)
    for name, probabilities in (("before", seen[:, 0]), ("after", calibrated)):
        for threshold in THRESHOLDS:
            real = seen[probabilities >= threshold, 1]
            recall, precision = real.sum() / max(lamellae, 1), real.mean() if real.size else 1.0
            print(f"{name} at {threshold}: recall {recall:.3f}, precision {precision:.3f}")
    rewrite(args.weights, slope, offset, {"seeds": as_ranges(seeds), "boxes": len(seen)})


if __name__ == "__main__":
    main()
