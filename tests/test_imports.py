"""The SerialEM side starts quickly and without what only workers need."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "tifffile", "yaml", "pycocotools", "zarr", "segmentation_models_pytorch",
    "torch", "torchvision", "ultralytics", "nnunetv2", "onnxruntime", "onnx", "rich", "watchdog",
    "dask", "distributed", "starlette", "uvicorn", "matplotlib", "skimage", "cv2",
)  # fmt: skip
LIMIT_S = 2.0
PASTED = ("SPACEtomo.py", "SPACEtomo_postAction.py")


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_workflow_imports_quickly_and_lightly():
    code = (
        "import json, sys, time; start = time.process_time(); import space.workflow; "
        "print(json.dumps([time.process_time() - start, sorted(sys.modules)]))"
    )
    # Processor time: what else the machine does is not the program's fault. Best of two, since
    # the first import may have to compile.
    seconds, modules = min(json.loads(run(code).stdout) for _ in range(2))
    assert seconds < LIMIT_S
    assert [name for name in HEAVY if name in modules] == []
    assert "serialem" not in modules
    assert "http.client" not in modules  # a start of each script pays for it
    assert "scipy" not in modules  # half a second, needed only once pictures are there


def test_every_module_can_be_imported_where_nothing_but_the_base_packages_are():
    """Extras are imported where they are used. `make test-oldest` runs this, too."""
    code = f"""
import importlib, pathlib, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY[:-3]!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Without())
names = sorted(".".join(path.with_suffix("").parts) for path in pathlib.Path("space").rglob("*.py"))
names = [name for name in names if not name.endswith("__main__")]
failed = []
for name in names:
    try:
        importlib.import_module(name)
    except Exception as problem:
        failed.append(f"{{name}}: {{problem!r}}")
print(len(names), failed)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    count, _, failed = done.stdout.strip().partition(" ")
    assert failed == "[]" and int(count) > 300


def test_only_the_microscope_room_names_serialem():
    guilty = []
    for path in (ROOT / "space").rglob("*.py"):
        room = path.relative_to(ROOT / "space").parts[0]
        if room in ("microscope", "simulator"):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if any(line.strip().startswith(("import serialem", "from serialem")) for line in lines):
            guilty.append(str(path))
    assert guilty == []


def test_without_serialem_the_script_says_how_to_simulate(tmp_path):
    text = (ROOT / "SPACEtomo.py").read_text(encoding="utf-8")
    text = text.replace('"C:/SPACEtomo"', repr(str(ROOT)))
    path = tmp_path / "pasted.py"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "spacetomo simulate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", PASTED)
def test_the_scripts_do_not_ask_for_their_own_place(name):
    assert "__file__" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PASTED)
def test_the_first_line_names_a_python_that_serialem_and_the_project_know(name):
    first = (ROOT / name).read_text(encoding="utf-8").splitlines()[0]
    assert first in ("#!Python3.9", "#!Python3.11", "#!Python3.12")


@pytest.mark.parametrize("name", ["SPACEtomo_monitor.py", "SPACEtomo_nnUNet.py"])
def test_an_older_python_says_in_a_command_what_is_wrong(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 4))
    code = "import sys; text = sys.stdin.read(); sys.version_info = (3, 8, 10); exec(text)"
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "SPACEtomo needs Python 3.9 or newer; this is 3.8."


@pytest.mark.parametrize("name", PASTED)
def test_an_older_python_can_read_the_scripts_and_says_what_is_wrong(name):
    """The oldest that SerialEM has a module for is 3.4."""
    text = (ROOT / name).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 4))
    code = (
        "import sys; text = sys.stdin.read(); sys.version_info = (3, 8, 10)\n"
        "try: exec(text)\n"
        "except RuntimeError as error: print(error, [n for n in sys.modules if 'space.' in n])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("SPACEtomo needs Python 3.9 or newer, but SerialEM has started")
    assert "Python 3.8." in done.stdout and "first line" in done.stdout
    assert done.stdout.strip().endswith("[]"), "nothing of the project is imported before"


@pytest.mark.parametrize("name", [*PASTED, "SPACEtomo_monitor.py", "SPACEtomo_nnUNet.py"])
def test_packages_that_are_missing_are_told_in_words(name, tmp_path):
    """As in a Python without them: with nothing but the standard library."""
    text = (ROOT / name).read_text(encoding="utf-8").replace('"C:/SPACEtomo"', repr(str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"__file__ = {str(ROOT / name)!r}\n{text}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "lacks numpy, scipy, matplotlib, mrcfile, PIL, filelock." in last
    assert sys.executable in last and "-m pip install" in last
    assert ("Traceback" in done.stderr) == (name in PASTED), "SerialEM shows the last line"
