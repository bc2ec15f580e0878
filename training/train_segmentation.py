"""Train the segmentation model with nnU-Net's planner, preprocessing and trainer.

python -m training.make_data --what lamellae --n 300 --seed-start 0 --out DATA
python -m training.make_data --what lamellae --n 12 --seed-start 100000 --out DATA
python -m training.train_segmentation --data DATA --epochs 150 [--device cuda]
python -m training.train_segmentation --data DATA --only-ship --ship models/lamella_segmentation

The small plan fits two CPU cores; ``--plan default`` leaves nnU-Net's own for a GPU. A run that
was stopped goes on where it was; maps that were added meanwhile are taken in. Validation maps
are those with seeds from 100 000 on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space.files import write_text_atomic
from space.learning import gentle_transforms, levels_of
from space.models import CARD, SIMULATED
from space.weights import load_checkpoint

from . import formats
from .losses import class_weights, weigh_classes
from .records import read_record, versions, write_record
from .seeds import parts_for_training

CONFIGURATION = "2d"
TRAINER = "nnUNetTrainer"
FEATURES = (16, 32, 64, 128, 128, 128)
PATCH_PX = 416
BATCH = 2
#: Of the shipped model. Larger than in training: instance normalisation takes its measure from a
#: tile, and a larger one is rarely all bulk or all vacuum. On validation maps the mean Dice is
#: 0.855 with tiles of 416 px, 0.874 with 640 and 0.868 with 896.
TILE_PX = 640
NORMALISATION = "torch.nn.modules.instancenorm.InstanceNorm2d"


@dataclass(frozen=True)
class Schedule:
    """How long to train and how fast.

    Attributes
    ----------
    epochs, steps : int
        An epoch is as long as one wants to wait for a checkpoint.
    rate : float
        Learning rate of AdamW at the start; it falls to 0 at the last epoch.
    balanced : bool
        Whether every patch is centred on some class, each as often as any other, and rare classes
        count more (small plan only). They are found sooner that way, and too often: in the last
        epochs, half of the patches should lie anywhere and all classes count alike.
    """

    epochs: int
    steps: int
    rate: float
    balanced: bool = True


def plans_name(small: bool) -> str:
    """Name of the plans file."""
    return "smallPlans" if small else "nnUNetPlans"


def set_folders(data: Path) -> None:
    """Tell nnU-Net its folders; it reads them when it is imported."""
    for name, folder in (("raw", "raw"), ("preprocessed", "pre"), ("results", "results")):
        os.environ[f"nnUNet_{name}"] = str(data / folder)


def small_plan(plans: dict[str, Any]) -> dict[str, Any]:
    """nnU-Net's plans with a network that two CPU cores can run.

    Most of the cost lies at full resolution, so a sixth level doubles what the network sees at
    once for a few per cent more.
    """
    name = plans_name(small=True)
    small = dict(plans["configurations"][CONFIGURATION])
    small.update(
        data_identifier=f"{name}_{CONFIGURATION}",
        patch_size=[PATCH_PX, PATCH_PX],
        batch_size=BATCH,
        batch_dice=True,
    )
    architecture = dict(small["architecture"])
    architecture["arch_kwargs"] = {
        **architecture["arch_kwargs"],
        **levels_of(FEATURES),
        "norm_op": NORMALISATION,
    }
    small["architecture"] = architecture
    return {**plans, "plans_name": name, "configurations": {CONFIGURATION: small}}


def plan(data: Path, small: bool) -> None:
    """Let nnU-Net look at the maps and plan."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
    )

    extract_fingerprints([1], num_processes=1, clean=False, show_progress_bar=False)
    identifier = plan_experiments([1])
    folder = data / "pre" / formats.DATASET
    if small:
        plans = json.loads((folder / f"{identifier}.json").read_text(encoding="utf-8"))
        path = folder / f"{plans_name(small)}.json"
        write_text_atomic(
            path,
            json.dumps(small_plan(plans), indent=1),
        )


