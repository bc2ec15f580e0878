"""What the shipped models see in a picture of a real map.

python -m benchmarks.real_picture grid PICTURE --pixel-nm 831 --frames FRAMES.json --out FOUND.png
python -m benchmarks.real_picture lamella PICTURE --pixel-nm 20 --out FOUND.png

Published pictures often have frames, numbers and targets drawn on them in colour. Whatever is
coloured is painted over from its surroundings first, so that no model can read it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from space.config import Config, load_config
from space.geometry import rescaled_shape
from space.lamellae.detector import Detector
from space.pictures import resized, to_8_bit
from space.plots import Shown, plot_detection, plot_segmentation
from space.segmentation import Segmenter
from space.segmentation.structure import tidied
from space.simulation import match

from .common import PROJECT, report

COLOURED = 10
"""Difference of the colour channels from which a pixel is drawn, not seen. Frames of few pixels are
painted over exactly: the strip inside them is all that is left of a lamella."""


def without_marks(picture: np.ndarray) -> np.ndarray:
    """Paint over what is coloured.

    Parameters
    ----------
    picture : (rows, columns, 3) uint8 array

    Returns
    -------
    (rows, columns) uint8 array
    """
    import cv2

    grey = np.asarray(Image.fromarray(picture).convert("L"))
    spread = picture.max(axis=2).astype(int) - picture.min(axis=2)
    marks = (spread > COLOURED).astype(np.uint8)
    return cv2.inpaint(grey, marks, 3, cv2.INPAINT_TELEA)


def read_frames(path: Path) -> tuple[list[str], np.ndarray]:
    """Categories and (n, 4) frames x0, y0, x1, y1 (px) that somebody drew."""
    boxes = json.loads(path.read_text(encoding="utf-8"))["boxes"]
    return [b["cls"] for b in boxes], np.array([b["bbox_px"] for b in boxes], float)


def look_at_grid(
    grey: np.ndarray, pixel_nm: float, threshold: float, frames: Path | None, config: Config
) -> tuple[dict[str, object], list]:
    """Detect lamellae; with frames, count how many of them were found and named alike."""
    boxes = Detector(config.detection_weights).detect(grey, pixel_nm, threshold, config)
    result: dict[str, object] = {"boxes": len(boxes)}
    if frames:
        names, drawn = read_frames(frames)
        middles = np.column_stack([drawn[:, [0, 2]].mean(axis=1), drawn[:, [1, 3]].mean(axis=1)])
        found = np.array([b.center_px[::-1] for b in boxes]).reshape(-1, 2)
        um = pixel_nm / 1000
        pairs = match(middles * um, found * um)
        result |= {
            "framed": len(names),
            "found": len(pairs),
            "same_category": sum(names[i] == boxes[j].category for i, j, _ in pairs),
            "not_framed": len(boxes) - len(pairs),
            "missed": [
                f"{names[i]} at {middles[i].tolist()}"
                for i in set(range(len(names))) - {i for i, _, _ in pairs}
            ],
        }
    return result, boxes


def look_at_lamella(
    grey: np.ndarray, pixel_nm: float, config: Config
) -> tuple[dict[str, float], np.ndarray, np.ndarray, dict[str, int]]:
    """Segment as a session does: shares of the classes, picture, labels, class table."""
    segmenter = Segmenter(config.segmentation_model, config.segmentation_folds)
    picture = resized(grey, rescaled_shape(grey.shape, pixel_nm / config.segmentation_pixel_nm))
    labels = segmenter.segment(picture)
    labels = tidied(labels, segmenter.labels, config.segmentation_pixel_nm, picture=picture)
    counts = np.bincount(labels.ravel(), minlength=256) / labels.size
    shares = {name: round(float(counts[value]), 4) for name, value in segmenter.labels.items()}
    return shares, picture, labels, segmenter.labels


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("grid", "lamella"))
    parser.add_argument("picture", type=Path)
    parser.add_argument("--pixel-nm", type=float, required=True)
    parser.add_argument("--threshold", type=float, default=0.1)
    parser.add_argument("--frames", type=Path, help="JSON with frames that somebody drew")
    parser.add_argument("--model", type=Path, help="weights or model folder; default: as shipped")
    parser.add_argument("--out", type=Path, help="draw what was found on the picture")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    args = parser.parse_args()
    config = load_config(PROJECT)
    if args.model and args.what == "grid":
        config = replace(config, detection_weights=args.model)
    elif args.model:
        text = (args.model / "dataset.json").read_text(encoding="utf-8")
        model_nm = json.loads(text).get("pixel_size_nm", config.segmentation_pixel_nm)
        config = replace(config, segmentation_model=args.model, segmentation_pixel_nm=model_nm)
    with Image.open(args.picture) as stored:
        # Published pictures have any contrast; maps are stretched when a session saves them.
        grey = to_8_bit(without_marks(np.asarray(stored.convert("RGB"))))
    if args.what == "grid":
        result, boxes = look_at_grid(grey, args.pixel_nm, args.threshold, args.frames, config)
        if args.out:
            colors = {b.category: config.category(b.category).plot_color for b in boxes}
            shown = [
                Shown(b.x0_px, b.y0_px, b.x1_px, b.y1_px, b.category, b.probability) for b in boxes
            ]
            plot_detection(args.out, grey, shown, colors, args.pixel_nm, args.picture.name)
    else:
        shares, picture, labels, names = look_at_lamella(grey, args.pixel_nm, config)
        result = {"shares": shares}
        if args.out:
            pixel_nm = config.segmentation_pixel_nm
            plot_segmentation(args.out, picture, labels, names, pixel_nm, args.picture.name)
    report(result, args.json)


if __name__ == "__main__":
    main()
