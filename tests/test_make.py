"""make.py, which sets a checkout up with nothing but Python."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from space.cli import command_line

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def make(tmp_path, monkeypatch):
    """The program, for an environment in a folder of the test's own."""
    spec = importlib.util.spec_from_file_location("make_program", ROOT / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "OLD_VENV", tmp_path / ".venv39")
    monkeypatch.setattr(module, "NEEDED", (3, 9))
    return module


def called(make, monkeypatch) -> list[list[str]]:
    """Keep the commands that would run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(make, "run", lambda *some, dry=False: commands.extend(some))
    return commands


def test_it_imports_what_every_python_has():
    text = (ROOT / "make.py").read_text(encoding="utf-8")
    roots = re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)
    assert set(roots) <= set(getattr(sys, "stdlib_module_names", roots))


def test_the_makefile_has_the_same_targets(make):
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in (r"^\.PHONY: (.*)$", r"^(setup .*):$"):
        assert re.search(line, text, re.MULTILINE)[1].split() == list(make.TARGETS)


def test_an_environment_is_made_once_and_again_when_requirements_change(
    make, monkeypatch, tmp_path
):
    commands = called(make, monkeypatch)
    (make.VENV / make.BIN).mkdir(parents=True)
    make.setup(dry=False)
    venv, pip = commands
    assert venv[-2:] == ["venv", str(make.VENV)]
    assert pip[-4:] == ["-c", "constraints.txt", "-e", ".[predict,dev]"]
    make.setup(dry=False)
    assert len(commands) == 2
    os.utime(make.VENV / ".installed", (1, 1))
    make.setup(dry=False)
    assert len(commands) == 4


def test_an_old_python_is_told_in_words(make, monkeypatch):
    monkeypatch.setattr(make, "NEEDED", (3, 11))
    monkeypatch.setattr(make.sys, "version_info", (3, 9, 18, "final", 0))
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer.*this is 3\.9\. Run make\.py"):
        make.setup(dry=True)


def test_the_demo_is_a_command_that_there_is(make):
    args = command_line().parse_args(make.DEMO)
    assert args.command == "simulate" and str(args.out) == "demo"


def test_what_fails_ends_it_with_its_status(make, capfd):
    failing = [sys.executable, "-c", "raise SystemExit(7)"]
    fine = [sys.executable, "-c", "print('fine')"]
    for commands in ([failing], [fine, failing]):
        with pytest.raises(SystemExit) as ended:
            make.run(*commands)
        assert ended.value.code == 7
    assert "fine" in capfd.readouterr().out


def test_a_dry_run_does_nothing(make, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(make, "python39", lambda: ["python3.9"])
    for target in make.TARGETS.values():
        target(dry=True)
    told = capsys.readouterr().out
    for words in ("simulate --out demo", "-m pytest -n 2", "--hypothesis-profile=random", "vermin",
                  "loadfile -m 'not session'", "loadfile -m session",
                  "--ignore=tests/session", "constraints-oldest.txt", "remove"):  # fmt: skip
        assert words in told
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one group there")
def test_ctrl_c_waits_for_what_tidies_up(tmp_path):
    tidy = "import time\nprint('begun', flush=True)\ntry:\n    time.sleep(60)\n"
    tidy += "except KeyboardInterrupt:\n    time.sleep(1)\n    print('tidy')\n    exit(130)\n"
    # Started in the background by a shell, this would ignore Ctrl-C.
    code = "import make, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += f"make.run([sys.executable, '-c', {tidy!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE,
                               text=True, start_new_session=True)  # fmt: skip
    while process.stdout.readline().strip() != "begun":
        assert process.poll() is None
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert "tidy" in process.communicate(timeout=30)[0]
    assert process.returncode == 130
