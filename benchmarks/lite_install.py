"""The extra predict-lite as a new user gets it: size, time, and whether the models run.

pip installs it into a temporary folder; with --torch all that make.py installs with PyTorch, for
comparison. What it weighs is the size of all files but those of pip and setuptools, which every
environment has: `size_mb` with what pip compiles. A session needs what `make demo` has, the
simulator's packages as well; they are added after the weighing.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from .common import PROJECT, parser, report
from .demo import demo_options, missed_bars

GOAL_MB = 400
TOOLS = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack")
HEAVY = ("torch", "torchvision", "ultralytics", "nnunetv2")
PREDICT_LITE = ("-e", ".[predict-lite]")

# Asked of the new environment: what it imports in how long, and what a worker would miss there.
QUESTION = """
import importlib, json, sys, time
from importlib.util import find_spec
began = time.perf_counter()
for name in sys.argv[1].split():
    importlib.import_module(name)
answer = {"import_s": round(time.perf_counter() - began, 1)}
answer["heavy_packages"] = [name for name in sys.argv[2].split() if find_spec(name)]
from pathlib import Path
from space.config import load_config
from space.jobs import missing_here
folder = Path(sys.argv[3])
answer["missing"] = missing_here(load_config(folder), folder)
print(json.dumps(answer))
"""


def make_program(folder: Path) -> ModuleType:
    """Return make.py for an environment in this folder."""
    spec = importlib.util.spec_from_file_location("make_program", PROJECT / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.VENV = folder
    return module


def site_packages(python: str) -> Path:
    """Return the folder of an environment's packages."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([python, "-c", code], text=True).strip())


def size_mb(paths: list[Path]) -> float:
    """Return the size of files, in MB of a million bytes."""
    return round(sum(path.stat().st_size for path in paths) / 1e6, 1)


def files_of(package: Distribution) -> list[Path]:
    """Return the files that came with a package, without what was compiled since."""
    paths = [Path(str(package.locate_file(file))) for file in package.files or ()]
    return [path for path in paths if path.suffix != ".pyc" and path.is_file()]


def weighed(folder: Path) -> dict[str, Any]:
    """Return the size of a folder of packages by package, the largest first."""
    everything = [path for path in folder.rglob("*") if path.is_file()]
    tools = [path for path in everything if path.relative_to(folder).parts[0].startswith(TOOLS)]
    ours = sorted(set(everything) - set(tools))
    sizes = {
        package.metadata["Name"]: size_mb(files_of(package))
        for package in distributions(path=[str(folder)])
        if package.metadata["Name"] not in TOOLS
    }
    return {
        "size_mb": size_mb(ours),
        "compiled_mb": size_mb([path for path in ours if path.suffix == ".pyc"]),
        "tools_mb": size_mb(tools),
        "packages_mb": dict(sorted(sizes.items(), key=lambda item: -item[1])),
    }


def asked(python: str) -> dict[str, Any]:
    """Return how an environment answers `QUESTION`."""
    names = "numpy scipy.ndimage matplotlib.pyplot mrcfile PIL.Image filelock lark"
    command = [python, "-c", QUESTION, f"{names} onnxruntime watchdog", " ".join(HEAVY)]
    answer = subprocess.check_output([*command, str(PROJECT)], text=True, cwd=PROJECT)
    return dict(json.loads(answer.splitlines()[-1]))


def session(python: str, out: Path, level: int) -> dict[str, Any]:
    """Run the demo up to a level in an environment; return its time, and which bars it missed."""
    command = [python, "-m", "space.cli", *demo_options(), "--level", str(level), "--out", str(out)]
    used, began = os.times(), time.monotonic()
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    now, wall_s = os.times(), time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nThe session ended with status {done.returncode}.")
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    names = ("lamellae_true", "lamellae_found", "maps", "mean_dice", "targets", "targets_on_wanted",
             "tilt_series")  # fmt: skip
    cpu_s = sum(getattr(now, name) - getattr(used, name)
                for name in ("children_user", "children_system"))  # fmt: skip
    return {
        "level": level,
        "wall_s": round(wall_s, 1),
        "processor_s": round(cpu_s, 1),
        "missed_bars": missed_bars(summary, level),
        **{name: summary[name] for name in names},
    }


def measured(folder: Path, torch: bool, level: int | None) -> dict[str, Any]:
    """Make the environment, weigh it and ask it; run a session up to a level if one is given."""
    make = make_program(folder / ".venv")
    began, before = time.monotonic(), os.times()
    what = make.ALL if torch else PREDICT_LITE
    make.install(make.VENV, [sys.executable], "constraints.txt", what, dry=False)
    installed_s, now = time.monotonic() - began, os.times()
    python = make.tool("python", make.VENV)
    fresh = weighed(site_packages(python))
    result = {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "install_s": round(installed_s, 1),
        "install_processor_s": round(now.children_user - before.children_user, 1),
        **fresh,
        "not_compiled_mb": round(fresh["size_mb"] - fresh["compiled_mb"], 1),
        **asked(python),
    }
    if level:
        began = time.monotonic()
        make.install(make.VENV, [], "constraints.txt", make.LITE, dry=False, serves=[make.ALL])
        installed_s += time.monotonic() - began
        result["session"] = session(python, folder / "demo", level)
        result["first_hour_s"] = round(installed_s + result["session"]["wall_s"], 1)
        result["with_simulator_mb"] = weighed(site_packages(python))["size_mb"]
    result["goal_mb"] = GOAL_MB
    result["fits"] = result["size_mb"] <= GOAL_MB and not (
        result["missing"] or result["heavy_packages"]
    )
    return result


def main() -> None:
    """Command line; the status is 0 if the environment is small enough and the models run in it."""
    options = parser(__doc__, n=1)
    options.add_argument("--torch", action="store_true", help="the environment with PyTorch")
    options.add_argument("--session", action="store_true", help="a session to level 4 in it")
    options.add_argument("--demo", action="store_true", help="what `make demo` runs, to level 5")
    args = options.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as make.py runs it
    level = 5 if args.demo else 4 if args.session else None
    with tempfile.TemporaryDirectory() as folder:
        result = measured(Path(folder), args.torch, level)
    report(result, args.json)
    missed = result["session"]["missed_bars"] if level else []
    sys.exit(0 if (args.torch or result["fits"]) and not missed else 1)


if __name__ == "__main__":
    main()
