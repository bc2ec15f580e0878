"""``spacetomo models convert``: a model as one .onnx file, for ONNX Runtime, or as one of torch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from space.cli.models import packing
from space.cli.models.shared import (
    Installed,
    Say,
    add_space_dir,
    find,
    installed,
    megabytes,
    project,
)
from space.config import load_config
from space.errors import SpaceError
from space.geometry import rescaled_shape
from space.images import read_png
from space.models.description import DETECT, SEGMENT
from space.models.store import Folds
from space.packages import is_installed
from space.pictures import resized

_PT = ".pt"
_PACKAGES = {
    DETECT: ("torch", "ultralytics", "onnx", "onnxruntime"),
    SEGMENT: ("torch", "nnunetv2", "onnx", "onnxruntime"),
}
"""What converting needs, for each task."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    convert = actions.add_parser(
        "convert",
        help="write a model as .onnx, which runs without torch, or as one file of torch",
        description="Writes one .onnx file beside the weights of a model, for ONNX Runtime, if it "
        "finds the same as they do. It needs PyTorch (Python 3.11 or newer, pip install -e "
        '".[predict,convert]"). The file can then be copied to other computers. With --to file, an '
        "nnU-Net folder becomes one file of PyTorch with all that is in it, and with --to folder "
        "such a file becomes the folder again.",
        epilog="Example: spacetomo models convert yeast --maps G1_L01.png",
    )
    convert.add_argument(
        "--to",
        choices=("onnx", "file", "folder"),
        default="onnx",
        help="what to write: .onnx, one file (.pth), or the folder of such a file",
    )
    convert.add_argument(
        "names",
        nargs="*",
        metavar="MODEL",
        help="as spacetomo models list shows it, or a path (default: the models that are used)",
    )
    convert.add_argument(
        "--folds",
        nargs="+",
        metavar="N",
        help="folds of a segmentation model, or all for the one trained on everything "
        "(default: those that it has)",
    )
    convert.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="file or folder to write, for one model (default: beside it; a folder in models/)",
    )
    convert.add_argument(
        "--maps",
        nargs="+",
        type=Path,
        default=[],
        metavar="PNG",
        help="maps to compare both runtimes on (default: drawn ones)",
    )
    convert.add_argument("--json", action="store_true", help="print what was done as JSON")
    add_space_dir(convert)
    convert.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say) -> int:
    """Run the action; return the exit code: 1 if a model was not converted.

    Raises
    ------
    SpaceError
        If there is no such model, packages are missing, or the options do not fit each other.
    """
    if args.to == "folder":
        return packing.to_folder(args, say)
    if args.to == "file":
        return packing.to_file(args, _folds(args.folds), say)
    known = installed(args.space_dir)
    models = (
        [find(name, known, args.space_dir) for name in args.names]
        if args.names
        else [one for one in known if one.is_active]
    )
    if args.out is not None and len(models) != 1:
        raise SpaceError("--out is for one model.", do="Name the model, or leave --out away.")
    _check_packages({one.model.task for one in models})
    done = []
    for one in models:
        name = one.model.place.name
        try:
            result = _converted(one, args)
        except SpaceError as error:
            done.append({"model": name, "problem": str(error)})
            lines = [f"{name}: not converted. {error}"]
        else:
            done.append({"model": name, **result})
            lines = _in_words(name, result)
        for line in () if args.json else lines:
            say(line)
    if args.json:
        say(json.dumps(done, indent=1))
    return 1 if any("problem" in one for one in done) else 0


def _check_packages(tasks: Iterable[str]) -> None:
    """Refuse before anything is loaded where packages are missing, naming all of them."""
    needed = dict.fromkeys(name for task in sorted(tasks) for name in _PACKAGES.get(task, ()))
    missing = [name for name in needed if not is_installed(name)]
    if missing:
        raise SpaceError(
            f"Converting needs packages that this Python does not have: {', '.join(missing)}.",
            sys.executable,
            "Convert on a computer with PyTorch (Python 3.11 or newer; in the project's folder: "
            'pip install -e ".[predict,convert]"), and copy the .onnx file.',
        )


def _in_words(name: str, result: dict[str, Any]) -> list[str]:
    bits = 16 if result["halved"] else 32
    unit = "window" if result["task"] == DETECT else "megapixel and fold"
    torch_s, onnx_s = result["agreement"]["torch_s"], result["agreement"]["onnx_s"]
    return [
        f"{name}: {result['path']} was written ({megabytes(result['size_bytes'])}, weights of "
        f"{bits} bits).",
        f"  {result['in_words']}.",
        f"  {torch_s:.2g} s for a {unit} with torch, {onnx_s:.2g} s with ONNX Runtime.",
    ]


def _converted(one: Installed, args: argparse.Namespace) -> dict[str, Any]:
    """Convert a model; return what there is to tell."""
    model = one.model
    if model.task not in (DETECT, SEGMENT):
        raise SpaceError("It is no model that is known here.", str(model.place.path))
    if model.task == DETECT and args.folds:
        raise SpaceError("A detector has no folds.", "--folds", "Leave --folds away.")
    config = load_config(project(args.space_dir))
    usual = config.detection_pixel_nm if model.task == DETECT else config.segmentation_pixel_nm
    pixel_nm = one.pixel_nm or usual
    pictures = [_picture(path, pixel_nm) for path in args.maps]
    done: Any
    if model.task == DETECT:
        from space.lamellae.conversion import convert_detector

        weights = next((path for path in model.weights if path.suffix == _PT), None)
        if weights is None:
            raise SpaceError("There are no weights (.pt) to convert.", str(model.place.path))
        done = convert_detector(
            weights,
            pixel_nm,
            one.window_px or config.detection_window_px,
            args.out,
            pictures,
            model.trained_on,
        )
    else:
        from space.segmentation.conversion import convert_segmentation

        folds = _folds(args.folds) or _all_folds(one)
        done = convert_segmentation(
            model.place.path, folds, args.out, model.checkpoint, one.pixel_nm, pictures
        )
    return {
        "task": model.task,
        "path": str(done.path),
        "size_bytes": done.size_bytes,
        "halved": done.halved,
        "agreement": asdict(done.agreement),
        "in_words": str(done.agreement),
    }


def _folds(given: Sequence[str] | None) -> Folds:
    return tuple(int(fold) if fold.isdigit() else fold for fold in given or ())


def _all_folds(one: Installed) -> Folds:
    """Return the folds that a model has; the one trained on everything only where it is used."""
    model = one.model
    return (*model.folds, *(fold for fold in one.folds_used if fold not in model.folds))


def _picture(path: Path, pixel_nm: float) -> np.ndarray:
    """Read a map, at the pixel size of the model if its own is known."""
    image, info = read_png(path)
    if "pixel_nm" not in info:
        return image
    return resized(image, rescaled_shape(image.shape, float(info["pixel_nm"]) / pixel_nm))
