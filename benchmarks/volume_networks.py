"""Networks for volumes: which one finds borders best after the same time of the processor.

Each learns from the same blocks of sections 0 to 119, in the same order, with the same loss, until
its time is over, on one thread; sections 130 to 169 are predicted whole and judged at one half,
with an exclusion zone of one voxel and without. MONAI's network stands beside where it is
installed.

    python -m benchmarks.volume_networks --data DIR --seconds 110 --json networks.json
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import report
from benchmarks.volumes import JUDGED, write_data, write_list
from space.organelles import (
    batch,
    counted,
    excluded,
    labels_of,
    loss_of,
    read_entries,
    scores_of,
    shares_of,
    shown_of,
    unet3d,
)
from space.packages import is_installed

RATE, DECAY, SIDE, COUNT = 0.01, 1e-4, 32, 4
CONTEXT, MULTIPLE = 32, 16
SECTIONS = (0, 120)


def full_resolution() -> Any:
    """A U-Net with two convolutions of 8 features at full resolution, as they are usually drawn."""
    import torch
    from torch import nn

    def twice(given: int, made: int) -> Any:
        layers: list[Any] = []
        for first in (given, made):
            layers += [nn.Conv3d(first, made, 3, padding=1, bias=False), nn.BatchNorm3d(made)]
            layers += [nn.LeakyReLU(0.01, inplace=True)]
        return nn.Sequential(*layers)

    class Full(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList([twice(1, 8), twice(8, 16), twice(16, 32)])
            self.wider = nn.ModuleList(
                [nn.ConvTranspose3d(32, 16, 2, 2), nn.ConvTranspose3d(16, 8, 2, 2)]
            )
            self.up = nn.ModuleList([twice(32, 16), twice(16, 8)])
            self.head = nn.Conv3d(8, 2, 1)

        def forward(self, found: Any) -> Any:
            kept: list[Any] = []
            for level, down in enumerate(self.down):
                found = down(nn.functional.max_pool3d(found, 2) if level else found)
                kept.append(found)
            for wider, up, beside in zip(self.wider, self.up, kept[-2::-1]):
                found = up(torch.cat([beside, wider(found)], 1))
            return self.head(found)

    return Full()


def monai_unet(features: int) -> Any:
    """MONAI's UNet with residual units, normalised by batch."""
    from monai.networks.nets import UNet

    channels = [features * 2**level for level in range(4)]
    return UNet(3, 1, 2, channels, (2, 2, 2), num_res_units=2, norm="batch")


def networks() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {
        "ours_16_32": lambda: unet3d((16, 32), 2),
        "full_resolution_8_16_32": full_resolution,
    }
    if is_installed("monai"):
        found["monai_unet_8_16_32_64"] = lambda: monai_unet(8)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, help="folder of the stack of an electron microscope")
    options.add_argument("--seconds", type=float, default=110.0, help="of the processor, for each")
    options.add_argument("--json", type=Path, help="write the numbers to this file")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_data(folder, args.data)
        write_list(folder, "both", "cell", SECTIONS)
        result = {name: one(folder, make, args.seconds) for name, make in networks().items()}
    report(result, args.json)


def one(folder: Path, make: Callable[[], Any], seconds: float) -> dict[str, Any]:
    """Train a network for some time, and score it."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    regions = shown_of(read_entries(folder / "both.json"), "train", ("border",), {})
    network = make()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    begun, step, spent = time.process_time(), 0, 0.0
    network.train()
    while spent < seconds:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * max(0.01, 1 - spent / seconds) ** 0.9
        seen, labels = batch(regions, step, 1, COUNT, SIDE, 0.5, 0.1)
        loss = loss_of(network(torch.from_numpy(seen)), torch.from_numpy(labels))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
        step, spent = step + 1, time.process_time() - begun
    begun = time.process_time()
    shares = predicted(network.eval(), folder, regions[0].greys)
    predicting = time.process_time() - begun
    return {
        **scored(shares, folder),
        "steps": step,
        "weights": sum(one.numel() for one in network.parameters()),
        "prediction_cpu_s": round(predicting, 1),
    }


def predicted(network: Any, folder: Path, greys: Any) -> np.ndarray:
    """Return the probabilities in the sections for the judgement, with what is around them."""
    from space.volumes import open_volume

    volume = open_volume(folder / "cell.zarr")
    low, high = JUDGED[0] - CONTEXT, min(volume.shape[0], JUDGED[1] + CONTEXT)
    low -= low % MULTIPLE
    seen = greys.seen(volume[low:high])
    lacking = [(0, -side % MULTIPLE) for side in seen.shape]
    shares = shares_of(network, np.pad(seen, lacking, mode="symmetric"))
    return shares[:, JUDGED[0] - low : JUDGED[1] - low, : volume.shape[1], : volume.shape[2]]


def scored(shares: np.ndarray, folder: Path) -> dict[str, Any]:
    from space.volumes import read_volume

    truth = read_volume(folder / "cell_border.zarr").data
    left_out = excluded(truth, {1: 1})[JUDGED[0] : JUDGED[1]]
    judged, found = truth[JUDGED[0] : JUDGED[1]], labels_of(shares, [128])
    narrow = np.where(left_out, 255, judged).astype(np.uint8)
    dice = [
        scores_of(counted(labels, found, {}), ("border",))["border"].dice or 0.0
        for labels in (narrow, judged)
    ]
    return {"f1": round(dice[0], 3), "f1_all_voxels": round(dice[1], 3)}


if __name__ == "__main__":
    main()
