#!/usr/bin/env python3
"""Set up this checkout and use it, on any system: ``python make.py demo``.

The first call installs into the folder .venv what its target needs; later ones skip this, or add
what is missing. With `make`, `make demo` does the same.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV, OLD_VENV = ROOT / ".venv", ROOT / ".venv39"
BIN = "Scripts" if os.name == "nt" else "bin"
# The models by ONNX Runtime; with PyTorch, and what tests and lint need. Code is compiled when it
# is imported: compiled beforehand (without --no-compile), the first would be a quarter larger, and
# the second, of which most is never imported, would take two minutes more.
LITE = ("--no-compile", "-e", ".[predict-lite,simulator]")
ALL = ("--no-compile", "-e", ".[predict,dev]")
NEEDED = {LITE: (3, 9), ALL: (3, 11)}  # ALL: by PyTorch in constraints.txt
DEMO = ["simulate", "--out", "demo", "--set", "max_targets=4", "--tilt-step", "20",
        "--series-binning", "8"]  # fmt: skip
# The oldest packages warn of what newer ones do without; tests/oldest.py says what is chosen.
OLDEST = ["-W", "default", "--oldest"]


def tool(name, venv=VENV):
    """Return the path of a program in an environment."""
    return str(venv / BIN / (f"{name}.exe" if os.name == "nt" else name))


def run(*commands, dry=False):
    """Run commands side by side; of several, each output is printed in one piece.

    If one fails, this program ends with its status.
    """
    for command in commands:
        if dry or len(commands) == 1:
            print(shlex.join(command), flush=True)
    if dry:
        return
    environment = {**os.environ, "YOLO_CONFIG_DIR": str(VENV), "MPLBACKEND": "Agg"}
    environment["NO_MKDOCS_2_WARNING"] = "1"
    # Without compiled files each of the many processes of a session or of tests compiles all anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    options = {"cwd": ROOT, "env": environment}
    if len(commands) == 1:
        statuses = [status(subprocess.Popen(commands[0], **options))]
    else:
        statuses = []
        captured = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
        with ThreadPoolExecutor() as pool:
            run_one = partial(subprocess.run, check=False, **captured)
            for done in pool.map(run_one, commands):
                print(shlex.join(done.args), done.stdout.decode(errors="replace"), sep="\n")
                statuses.append(done.returncode)
    if any(statuses):
        sys.exit(next(status for status in statuses if status))


def status(process):
    """Wait for a process; Ctrl-C reaches it as well, and it may need time to clean up."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def install(venv, python, constraints, what, dry, serves=()):
    """Make an environment and install into it, unless it holds this, or what serves as well.

    Its stamp says what was installed and with which requirements. These are read before, so that
    what is changed meanwhile is not taken for installed.
    """
    setting_up = f"Setting up {venv.name} (minutes; later runs skip this) ..."
    is_new = not Path(tool("python", venv)).exists()
    if is_new:
        print(setting_up, flush=True)
        run([*python, "-m", "venv", str(venv)], dry=dry)
    stamp, requirements = venv / ".installed", fingerprint(venv, constraints)
    there = installed(stamp, requirements)
    if there & {" ".join(some) for some in (what, *serves)}:
        return
    if not is_new:
        print(setting_up, flush=True)
    if not dry and stamp.exists():
        stamp.unlink()  # what this ends with, if it fails, is not known
    pip = [tool("python", venv), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-c", constraints, *what], dry=dry)
    if not dry:
        content = {"requirements": requirements, "installed": sorted({*there, " ".join(what)})}
        stamp.write_text(json.dumps(content) + "\n", encoding="utf-8")


def fingerprint(venv, constraints):
    """Return a hash of what an installation into an environment follows from."""
    digest = hashlib.sha256(repr(version(venv)).encode())
    for path in (ROOT / "pyproject.toml", ROOT / constraints):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def installed(stamp, requirements):
    """Return what was installed with these requirements."""
    try:
        content = json.loads(stamp.read_text(encoding="utf-8"))
        return set(content["installed"]) if content["requirements"] == requirements else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def version(venv):
    """Return the version of an environment's Python: the present one's, before it is made."""
    settings = venv / "pyvenv.cfg"
    if not (Path(tool("python", venv)).exists() and settings.exists()):
        return sys.version_info[:2]
    text = settings.read_text(encoding="utf-8")
    found = re.search(r"^version(?:_info)? *= *(\d+)\.(\d+)", text, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else sys.version_info[:2]


def setup(dry):
    """Set up .venv with everything: the models, PyTorch, and what tests and lint need."""
    set_up(ALL, dry)


def set_up(what, dry):
    """Set up .venv with LITE or ALL, or leave it as it is if it has that."""
    has, needed = version(VENV), NEEDED[what]
    if has < needed:
        sys.exit(too_old(has, needed))
    install(VENV, [sys.executable], "constraints.txt", what, dry, serves=[ALL])


def too_old(has, needed):
    """Return what to do about a Python that is too old, here or in the environment."""
    what = "PyTorch in constraints.txt" if needed == NEEDED[ALL] else "This"
    start = "{} needs Python {}.{} or newer; ".format(what, *needed)
    here = sys.version_info[:2]
    another = "with another Python (Windows: py -3.12 make.py demo), or give make PYTHON=... ."
    if has == here:
        return start + "this is {}.{}. Run make.py {}".format(*has, another)
    way = "again." if here >= needed else another
    return start + "{} has {}.{}. Remove that folder and run make.py {}".format(
        VENV.name, *has, way
    )


def demo(dry):
    """One grid on the simulated microscope, from the autoloader to tilt series.

    The models run without PyTorch, unless TORCH=1 or --torch asks for it.
    """
    set_up(ALL if os.environ.get("TORCH", "0") not in ("", "0") else LITE, dry)
    run([tool("spacetomo"), *DEMO], dry=dry)


def test(dry):
    """All tests but those of test-sessions and test-browser, in JOBS processes (2)."""
    run_tests("not session and not browser", dry)


def test_sessions(dry):
    """Whole sessions with the shipped models, which take minutes, in JOBS processes (2)."""
    run_tests("session", dry)


def test_all(dry):
    """Those of test and test-sessions in one go, the longest first, in JOBS processes (2)."""
    run_tests("not browser", dry)


def test_browser(dry):
    """The page in a browser: Debian's chromium, or the program that CHROMIUM names."""
    setup(dry)
    # One process: side by side they wait for each other's browsers, and what is looked at at once
    # is not there yet.
    run([tool("python"), "-m", "pytest", "-m", "browser", "tests/browser"], dry=dry)


def run_tests(marks, dry):
    """Run the tests with these marks."""
    setup(dry)
    run(side_by_side(tool("python"), *(["-m", marks] if marks else [])), dry=dry)


def side_by_side(python, *options):
    """Return the command for tests; those of one file share fixtures and stay together.

    Files are handed out as tests/conftest.py has put them, not those with most tests first.
    """
    jobs = os.environ.get("JOBS", "2")
    shared = ["--dist", "loadfile", "--no-loadscope-reorder"]
    return [python, "-m", "pytest", "-n", jobs, *shared, *options]


def test_oldest(dry):
    """The tests of the SerialEM side on Python 3.9 (PYTHON39) with the oldest packages."""
    python = python39()
    if python is None:
        print(
            "There is no Python 3.9 here, so no test ran on it. lint checks its syntax and library."
        )
        return
    what = ["-e", ".[simulator]", "pytest", "pytest-xdist", "hypothesis"]
    install(OLD_VENV, python, "constraints-oldest.txt", what, dry)
    run(side_by_side(tool("python", OLD_VENV), *OLDEST), dry=dry)


def python39():
    """Return the command of a Python 3.9 that runs; None if there is none."""
    home, pyenv = Path.home(), Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [
        *sorted(pyenv.glob("versions/3.9*/bin/python3.9")),
        Path("/opt/python/cp39-cp39/bin/python3.9"),
        *sorted(home.glob("miniconda3/envs/*/bin/python3.9")),
        *sorted(home.glob(".local/share/uv/python/cpython-3.9*/bin/python3.9")),
    ]
    named = os.environ.get("PYTHON39")
    commands = [[named]] if named else []
    commands += [["python3.9"], ["py", "-3.9"], *([str(path)] for path in found)]
    right = ["-c", "import sys; assert sys.version_info[:2] == (3, 9)"]
    for command in commands:
        # pyenv puts a command on the PATH also for versions that are not active; it then fails.
        if shutil.which(command[0]):
            if subprocess.run([*command, *right], capture_output=True, check=False).returncode == 0:
                return command
    return None


def fuzz(dry):
    """The property tests with new random examples, ROUNDS times (10)."""
    setup(dry)
    for _ in range(int(os.environ.get("ROUNDS", "10"))):
        run([tool("python"), "-m", "pytest", "-m", "hypothesis", "--hypothesis-profile=random"],
            dry=dry)  # fmt: skip


def lint(dry):
    """Style, layers, types, oldest Python, docs."""
    setup(dry)
    scripts = sorted(path.name for path in ROOT.glob("SPACEtomo*.py"))
    commands = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["lint-imports"],
        ["mypy"],
        ["mkdocs", "build", "--quiet"],
        ["vermin", "--quiet", "--no-tips", "--violations", "--target=3.9-",
         "space", "examples", "training", "make.py", *scripts],
    )  # fmt: skip
    run(*([tool(command[0]), *command[1:]] for command in commands), dry=dry)


def clean(dry):
    """Remove the files of the demo and of builds."""
    built = [*ROOT.glob("*.egg-info"), *ROOT.glob("packages/*/*.egg-info")]
    for path in (ROOT / "demo", ROOT / "build", *ROOT.glob("packages/*/build"), *built):
        print(f"remove {path}", flush=True)
        if not dry:
            shutil.rmtree(path, ignore_errors=True)


TARGETS = {
    "setup": setup,
    "demo": demo,
    "test": test,
    "test-sessions": test_sessions,
    "test-all": test_all,
    "test-browser": test_browser,
    "test-oldest": test_oldest,
    "fuzz": fuzz,
    "lint": lint,
    "clean": clean,
}


def main():
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="\n".join(f"{name:13s} {target.__doc__}" for name, target in TARGETS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--torch", action="store_true", help="demo: with PyTorch (or TORCH=1)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="only show the commands")
    args = parser.parse_args()
    if args.torch:
        os.environ["TORCH"] = "1"
    TARGETS[args.target](args.dry_run)


if __name__ == "__main__":
    main()
