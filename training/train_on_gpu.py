"""Train the segmentation model on a GPU, on maps that are simulated while it trains.

python -m training.train_on_gpu --minutes 8 --processes 14 --out RUN
python -m training.train_on_gpu --minutes 8 --processes 14 --out RUN \\
    --start-from models/lamella_segmentation --rate 0.001
python -m training.train_on_gpu --out RUN --ship models/lamella_segmentation

The network, its normalisation and its files are nnU-Net's small plan of the shipped model with
other levels; what differs from `training.train_segmentation` is that no data set is written: maps
stay in the GPU's memory, patches are cut out and varied there. It ends by the clock and saves every
minute, so that a quarter of an hour on a GPU is enough; the next quarter goes on from its weights,
on maps that they have not seen. It sees training seeds only; accuracy
is measured by `benchmarks.segmentation_accuracy`.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from space.files import atomic_path, write_text_atomic
from space.learning import levels_of
from space.models import CARD, SIMULATED
from space.simulator.specimen import LABEL, LABELS
from space.weights import load_checkpoint

from . import formats
from .lamella_maps import MODEL_PIXEL_NM
from .losses import class_weights, supervised_loss
from .patches import IGNORED, PatchPool, varied
from .records import read_record, versions, write_record
from .seeds import parts_for_training
from .stream import MapStream, number_of
from .train_segmentation import CONFIGURATION

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
    first_map : int
        Running number of the first map: behind those that the first weights were trained on.
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
    first_map: int = 0
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


@dataclass(frozen=True)
class Start:
    """Where a training begins.

    Attributes
    ----------
    weights : dict of str to Tensor
        By the names of the network's parameters; empty for random ones.
    seeds : tuple of int
        Of the maps that these weights were trained on.
    record : dict
        What is known of that training.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def next_map(self) -> int:
        """Running number of the first map that is new to the weights."""
        return 1 + max((number_of(seed) for seed in self.seeds), default=-1)


def start_from(model: Path, run: Run) -> Start:
    """Read the weights of a model folder, for a network as a run has it.

    Raises
    ------
    ValueError
        If they are of another network, of other classes or of another pixel size, or saw test maps.
    """
    record = read_record(model / _RECORD)
    table = json.loads((model / "dataset.json").read_text(encoding="utf-8"))["labels"]
    if table != LABEL:
        raise ValueError(f"{model} has other classes than simulated maps: {', '.join(table)}")
    if record.get("pixel_nm") != run.pixel_nm:
        raise ValueError(
            f"{model} is for pixels of {record.get('pixel_nm')} nm, not {run.pixel_nm}"
        )
    stored = load_checkpoint(model / "fold_0" / "checkpoint_final.pth")["network_weights"]
    template = json.loads((TEMPLATE / _PLANS).read_text(encoding="utf-8"))
    wanted = {n: p.shape for n, p in network_of(plans_of(run, template)).named_parameters()}
    odd = [n for n, shape in wanted.items() if n not in stored or stored[n].shape != shape]
    odd += [n for n in wanted if n not in odd and not bool(stored[n].isfinite().all())]
    if odd:
        raise ValueError(f"{model} has another network, or weights that are no numbers: {odd[0]}")
    ranges = record.get("training_seeds", [])
    seeds = parts_for_training(s for first, last in ranges for s in range(first, last + 1))[0]
    return Start({name: stored[name].float() for name in wanted}, tuple(seeds), record)


def _begin(network: nn.Module, start: Start) -> None:
    with torch.no_grad():
        for name, value in network.named_parameters():
            if start.weights:
                value.copy_(start.weights[name])


def _averaged(average: dict[str, Tensor], network: nn.Module, step: int) -> None:
    """Move an average of weights towards those of now."""
    keep = min(1 - 1 / _AVERAGED_OVER, (1 + step) / (10 + step))
    for name, value in network.named_parameters():
        average[name].lerp_(value.detach(), 1 - keep)


LossOf = Callable[[Tensor, Tensor, Tensor], Tensor]


