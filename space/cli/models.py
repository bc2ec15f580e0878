"""``spacetomo models``: reports whether weights can be used, and allows some to run code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from space.config import load_config
from space.errors import SpaceError
from space.jobs import TASKS, model_files
from space.project import project_folder
from space.trust import (
    MODELS_DIR,
    SHIPPED_FILE,
    TRUSTED_FILE,
    file_hash,
    read_hashes,
    trust,
)
from space.weights import beyond_plain, load_checkpoint, names_asked_for

Say = Callable[[str], None]

_SUFFIXES = (".pt", ".pth")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``spacetomo``."""
    models = commands.add_parser(
        "models",
        help="check the models, or allow weights to run code",
        description="Weights (.pt, .pth) can run code on the machine that loads them. SPACEtomo "
        "refuses such weights until they are trusted. Run this on the machine of the worker.",
    )
    models.set_defaults(do=lambda args: run(args, print))
    actions = models.add_subparsers(dest="action", required=True)
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
    allow = actions.add_parser("trust", help="let these weights run code when they are loaded")
    allow.add_argument(
        "weights", nargs="+", type=Path, metavar="FILE", help="weights or an nnU-Net folder"
    )


def run(args: argparse.Namespace, say: Say, models_dir: Path = MODELS_DIR) -> int:
    """Run the command; return the exit code: 1 if weights cannot be used.

    Raises
    ------
    SpaceError
        If there are no weights, or the list of trusted ones cannot be written.
    """
    if args.action == "trust":
        for path in weights_in(args.weights):
            trust_weights(path, say, models_dir)
        return 0
    paths = (
        weights_in(args.weights)
        if args.weights
        else configured_weights(args.space_dir or project_folder())
    )
    fit = [check_weights(path, say, models_dir) for path in paths]  # all are reported
    return 0 if all(fit) else 1


def weights_in(paths: Sequence[Path]) -> list[Path]:
    """Replace nnU-Net folders by the checkpoints in them."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted((*path.glob("*.pt"), *path.glob("*.pth"), *path.glob("fold_*/*.pth")))
        if not inside:
            raise SpaceError(
                "There are no weights in this folder (neither *.pt, *.pth nor fold_*/*.pth).",
                str(path),
                "Give the file of weights, or the folder with dataset.json and fold_0.",
            )
        found += inside
    return found


def configured_weights(space_dir: Path) -> list[Path]:
    """Return the weights that SPACEtomo_config.py names."""
    config = load_config(space_dir)
    files = (path for task in TASKS for path in model_files(config, task))
    return [path for path in files if path.suffix in _SUFFIXES]


def trust_weights(path: Path, say: Say, models_dir: Path) -> None:
    """Add weights to the list of those that may run code, and say what that means."""
    asked = beyond_plain(names_asked_for(path))
    digest = trust(path, models_dir)
    say(f"{path}: trusted from now on, on this machine and with this content (SHA-256 {digest}).")
    if asked:
        say(f"  Loading it may run: {', '.join(map(ascii, asked[:10]))}.")
    say(f"  To withdraw this, delete its line in {models_dir / TRUSTED_FILE}.")


def check_weights(path: Path, say: Say, models_dir: Path) -> bool:
    """Say what weights are and load them as a worker does; return whether they can be used."""
    try:
        names = names_asked_for(path)
        digest = file_hash(path)
        say(f"{path}: {_known(digest, models_dir)} (SHA-256 {digest}).")
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


def _known(digest: str, models_dir: Path) -> str:
    if digest in read_hashes(models_dir / SHIPPED_FILE).names:
        return "shipped with SPACEtomo"
    trusted = read_hashes(models_dir / TRUSTED_FILE)
    return "trusted here" if digest in trusted.names else "weights of another origin"
