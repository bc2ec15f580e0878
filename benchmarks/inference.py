"""How fast and how accurate maps are segmented, against nnU-Net's own predictor; and how soon.

Maps with test seeds, half of them of each appearance, are segmented by nnU-Net's predictor as it is
by itself (mirrored tiles, steps of half a tile, PyTorch) and by each preset with what this
computer would take, all in turn for each map. Times are those of the processor with one thread, and
speeds their ratios over all maps. Dice is judged by the truth, of labels that are tidied as in a
session, those of the predictor too; over all maps of an appearance together, then averaged over
both appearances. ``accurate_agreement`` compares the labels as the networks give them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import FIRST_TEST_SEED, PROJECT, report
from benchmarks.latency import latency_monitor_s, latency_result_s, latency_worker_s
from benchmarks.scores import confusion, dice
from space.config import Config, load_config
from space.models import PRESETS, used_folds
from space.segmentation import Segmenter
from space.segmentation.structure import tidied
from space.simulator.specimen import LABEL, LABELS
from training.lamella_maps import lamella_map

LOOKS = ("plain", "real")
PREDICTOR, TORCH = "nnunet", "torch"
QUICK_PX = 1300
Segment = Callable[[np.ndarray], np.ndarray]


@dataclass
class Tally:
    """What one way of segmenting came to over all maps."""

    seconds: float = 0.0
    megapixels: float = 0.0
    equal_px: int = 0
    tables: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def mean_dice(self) -> float:
        """Of all classes, averaged over the appearances."""
        return float(np.mean([np.mean(list(dice(t).values())) for t in self.tables.values()]))

    def about(self) -> dict[str, float]:
        """Return the numbers of the table in docs/models.md."""
        return {
            "mean_dice": round(self.mean_dice, 4),
            **{
                f"dice_{look}": round(float(np.mean(list(dice(table).values()))), 4)
                for look, table in self.tables.items()
            },
            "seconds_per_megapixel": round(self.seconds / self.megapixels, 2),
        }


@dataclass(frozen=True)
class Map:
    """A map with the class of every pixel, and how it looks."""

    look: str
    picture: np.ndarray
    truth: np.ndarray


def maps(numbers: Sequence[int], pixel_nm: float, largest_px: int | None) -> Iterator[Map]:
    """Yield a map of each appearance for each seed; of large ones, the middle."""
    for seed in numbers:
        for look in LOOKS:
            picture, truth = lamella_map(seed, pixel_nm, look=look)
            middle = tuple(
                slice((n - largest_px) // 2, (n + largest_px) // 2)
                if largest_px and n > largest_px
                else slice(None)
                for n in picture.shape
            )
            yield Map(look, np.ascontiguousarray(picture[middle]), truth[middle])


def nnunet_predictor(folder: Path, folds: Sequence[int | str], checkpoint: str) -> Segment:
    """Return what nnU-Net predicts with by itself, made without anything of this project."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_mirroring=True, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(folder), folds, checkpoint)

    def segment(picture: np.ndarray) -> np.ndarray:
        data = picture[None, None].astype(np.float32)
        found: np.ndarray = predictor.predict_single_npy_array(data, {"spacing": [999, 1, 1]})[0]
        return found.astype(np.uint8)

    return segment


def segmenters(config: Config) -> dict[str, Segmenter]:
    """Return each preset with the runtime that is taken here, and the default one with torch."""
    folder, checkpoint = config.segmentation_model, config.segmentation_checkpoint
    plain = config.off_lamella_classes or ()
    ways = [(name, name, "auto") for name in PRESETS]
    ways.append((TORCH, config.inference_preset, "torch"))
    return {
        title: Segmenter(
            folder,
            used_folds(name, folder, config.segmentation_folds, checkpoint),
            "cpu",
            PRESETS[name],
            checkpoint,
            runtime,
            plain,
        )
        for title, name, runtime in ways
    }


def measure(
    given: Iterator[Map],
    ways: Mapping[str, Segment],
    partners: Mapping[str, str],
    names: Mapping[str, int],
    pixel_nm: float,
) -> dict[str, Tally]:
    """Segment each map in every way, one after the other, and compare it with its partner."""
    tallies = {name: Tally() for name in ways}
    to_ours = np.zeros(256, np.uint8)
    for name, value in names.items():
        to_ours[value] = LABEL.get(name, 0)
    for shown in given:
        found = {}
        for name, segment in ways.items():
            start_s = time.process_time()
            found[name] = segment(shown.picture)
            tallies[name].seconds += time.process_time() - start_s
        for name, labels in found.items():
            tally = tallies[name]
            tally.megapixels += labels.size / 1e6
            other = found[partners.get(name, PREDICTOR)]
            tally.equal_px += int(np.count_nonzero(labels == other))
            clean = to_ours[tidied(labels, names, pixel_nm, picture=shown.picture)]
            table = confusion(shown.truth, clean, len(LABELS))
            tally.tables[shown.look] = tally.tables.get(shown.look, 0) + table
    return tallies


