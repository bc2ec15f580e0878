"""Train the shipped segmentation model with nnU-Net's planner, preprocessing and trainer.

python -m training.segmentation_data --raw DATA/raw --n 80
python -m training.train_segmentation --data DATA --epochs 40 [--continue] [--device cpu]

A small plan replaces the default one: it has to run on two CPU cores. Epochs are short (60
steps), so that a checkpoint is never more than a few minutes old; stop the run at any time and
go on with ``--continue``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from .segmentation_data import DATASET, write_description

PLANS = "smallPlans"
CONFIGURATION = "2d"
FEATURES = [16, 32, 64, 128, 128]
PATCH_PX = 256
BATCH = 4


def set_folders(data: Path) -> None:
    """Tell nnU-Net its folders; it reads them when it is imported."""
    for name, folder in (("raw", "raw"), ("preprocessed", "pre"), ("results", "results")):
        os.environ[f"nnUNet_{name}"] = str(data / folder)
    os.environ.setdefault("nnUNet_n_proc_DA", "1")


def plan(data: Path) -> None:
    """Fingerprint, plan and preprocess; the plan is made small."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )

    extract_fingerprints([1], num_processes=2)
    identifier = plan_experiments([1])
    folder = data / "pre" / DATASET
    plans = json.loads((folder / f"{identifier}.json").read_text(encoding="utf-8"))
    plans["plans_name"] = PLANS
    small = plans["configurations"][CONFIGURATION]
    n = len(FEATURES)
    small["data_identifier"] = f"{PLANS}_2d"
    small["patch_size"] = [PATCH_PX, PATCH_PX]
    small["batch_size"] = BATCH
    small["batch_dice"] = True
    small["architecture"]["arch_kwargs"].update(
        n_stages=n,
        features_per_stage=FEATURES,
        kernel_sizes=[[3, 3]] * n,
        strides=[[1, 1]] + [[2, 2]] * (n - 1),
        n_conv_per_stage=[2] * n,
        n_conv_per_stage_decoder=[1] * (n - 1),
    )
    plans["configurations"] = {CONFIGURATION: small}
    (folder / f"{PLANS}.json").write_text(json.dumps(plans, indent=1), encoding="utf-8")
    preprocess([1], PLANS, configurations=(CONFIGURATION,), num_processes=(2,))


def train(data: Path, epochs: int, steps: int, device: str, go_on: bool) -> Path:
    """Run nnU-Net's own trainer; returns its output folder.

    Adam takes the place of SGD because the whole run has a few thousand steps only.
    """
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    folder = data / "pre" / DATASET
    plans = json.loads((folder / f"{PLANS}.json").read_text(encoding="utf-8"))
    plans["continue_training"] = go_on
    description = json.loads((data / "raw" / DATASET / "dataset.json").read_text(encoding="utf-8"))
    trainer = nnUNetTrainer(plans, CONFIGURATION, 0, description, torch.device(device))
    trainer.num_epochs = epochs
    trainer.num_iterations_per_epoch = steps
    trainer.num_val_iterations_per_epoch = 6
    trainer.save_every = 1
    trainer.initialize()
    trainer.optimizer = torch.optim.AdamW(
        trainer.network.parameters(), lr=2e-3, weight_decay=1e-4, eps=1e-5
    )
    trainer.lr_scheduler = PolyLRScheduler(trainer.optimizer, 2e-3, epochs)
    if go_on:
        trainer.load_checkpoint(str(newest_checkpoint(Path(trainer.output_folder))))
    trainer.run_training()
    return Path(trainer.output_folder)


def newest_checkpoint(output: Path) -> Path:
    """Checkpoint to go on from or to ship: a run's last one, or the final one of a finished run."""
    for name in ("checkpoint_latest.pth", "checkpoint_final.pth"):
        if (output / name).exists():
            return output / name
    sys.exit(f"no checkpoint in {output}")


def ship(output: Path, target: Path) -> None:
    """Copy the model folder in nnU-Net's format, without what only training needs."""
    import torch

    source = newest_checkpoint(output)
    checkpoint = torch.load(source, map_location="cpu", weights_only=False)
    for key in ("optimizer_state", "grad_scaler_state", "logging"):
        checkpoint[key] = None
    fold = target / "fold_0"
    fold.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, fold / "checkpoint_final.pth")
    for name in ("plans.json", "dataset.json"):
        shutil.copyfile(output.parent / name, target / name)
    print(f"{source.name} after epoch {checkpoint['current_epoch']} -> {target}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=60, help="steps in an epoch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--continue", dest="go_on", action="store_true")
    parser.add_argument("--ship", type=Path, help="only copy the newest checkpoint to this folder")
    args = parser.parse_args()
    set_folders(args.data)
    output = args.data / "results" / DATASET / f"nnUNetTrainer__{PLANS}__{CONFIGURATION}" / "fold_0"
    if args.ship:
        ship(output, args.ship)
        return
    raw = args.data / "raw" / DATASET
    if not (raw / "dataset.json").exists():
        seeds = sorted(int(path.stem.split("_")[1]) for path in (raw / "labelsTr").glob("*.png"))
        if not seeds:
            sys.exit(f"no pictures in {raw}; run training.segmentation_data first")
        write_description(raw, range(seeds[0], seeds[-1] + 1))
    if not (args.data / "pre" / DATASET / f"{PLANS}.json").exists():
        plan(args.data)
    train(args.data, args.epochs, args.steps, args.device, args.go_on)


if __name__ == "__main__":
    main()
