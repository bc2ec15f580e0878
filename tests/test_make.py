"""make.py, which sets a checkout up with nothing but Python."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
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
    monkeypatch.setattr(module, "NEEDED", dict.fromkeys(module.NEEDED, (3, 9)))
    monkeypatch.delenv("TORCH", raising=False)
    return module


def called(make, monkeypatch, meanwhile=lambda command: None) -> list[list[str]]:
    """Keep the commands that would run; the first makes the environment's Python."""
    commands: list[list[str]] = []

    def run(*some, dry=False):
        for command in some:
            commands.append(command)
            meanwhile(command)
            if "venv" in command:
                python = Path(make.tool("python", Path(command[-1])))
                python.parent.mkdir(parents=True, exist_ok=True)
                python.touch()

    monkeypatch.setattr(make, "run", run)
    return commands


def own_requirements(make, monkeypatch, folder) -> Path:
    """Give the program copies of the files with requirements; return pyproject.toml."""
    for name in ("pyproject.toml", "constraints.txt", "constraints-oldest.txt"):
        shutil.copy(ROOT / name, folder)
    monkeypatch.setattr(make, "ROOT", folder)
    return folder / "pyproject.toml"


def change(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "# another\n", encoding="utf-8")


def installations(commands) -> list[str]:
    """What was installed, one after the other."""
    return [command[-1] for command in commands if "pip" in command]


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
    requirements = own_requirements(make, monkeypatch, tmp_path)
    commands = called(make, monkeypatch)
    make.setup(dry=False)
    venv, pip = commands
    assert venv[-2:] == ["venv", str(make.VENV)]
    assert pip[-5:] == ["-c", "constraints.txt", "--no-compile", "-e", ".[predict,dev]"]
    os.utime(requirements)
    make.setup(dry=False)
    assert len(commands) == 2
    change(requirements)
    make.setup(dry=False)
    assert commands[2:] == [pip]


def test_requirements_that_change_during_the_installation_are_installed_next_time(
    make, monkeypatch, tmp_path
):
    requirements = own_requirements(make, monkeypatch, tmp_path)
    commands = called(make, monkeypatch, lambda command: change(requirements))
    make.setup(dry=False)
    make.setup(dry=False)
    assert len(installations(commands)) == 2


def test_an_installation_that_failed_is_done_again(make, monkeypatch, tmp_path):
    requirements = own_requirements(make, monkeypatch, tmp_path)
    called(make, monkeypatch)
    make.setup(dry=False)
    before = requirements.read_text(encoding="utf-8")
    change(requirements)
    ends = called(make, monkeypatch, lambda command: sys.exit(1))
    with pytest.raises(SystemExit):
        make.setup(dry=False)
    assert len(ends) == 1
    requirements.write_text(before, encoding="utf-8")
    commands = called(make, monkeypatch)
    make.setup(dry=False)
    assert installations(commands) == [".[predict,dev]"]


def test_one_environment_grows(make, monkeypatch, tmp_path):
    requirements = own_requirements(make, monkeypatch, tmp_path)
    commands = called(make, monkeypatch)
    lite, everything = ".[predict-lite,simulator]", ".[predict,dev]"
    for target in (make.demo, make.demo, make.lint, make.demo, make.test):
        target(dry=False)
    assert installations(commands) == [lite, everything]
    assert sum("venv" in command for command in commands) == 1
    # What else is there since before is not known to be new enough.
    change(requirements)
    for target in (make.demo, make.setup, make.demo):
        target(dry=False)
    assert installations(commands) == [lite, everything] * 2


@pytest.mark.parametrize(("value", "extras"), [
    ("1", "predict,dev"), ("yes", "predict,dev"),
    ("0", "predict-lite,simulator"), ("", "predict-lite,simulator"),
])  # fmt: skip
def test_the_demo_has_torch_where_it_is_wanted(make, monkeypatch, value, extras):
    commands = called(make, monkeypatch)
    monkeypatch.setenv("TORCH", value)
    make.demo(dry=False)
    assert installations(commands) == [f".[{extras}]"]


def test_the_option_for_torch_is_the_variable(make, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["make.py", "demo", "--torch", "--dry-run"])
    monkeypatch.setenv("TORCH", "0")
    make.main()
    assert ".[predict,dev]" in capsys.readouterr().out


def test_the_oldest_packages_are_installed_once(make, monkeypatch):
    commands = called(make, monkeypatch)
    monkeypatch.setattr(make, "python39", lambda: ["python3.9"])
    make.test_oldest(dry=False)
    make.test_oldest(dry=False)
    assert len(installations(commands)) == 1


def test_what_an_older_program_left_is_installed_into(make, monkeypatch):
    commands = called(make, monkeypatch)
    make.VENV.mkdir()
    (make.VENV / ".installed").touch()
    make.demo(dry=False)
    assert len(installations(commands)) == 1


def have(make, monkeypatch, here: tuple[int, int], venv: tuple[int, int] | None) -> None:
    """Run it with a Python of this version, beside an environment with that one."""
    monkeypatch.setattr(make, "NEEDED", {make.LITE: (3, 9), make.ALL: (3, 11)})
    monkeypatch.setattr(make.sys, "version_info", (*here, 18, "final", 0))
    if venv:
        python = Path(make.tool("python", make.VENV))
        python.parent.mkdir(parents=True)
        python.touch()
        text = "home = /usr/bin\nversion = {}.{}.1\n".format(*venv)
        (make.VENV / "pyvenv.cfg").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("here", "venv", "words"), [
    ((3, 9), None, r"PyTorch.*needs Python 3\.11 or newer; this is 3\.9\. Run make\.py with ano"),
    ((3, 9), (3, 10), r"3\.11 or newer; \.venv has 3\.10\. Remove that folder and .* with another"),
    ((3, 12), (3, 9), r"3\.11 or newer; \.venv has 3\.9\. Remove that folder and run make\.py aga"),
])  # fmt: skip
def test_a_python_too_old_for_torch_is_told_in_words(make, monkeypatch, here, venv, words):
    have(make, monkeypatch, here, venv)
    with pytest.raises(SystemExit, match=words):
        make.setup(dry=True)
    make.demo(dry=True)


@pytest.mark.parametrize(("here", "venv"), [((3, 9), (3, 12)), ((3, 11), None)])
def test_the_python_that_counts_is_that_of_the_environment(make, monkeypatch, here, venv):
    have(make, monkeypatch, here, venv)
    make.setup(dry=True)


def test_a_python_too_old_for_the_demo_is_told_in_words(make, monkeypatch):
    have(make, monkeypatch, (3, 8), None)
    with pytest.raises(SystemExit, match=r"This needs Python 3\.9 or newer; this is 3\.8"):
        make.demo(dry=True)


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


def test_compiled_files_are_kept(make, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    make.run([sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"])
    assert "False" in capfd.readouterr().out


def test_a_dry_run_does_nothing(make, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(make, "python39", lambda: ["python3.9"])
    for target in make.TARGETS.values():
        target(dry=True)
    told = capsys.readouterr().out
    for words in ("simulate --out demo", "-m pytest -n 2", "--hypothesis-profile=random", "vermin",
                  "reorder -m 'not session and not browser'", "reorder -m session",
                  "reorder -m 'not browser'", "-m browser tests/browser",
                  "--dist loadfile", "-W default --oldest", "constraints-oldest.txt",
                  "remove"):  # fmt: skip
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
