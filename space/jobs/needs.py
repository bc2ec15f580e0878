"""What this computer lacks for running the models, checked before anything moves.

The Python that runs workers (without importing its heavy packages) and the files of the models
are checked, which takes less than two seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from space.config import Config
from space.errors import SpaceError, shown
from space.jobs.launch import python_executable
from space.jobs.marks import folds_of, model_files, onnx_of
from space.jobs.records import HEAT, TASKS
from space.models import is_onnx

OLDEST_PYTHON = (3, 9)
_ALWAYS = ("numpy", "PIL", "scipy", "filelock")
PACKAGES = {
    ("detect", "torch"): (*_ALWAYS, "torch", "torchvision", "ultralytics"),
    ("detect", "onnx"): (*_ALWAYS, "onnxruntime"),
    ("segment", "torch"): (*_ALWAYS, "torch", "nnunetv2"),
    ("segment", "onnx"): (*_ALWAYS, "onnxruntime"),
    (HEAT, "onnx"): (*_ALWAYS, "onnxruntime"),
}
"""What a worker imports, for each task and runtime."""

OLDEST = {
    "torch": (2, 6),
    "torchvision": (0, 21),
    "ultralytics": (8, 3),
    "nnunetv2": (2, 5),
    "onnxruntime": (1, 17),
}
"""Oldest versions of packages (as in pyproject.toml)."""

_PATIENCE_S = 60.0
_DO = (
    "Or name another Python in the environment variable SPACETOMO_PYTHON, or have the models run "
    "on another computer (external_map_dir)."
)

# Any Python since 3.0 can run this. A package is there if it has a file: what an uninstallation
# leaves is an empty folder.
_QUESTION = """
import json, sys
answer = {"version": list(sys.version_info[:3]), "bits": 64 if sys.maxsize > 2**32 else 32}
answer["packages"] = {}
if sys.version_info >= (3, 8):
    import importlib.metadata, importlib.util
    for name in sys.argv[1:]:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            try:
                answer["packages"][name] = importlib.metadata.version(name)
            except Exception:
                answer["packages"][name] = ""
print(json.dumps(answer))
"""


def missing_here(config: Config | None, space_dir: Path, tasks: Sequence[str] = TASKS) -> list[str]:
    """Return what prevents workers of this computer from doing these tasks, in words.

    Parameters
    ----------
    config : Config or None
        None asks for the Python only.
    space_dir : Path
        Folder of the project.
    tasks : sequence of str
        Of ``detect``, ``segment`` and ``heat``.

    Returns
    -------
    list of str
        One message for each problem, with what to do; empty when all is well.
    """
    from space.models.fitness import detection_problems, segmentation_problems
    from space.models.heat_file import heat_problems

    runtimes = {task: _runtimes(config, task) for task in tasks}
    problems, chosen = _python(space_dir, runtimes)
    if config is None:
        return problems
    if "detect" in tasks:
        problems += detection_problems(config.detection_weights, runtime=chosen["detect"])
    if "segment" in tasks:
        folder, checkpoint = config.segmentation_model, config.segmentation_checkpoint
        used = folds_of(config)
        problems += segmentation_problems(folder, used, checkpoint, chosen["segment"])
    if HEAT in tasks:
        problems += heat_problems(config.learned_targets_model)
    return problems


def _runtimes(config: Config | None, task: str) -> tuple[str, ...]:
    """Return what may run the model for a task, best first; without a configuration, any."""
    if task == HEAT:
        return ("onnx",)
    if config is None:
        return ("onnx", "torch")
    if config.inference_runtime != "auto":
        return (config.inference_runtime,)
    try:
        has_onnx = onnx_of(config, task) is not None
    except SpaceError:
        return ("onnx",)  # the file is named in the configuration, and will be told of
    has_weights = all(path.is_file() and not is_onnx(path) for path in model_files(config, task))
    if has_onnx:
        return ("onnx", "torch") if has_weights else ("onnx",)
    return ("torch",)


def python_problems(space_dir: Path, tasks: Sequence[str]) -> list[str]:
    """Return what is wrong with the Python that runs workers, whatever the models are."""
    return _python(space_dir, {task: _runtimes(None, task) for task in tasks})[0]


def _python(
    space_dir: Path, runtimes: Mapping[str, Sequence[str]]
) -> tuple[list[str], dict[str, str]]:
    """Return what is wrong with the Python that runs workers, and what it runs each task by.

    Parameters
    ----------
    space_dir : Path
    runtimes : dict of str to sequence of str
        What may run each task, best first.
    """
    chosen = {task: ways[0] for task, ways in runtimes.items()}
    try:
        python = python_executable()
    except SpaceError as error:
        return [str(error)], chosen
    names = {
        name for task, ways in runtimes.items() for way in ways for name in PACKAGES[task, way]
    }
    answer, problem = ask_python(python, Path(space_dir), sorted(names))
    where = f"The Python for the models, {python},"
    if problem:
        return [f"{where} does not start: {problem}. {_DO}"], chosen
    for task, ways in runtimes.items():
        whole = [way for way in ways if not _lacking(answer["packages"], PACKAGES[task, way])]
        chosen[task] = (whole or ways)[0]
    needed = sorted({name for task, way in chosen.items() for name in PACKAGES[task, way]})
    either = any(len(ways) > 1 for ways in runtimes.values())
    problems = unfit(answer, python, space_dir, needed, either)
    return [f"{where} {text} {_DO}" for text in problems], chosen


def _lacking(has: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Return which packages are missing or too old."""
    return [
        name
        for name in names
        if name not in has or (name in OLDEST and _is_older(has[name], OLDEST[name]))
    ]


