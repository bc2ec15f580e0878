"""The SerialEM side starts quickly and without what only workers need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "ultralytics", "nnunetv2", "matplotlib", "skimage", "cv2")
LIMIT_S = 2.0


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


def test_the_scripts_do_not_ask_for_their_own_place():
    for name in ("SPACEtomo.py", "SPACEtomo_postAction.py"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert text.startswith("#!Python")
        assert "__file__" not in text