def preprocess(data: Path, plans: dict[str, Any], description: dict[str, Any]) -> list[int]:
    """Run nnU-Net's preprocessing on the maps that have not been yet; returns all seeds."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    configuration = manager.get_configuration(CONFIGURATION)
    run = configuration.preprocessor_class(verbose=False)
    folder = data / "pre" / formats.DATASET / configuration.data_identifier
    folder.mkdir(parents=True, exist_ok=True)
    seeds = formats.training_seeds(data)
    for seed in seeds:
        target = folder / formats.case_name(seed)
        if target.with_suffix(".pkl").exists():  # written last
            continue
        for left in folder.glob(f"{target.name}*"):
            left.unlink()
        picture, labels = formats.case_paths(data, seed)
        run.run_case_save(
            str(target), [str(picture)], str(labels), manager, configuration, description
        )
        print(f"preprocessed {target.name}", flush=True)
    return seeds


def write_split(data: Path, training: list[int], validation: list[int]) -> None:
    """Tell nnU-Net which maps train and which validate."""
    names = {
        "train": [formats.case_name(seed) for seed in training],
        "val": [formats.case_name(seed) for seed in validation],
    }
    path = data / "pre" / formats.DATASET / "splits_final.json"
    write_text_atomic(path, json.dumps([names], indent=1))


def transferred(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Weights for a network from one with fewer or as many levels.

    Levels are matched from full resolution on; the decoder numbers them from the coarsest.
    What has no counterpart of equal shape keeps its value.

    Parameters
    ----------
    old, new : state dictionaries of nnU-Net's plain U-Net
    """

    def levels(state: dict[str, Any]) -> int:
        return 1 + max(int(k.split(".")[2]) for k in state if k.startswith("decoder.seg_layers."))

    deeper = levels(new) - levels(old)
    result = {}
    for key, value in new.items():
        parts = key.split(".")
        if parts[0] == "decoder" and parts[1] in ("stages", "transpconvs", "seg_layers"):
            parts[2] = str(int(parts[2]) - deeper)
        source = old.get(".".join(parts))
        fits = source is not None and source.shape == value.shape
        result[key] = source if fits else value
    return result


def output_folder(data: Path, small: bool) -> Path:
    """Where nnU-Net keeps checkpoints."""
    run = f"{TRAINER}__{plans_name(small)}__{CONFIGURATION}"
    return data / "results" / formats.DATASET / run / "fold_0"


def newest_checkpoint(output: Path) -> Path | None:
    """Checkpoint to go on from or to ship: a run's last one, or that of a finished run."""
    for name in ("checkpoint_latest.pth", "checkpoint_final.pth"):
        if (output / name).exists():
            return output / name
    return None