def unfit(
    answer: dict[str, Any],
    python: str,
    space_dir: Path,
    names: Sequence[str],
    either: bool = False,
) -> list[str]:
    """Return what is wrong with a Python, from its answer to `_QUESTION`.

    `either` tells that the other runtime would do as well as the one of these packages.
    """
    version = tuple(answer["version"])
    if version < OLDEST_PYTHON:
        return [f"is version {_dotted(version)}; {_dotted(OLDEST_PYTHON)} or newer is needed."]
    problems = []
    if answer["bits"] != 64:
        problems.append("is a 32-bit program, which cannot run the models.")
    has = answer["packages"]
    missing = [name for name in names if name not in has]
    old = [
        f"{name} {has[name]} ({_dotted(OLDEST[name])} or newer is needed)"
        for name in names
        if name in OLDEST and _is_older(has.get(name, ""), OLDEST[name])
    ]
    if missing or old:
        lacks = [f"lacks {', '.join(missing)}"] if missing else []
        lacks += [f"has only {', '.join(old)}"] if old else []
        lite = "onnxruntime" in names and not {"torch", "nnunetv2"} & set(names)
        extra = "predict-lite" if lite else "predict"
        other = " (or .[predict], which runs all models by PyTorch)" if lite and either else ""
        if not lite:
            other = " (or .[predict-lite], for models that were converted to .onnx)"
        problems.append(
            f"{' and '.join(lacks)}. Install the packages: in the folder {space_dir}, run "
            f'"{python}" -m pip install -e .[{extra}]{other} (see README).'
        )
    return problems


def ask_python(python: str, space_dir: Path, names: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Ask a Python for its version and packages; return its answer, or why there is none."""
    if not python:
        return {}, "its path is not known"
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    try:
        done = subprocess.run(
            [python, "-c", _QUESTION, *names],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=str(space_dir),  # where workers run, and what is there may hide a package
            timeout=_PATIENCE_S,
            creationflags=flags,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"it gave no answer within {_PATIENCE_S:.0f} s"
    except OSError as error:
        return {}, error.strerror or str(error)
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    try:
        answer = json.loads(lines[-1])
        if all(key in answer for key in ("version", "bits", "packages")):
            return answer, ""
    except (IndexError, ValueError, TypeError):
        pass
    output = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return {}, shown(output[-1]) if output else f"it ended with status {done.returncode}"


def _is_older(version: str, oldest: tuple[int, ...]) -> bool:
    """Whether a version is older; one that is not known is not."""
    parts = version.split("+", maxsplit=1)[0].split(".")
    if not version or not all(part.isdigit() for part in parts[: len(oldest)]):
        return False
    return tuple(int(part) for part in parts[: len(oldest)]) < oldest


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(number) for number in version)
