"""Train the shipped lamella detector (YOLOv8 nano) on simulated grids.

python -m training.train_detector --data DATA --grids 60 --epochs 40 [--device cpu]

Training pictures are crops of 320 px at 400 nm/px; the network is convolutional, so it serves
windows of 1024 px afterwards.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from space.simulator.specimen import KINDS, Grid

from .pictures import grid_picture

CROP_PX = 320
SEED_OFFSET = 20_000
PER_GRID = 26


def write_grid(root: Path, part: str, seed: int) -> int:
    """Write crops around the lamellae of one grid and around other places of it."""
    rng = np.random.default_rng([202, seed])
    grid = Grid.make(seed, int(rng.integers(8, 13)), milled=bool(rng.random() > 0.05))
    reach = 0.42 * CROP_PX * 0.4
    centers = [
        np.asarray(lamella.center_um) + rng.uniform(-reach, reach, 2)
        for lamella in grid.lamellae
        for _ in range(2)
    ]
    while len(centers) < PER_GRID:
        centers.append(rng.uniform(-1000, 1000, 2))
    for k, center in enumerate(centers):
        picture, boxes = grid_picture(seed, rng, center, grid, CROP_PX)
        lines = [line for box in boxes if (line := _yolo_line(box))]
        name = f"grid_{seed:06d}_{k:02d}"
        Image.fromarray(picture).convert("RGB").save(root / "images" / part / f"{name}.png")
        (root / "labels" / part / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return len(centers)


def _yolo_line(box) -> str | None:
    """A line of a YOLO label file, or None for a box of which less than half is visible."""
    category, x0, y0, x1, y1 = box
    cx0, cy0 = max(x0, 0), max(y0, 0)
    cx1, cy1 = min(x1, CROP_PX), min(y1, CROP_PX)
    if cx1 <= cx0 or cy1 <= cy0:
        return None
    if (cx1 - cx0) * (cy1 - cy0) < 0.5 * (x1 - x0) * (y1 - y0):
        return None
    mid = ((cx0 + cx1) / 2, (cy0 + cy1) / 2, cx1 - cx0, cy1 - cy0)
    return " ".join([str(category), *(f"{v / CROP_PX:.6f}" for v in mid)])


def make_data(root: Path, grids: int, processes: int) -> Path:
    """Write training and validation crops and the description file; returns its path."""
    for kind in ("images", "labels"):
        for part in ("train", "val"):
            (root / kind / part).mkdir(parents=True, exist_ok=True)
    seeds = range(SEED_OFFSET, SEED_OFFSET + grids)
    parts = ["val" if k % 10 == 9 else "train" for k in range(grids)]
    with ProcessPoolExecutor(processes) as pool:
        n = sum(pool.map(write_grid, [root] * grids, parts, seeds))
    print(f"{n} crops from {grids} grids")
    names = "\n".join(f"  {k}: {name}" for k, name in enumerate(KINDS))
    description = root / "lamellae.yaml"
    description.write_text(
        f"path: {root.resolve().as_posix()}\ntrain: images/train\nval: images/val\n"
        f"names:\n{names}\n",
        encoding="utf-8",
    )
    return description


def ship(best: Path, target: Path) -> None:
    """Copy the weights without the folders of the machine that trained them."""
    import torch

    checkpoint = torch.load(best, map_location="cpu", weights_only=False)
    places = {"data": "lamellae.yaml", "project": None, "save_dir": None}
    checkpoint["train_args"] = {**checkpoint["train_args"], **places}
    checkpoint["model"].args = {**dict(checkpoint["model"].args), **places}
    checkpoint["git"] = {}
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, target)
    print(f"{best.name} -> {target}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--grids", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ship", type=Path, help="copy the best weights to this file")
    parser.add_argument("--only-ship", action="store_true", help="do not train any more")
    args = parser.parse_args()
    if args.only_ship:
        ship(args.data / "runs" / "detector" / "weights" / "best.pt", args.ship)
        return
    description = args.data / "lamellae.yaml"
    if not description.exists():
        description = make_data(args.data, args.grids, args.processes)

    from ultralytics import YOLO

    last = args.data / "runs" / "detector" / "weights" / "last.pt"
    going_on = last.exists()
    model = YOLO(str(last) if going_on else "yolov8n.yaml")
    model.train(
        data=str(description),
        imgsz=CROP_PX,
        epochs=args.epochs,
        batch=16,
        device=args.device,
        workers=0,
        project=str(args.data / "runs"),
        name="detector",
        exist_ok=True,
        resume=going_on,
        pretrained=False,
        amp=False,
        plots=False,
        optimizer="AdamW",
        lr0=0.002,
        cos_lr=True,
        warmup_epochs=1,
        close_mosaic=8,
        hsv_h=0.0,
        hsv_s=0.0,
        degrees=10,
        flipud=0.5,
        scale=0.15,
    )
    if args.ship:
        ship(args.data / "runs" / "detector" / "weights" / "best.pt", args.ship)


if __name__ == "__main__":
    main()