def numbers_of(tallies: Mapping[str, Tally], own_onnx: str | None) -> dict[str, Any]:
    """Return speeds, agreements and differences of Dice.

    Parameters
    ----------
    tallies : mapping
    own_onnx : str or None
        What ONNX Runtime did of the same as ``torch``; None if it is not taken here.
    """
    own = tallies[PREDICTOR]

    def agreement(name: str) -> float:
        return round(tallies[name].equal_px / (tallies[name].megapixels * 1e6), 6)

    numbers: dict[str, Any] = {"accurate_agreement": agreement("accurate")}
    for name in PRESETS:
        numbers[f"{name}_speed"] = round(own.seconds / tallies[name].seconds, 2)
        numbers[f"{name}_dice_difference"] = round(tallies[name].mean_dice - own.mean_dice, 4)
    if own_onnx is not None:
        numbers["onnx_speed"] = round(tallies[TORCH].seconds / tallies[own_onnx].seconds, 2)
        numbers["onnx_agreement"] = agreement(TORCH)
    for name in (PREDICTOR, *PRESETS):
        numbers[name] = tallies[name].about()
    return numbers


def memory_gb() -> dict[str, Any]:
    """Return the peak memory of maps of 15 000 x 7000 px (`benchmarks.large_map`)."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "numbers.json"
        command = [sys.executable, "-m", "benchmarks.large_map", "--json", str(path)]
        subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL, check=True)
        found = json.loads(path.read_text(encoding="utf-8"))
    each = {name: part["memory_gb"] for name, part in found.items() if isinstance(part, dict)}
    return {"memory_gb": max(each.values()), "memory_gb_of": each}


def latencies(n: int) -> dict[str, float]:
    """Return the longest times of `benchmarks.latency`."""
    return {
        "latency_worker_s": round(latency_worker_s(n).worst_s, 2),
        "latency_monitor_s": round(latency_monitor_s(n).worst_s, 2),
        "latency_result_s": round(latency_result_s(n).worst_s, 2),
    }


def segmentation_numbers(seeds: Sequence[int], largest_px: int | None) -> dict[str, Any]:
    """Measure all ways of segmenting with the configured model."""
    config = load_config(PROJECT)
    folder, checkpoint = config.segmentation_model, config.segmentation_checkpoint
    folds = used_folds("accurate", folder, config.segmentation_folds, checkpoint)
    loaded = segmenters(config)
    ways: dict[str, Segment] = {PREDICTOR: nnunet_predictor(folder, folds, checkpoint)}
    ways.update({name: segmenter.segment for name, segmenter in loaded.items()})
    pixel_nm = config.segmentation_pixel_nm
    labels = loaded["accurate"].labels
    given = maps(seeds, pixel_nm, largest_px)
    same = config.inference_preset
    tallies = measure(given, ways, {TORCH: same}, labels, pixel_nm)
    runtime = loaded[same].runtime
    numbers = numbers_of(tallies, same if runtime == "onnx" else None)
    return {"runtime": runtime, "maps": 2 * len(seeds), **numbers}


def main() -> None:
    """Command line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seed-start", type=int, default=FIRST_TEST_SEED)
    options.add_argument("--n", type=int, default=2, help="maps of each appearance")
    options.add_argument("--json", type=Path, help="write the numbers to this file")
    options.add_argument(
        "--quick", action="store_true", help="the middle of one map of each appearance, no memory"
    )
    options.add_argument("--without", nargs="*", default=[], choices=("maps", "memory", "latency"))
    args = options.parse_args()
    numbers: dict[str, Any] = {}
    if "maps" not in args.without:
        import torch

        torch.set_num_threads(1)
        n = 1 if args.quick else args.n
        seeds = range(args.seed_start, args.seed_start + n)
        numbers.update(segmentation_numbers(seeds, QUICK_PX if args.quick else None))
        report(numbers, args.json)
    if "latency" not in args.without:
        numbers.update(latencies(3 if args.quick else 10))
    if "memory" not in args.without and not args.quick:
        numbers.update(memory_gb())
    report(numbers, args.json)


if __name__ == "__main__":
    # One thread for ONNX Runtime and for workers as well.
    os.environ.update({"SPACETOMO_THREADS": "1", "OMP_NUM_THREADS": "1"})
    main()
