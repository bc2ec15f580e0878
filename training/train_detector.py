"""Train the lamella detector (YOLOv8 nano) with ultralytics.

python -m training.make_data --what grids --n 120 --seed-start 20000 --out DATA
python -m training.make_data --what grids --n 240 --seed-start 60000 --out DATA
python -m training.make_data --what grids --n 12 --seed-start 120000 --out DATA
python -m training.make_data --what grids --n 12 --seed-start 160000 --out DATA
python -m training.train_detector --data DATA --epochs 60 [--device 0]
python -m training.train_detector --data DATA --only-ship --ship models/lamella_detector/weights.pt

Training pictures are crops of 320 px at 400 nm/px; the network is convolutional, so it serves
windows of 1024 px afterwards. From seed 60000 (160000) on, grids are of the new kinds. A run that
was stopped goes on where it was. Then `training.mine_errors` adds crops where the detector errs on
whole grids, and a second, short run (``--run second --start-from`` the first one's weights) learns
them.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import time
from pathlib import Path

from space.lamellae.network import load_yolo
from space.learning import write_detector
from space.simulator.specimen import KINDS

from . import formats
from .grid_maps import CROP_PX, MODEL_PIXEL_NM
from .records import read_record, versions, write_record
from .seeds import parts_for_training

ARCHITECTURE = "yolov8n.yaml"


def run_folder(data: Path, run: str) -> Path:
    """Where ultralytics keeps weights and results of a run."""
    return data / "runs" / run


def train(data: Path, run: str, epochs: int, device: str, start_from: Path | None) -> Path:
    """Train or go on with a run; returns the best weights."""
    from ultralytics import YOLO

    training, validation = parts_for_training(formats.crop_seeds(data))
    if not training or not validation:
        sys.exit(
            f"{data} needs grids for training (seeds below 100000) and for validation (from there "
            "on); run training.make_data first"
        )
    description = formats.write_yolo_description(data)
    folder = run_folder(data, run)
    last = folder / "weights" / "last.pt"
    going_on = last.exists()
    model = YOLO(str(last) if going_on else ARCHITECTURE)
    if start_from and not going_on:
        model.load(str(start_from))
    begun = time.time()
    model.train(
        data=str(description.resolve()),
        imgsz=CROP_PX,
        epochs=epochs,
        batch=16,
        device=device,
        workers=0,
        project=str(folder.parent.resolve()),
        name=folder.name,
        exist_ok=True,
        resume=going_on,
        pretrained=bool(start_from),
        seed=0,
        amp=device != "cpu",
        plots=False,
        optimizer="AdamW",
        lr0=0.001 if start_from else 0.002,
        cos_lr=True,
        warmup_epochs=1,
        close_mosaic=max(1, epochs // 5),
        hsv_h=0.0,
        hsv_s=0.0,
        hsv_v=0.3,
        degrees=10,
        flipud=0.5,
        scale=0.15,
    )
    _write_record(data, folder, epochs, (training, validation), start_from, time.time() - begun)
    return folder / "weights" / "best.pt"


def _write_record(data, folder, epochs, parts, start_from, seconds) -> None:
    path = folder / "weights" / "record.json"
    earlier = path if path.exists() else start_from and start_from.with_name("record.json")
    runs = read_record(earlier).get("runs", []) if earlier else []
    with open(folder / "results.csv", encoding="utf-8", newline="") as stream:
        rows = [{k.strip(): v.strip() for k, v in row.items()} for row in csv.DictReader(stream)]
    metrics = {
        key.removeprefix("metrics/").removesuffix("(B)"): float(value)
        for key, value in rows[-1].items()
        if key.startswith("metrics/")
    }
    crops = {
        part: sum(1 for _ in (data / "images" / part).glob("*.png")) for part in ("train", "val")
    }
    runs.append({"epochs": epochs, "crops": crops["train"], "hours": round(seconds / 3600, 2)})
    write_record(
        path,
        {
            "model": "lamella detector",
            "pixel_nm": MODEL_PIXEL_NM,
            "architecture": ARCHITECTURE.removesuffix(".yaml"),
            "training_seeds": formats.as_ranges(parts[0]),
            "validation_seeds": formats.as_ranges(parts[1]),
            "crops": crops,
            "runs": runs,
            "validation": metrics,
            "versions": versions("torch", "ultralytics", "numpy", "scipy"),
        },
    )


def ship(data: Path, run: str, target: Path) -> None:
    """Copy the weights without the folders of the machine that trained them."""
    weights = run_folder(data, run) / "weights"
    best = weights / "best.pt"
    if not best.exists():
        sys.exit(f"no weights in {weights}")
    checkpoint = load_yolo(best)
    network = checkpoint["ema"] or checkpoint["model"]  # of a run that goes on, the averaged one
    write_detector(network, target, KINDS, CROP_PX)
    if (weights / "record.json").exists():
        shutil.copyfile(weights / "record.json", target.with_name("record.json"))
    print(f"{best.name} -> {target}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", default="detector", help="name of the run")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start-from", type=Path, help="weights to begin with")
    parser.add_argument("--ship", type=Path, help="copy the best weights to this file")
    parser.add_argument("--only-ship", action="store_true", help="do not train any more")
    args = parser.parse_args()
    if not args.only_ship:
        train(args.data, args.run, args.epochs, args.device, args.start_from)
    if args.ship:
        ship(args.data, args.run, args.ship)


if __name__ == "__main__":
    main()
