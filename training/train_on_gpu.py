"""Train the segmentation model on a GPU, on maps that are simulated while it trains.

python -m training.train_on_gpu --minutes 8 --processes 14 --out RUN
python -m training.train_on_gpu --out RUN --ship models/lamella_segmentation

The network, its normalisation and its files are nnU-Net's small plan of the shipped model with
other levels; what differs from `training.train_segmentation` is that no data set is written: maps
stay in the GPU's memory, patches are cut out and varied there. It ends by the clock and saves every
minute, so that a quarter of an hour on a GPU is enough. It sees training seeds only; accuracy
is measured by `benchmarks.segmentation_accuracy`.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from space.files import atomic_path, write_text_atomic
from space.models import CARD, SIMULATED
from space.simulator.specimen import LABELS
from space.weights import load_checkpoint

from . import formats
from .lamella_maps import MODEL_PIXEL_NM
from .losses import class_weights, supervised_loss
from .patches import IGNORED, PatchPool, varied
from .records import read_record, versions, write_record
from .stream import MapStream
from .train_segmentation import CONFIGURATION, levels_of

TEMPLATE = Path(__file__).resolve().parent.parent / "models" / "lamella_segmentation"
_WEIGHTS, _RECORD, _PLANS = "weights.pth", "record.json", "plans.json"
_SAVE_EVERY_S = 60.0
_WARM_UP = 0.04
_AVERAGED_OVER = 400  # steps
_SUPERVISED = 5  # levels
#: Side of the tiles in which the model is used. In a tile that is all vacuum, instance
#: normalisation leaves noise alone, and vacuum is called lamella. Of two simulated maps, 79 and
#: 91 % of the vacuum was found with tiles of 640 px, 99.8 and 99.5 % with 1024.
_TILE_PX = 1024


@dataclass(frozen=True)
class Run:
    """How to train.

    Attributes
    ----------
    minutes : float
        Wall-clock time, from the start of the first process that draws maps.
    processes : int
        That draw maps.
    batch : int
        Patches in a step.
    rate : float
        Highest learning rate of AdamW.
    balanced : float
        Share of the time in which patches are centred on rare classes more often, and these
        count more. They are found sooner that way, and in the end too often.
    first_maps : int
        Training starts when so many are there.
    most_maps : int
        That are drawn.
    most_steps : int
        After which it ends before the time is over.
    features : tuple of int
        Of each level of the network. A seventh level has pixels of 0.8 µm: it sees whole cells.
    patch_px : int
        Side of a patch.
    pixel_nm : float
        Of the maps.
    """

    minutes: float
    processes: int
    batch: int = 24
    rate: float = 2e-3
    balanced: float = 0.6
    first_maps: int = 14
    most_maps: int = 1500
    most_steps: int = 1_000_000
    features: tuple[int, ...] = (16, 32, 64, 128, 192, 192, 192)
    patch_px: int = 640
    pixel_nm: float = MODEL_PIXEL_NM


def plans_of(run: Run, template: dict[str, Any]) -> dict[str, Any]:
    """nnU-Net plans like the template's with the levels, features and patches of a run."""
    plans = copy.deepcopy(template)
    configuration = plans["configurations"][CONFIGURATION]
    configuration["patch_size"] = [run.patch_px, run.patch_px]
    configuration["architecture"]["arch_kwargs"].update(levels_of(run.features))
    return plans


