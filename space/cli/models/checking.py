"""``spacetomo models check``: reports whether weights can be used."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from space.cli.models.shared import Say, origin, weights_in
from space.config import load_config
from space.errors import SpaceError
from space.jobs import TASKS, model_files
from space.project import project_folder
from space.trust import MODELS_DIR, file_hash
from space.weights import load_checkpoint, names_asked_for

_SUFFIXES = (".pt", ".pth")
_ORIGINS = {
    "shipped": "shipped with SPACEtomo",
    "trusted": "trusted here",
    "other": "weights of another origin",
}


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    check = actions.add_parser("check", help="report what weights are and whether they load")
    check.add_argument(
        "weights",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="weights or an nnU-Net folder (default: the models named in SPACEtomo_config.py)",
    )
    check.add_argument(
        "--space-dir", type=Path, help="folder of the project (default: the one of this program)"
    )
    check.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say, models_dir: Path = MODELS_DIR) -> int:
    """Run the action; return the exit code: 1 if weights cannot be used.

    Raises
    ------
    SpaceError
        If there are no weights.
    """
    paths = (
        weights_in(args.weights)
        if args.weights
        else configured_weights(args.space_dir or project_folder())
    )
    fit = [check_weights(path, say, models_dir) for path in paths]  # all are reported
    return 0 if all(fit) else 1


def configured_weights(space_dir: Path) -> list[Path]:
    """Return the weights that SPACEtomo_config.py names."""
    config = load_config(space_dir)
    files = (path for task in TASKS for path in model_files(config, task))
    return [path for path in files if path.suffix in _SUFFIXES]


def check_weights(path: Path, say: Say, models_dir: Path) -> bool:
    """Say what weights are and load them as a worker does; return whether they can be used."""
    try:
        names = names_asked_for(path)
        digest = file_hash(path)
        say(f"{path}: {_ORIGINS[origin(digest, models_dir)]} (SHA-256 {digest}).")
        if find_spec("torch") is None:
            say("  This Python has no torch: it was not tried whether they load.")
        elif any(name.startswith("ultralytics.") for name in names):
            from space.lamellae.network import load_network

            _, classes = load_network(path, models_dir=models_dir)
            say(f"  They load as a detector of the categories {', '.join(classes.values())}.")
        else:
            content = load_checkpoint(path, models_dir=models_dir)
            if not isinstance(content, dict) or "network_weights" not in content:
                say("  They load, but are neither a detector of ultralytics nor an nnU-Net model.")
                return False
            say("  They load as a model of nnU-Net.")
    except (SpaceError, OSError) as error:
        say(str(error))
        return False
    return True