def train(
    data: Path, small: bool, schedule: Schedule, device: str, start_from: Path | None
) -> Path:
    """Run nnU-Net's own trainer; returns its output folder.

    AdamW takes the place of SGD because the whole run has a few thousand steps only. With the
    small plan, augmentation is gentle.
    """
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    folder = data / "pre" / formats.DATASET
    plans_path = folder / f"{plans_name(small)}.json"
    description = formats.read_dataset_json(data)
    plans = json.loads(plans_path.read_text(encoding="utf-8"))
    training, validation = parts_for_training(preprocess(data, plans, description))
    write_split(data, training, validation)
    if device == "cpu":  # the one process that computes also draws the patches
        os.environ.setdefault("nnUNet_n_proc_DA", "0")
    output = output_folder(data, small)
    checkpoint = newest_checkpoint(output)
    plans["continue_training"] = checkpoint is not None
    trainer = nnUNetTrainer(plans, CONFIGURATION, 0, description, torch.device(device))
    trainer.num_epochs = schedule.epochs
    trainer.num_iterations_per_epoch = schedule.steps
    trainer.num_val_iterations_per_epoch = max(8, schedule.steps // 10)
    trainer.oversample_foreground_percent = 1.0 if schedule.balanced else 0.5
    trainer.save_every = 1
    torch.manual_seed(0)
    trainer.initialize()
    if small:
        trainer.get_training_transforms = gentle_transforms
        if schedule.balanced:
            shares = formats.class_shares(data, training)
            weigh_classes(trainer.loss, class_weights(shares))
    trainer.optimizer = torch.optim.AdamW(
        trainer.network.parameters(), lr=schedule.rate, weight_decay=1e-4, eps=1e-5
    )
    trainer.lr_scheduler = PolyLRScheduler(trainer.optimizer, schedule.rate, schedule.epochs)
    if checkpoint:
        trainer.load_checkpoint(str(checkpoint))
    elif start_from:
        weights = load_checkpoint(start_from / "fold_0" / "checkpoint_final.pth")["network_weights"]
        network = trainer.network
        network.load_state_dict(transferred(weights, network.state_dict()))
    from_epoch = trainer.current_epoch
    trainer.run_training()
    _write_record(data, output, small, schedule, (training, validation), start_from, from_epoch)
    return output


def _write_record(data, output, small, schedule, parts, start_from, from_epoch) -> None:
    """Add this run to the record beside the weights."""
    import numpy as np

    description = formats.read_dataset_json(data)
    history = _history(newest_checkpoint(output))
    starts, ends = (
        np.array(history.get(f"epoch_{which}_timestamps", ())) for which in ("start", "end")
    )
    path = output / "record.json"
    runs = read_record(path).get("runs", [])
    runs.append(
        {
            "from_epoch": from_epoch,
            "to_epoch": schedule.epochs,
            "learning_rate": schedule.rate,
            "balanced": schedule.balanced,
            "training_maps": len(parts[0]),
            "started_from": start_from.name if start_from and from_epoch == 0 else None,
        }
    )
    write_record(
        path,
        {
            "model": "lamella segmentation",
            "pixel_nm": description["pixel_size_nm"],
            "plan": plans_name(small),
            "training_seeds": formats.as_ranges(parts[0]),
            "validation_seeds": formats.as_ranges(parts[1]),
            "steps_per_epoch": schedule.steps,
            "patch_px": PATCH_PX,
            "patches_per_step": BATCH,
            "runs": runs,
            "hours": round(sum(ends - starts) / 3600, 2),
            "validation": _validation_dice(history),
            "versions": versions("torch", "nnunetv2", "numpy", "scipy"),
        },
    )


def _history(checkpoint: Path | None) -> dict[str, list]:
    """What nnU-Net noted after every epoch, from the first one on."""
    saved = load_checkpoint(checkpoint)
    logging = saved["logging"] or {}
    return logging.get("local_logger", logging)


def _validation_dice(history: dict[str, list]) -> dict[str, float]:
    """Dice by class on validation patches, averaged over the last five epochs."""
    import numpy as np

    from space.simulator.specimen import LABELS

    dice = history.get("dice_per_class_or_region") or []
    if not dice:
        return {}
    means = np.nanmean(np.asarray(dice[-5:], dtype=float), axis=0)
    return {name: round(float(v), 4) for name, v in zip(LABELS[1:], means)}


def ship(data: Path, small: bool, target: Path) -> None:
    """Copy the model folder in nnU-Net's format, without what only training needs."""
    import torch

    output = output_folder(data, small)
    source = newest_checkpoint(output)
    if source is None:
        sys.exit(f"no checkpoint in {output}")
    checkpoint = load_checkpoint(source)
    for key in ("optimizer_state", "grad_scaler_state", "logging"):
        checkpoint[key] = None
    fold = target / "fold_0"
    fold.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, fold / "checkpoint_final.pth")
    shutil.copyfile(output.parent / "dataset.json", target / "dataset.json")
    plans = json.loads((output.parent / "plans.json").read_text(encoding="utf-8"))
    if small:
        configuration = plans["configurations"][CONFIGURATION]
        configuration["patch_size"] = [max(TILE_PX, n) for n in configuration["patch_size"]]
    write_text_atomic(target / "plans.json", json.dumps(plans, indent=1))
    if (output / "record.json").exists():
        shutil.copyfile(output / "record.json", target / "record.json")
    write_text_atomic(target / CARD, json.dumps({"trained_on": SIMULATED}, indent=1) + "\n")
    print(f"{source.name} after epoch {checkpoint['current_epoch']} -> {target}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--plan", choices=("small", "default"), default="small")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--steps", type=int, default=60, help="steps in an epoch")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate at the start")
    parser.add_argument(
        "--natural", action="store_true", help="for the last epochs: rare classes as they come"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start-from", type=Path, help="model folder whose weights to begin with")
    parser.add_argument("--ship", type=Path, help="copy the newest checkpoint to this folder")
    parser.add_argument("--only-ship", action="store_true", help="do not train any more")
    args = parser.parse_args()
    small = args.plan == "small"
    set_folders(args.data)
    if not args.only_ship:
        try:
            training, validation = parts_for_training(formats.training_seeds(args.data))
        except ValueError as error:
            sys.exit(str(error))
        if not training or not validation:
            sys.exit(
                f"{args.data} needs maps for training (seeds below 100000) and for validation "
                "(from there on); run training.make_data first"
            )
        formats.write_dataset_json(args.data, formats.read_dataset_json(args.data)["pixel_size_nm"])
        if not (args.data / "pre" / formats.DATASET / f"{plans_name(small)}.json").exists():
            plan(args.data, small)
        schedule = Schedule(args.epochs, args.steps, args.rate, not args.natural)
        train(args.data, small, schedule, args.device, args.start_from)
    if args.ship:
        ship(args.data, small, args.ship)


if __name__ == "__main__":
    main()