def network_of(plans: dict[str, Any]) -> nn.Module:
    """The network as nnU-Net builds it from plans, with outputs at all resolutions."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    kwargs = plans["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"]
    return PlainConvUNet(
        1,
        conv_op=nn.Conv2d,
        num_classes=len(LABELS),
        deep_supervision=True,
        norm_op=nn.InstanceNorm2d,
        nonlin=nn.LeakyReLU,
        **{
            key: kwargs[key]
            for key in (
                "n_stages", "features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage",
                "n_conv_per_stage_decoder", "conv_bias", "norm_op_kwargs", "nonlin_kwargs",
            )
        },
    )  # fmt: skip


def rate_at(progress: float, highest: float) -> float:
    """Learning rate after a share of the time: a short rise, then half a cosine to 0."""
    if progress < _WARM_UP:
        return highest * max(progress / _WARM_UP, 0.01)
    return highest * 0.5 * (1 + math.cos(math.pi * min((progress - _WARM_UP) / (1 - _WARM_UP), 1)))


def _averaged(average: dict[str, Tensor], network: nn.Module, step: int) -> None:
    """Move an average of weights towards those of now."""
    keep = min(1 - 1 / _AVERAGED_OVER, (1 + step) / (10 + step))
    for name, value in network.named_parameters():
        average[name].lerp_(value.detach(), 1 - keep)


def train(run: Run, out: Path, device: str) -> None:
    """Train until the time is over; weights and record lie in `out`."""
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    plans = plans_of(run, json.loads((TEMPLATE / _PLANS).read_text(encoding="utf-8")))
    write_text_atomic(out / _PLANS, json.dumps(plans, indent=1))
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    network = network_of(plans).to(device, memory_format=torch.channels_last)
    average = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=run.rate, weight_decay=1e-4, eps=1e-5)
    generator = torch.Generator(device).manual_seed(0)
    pool = PatchPool(device, run.patch_px, np.random.default_rng(0))
    stream = MapStream(run.processes, pixel_nm=run.pixel_nm)
    total_s, saved, step, losses = 60 * run.minutes, start, 0, []
    weights: Tensor | None = None
    try:
        while step < run.most_steps and (progress := (time.monotonic() - start) / total_s) < 1:
            if step % 10 == 0 and len(pool) < run.most_maps:
                for drawn in stream.ready(wait_s=5.0 if len(pool) < run.first_maps else 0.0):
                    pool.add(drawn)
                if len(pool) < run.first_maps:
                    continue
            balanced = progress < run.balanced
            if step % 200 == 0:
                shares = pool.class_shares(len(LABELS))
                weights = torch.tensor(class_weights(shares), dtype=torch.float32, device=device)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(progress, run.rate)
            pictures, labels, mean, deviation = pool.batch(run.batch, 0.7 if balanced else 0.3)
            seen = ((varied(pictures, generator) - mean) / deviation).contiguous(
                memory_format=torch.channels_last
            )
            with torch.autocast(device.split(":")[0], torch.bfloat16):
                outputs = network(seen)
            loss = supervised_loss(
                outputs[:_SUPERVISED], labels, weights if balanced else None, IGNORED
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 12)
            optimizer.step()
            step += 1
            _averaged(average, network, step)
            if step % 20 == 0:
                losses.append(
                    (round(time.monotonic() - start, 1), step, len(pool), round(loss.item(), 4))
                )
            if step % 200 == 0:
                print(*losses[-1], flush=True)
            if time.monotonic() - saved > _SAVE_EVERY_S:
                saved = time.monotonic()
                _save(out, run, average, pool, losses, step)
    finally:
        stream.close()
        if step:
            _save(out, run, average, pool, losses, step)


def _save(out: Path, run: Run, average, pool: PatchPool, losses, step: int) -> None:
    half = {name: value.half().cpu() for name, value in average.items()}
    with atomic_path(out / _WEIGHTS) as temporary:
        torch.save(half, temporary)
    finite = all(bool(value.isfinite().all()) for value in half.values())
    record = {
        "model": "lamella segmentation",
        "pixel_nm": run.pixel_nm,
        "run": {**asdict(run), "steps": step, "finite": finite},
        "training_seeds": formats.as_ranges(pool.seeds),
        "loss": losses[:: max(1, len(losses) // 60)],
        "versions": versions("torch", "numpy", "scipy"),
    }
    write_record(out / _RECORD, record)


def ship(out: Path, target: Path) -> None:
    """Write a run's weights as a model folder of nnU-Net."""
    plans = json.loads((out / _PLANS).read_text(encoding="utf-8"))
    configuration = plans["configurations"][CONFIGURATION]
    configuration["patch_size"] = [max(_TILE_PX, n) for n in configuration["patch_size"]]
    description = json.loads((TEMPLATE / "dataset.json").read_text(encoding="utf-8"))
    record = read_record(out / _RECORD)
    description["pixel_size_nm"] = record["pixel_nm"]
    description["numTraining"] = sum(last - first + 1 for first, last in record["training_seeds"])
    checkpoint = load_checkpoint(TEMPLATE / "fold_0" / "checkpoint_final.pth")
    network = network_of(plans).half()
    weights = torch.load(out / _WEIGHTS, weights_only=True)
    with torch.no_grad():
        # By parameter: nnU-Net's state names the same tensors several times.
        for name, value in network.named_parameters():
            value.copy_(weights[name])
    checkpoint["network_weights"] = network.state_dict()
    checkpoint["current_epoch"] = 1
    checkpoint["_best_ema"] = None
    checkpoint["init_args"] = {
        **checkpoint["init_args"], "plans": plans, "dataset_json": description,
    }  # fmt: skip
    (target / "fold_0").mkdir(parents=True, exist_ok=True)
    with atomic_path(target / "fold_0" / "checkpoint_final.pth") as temporary:
        torch.save(checkpoint, temporary)
    write_text_atomic(target / _PLANS, json.dumps(plans, indent=1))
    write_text_atomic(target / "dataset.json", json.dumps(description, indent=4))
    write_text_atomic(target / CARD, json.dumps({"trained_on": SIMULATED}, indent=1) + "\n")
    write_record(target / _RECORD, record)
    print(f"{record['run']['steps']} steps on {description['numTraining']} maps -> {target}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--processes", type=int, default=14)
    parser.add_argument("--batch", type=int, default=Run.batch)
    parser.add_argument("--first-maps", type=int, default=Run.first_maps)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--ship", type=Path, help="write the run's weights as a model folder")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
        return
    run = Run(args.minutes, args.processes, batch=args.batch, first_maps=args.first_maps)
    train(run, args.out, args.device)


if __name__ == "__main__":
    main()
