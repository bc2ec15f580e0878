"""`spacetomo judge`: what it tells, what it writes, and what it refuses."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from space.cli import main
from space.errors import SpaceError
from space.simulation import ScriptReport
from space.simulator.judging import judge_pictures
from space.simulator.keeping import SESSION_FOLDER, Setup, open_session
from tests.simulator.fakes import SpotGrid
from tests.simulator.test_judging import (
    KRIOS,
    content,
    off_the_axis,
    on_slope,
)


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    return off_the_axis(tmp_path_factory.mktemp("session"))


def test_a_question_changes_nothing(session, tmp_path, capsys):
    before = content(session)
    assert main(["judge", str(session)]) == 0
    told = capsys.readouterr().out
    assert "my_series.mrc  9         -60 to 60  dose-symmetric" in told
    assert "1.5 um beside the tilt axis" in told and "0 other pictures" in told
    assert content(session) == before
    assert list(tmp_path.iterdir()) == []


def test_numbers_and_picture_are_written_where_they_are_asked_for(session, tmp_path, capsys):
    before = content(session)
    out, numbers = tmp_path / "judged.png", tmp_path / "judged.json"
    words = ["judge", str(session), "--out", str(out), "--json", str(numbers)]
    assert main([*words, "--defocus", "-4", "--measured", "-10", "0"]) == 0
    assert sorted(tmp_path.iterdir()) == [numbers, out]
    values = json.loads(numbers.read_text(encoding="utf-8"))
    (series,) = values["series"]
    assert series["name"] == "my_series.mrc" and len(series["pictures"]) == 9
    assert series["pictures"][0]["defocus_error_um"] == pytest.approx(1.0, abs=0.05)
    assert values["geometry"][0]["source"] == "measured" and values["remarks"]
    assert content(session) == before


def test_folders_without_a_session_are_told(session, tmp_path, capsys):
    for folder, why in ((tmp_path, "holds no simulated session"), (tmp_path / "no", "no folder")):
        assert main(["judge", str(folder)]) == 2
        assert why in capsys.readouterr().err
    with open_session(tmp_path / "new", Setup(seed=1), grids={1: SpotGrid()}) as simulation:
        assert simulation.run("#!Python\nimport serialem as sem\nsem.V()\n").ok
    assert main(["judge", str(tmp_path / "new")]) == 2
    assert "no tilt series; pictures in all: 1" in capsys.readouterr().err
    setup = json.loads((tmp_path / "new" / SESSION_FOLDER / "setup.json").read_text())
    setup["instrument"] = "gone.toml"
    (tmp_path / "new" / SESSION_FOLDER / "setup.json").write_text(json.dumps(setup))
    assert main(["judge", str(tmp_path / "new")]) == 2
    assert "gone.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--out", "."], "This is a folder"),
        (["--out", "judged.jpg"], "A picture is a .png file"),
        (["--out", "no/judged.png"], "Its folder does not exist"),
        (["--json", "no/judged.json"], "Its folder does not exist"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_first(
    session, tmp_path, monkeypatch, capsys, words, why
):
    monkeypatch.chdir(tmp_path)
    assert main(["judge", str(session), *words]) == 2
    told = capsys.readouterr()
    assert why in told.err and not told.out
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_session_is_told(session, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(session, copy)
    (copy / SESSION_FOLDER / "journal.jsonl").write_text("5\n", encoding="utf-8")
    assert main(["judge", str(copy)]) == 2
    told = capsys.readouterr().err
    assert "journal.jsonl is damaged" in told and "Traceback" not in told


# --- geometry that is written somewhere -----------------------------------------------------------


def test_pretilt_and_rotation_of_a_targets_file_are_held_against_the_truth(tmp_path):
    across, along = math.tan(math.radians(-9.0)), 0.0
    slope = np.linalg.inv(KRIOS.optics().specimen_to_stage().T) @ (along, across)
    truth = judge_pictures(on_slope(tuple(slope), (0, 3, 6)), KRIOS)
    path = tmp_path / "a_tgts.txt"
    lines = (
        "_set pretilt = 9\n_set rotation = 2.5\n\n_tgt = 001\ntsfile = {}\nstageX = 1\nstageY = 2\n"
    )
    path.write_text(lines.format("a_ts_1.mrc"), encoding="utf-8")
    report = ScriptReport.of(truth, [path], (-8.8, 0.0))
    written, measured = report.geometry
    assert (written.pretilt_deg, written.rotation_deg) == (9.0, 2.5)
    assert written.true_deg == pytest.approx((-9.0, 0.0)) == measured.true_deg
    assert "a_tgts.txt: pretilt 9.0, rotation 2.5 deg; in truth -9.0 and 0.0 deg" in str(report)
    assert "measured: pretilt -8.8" in str(report)
    assert report.plain()["geometry"][0]["true_pretilt_deg"] == pytest.approx(-9.0)
    for text, why in (
        (lines.format("other.mrc"), "No tilt series of the session"),
        ("_tgt = 001\ntsfile = a_ts_1.mrc\nstageX = 1\nstageY = 2\n", "neither pretilt nor"),
        ("_tgt = 001\n", "tsfile"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SpaceError, match=why):
            ScriptReport.of(truth, [path])
    with pytest.raises(SpaceError, match="cannot be read"):
        ScriptReport.of(truth, [tmp_path / "missing.txt"])
