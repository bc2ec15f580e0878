"""``spacetomo models check``: reports whether models can be used, and runs them on a small map."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from space.cli.models.shared import (
    Installed,
    Say,
    add_space_dir,
    configured,
    find,
    installed,
    origin,
    project,
    weights_in,
)
from space.cli.models.trying import ALIKE, Map, Trial, read_map, runtimes, small_map, told, tried
from space.config import load_config
from space.errors import SpaceError
from space.models.description import Model
from space.packages import is_installed
from space.trust import MODELS_DIR, file_hash
from space.weights import load_checkpoint, names_asked_for

_ORIGINS = {
    "shipped": "shipped with SPACEtomo",
    "trusted": "trusted here",
    "other": "weights of another origin",
}
_NO_PACKAGES = (
    "This Python has neither onnxruntime nor torch with ultralytics and nnunetv2, as needed: the "
    "model was not run. Check it on the computer of the worker."
)


@dataclass(frozen=True)
class Subject:
    """What is checked: a model, or the file of weights of one fold."""

    name: str
    weights: tuple[Path, ...]
    one: Installed | None = None


@dataclass
class Report:
    """What was found out about a subject; lines are said as they come."""

    say: Say
    name: str
    fit: bool = True
    weights: list[dict[str, Any]] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    agreement: float | None = None
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        """Note and say what keeps a model from being used."""
        self.fit = False
        self.problems.append(text)
        self.say(text)

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "name": self.name,
            "fit": self.fit,
            "weights": self.weights,
            "runs": [trial.plain() for trial in self.trials],
            "agreement": self.agreement,
            "problems": self.problems,
        }


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    check = actions.add_parser(
        "check",
        help="report whether models can be used, and run them on a small map",
        description="Says what the weights are, loads them as a worker does, and runs each model "
        "on a small map: classes found, time, device, and whether ONNX Runtime and PyTorch agree, "
        "if both are there. Run it on the computer of the worker, not beside SerialEM.",
        epilog="Example: spacetomo models check yeast --map mapping/G1_L01.png",
    )
    check.add_argument(
        "weights",
        nargs="*",
        metavar="MODEL",
        help="as spacetomo models list shows it, or a file or folder (default: the models named "
        "in SPACEtomo_config.py)",
    )
    check.add_argument(
        "--map", type=Path, metavar="PNG", help="a map of yours (default: a picture made for this)"
    )
    check.add_argument(
        "--device", default="auto", help="auto, cpu, or the number of a GPU (default: auto)"
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    add_space_dir(check)
    check.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say, models_dir: Path = MODELS_DIR) -> int:
    """Run the action; return the exit code: 1 if a model cannot be used.

    Raises
    ------
    SpaceError
        If there is no such model, or the map cannot be read.
    """
    picture = None if args.map is None else read_map(args.map)
    quiet: Say = (lambda text: None) if args.json else say
    reports = []
    for subject in _subjects(args.weights, args.space_dir):  # all are reported
        report = Report(quiet, subject.name)
        if subject.one is not None:
            for text in subject.one.model.problems:
                report.problem(text)
        for path in subject.weights:
            _check_weights(path, report, models_dir)
        if subject.one is not None and report.fit:
            _run_model(subject.one.model, report, picture, args)
        reports.append(report)
    if args.json:
        say(json.dumps({"models": [report.plain() for report in reports]}, indent=1))
    return 0 if all(report.fit for report in reports) else 1


def _subjects(words: Sequence[str], space_dir: Path | None) -> list[Subject]:
    models = installed(space_dir)
    if not words:
        return [_subject(one) for one in models if one.is_active]
    subjects = []
    for word in words:
        path = Path(word)
        if path.suffix.lower() == ".pth" or (path.suffix == ".pt" and not path.exists()):
            subjects.append(Subject(word, (path,)))
            continue
        one = find(word, models, space_dir)
        if not one.model.place.form and path.is_dir():
            subjects.append(Subject(word, tuple(weights_in([path]))))
        else:
            subjects.append(_subject(one))
    return subjects


def _subject(one: Installed) -> Subject:
    weights = tuple(path for path in one.model.weights if path.suffix.lower() in (".pt", ".pth"))
    return Subject(one.model.place.name, weights, one)


def _check_weights(path: Path, report: Report, models_dir: Path) -> None:
    """Say what weights are, and load them as a worker does."""
    found: dict[str, Any] = {"path": str(path), "sha256": "", "origin": "", "loads": None}
    report.weights.append(found)
    try:
        names = names_asked_for(path)
        found["sha256"] = file_hash(path)
        found["origin"] = origin(found["sha256"], models_dir)
        report.say(f"{path}: {_ORIGINS[found['origin']]} (SHA-256 {found['sha256']}).")
        if not is_installed("torch"):
            report.say("  This Python has no torch: it was not tried whether they load.")
            return
        report.say(f"  {_loaded(path, names, models_dir)}")
        found["loads"] = True
    except (SpaceError, OSError) as error:
        found["loads"] = False
        if str(error) not in " ".join(report.problems):
            report.problem(str(error))


def _loaded(path: Path, names: frozenset[str], models_dir: Path) -> str:
    if any(name.startswith("ultralytics.") for name in names):
        from space.lamellae.network import load_network

        _, classes = load_network(path, models_dir=models_dir)
        return f"They load as a detector of the categories {', '.join(classes.values())}."
    content = load_checkpoint(path, models_dir=models_dir)
    if not isinstance(content, dict) or "network_weights" not in content:
        raise SpaceError(
            "They load, but are neither a detector of ultralytics nor an nnU-Net model.", str(path)
        )
    return "They load as a model of nnU-Net."


def _run_model(model: Model, report: Report, picture: Map | None, args: argparse.Namespace) -> None:
    """Run a model by what is here, as it is or would be configured."""
    config = load_config(project(args.space_dir))
    is_configured = model.place.path in (config.segmentation_model, config.detection_weights)
    used = config if is_configured else configured(model, config)
    if model.onnx_trouble:
        report.say(f"  Its .onnx file is not used: {model.onnx_trouble}")
    kinds = runtimes(model)
    if not kinds:
        report.say(f"  {_NO_PACKAGES}")
        return
    shown = picture or small_map()
    report.trials, report.agreement = tried(model, used, shown, args.device, kinds)
    for trial in report.trials:
        for line in told(trial, model.task):
            report.say(f"  {line}")
        if trial.problem:
            report.fit = False
            report.problems.append(trial.problem)
    if report.agreement is not None:
        what = "pixels" if model.task == "segment" else "lamellae"
        text = f"Both agree on {report.agreement:.2%} of the {what}."
        if report.agreement < ALIKE:
            report.problem(f"{text} Make the .onnx file again by spacetomo models convert.")
        else:
            report.say(f"  {text}")
