"""`spacetomo simulate`: what it takes, what it tells, and what it leaves behind."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from space import __version__
from space.cli import INTERRUPTED, command_line, main, simulate
from space.images import DRAWING
from space.jobs import pid_alive
from space.project import project_folder
from space.simulation import MARKER, judge, resumed
from space.simulation.summary import summarise, summary_table
from space.simulator import requirements
from space.simulator.keeping import SESSION_FOLDER, SETUP
from tests.side_entry import side_entry_microscope

SMALL = ["--lamellae", "1", "--within", "120"]


@pytest.fixture
def in_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def script(folder: Path, body: str, name: str = "mine.py") -> str:
    text = "#!Python\nimport serialem as sem\n" + textwrap.dedent(body)
    (folder / name).write_text(text, encoding="utf-8")
    return name


def setup(folder: Path) -> dict:
    return json.loads((folder / SESSION_FOLDER / SETUP).read_text(encoding="utf-8"))


# --- scripts of one's own ---------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--script", "--primary", "--after"])
@pytest.mark.parametrize("what", ["missing.py", "folder.py", "latin.py"])
def test_a_script_that_cannot_be_read_is_told_before_anything_is_done(
    in_folder, capsys, option, what
):
    (in_folder / "folder.py").mkdir()
    (in_folder / "latin.py").write_bytes(b"#!Python\n# gr\xf6\xdfer\n")
    assert main(["simulate", "--out", "out", option, what]) == 2
    told = capsys.readouterr().err
    assert f"[{option} {what}]" in told and "Traceback" not in told
    assert not (in_folder / "out").exists()


def test_packages_of_the_simulator_that_are_missing_are_told(in_folder, capsys, monkeypatch):
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    for words in (["--out", "out"], ["--session", "out", "--run", script(in_folder, "")]):
        assert main(["simulate", *words]) == 2
        told = capsys.readouterr().err
        assert "lacks scikit-image" in told and ".[simulator]" in told and "Traceback" not in told
        assert not (in_folder / "out").exists()


def test_a_script_that_has_none_of_our_settings_runs(in_folder, capsys):
    mine = script(in_folder, "sem.V()\nsem.Echo('it ran')\n")
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL]) == 0
    assert "it ran" in capsys.readouterr().out
    assert "it ran" in (in_folder / "out" / "simulation.log").read_text(encoding="utf-8")


def test_its_own_settings_can_be_set_and_no_others(in_folder, capsys):
    mine = script(in_folder, "count = 1  # of pictures\nsem.Echo(f'count is {count}')\n")
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL, "--set", "count=3"]) == 0
    assert "count is 3" in capsys.readouterr().out
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL, "--set", "cuont=3"]) == 2
    assert "no setting 'cuont'" in capsys.readouterr().err


def test_with_a_script_of_ones_own_no_post_action_of_ours_runs(in_folder, capsys):
    mine = script(
        in_folder,
        """
        sem.OpenNavigator()
        sem.AddStagePosAsNavPoint(10, 10, 0)
        sem.SetItemAcquire(1, 1)
        sem.StartNavAcquireAtEnd()
        """,
    )
    primary = script(in_folder, "sem.Echo('acquired')\n", "primary.py")
    words = ["simulate", "--out", "out", "--script", mine, "--primary", primary, *SMALL]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "acquired" in out and "Post action" not in out


# --- going on -----------------------------------------------------------------------------------


@pytest.fixture
def begun(in_folder, capsys) -> Path:
    """A session with values of its own for everything that can be given."""
    mine = script(in_folder, "word = 'a'\nlevel = 1\nsem.Echo(f'{word} {level}')\n")
    (in_folder / "answers.toml").write_text("yes = true\n", encoding="utf-8")
    words = ["simulate", "--out", "out", "--script", mine, "--seed", "7", "--kinds", "thick",
             "--instrument", "talos_ceta", "--serialem", "4.2", "--answer", "answers.toml",
             "--set", "word=b", *SMALL]  # fmt: skip
    assert main(words) == 0
    assert "b 1" in capsys.readouterr().out
    return in_folder


def test_a_session_goes_on_without_repeating_what_was_given(begun, capsys):
    made = setup(begun / "out")
    assert main(["simulate", "--out", "out", "--resume"]) == 0
    assert "b 1" in capsys.readouterr().out
    assert setup(begun / "out") == made
    again = ["--resume", "--seed", "7", "--instrument", "talos_200kv", "--set", "level=4"]
    assert main(["simulate", "--out", "out", *again]) == 0, "a former name is the same microscope"
    assert "b 4" in capsys.readouterr().out
    assert main(["simulate", "--out", "out", "--resume"]) == 0
    assert "b 4" in capsys.readouterr().out, "what was given last is kept"


def test_what_contradicts_the_session_is_told_all_at_once(begun, capsys):
    words = ["--resume", "--seed", "8", "--grids", "2", "--lamellae", "3", "--kinds", "good,thick",
             "--within", "300", "--instrument", "krios_k3", "--serialem", "4.1.25"]  # fmt: skip
    assert main(["simulate", "--out", "out", *words]) == 2
    told = capsys.readouterr().err
    for part in ("--seed 8 (it has 7)", "--grids 2 (it has 1)", "--lamellae 3 (it has 1)",
                 "--kinds good,thick (it has thick)", "--within 300.0 (it has 120.0)",
                 "--instrument krios_k3 (it has talos_ceta)",
                 "--serialem 4.1.25 (it has 4.2)"):  # fmt: skip
        assert part in told


def test_a_script_on_a_session_is_told_of_contradictions_and_of_nothing_else(begun, capsys):
    session = ["simulate", "--session", "out", "--run", "mine.py"]
    assert main([*session, "--seed", "7", "--lamellae", "1"]) == 0
    assert main([*session, "--seed", "8"]) == 2
    assert "--seed 8 (it has 7)" in capsys.readouterr().err
    assert main(["simulate", "--session", "out", "--run", "none.py"]) == 2
    assert "[--run none.py]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "kinds", "step_deg", "most"),
    [
        ([], ("good",), 3.0, 2),
        (["--tilt-step", "6", "--set", "max_targets=3"], ("good",), 6.0, 3),
        (["--lamellae", "2"], None, 3.0, 2),
    ],
)
def test_series_for_tomograms_are_fine_unless_options_say_otherwise(more, kinds, step_deg, most):
    args = command_line().parse_args(["simulate", "--tomograms", *more])
    plan = simulate._plan(args)
    assert (plan.tomograms, plan.kinds, plan.tilt_step_deg) == (True, kinds, step_deg)
    assert plan.settings["max_targets"] == most


def test_where_there_is_no_session_nothing_goes_on(in_folder, capsys):
    assert main(["simulate", "--out", "out", "--resume"]) == 2
    assert "no simulated session to continue" in capsys.readouterr().err
    assert not (in_folder / "out").exists()


def test_a_session_of_an_earlier_version_goes_on_with_the_usual_script(begun):
    (begun / "out" / MARKER).write_text('{"made_by": "spacetomo simulate"}\n', encoding="utf-8")
    plan = resumed(Path("out"), {})
    assert (plan.seed, plan.script, plan.space_dir) == (7, None, project_folder())


def test_a_project_that_is_gone_is_told(begun, capsys):
    marker = begun / "out" / MARKER
    kept = json.loads(marker.read_text(encoding="utf-8"))
    del kept["plan"]["script"]
    kept["plan"]["space_dir"] = str(begun / "gone")
    marker.write_text(json.dumps(kept), encoding="utf-8")
    assert main(["simulate", "--out", "out", "--resume"]) == 2
    told = capsys.readouterr().err
    assert f"[--space-dir {begun / 'gone' / 'SPACEtomo.py'}]" in told


@pytest.mark.parametrize("text", ["", "[]", '{"plan": 3}', '{"plan": {"settings": {"a": "(("}}}'])
def test_a_damaged_marker_is_told(begun, capsys, text):
    (begun / "out" / MARKER).write_text(text, encoding="utf-8")
    assert main(["simulate", "--out", "out", "--resume"]) == 2
    assert MARKER in capsys.readouterr().err


def test_progress_is_that_of_the_folder_that_out_names(in_folder, capsys):
    mine = script(
        in_folder,
        """
        sem.Echo("Grid G1 in some folder")
        with open("G1_lamellae.json", "w") as file:
            file.write('{"offset_um": null, "lamellae": [1, 2, 3], "others": []}')
        open("G1_PL01_im.png", "w").close()
        sem.Echo("3 lamellae found on grid G1.")
        """,
    )
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL]) == 0
    assert "Level 1: 1 of 3 lamellae looked at" in capsys.readouterr().out


# --- what cannot be done ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "max_tilt"], "'max_tilt' is not NAME=VALUE. [--set]"),
        (["--instrument", "titan_9000"], "titan_9000"),
        (["--serialem", "four"], "[--serialem]"),
        (["--fault", "camera-timeout@@"], "[--fault]"),
        (["--answer", "answers.toml"], "There is no such file. [--answer answers.toml]"),
        (["--run", "mine.py"], "need a session. -> Add --session DIR."),
        (["--acquire"], "need a session. -> Add --session DIR."),
        (["--library", "mine.py"], "need a session. -> Add --session DIR."),
        (
            ["--session", "out"],
            "There is nothing to run. -> Add --run SCRIPT, --acquire or --serve PORT.",
        ),
        (["--instrument", "side_entry.toml", "--grids", "2"], "no autoloader for 2 grids"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_done(in_folder, capsys, words, told):
    side_entry_microscope(in_folder)
    assert main(["simulate", "--out", "out", *words]) == 2
    assert told in capsys.readouterr().err
    assert not (in_folder / "out").exists()


@pytest.mark.parametrize("where", ["--out", "--session"])
def test_answers_that_are_none_are_told(in_folder, capsys, where):
    mine = script(in_folder, "sem.V()\n")
    (in_folder / "answers.toml").write_text("perhaps = 3\n", encoding="utf-8")
    option = "--script" if where == "--out" else "--run"
    words = ["simulate", where, "out", option, mine, "--answer", "answers.toml", *SMALL]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "'perhaps' is not known" in told and "[--answer]" in told


def test_a_folder_of_other_files_is_left_alone(in_folder, capsys):
    mine = script(in_folder, "sem.V()\n")
    (in_folder / "out").mkdir()
    (in_folder / "out" / "thesis.txt").write_text("all of it", encoding="utf-8")
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL]) == 2
    assert "files that were not made by a simulation" in capsys.readouterr().err
    assert [path.name for path in (in_folder / "out").iterdir()] == ["thesis.txt"]


def test_a_folder_of_a_simulation_is_emptied_for_the_next(in_folder):
    mine = script(in_folder, "open('of_the_first.txt', 'a').close()\n")
    other = script(in_folder, "sem.Echo('second')\n", "other.py")
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL]) == 0
    assert (in_folder / "out" / "of_the_first.txt").exists()
    assert main(["simulate", "--out", "out", "--script", other, *SMALL]) == 0
    assert not (in_folder / "out" / "of_the_first.txt").exists()


@pytest.mark.parametrize("where", ["--out", "--session"])
def test_a_session_that_cannot_be_opened_is_told(begun, capsys, where):
    (begun / "out" / SESSION_FOLDER / SETUP).write_text("{", encoding="utf-8")
    words = ["--out", "out", "--resume"] if where == "--out" else ["--session", "out", "--acquire"]
    assert main(["simulate", *words]) == 2
    told = capsys.readouterr().err
    assert SETUP in told and "Traceback" not in told


# --- faults ---------------------------------------------------------------------------------------


def test_faults_say_at_the_end_whether_they_struck(in_folder, capsys):
    mine = script(in_folder, "sem.V()\nsem.V()\nsem.V()\n")
    faults = ["--fault", "camera-timeout@5", "--fault", "lost-focus@2"]
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL, *faults]) == 0
    told = ("camera-timeout@5 did not strike (pictures: 3).",
            "lost-focus@2 struck once, at 2 (pictures: 3).")  # fmt: skip
    out = capsys.readouterr().out
    assert all(line in out for line in told)
    summary = json.loads((in_folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["faults"] == list(told)
    assert main(["simulate", "--session", "out", "--run", mine, *faults]) == 0
    assert all(line in capsys.readouterr().out for line in told[:1])


def test_a_page_shows_whole_sessions_and_single_scripts(in_folder):
    mine = script(in_folder, "sem.V()\nsem.Echo('it ran')\n")
    words = ["--out", "out", "--script", mine, *SMALL]
    assert main(["simulate", *words, "--report", "page.html"]) == 0
    page = (in_folder / "page.html").read_text(encoding="utf-8")
    assert "Run 1: mine.py" in page and "it ran" in page
    assert main(["simulate", "--session", "out", "--run", mine, "--report", "page.html"]) == 0
    page = (in_folder / "page.html").read_text(encoding="utf-8")
    assert "Run 1: mine.py" in page and "Run 2: mine.py" in page


# --- what is left behind ------------------------------------------------------------------------

START_CHILD = f"""
    import subprocess
    child = subprocess.Popen([{sys.executable!r}, "-c", "import time; time.sleep(300)"])
    with open("child.txt", "w") as file:
        file.write(str(child.pid))
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("    raise ValueError('wrong')\n", 1),
        ("    raise KeyboardInterrupt\n", INTERRUPTED),
        pytest.param(
            f"    import os\n    os.kill(os.getpid(), {int(signal.SIGTERM)})\n    sem.Delay(5)\n",
            INTERRUPTED,
            marks=pytest.mark.skipif(os.name == "nt", reason="there it ends the process at once"),
        ),
    ],
    ids=["done", "failed", "Ctrl-C", "terminated"],
)
def test_what_a_session_started_ends_with_it(in_folder, capsys, end, status):
    mine = script(in_folder, START_CHILD + end)
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL]) == status
    pid = int((in_folder / "out" / "child.txt").read_text(encoding="utf-8"))
    assert not pid_alive(pid)
    if status == INTERRUPTED:
        assert "simulate --out out --resume" in capsys.readouterr().err


