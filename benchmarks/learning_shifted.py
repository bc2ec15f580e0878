"""A shifted look: ten corrected maps teach the shipped model maps that it has never seen.

The maps have another pixel, another contrast and other noise, and two classes that the model does
not have (`learning_shifted_data`). It learns from ten of them by the documented command alone, and
both models are evaluated by the documented command on maps that neither has seen.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import PROJECT, spacetomo
from benchmarks.learning_shifted_data import NEW, make_set

SPLITS = {"train": 8, "val": 2, "test": 8}
"""Ten corrected maps, two of which say which epoch is the best; the others are held out."""

SHIPPED = PROJECT / "models" / "lamella_segmentation"
CONFIG = """\
data = "set"
out = "run"
engine = "nnunet"
pixel_nm = 16
patch_px = 320
epochs = 12
trained_on = "simulated"
"""
ASKED_GAIN, ASKED_CPU_S = 0.05, 2 * 600.0


def shifted(folder: Path, config: str = CONFIG) -> dict[str, Any]:
    """Make the maps, train, and compare; print a table and return the numbers.

    Parameters
    ----------
    folder : Path
        For data, run and results; a data set that is there is taken.
    config : str
        Of the training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "set" / "dataset.json").exists():
        make_set(folder / "set", SPLITS)
    (folder / "training.toml").write_text(config, encoding="utf-8")
    cpu_s, wall_s = spacetomo(folder, "train", "training.toml", "--start-from", str(SHIPPED))
    models = [str(SHIPPED), "run"]
    spacetomo(folder, "evaluate", *models, "--data", "set", "--out", "compared", "--worst", "2")
    text = (folder / "compared" / "evaluation.json").read_text(encoding="utf-8")
    before, after = json.loads(text)
    print(table(before, after))
    took = {"train_cpu_s": cpu_s, "train_wall_s": wall_s}
    return {**took, **compared(before, after, cpu_s)}


def compared(before: dict[str, Any], after: dict[str, Any], cpu_s: float) -> dict[str, Any]:
    """Return the numbers of a model before and after, and whether what is asked for is met."""
    old = [name for name in before["classes"] if name not in NEW]
    numbers = {
        name: {
            "mean_dice": round(one["mean_dice"], 4),
            "mean_dice_old_classes": round(_mean(one, old), 4),
            "dice_new_classes": {name: one["classes"][name]["dice"] for name in NEW},
            "calibration_error": round(one["calibration"]["error"], 4),
            **{name: one["targets"][name] for name in ("targets", "hits", "places", "reached")},
            "hit_rate": one["targets"]["hit_rate"],
        }
        for name, one in (("before", before), ("after", after))
    }
    gain = numbers["after"]["mean_dice"] - numbers["before"]["mean_dice"]
    hits = [numbers[name]["hit_rate"] or 0.0 for name in ("before", "after")]
    return {
        **numbers,
        "gain": round(gain, 4),
        "met": bool(gain >= ASKED_GAIN and hits[1] > hits[0] and cpu_s <= ASKED_CPU_S),
    }


def _mean(one: dict[str, Any], names: Sequence[str]) -> float:
    there = [one["classes"][name]["dice"] for name in names]
    there = [dice for dice in there if dice is not None]
    return sum(there) / len(there)


def table(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the Dice of each class before and after, as text."""
    lines = [f"{'class':16} before  after"]
    for name, one in before["classes"].items():
        pair = [one["dice"], after["classes"][name]["dice"]]
        shown = ["    -" if dice is None else f"{dice:5.3f}" for dice in pair]
        lines.append(f"{name:16}  {'  '.join(shown)}{'  new' if name in NEW else ''}")
    return "\n".join(lines)
