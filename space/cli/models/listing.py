"""``spacetomo models list``: what models there are, and which are in use."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from space.cli.models.shared import (
    NOT_KNOWN,
    Installed,
    Say,
    add_space_dir,
    installed,
    megabytes,
    wrapped,
)

_TASKS = {"detect": "detection", "segment": "segmentation", "": "no model"}


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    listed = actions.add_parser(
        "list",
        help="what models there are, and which are in use",
        description="Lists the models in the project's folder models/, and those that "
        "SPACEtomo_config.py names elsewhere. Nothing is loaded or changed.",
        epilog="Example: spacetomo models list --json",
    )
    listed.add_argument("--json", action="store_true", help="print all of it as JSON")
    add_space_dir(listed)
    listed.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say) -> int:
    """Run the action; return the exit code: 1 if a model in use cannot be used."""
    models = installed(args.space_dir)
    if args.json:
        say(json.dumps({"models": [as_table(one) for one in models]}, indent=1))
    else:
        for line in _lines(models):
            say(line)
    return 1 if any(one.is_active and one.model.problems for one in models) else 0


def as_table(one: Installed) -> dict[str, Any]:
    """Return what is known of a model as plain values."""
    model = one.model
    return {
        "name": model.place.name,
        "path": str(model.place.path),
        "task": model.task,
        "active": one.is_active,
        "kind": model.place.form,
        "classes": list(model.classes),
        "pixel_nm": one.pixel_nm,
        "pixel_from": one.pixel_from,
        "window_px": one.window_px,
        "folds": list(model.folds),
        "folds_used": list(one.folds_used),
        "bytes": model.bytes,
        "model_hash": one.mark,
        "origin": one.origin,
        "trained_on": model.trained_on,
        "onnx": "" if model.onnx is None else model.onnx.name,
        "onnx_problem": model.onnx_trouble,
        "problems": list(model.problems),
    }


def _lines(models: Sequence[Installed]) -> list[str]:
    lines = [line for one in models for line in (*_of_one(one), "")]
    return lines or ["There are no models."]


def _of_one(one: Installed) -> list[str]:
    model = one.model
    use = f"  <- in use for {_TASKS[model.task]}" if one.is_active else ""
    lines = [f"{model.place.name}: {_TASKS[model.task]}{use}"]
    if model.place.form:
        facts = [model.place.form, megabytes(model.bytes), one.origin]
        facts += [f"mark {one.mark}"] if one.mark else []
        lines.append(f"  {', '.join(facts)}")
        lines += _details(one)
    lines += [f"  Problem: {text}" for text in model.problems]
    return [part for line in lines for part in wrapped(line)]


def _details(one: Installed) -> list[str]:
    model, details = one.model, []
    if model.classes:
        details.append(f"{len(model.classes)} classes: {', '.join(model.classes)}")
    pixel = f"{one.pixel_nm:g} nm ({one.pixel_from})" if one.pixel_nm else NOT_KNOWN
    window = f", window {one.window_px} px" if one.window_px and model.task == "detect" else ""
    details.append(f"pixel size: {pixel}{window}")
    if model.folds:
        used = f", used: {_folds(one.folds_used)}" if one.folds_used else ""
        details.append(f"folds: {_folds(model.folds)}{used}")
    details.append(f"trained on: {model.trained_on or f'{NOT_KNOWN} (no card says it)'}")
    if model.onnx is not None and model.onnx != model.place.path:
        details.append(f"{model.onnx.name} belongs to it")
    if model.onnx_trouble:
        details.append(f"its .onnx file is not used: {model.onnx_trouble}")
    return [f"  {text}" for text in details]


def _folds(folds: Sequence[int | str]) -> str:
    return ", ".join(map(str, folds))