def test_what_a_session_started_ends_when_serialem_dies(in_folder):
    mine = script(in_folder, START_CHILD + "    sem.Delay(1)\n")
    words = [sys.executable, "-m", "space.cli", "simulate", "--out", "out", "--script", mine,
             "--fault", "serialem-death@Delay", *SMALL]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 86, done.stderr
    assert not pid_alive(int((in_folder / "out" / "child.txt").read_text(encoding="utf-8")))


# --- the end ------------------------------------------------------------------------------------


def test_the_table_has_the_names_that_files_have():
    one = judge.LamellaVerdict(3, "good", True, "good", 0.4, map="G1_L02.mrc", name="G1_L02")
    two = judge.LamellaVerdict(1, "gone", True, "gone")
    result = summarise([judge.GridVerdict("G1", (two, one), 0, 0, (0.4,))], {})
    rows = [line.split() for line in summary_table(result).splitlines()]
    assert rows[0][0] == "files"
    assert [row[0] for row in rows[2:4]] == ["G1", "G1_L02"], "none for what has no files"


def test_a_script_that_fails_is_told_at_the_end(in_folder, capsys):
    mine = script(in_folder, "raise ValueError('no lamella here')\n")
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL]) == 1
    out = capsys.readouterr().out
    assert "The script failed: " in out and "no lamella here" in out
    summary = json.loads((in_folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["ok"] is False and "no lamella here" in summary["error"]


def test_pictures_for_people_are_named_at_the_end(in_folder, capsys):
    mine = script(
        in_folder,
        f"""
        from PIL import Image, PngImagePlugin
        text = PngImagePlugin.PngInfo()
        text.add_text({DRAWING!r}, "1")
        Image.new("L", (4, 4)).save("for_people.png", pnginfo=text)
        Image.new("L", (4, 4)).save("for_models.png")
        """,
    )
    assert main(["simulate", "--out", "out", "--script", mine, *SMALL]) == 0
    told = capsys.readouterr().out.partition("Pictures to open:")[2]
    assert "for_people.png" in told and "for_models.png" not in told


def test_acquire_runs_the_actions_that_were_chosen_on_a_new_session(in_folder, capsys):
    points = script(
        in_folder,
        """
        sem.OpenNavigator()
        sem.AddStagePosAsNavPoint(10, 10, 0)
        sem.SetItemAcquire(1, 1)
        """,
    )
    primary = script(in_folder, "sem.Echo('acquired')\n", "primary.py")
    after = script(in_folder, "sem.Echo('tidied up')\n", "after.py")
    words = ["simulate", "--session", "out", "--run", points, "--acquire", "--primary", primary]
    assert main([*words, "--after", after, *SMALL]) == 0
    told = capsys.readouterr().out
    assert told.index("acquired") < told.index("tidied up")
    assert setup(in_folder / "out")["grids"][0]["lamellae"] == 1


def parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return the parser, and those of the commands below it."""
    commands = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    below = [each for one in commands for each in one.choices.values()]
    return [parser, *(found for each in below for found in parsers(each))]


@pytest.mark.parametrize("parser", parsers(command_line())[1:], ids=lambda parser: parser.prog)
def test_the_help_of_each_command_ends_with_an_example_that_it_takes(parser):
    _, found, example = (parser.epilog or "").rpartition("Example: ")
    assert found and example.startswith("spacetomo ")
    command_line().parse_args(shlex.split(example)[1:])


def test_the_check_at_the_microscope_can_be_tried_here():
    assert command_line().parse_args(["simulate", "--level", "0"]).level == 0


@pytest.mark.parametrize("words", [["--version"], ["simulate", "--help"], ["models", "--help"]])
def test_help_and_version_are_shown_by_the_module(words):
    command = [sys.executable, "-m", "space.cli", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr
    assert (__version__ if words == ["--version"] else "usage: spacetomo") in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_output_that_nobody_reads_is_no_traceback():
    code = "from space.cli import main; raise SystemExit(main(['models', 'list']))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()
    errors = child.stderr.read().decode()
    child.stderr.close()
    assert child.wait(60) == 141
    assert "Traceback" not in errors and "BrokenPipe" not in errors
