"""``spacetomo models use``: makes a model the one for its task, in SPACEtomo_config.py."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space.cli.models.config_change import change_config
from space.cli.models.shared import Installed, Say, add_space_dir, find, installed, project
from space.config import ALL_FOLDS, CONFIG_FILE, Config, load_config
from space.config_edit import written
from space.errors import SpaceError
from space.models.description import DETECT, Model, describe
from space.models.store import Folds
from space.settings import Settings
from space.targeting import TargetingOptions
from space.targeting.scoring import pieces_unknown

_CLOSE = 0.02
"""Pixel sizes this close (as a fraction) are the same."""


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    use = actions.add_parser(
        "use",
        help="make a model the one for its task",
        description=f"Names the model in {CONFIG_FILE}: only the values concerned change there, "
        f"and the file as it was is kept as {CONFIG_FILE}.bak. Results that another model made "
        "are made again in the next session.",
        epilog="Example: spacetomo models use yeast --pixel-nm 2.283 --folds 0 1 2 3 4",
    )
    use.add_argument("name", metavar="NAME", help="as spacetomo models list shows it, or a path")
    use.add_argument(
        "--pixel-nm",
        type=float,
        metavar="NM",
        help="pixel size that the model was trained at, if its files do not say it",
    )
    use.add_argument(
        "--folds",
        nargs="+",
        metavar="N",
        help="folds of a segmentation model, or all for the one trained on everything "
        "(default: those that it has)",
    )
    use.add_argument(
        "--window-px", type=int, metavar="PX", help="window of a detector (default: as configured)"
    )
    add_space_dir(use)
    use.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say) -> int:
    """Run the action; return the exit code: 1 if the model cannot be used.

    Raises
    ------
    SpaceError
        If there is no such model, something has to be given, or the file cannot be changed.
    """
    root = project(args.space_dir)
    config = load_config(root)
    one = find(args.name, installed(args.space_dir), args.space_dir)
    _refuse_options(args, one.model)
    folds = _folds(args.folds, one, config)
    checkpoint = one.model.checkpoint if one.is_active else ""
    model = describe(one.model.place, folds, checkpoint) if folds else one.model
    if model.problems or not model.task:
        for problem in model.problems:
            say(problem)
        say(f"{CONFIG_FILE} was not changed.")
        return 1
    pixel_nm = _pixel_nm(args.pixel_nm, one, say)
    values = (
        _detection(model, config, root, pixel_nm, args.window_px)
        if model.task == DETECT
        else _segmentation(model, config, root, pixel_nm, folds)
    )
    backup = change_config(root, values)
    if backup is None:
        say(f"{CONFIG_FILE} says so already; nothing was changed.")
    else:
        say(f"{root / CONFIG_FILE}:")
        for name, value in values.items():
            say(f"  {name} = {written(value)}")
        say(f"As it was before, it is {backup.name} beside it.")
    for text in doubts(model, load_config(root)):
        say(f"Note: {text}")
    return 0


def doubts(model: Model, config: Config) -> list[str]:
    """Return what of the configuration may not fit a model."""
    if model.task == DETECT:
        unknown = [name for name in model.classes if name not in config.categories]
        if not unknown:
            return []
        return [
            f"the table categories in {CONFIG_FILE} has no {', '.join(unknown)}: lamellae of such "
            "a category are grey in plots and red in the Navigator, and settings cannot name it."
        ]
    labels = {name: label for label, name in enumerate(model.classes)}
    names = config.off_lamella_classes
    options = TargetingOptions() if names is None else TargetingOptions(off_lamella=names)
    found = [pieces_unknown(labels, options)]
    lacking = [name for name in names or () if name not in labels]
    if not found[0] and lacking:
        found.append(
            f"off_lamella_classes in {CONFIG_FILE} names {', '.join(lacking)}, which this model "
            f"does not have (it has {', '.join(model.classes)})."
        )
    found.append(_usual_classes(labels))
    return [text for text in found if text]


def _usual_classes(labels: Mapping[str, int]) -> str:
    """Say which classes the usual settings name that a model does not have, for they stop a run."""
    usual = Settings()
    named = (*usual.target_list, *usual.avoid_list)
    lacking = [name for name in named if name not in labels]
    if not lacking:
        return ""
    return (
        f"target_list and avoid_list in SPACEtomo.py are usually {', '.join(usual.target_list)} "
        f"and {', '.join(usual.avoid_list)}; this model does not have {', '.join(lacking)}. Name "
        f"only classes that it has: {', '.join(labels)}."
    )


def _refuse_options(args: argparse.Namespace, model: Model) -> None:
    if model.task == DETECT and args.folds:
        raise SpaceError("A detector has no folds.", do="Leave out --folds.")
    if model.task and model.task != DETECT and args.window_px is not None:
        raise SpaceError("Only a detector has a window.", do="Leave out --window-px.")


def _folds(given: list[str] | None, one: Installed, config: Config) -> Folds:
    if one.model.task == DETECT:
        return ()
    if given:
        words = [word for text in given for word in text.replace(",", " ").split()]
        odd = [word for word in words if not (word.isdecimal() or word == ALL_FOLDS)]
        if odd:
            raise SpaceError(f"{odd[0]!r} is no fold.", do="Give numbers such as --folds 0 1 2.")
        return tuple(int(word) if word.isdecimal() else word for word in words)
    if one.is_active and all(fold in one.model.folds for fold in config.segmentation_folds):
        return config.segmentation_folds
    return tuple(fold for fold in one.model.folds if fold != ALL_FOLDS) or one.model.folds


def _pixel_nm(given: float | None, one: Installed, say: Say) -> float:
    model = one.model
    known = model.pixel_nm if model.pixel_nm is not None else one.pixel_nm
    if given is None:
        if known is None:
            raise SpaceError(
                "Nothing says at which pixel size this model was trained.",
                model.place.name,
                f"Give it: spacetomo models use {_quoted(model.place.name)} --pixel-nm NM",
            )
        return known
    if not 0 < given < 1e6:
        raise SpaceError(f"--pixel-nm {given:g} must be a length in nm above 0.")
    if model.pixel_nm is not None and abs(given / model.pixel_nm - 1) > _CLOSE:
        say(f"Note: {model.pixel_from} of the model says {model.pixel_nm:g} nm.")
    return given


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _detection(
    model: Model, config: Config, root: Path, pixel_nm: float, window_px: int | None
) -> dict[str, Any]:
    known = model.window_px or config.detection_window_px
    return {
        **_path("detection_weights", model, config.detection_weights, root),
        "detection_pixel_nm": _plain(pixel_nm),
        "detection_window_px": known if window_px is None else window_px,
    }


def _segmentation(
    model: Model, config: Config, root: Path, pixel_nm: float, folds: Folds
) -> dict[str, Any]:
    values = _path("segmentation_model", model, config.segmentation_model, root)
    values["segmentation_folds"] = list(folds)
    if model.checkpoint != config.segmentation_checkpoint:
        values["segmentation_checkpoint"] = model.checkpoint
    values["segmentation_pixel_nm"] = _plain(pixel_nm)
    return values


def _path(name: str, model: Model, configured: Path, root: Path) -> dict[str, Any]:
    path = model.place.path.resolve()
    if path == configured.resolve():
        return {}  # in the words of its author
    try:
        return {name: path.relative_to(root.resolve()).as_posix()}
    except ValueError:
        return {name: path.as_posix()}


def _plain(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number
