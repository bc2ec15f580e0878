"""``spacetomo models add``: copies a model into the project, whole or not at all."""

from __future__ import annotations

import argparse
from pathlib import Path

from space.cli.models.shared import MODELS, Say, add_space_dir, project
from space.errors import SpaceError
from space.models.adding import copied, find_model, publish, refuse_name
from space.models.description import DETECT, Model, describe
from space.models.fitness import strange_names
from space.models.sources import open_source
from space.models.store import place_of
from space.trust import is_trusted


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    add = actions.add_parser(
        "add",
        help="copy a model into the project",
        description="Copies what is needed of a model into models/NAME: the folder of a "
        "training, an nnU-Net folder or its exported zip archive, a .pt of an ultralytics "
        "detector, or an .onnx file. It is checked first; nothing that is there is replaced, and "
        "nothing is loaded.",
        epilog="Example: spacetomo models add Downloads/yeast_export.zip --name yeast",
    )
    add.add_argument("source", type=Path, metavar="SOURCE", help="folder, .zip, .pt or .onnx")
    add.add_argument("--name", help="what it is called here (default: as its folder or file)")
    add_space_dir(add)
    add.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say) -> int:
    """Run the action; return the exit code: 1 if the model cannot be used.

    Raises
    ------
    SpaceError
        If there is no model, it cannot be copied, or its name is taken.
    """
    models_dir = project(args.space_dir) / MODELS
    with open_source(args.source) as source:
        found = find_model(source)
        name = args.name or found.name
        refuse_name(name, models_dir)
        with copied(source, found, models_dir) as folder:
            model = describe(place_of(folder), allow_code=True)
            if model.problems or not model.task:
                told = [*model.problems, *([model.onnx_trouble] if model.onnx_trouble else [])]
                for problem in told:
                    say(_of_source(problem, folder, args.source))
                say("It was not added.")
                return 1
            target = publish(folder, name, models_dir)
    for line in _next_steps(describe(place_of(target), allow_code=True), name):
        say(line)
    return 0


def _of_source(text: str, folder: Path, source: Path) -> str:
    """Return a message about the copy as one about what was given."""
    for written in (str(folder), folder.as_posix(), folder.name):
        text = text.replace(written, str(source))
    return text


def _next_steps(model: Model, name: str) -> list[str]:
    kind = "a detector" if model.task == DETECT else "a segmentation"
    folds = f", folds {', '.join(map(str, model.folds))}" if model.folds else ""
    lines = [
        f"Added as {MODELS}/{name}: {kind} with the classes {', '.join(model.classes)}{folds}."
    ]
    for path in model.weights:
        if path.suffix != ".onnx" and _asks(path):
            lines += [
                f"{path.name} asks to run code when it is loaded ({', '.join(_asks(path)[:4])}), "
                "which is refused. If you trust who made it, on the machine where the worker runs:",
                f'  spacetomo models trust "{path}"',
            ]
    if model.onnx_trouble:
        lines.append(f"Its .onnx file is not used: {model.onnx_trouble}")
    call = f'"{name}"' if " " in name else name
    if model.pixel_nm is None:
        lines += [
            "Its files do not say at which pixel size it was trained. To use it, say so:",
            f"  spacetomo models use {call} --pixel-nm NM",
        ]
    else:
        lines += [
            f"It was trained at {model.pixel_nm:g} nm ({model.pixel_from}). To use it:",
            f"  spacetomo models use {call}",
        ]
    return lines


def _asks(weights: Path) -> list[str]:
    try:
        return [] if is_trusted(weights) else strange_names(weights)
    except (SpaceError, OSError):
        return []
