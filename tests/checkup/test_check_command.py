"""``spacetomo check``: each item is well here, and shown to fail once."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from space import jobs
from space.checkup import Expected, Finding, Places, exit_code, folders, of_computer
from space.checkup import serialem_files as files
from space.cli import main
from space.settings import Settings
from space.simulation import make_project

VERSION = ".".join(map(str, sys.version_info[:2]))
FOLDER = Path(sys.executable).parent


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def all_well(monkeypatch):
    """Models and a GPU that are there."""
    monkeypatch.setattr(jobs, "missing_here", lambda *asked: [])
    monkeypatch.setattr(jobs, "nvidia_gpus", lambda: 1)
    monkeypatch.setattr(folders, "_PROBE_BYTES", 100_000)


def properties(folder: Path, *lines: str) -> Path:
    path = folder / "SerialEMproperties.txt"
    path.write_text("\n".join(["GeneralProperties", *lines]) + "\n", encoding="utf-8")
    return path


def settings(project: Path, **changed: object) -> dict[str, object]:
    return {**Settings(SPACE_DIR=str(project)).to_dict(), **changed}


def worst(findings: list[Finding] | tuple[Finding, ...], subject: str) -> Finding:
    """The least good line of a subject."""
    found = [one for one in findings if one.subject == subject]
    assert found, [one.subject for one in findings]
    return max(found, key=lambda one: ("ok", "warn", "fail").index(one.verdict))


# --- Python ---------------------------------------------------------------------------------------


def python_lines(tmp_path: Path, script: str, *lines: str) -> list[Finding]:
    known = files.read_properties(properties(tmp_path, *lines))
    return files.python_of_serialem(known, script, tmp_path)


def test_the_python_of_the_first_line_is_asked(tmp_path):
    found = python_lines(
        tmp_path,
        f"\n#\n#!Python{VERSION}\n",
        "PathToPython 3.4 C:\\old",
        f'pathtopython\t{VERSION} "{FOLDER}"',
        f"PythonModulePath {tmp_path}",
    )
    assert worst(found, "Python of SerialEM").verdict in ("ok", "warn")  # warn: 3.10, 3.13
    assert VERSION in found[0].seen and worst(found, "PythonModulePath").verdict == "ok"


@pytest.mark.parametrize(
    ("script", "lines", "words"),
    [
        ("", (f"PathToPython {VERSION} {FOLDER}",), "does not begin with #!Python"),
        ("MacroName X", (f"PathToPython {VERSION} {FOLDER}",), "does not begin with #!Python"),
        ("#!Python2.9", (f"PathToPython {VERSION} {FOLDER}",), "asks for Python 2.9"),
        ("#!Python", (f"PathToPython {VERSION} {FOLDER}/x", "PathToPython 3.4 a"), "no python.exe"),
        ("#!Python2.9", (f"PathToPython 2.9 {FOLDER}",), "leads to a Python"),
    ],
)
def test_a_python_that_serialem_cannot_start_fails(tmp_path, script, lines, words):
    finding = worst(python_lines(tmp_path, script, *lines), "Python of SerialEM")
    assert finding.verdict == "fail" and words in finding.seen and finding.do


def test_without_an_entry_the_python_on_the_search_path_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: sys.executable)
    assert worst(python_lines(tmp_path, "#!Python"), "Python of SerialEM").verdict != "fail"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "no PathToPython" in worst(python_lines(tmp_path, "#!Python"), "Python of SerialEM").seen


@pytest.mark.parametrize(
    ("answer", "subject", "words"),
    [
        ({"version": [3, 6, 8]}, "Python of SerialEM", "3.9 or newer is needed"),
        ({"version": [3, 10, 1]}, "Python of SerialEM", "may bring no module"),
        ({"bits": 32}, "Python of SerialEM", "32-bit"),
        ({"packages": {"numpy": "2"}}, "packages of SerialEM's Python", "lacks scipy, matplotlib"),
        ("it hangs", "Python of SerialEM", "does not start: it hangs"),
    ],
)
def test_a_python_that_cannot_run_a_session_is_told(tmp_path, monkeypatch, answer, subject, words):
    whole = {"version": [3, 11, 2], "bits": 64}
    whole["packages"] = dict.fromkeys(files.OWN_PACKAGES, "1")
    told = ({}, answer) if isinstance(answer, str) else ({**whole, **answer}, "")
    monkeypatch.setattr(files, "ask_python", lambda *asked: told)
    found = python_lines(tmp_path, "#!Python", f"PathToPython {FOLDER}")
    finding = worst(found, subject)
    assert finding.verdict != "ok" and words in finding.seen and finding.do


def test_module_path_and_properties_are_looked_for(tmp_path, project, all_well):
    lines = (f"PathToPython {VERSION} {FOLDER}", "PythonModulePath C:\\no\\such")
    found = python_lines(tmp_path, "#!Python", *lines)
    assert worst(found, "PythonModulePath").verdict == "fail"
    assert worst(python_lines(tmp_path, "#!Python", lines[0]), "PythonModulePath").verdict == "warn"
    places = Places("#!Python", settings(project), project, tmp_path / "none.txt")
    assert "cannot be read" in worst(of_computer(places), "Python of SerialEM").seen
    usual = tmp_path / "data" / "SerialEM"
    usual.mkdir(parents=True)
    path = properties(usual, *lines)
    assert files.usual_properties({"ProgramData": str(tmp_path / "data")}) == path
    assert files.usual_properties({"ProgramFiles": str(tmp_path)}) is None


# --- settings, models, GPU ------------------------------------------------------------------------


def test_settings_configuration_and_models_fail_with_their_messages(tmp_path, project, all_well):
    found = of_computer(Places("#!Python", settings(project), project))
    for subject in ("settings", "SPACEtomo_config.py", "GPU"):
        assert worst(found, subject).verdict == "ok"
    wrong = of_computer(Places("#!Python", settings(project, max_tilt=99, maxtilt=1), project))
    assert [one.verdict for one in wrong if one.subject == "settings"] == ["fail", "fail"]
    assert worst(of_computer(Places("", {"max_tilt": 50}, project)), "settings").verdict == "fail"
    found = of_computer(Places("", settings(project), tmp_path))
    assert worst(found, "SPACEtomo_config.py").verdict == "fail"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"script_numbers": {"SPACEtomo": 4, "PACEtomo": 2, "post action": 3}}, "4 = SPACEtomo"),
        ({"grid_list": [1, 2]}, "grid_list has 2 grids"),
    ],
)
def test_script_numbers_are_for_a_person_to_compare(project, all_well, changed, words):
    found = of_computer(Places("", settings(project, **changed), project))
    finding = worst(found, "script_numbers")
    assert finding.verdict == "warn" and words in finding.seen
    found = of_computer(Places("", settings(project), project))
    assert "script_numbers" not in [one.subject for one in found]


def test_what_the_models_lack_is_told_where_they_run(tmp_path, project, all_well, monkeypatch):
    asked = []

    def missing(config, space_dir, tasks):
        asked.append(tuple(tasks))
        return ["The weights are missing."]

    monkeypatch.setattr(jobs, "missing_here", missing)
    monkeypatch.setattr(jobs, "nvidia_gpus", lambda: 0)
    found = of_computer(Places("", settings(project), project))
    assert worst(found, "models") == Finding("models", "fail", "The weights are missing.")
    assert worst(found, "GPU").verdict == "warn"
    of_computer(Places("", settings(project, automation_level=2), project))
    assert asked == [jobs.TASKS, ("detect",)]
    found = of_computer(Places("", settings(project, external_map_dir=str(tmp_path)), project))
    assert worst(found, "models").verdict == "ok" and len(asked) == 2


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_is_tried_and_left_as_it_was(tmp_path, all_well):
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    found = folders.of_folder("shared folder", tmp_path)
    assert [one.subject for one in found] == [
        "shared folder", "shared folder, speed", "shared folder, clock",
    ]  # fmt: skip
    assert found[0].verdict == "ok" and found[2].verdict == "ok"
    assert os.listdir(tmp_path) == ["mine.txt"]
    (missing,) = folders.of_folder("shared folder", tmp_path / "none")
    assert missing.verdict == "fail"


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        (folders, "_written", "cannot be created"),
        (os, "replace", "cannot be renamed"),
        (Path, "unlink", "cannot be deleted"),
    ],
)
def test_a_right_that_is_missing_fails(tmp_path, all_well, monkeypatch, owner, name, words):
    def refused(*args, **options):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(owner, name, refused)
    (finding,) = folders.of_folder("shared folder", tmp_path)
    assert (
        finding.verdict == "fail" and words in finding.seen and "Access is denied" in finding.seen
    )


def test_a_slow_folder_and_a_clock_that_is_off_are_warned_of(tmp_path, all_well, monkeypatch):
    def slowly(path):
        path.write_bytes(bytes(100_000))
        return 5.0

    monkeypatch.setattr(folders, "_written", slowly)
    found = folders.of_folder("shared folder", tmp_path, clock=lambda: time.time() + 300)
    assert [one.verdict for one in found] == ["ok", "warn", "warn"]
    assert "300 s behind" in found[2].seen or "299 s behind" in found[2].seen


def test_a_file_that_arrives_cut_off_fails(tmp_path, all_well, monkeypatch):
    def cut(path):
        path.write_bytes(b"half")
        return 1.0

    monkeypatch.setattr(folders, "_written", cut)
    (finding,) = folders.of_folder("shared folder", tmp_path)
    assert finding.verdict == "fail" and "cut off" in finding.seen


@pytest.mark.parametrize(("share", "verdict"), [(0.4, "fail"), (0.9, "warn"), (1.1, "ok")])
def test_free_space_is_held_against_what_a_session_takes(tmp_path, share, verdict):
    expected = Expected(grids=2, lamellae=3, targets=4)
    # Per grid 64 pictures, per lamella 25 and, for each target, a View map and 41 tilts.
    assert expected.bytes == 2 * (64 + 3 * (25 + 4 * 42)) * 5760 * 4092 * 2
    free = int(share * expected.bytes)
    (finding,) = folders.of_space("disk", tmp_path, expected, lambda folder: free)
    assert finding.verdict == verdict and "2 grids with 3 lamellae" in finding.seen


def test_a_disk_that_does_not_answer_fails(tmp_path):
    (finding,) = folders.of_space("disk", tmp_path / "none" / "at all", Expected())
    assert finding.verdict == "fail"


# --- the command ----------------------------------------------------------------------------------


def test_the_command_tells_each_line_with_an_exit_code(tmp_path, project, all_well, capsys):
    path = properties(tmp_path, f"PathToPython {VERSION} {FOLDER}", f"PythonModulePath {tmp_path}")
    script = tmp_path / "mine.py"
    text = "\n".join(f"{name} = {value!r}" for name, value in settings(project).items())
    script.write_text(f"#!Python\n{text}\nimport sys\n", encoding="utf-8")
    options = ["--space-dir", str(project), "--properties", str(path), "--session", str(tmp_path)]
    options += ["--lamellae", "1", "--targets", "1", "--camera-px", "1000", "1000"]
    code = main(["check", "--script", str(script), *options])
    said = capsys.readouterr().out
    assert code in (0, 1) and "fail " not in said and "must be corrected" in said
    script.write_text(f"#!Python\n{text}\ntarget_list = 7\n", encoding="utf-8")
    assert main(["check", "--script", str(script), "--json", *options]) == 2
    table = json.loads(capsys.readouterr().out)
    assert table["exit_code"] == 2
    wrong = [one for one in table["findings"] if one["verdict"] == "fail"]
    assert [one["subject"] for one in wrong] == ["settings"] and "target_list" in wrong[0]["seen"]


def test_a_script_that_is_none_is_refused(tmp_path, project, capsys):
    assert main(["check", "--script", str(tmp_path / "none.py")]) == 2
    (tmp_path / "odd.py").write_text("(", encoding="utf-8")
    assert main(["check", "--script", str(tmp_path / "odd.py")]) == 2
    assert "no settings in it" in capsys.readouterr().err


def test_the_worst_line_is_the_exit_code():
    lines = [Finding("a", "ok", "x"), Finding("b", "warn", "y", "do"), Finding("c", "fail", "z")]
    assert [exit_code(lines[:count]) for count in range(4)] == [0, 0, 1, 2]
    assert str(lines[1]) == "warn  b: y -> do"