def _loss_of(network: nn.Module, device: str) -> LossOf:
    """Loss of a batch for pictures, labels and weights of the classes."""

    def loss(pictures: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            outputs = network(pictures)
        return supervised_loss(outputs[:_SUPERVISED], labels, weights, IGNORED)

    return loss


def fastest(plain: LossOf, run: Run, device: str) -> LossOf:
    """The loss compiled, if that takes less time for a batch on this device.

    Maps are being drawn meanwhile. What goes wrong with a compiler must not end a training.
    """
    shape = (run.batch, 1, run.patch_px, run.patch_px)
    pictures = torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, len(LABELS), (shape[0], *shape[2:]), device=device)
    weights = torch.ones(len(LABELS), device=device)

    def tried(loss: LossOf) -> tuple[float, float]:
        began = time.monotonic()
        for repeat in range(8):
            if repeat == 3:
                _wait(device)
                began = time.monotonic()
            value = loss(pictures, labels, weights)
            value.backward()
        return value.item(), (time.monotonic() - began) / 5

    began = time.monotonic()
    compiled = torch.compile(plain, dynamic=False)
    try:
        (right, plain_s), (found, compiled_s) = tried(plain), tried(compiled)
    except Exception as error:  # noqa: BLE001 - a broken compiler is one not to use
        print(f"not compiled: {str(error)[:300]}", flush=True)
        return plain
    spent_s = time.monotonic() - began
    print(
        f"{plain_s:.4f} s a batch, compiled {compiled_s:.4f} s, after {spent_s:.0f} s", flush=True
    )
    same = abs(found - right) < 0.02 * abs(right)
    return compiled if same and compiled_s < plain_s else plain


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def train(
    run: Run, out: Path, device: str, begin: Start | None = None, compiling: bool = False
) -> None:
    """Train until the time is over; weights and record lie in `out`."""
    begin = begin or Start()
    start = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    plans = plans_of(run, json.loads((TEMPLATE / _PLANS).read_text(encoding="utf-8")))
    write_text_atomic(out / _PLANS, json.dumps(plans, indent=1))
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    stream = MapStream(run.processes, run.first_map, run.pixel_nm)
    network = network_of(plans)
    _begin(network, begin)
    network.to(device, memory_format=torch.channels_last)
    average = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=run.rate, weight_decay=1e-4, eps=1e-5)
    evenly = torch.ones(len(LABELS), device=device)
    weights = evenly
    generator = torch.Generator(device).manual_seed(0)
    pool = PatchPool(device, run.patch_px, np.random.default_rng(0))
    total_s, saved, step, losses = 60 * run.minutes, start, 0, []
    try:
        loss_of = _loss_of(network, device)
        if compiling:
            loss_of = fastest(loss_of, run, device)
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
            loss = loss_of(seen, labels, weights if balanced else evenly)
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
                _save(out, run, average, begin, pool.seeds, losses, step)
    finally:
        stream.close()
        if step:
            _save(out, run, average, begin, pool.seeds, losses, step)


def _save(out: Path, run: Run, average, begin: Start, seeds, losses, step: int) -> None:
    half = {name: value.half().cpu() for name, value in average.items()}
    if not all(bool(value.isfinite().all()) for value in half.values()):
        print(f"weights of step {step} are no numbers: those saved before are kept", flush=True)
        return
    with atomic_path(out / _WEIGHTS) as temporary:
        torch.save(half, temporary)
    record = {
        "model": "lamella segmentation",
        "pixel_nm": run.pixel_nm,
        "run": {**asdict(run), "steps": step, "finite": True},
        "training_seeds": formats.as_ranges([*begin.seeds, *seeds]),
        "loss": losses[:: max(1, len(losses) // 60)],
        "versions": versions("torch", "numpy", "scipy"),
    }
    if begin.record:
        record["started_from"] = {
            key: begin.record[key] for key in ("run", "started_from") if key in begin.record
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
    parser.add_argument("--patch-px", type=int, default=Run.patch_px)
    parser.add_argument("--rate", type=float, default=Run.rate, help="highest learning rate")
    parser.add_argument("--balanced", type=float, default=Run.balanced)
    parser.add_argument("--first-maps", type=int, default=Run.first_maps)
    parser.add_argument("--most-steps", type=int, default=Run.most_steps)
    parser.add_argument("--start-from", type=Path, help="model folder whose weights to go on from")
    parser.add_argument("--compile", action="store_true", help="see whether that makes it faster")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--ship", type=Path, help="write the run's weights as a model folder")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
        return
    run = Run(
        args.minutes, args.processes, args.batch, args.rate, args.balanced, args.first_maps,
        most_steps=args.most_steps, patch_px=args.patch_px,
    )  # fmt: skip
    try:
        begin = start_from(args.start_from, run) if args.start_from else Start()
    except ValueError as error:
        parser.error(str(error))
    train(replace(run, first_map=begin.next_map), args.out, args.device, begin, args.compile)


if __name__ == "__main__":
    main()
