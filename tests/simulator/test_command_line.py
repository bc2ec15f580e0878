"""`python -m space.simulator`: scripts on a kept session, without the rest of the project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from space.simulator import requirements
from space.simulator.command_line import main
from space.simulator.keeping import stored_setup

ROOT = Path(__file__).resolve().parent.parent.parent
HEAD = "#!Python\nimport serialem as sem\n"
SMALL = ["--lamellae", "0", "--within", "120"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a script's text on the session of the test; gives the exit status."""
    monkeypatch.chdir(tmp_path)

    def run_text(text, *words):
        (tmp_path / "mine.py").write_text(HEAD + text, encoding="utf-8")
        return main(["--session", "demo", "--run", "mine.py", *words])

    return run_text


def test_scripts_run_one_after_another_on_one_session(run, capsys):
    assert run("sem.SetPersistentVar('name', 'G7')\n", "--instrument", "talos_ceta", *SMALL) == 0
    assert run("sem.Echo('it is ' + sem.GetVariable('name'))\n") == 0
    assert "it is G7" in capsys.readouterr().out


def test_scripts_of_a_library_stay_and_are_called_from_both_languages(run, capsys, tmp_path):
    tools = tmp_path / "tools.txt"
    tools.write_text("Function say 0 1 what\nEcho I say $what\nEndFunction\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text("Echo more", encoding="utf-8")
    (tmp_path / "own.txt").write_text("CallFunction tools::say hello\nCall more", encoding="utf-8")
    given = ["--library", "tools.txt", "--library", "more.txt"]
    assert run("sem.CallFunction('say', 'this')\n", *given, *SMALL) == 0
    assert main(["--session", "demo", "--run", "own.txt"]) == 0
    out = capsys.readouterr().out
    assert out.index("I say this") < out.index("I say hello") < out.index("more")
    tools.write_text("Function say 0 1 what\nEcho now $what\nEndFunction\n", encoding="utf-8")
    assert main(["--session", "demo", "--run", "own.txt", *given[:2]]) == 0
    out = capsys.readouterr().out
    assert "now hello" in out and "I say" not in out and "more" in out


def test_the_exit_status_says_how_it_ended(run, capsys, tmp_path):
    assert run("raise ValueError('no lamella')\n", *SMALL) == 1
    assert "no lamella" in capsys.readouterr().out
    assert run("", "--seed", "8") == 2
    assert "--seed 8 (it has 1)" in capsys.readouterr().err
    for words, told in (
        (["--fault", "camera@@"], "[--fault]"),
        (["--answer", "none.toml"], "There is no such file. [--answer none.toml]"),
        (["--instrument", "titan"], "[--instrument]"),
        (["--serialem", "four"], "[--serialem]"),
        (["--primary", "none.py"], "There is no such file. [--primary none.py]"),
    ):
        assert run("", *words) == 2
        assert told in capsys.readouterr().err
    assert main(["--session", "demo"]) == 2
    assert "nothing to run" in capsys.readouterr().err


def test_a_session_cannot_be_kept_in_a_file(run, tmp_path, capsys):
    (tmp_path / "demo").write_text("no folder", encoding="utf-8")
    assert run("", *SMALL) == 2
    assert "No session can be kept in" in capsys.readouterr().err


def test_the_first_run_defines_the_session(run, tmp_path):
    assert run("", "--seed", "7", "--grids", "2", "--serialem", "4.1.25", *SMALL) == 0
    setup = stored_setup(tmp_path / "demo")
    assert (setup.seed, len(setup.grids), setup.serialem) == (7, 2, "4.1.25")
    assert setup.grids[0].within_um == 120.0 and setup.stage_limit_um == 230.0


def test_nothing_of_the_rest_of_the_project_is_loaded(tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + "sem.V()\n", encoding="utf-8")
    code = (
        "import json, sys; from space.simulator.command_line import main; "
        f"status = main(['--session', 'demo', '--run', 'mine.py', *{SMALL}]); "
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('space.')}; "
        "print(json.dumps([status, sorted(rooms)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == [0, ["simulator"]], done.stderr


@pytest.fixture
def without_skimage(monkeypatch):
    """Have none of what the simulator needs beyond the program for real microscopes."""
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)


def told_to_install(text: str) -> bool:
    return "lacks scikit-image, which the simulator needs" in text and "pip install" in text


def test_packages_that_are_missing_are_told_before_anything_begins(
    run, capsys, tmp_path, without_skimage
):
    assert run("sem.V()\n", *SMALL) == 2
    told = capsys.readouterr().err
    assert told_to_install(told) and sys.executable in told
    assert not (tmp_path / "demo").exists()


def test_a_session_is_judged_and_shown_without_them(run, capsys, monkeypatch):
    assert run("sem.V()\n", *SMALL) == 0
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    assert main(["--session", "demo", "--judge"]) == 0
    assert main(["--session", "demo", "--report", "page.html"]) == 0


def test_nothing_imports_them_but_commands_that_are_called():
    code = "import sys; sys.modules['skimage'] = None; from space.simulator.commands import "
    code += "all_commands; all_commands(); import space.simulator.pytest_plugin, space.cli"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0
