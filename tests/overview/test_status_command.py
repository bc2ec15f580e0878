"""``spacetomo status`` on saved states, and the time that is left."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from space import journal
from space.cli import main
from space.journal import Event, Kind
from space.overview import read_session, time_left, total
from tests.overview.cases import CASES
from tests.overview.folders import Folder, with_targets

EXPECTED = {
    "empty": (0, "Grid slot 1: not begun", "Time left: unknown"),
    "level 1 only": (0, "2 found", "Time left: nothing is left"),
    "half mapped": (0, "Next: SPACEtomo.py collects the missing maps", "1 x map of a lamella"),
    "segmenting": (0, "segmentation: queued", "1 x segmentation of a map: unknown"),
    "failed": (1, "out of memory", "it is tried again"),
    "ready": (0, "L03  no targets", "done up to level 4; for more, raise automation_level"),
    "acquiring": (0, "L02  begun", "1 x tilt series of an area"),
    "interrupted": (1, "L01  begun", "It is not acquired again by itself"),
    "done": (0, "2 acquired", "2 tilt series of 32 pictures"),
    "odd files": (1, "The list of lamellae cannot be read", "'../up', noted for slot '7'"),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_saved_states_are_told_with_an_exit_code(tmp_path, capsys, case):
    case.make(tmp_path / "session")
    code, *texts = EXPECTED[case.name]
    assert main(["status", str(tmp_path / "session")]) == code
    said = capsys.readouterr().out
    for text in texts:
        assert text in said
    assert main(["status", str(tmp_path / "session"), "--json"]) == code
    table = json.loads(capsys.readouterr().out)
    assert (table["format"], table["exit_code"]) == (1, code)
    states = [one["state"] for grid in table["grids"] for one in grid["lamellae"]]
    assert tuple(states) == case.lamellae


def test_what_is_no_session_is_refused_with_words(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 2
    assert "There is no session in this folder" in capsys.readouterr().err
    assert main(["status", str(tmp_path / "missing")]) == 2
    (tmp_path / "G1.nav").write_text("AdocVersion = 2.00\n", encoding="utf-8")
    assert main(["status", str(tmp_path / "G1.nav")]) == 2
    assert "Name the folder that it is in" in capsys.readouterr().err


BEGAN = datetime(2026, 3, 1, 20, tzinfo=timezone.utc)


def events(*happened: tuple[float, Kind] | tuple[float, Kind, dict[str, float]]) -> list[Event]:
    return [
        Event(BEGAN + timedelta(minutes=minutes), kind, "G1", numbers=dict(*numbers))
        for minutes, kind, *numbers in happened
    ]


def test_time_left_is_that_of_what_was_done(tmp_path):
    with_targets(Folder(tmp_path, grid_list=(1, 2)).named(), 1, 2).found(3)
    known = events(
        (0, Kind.RUN_STARTED),
        (9, Kind.LEVEL_DONE, {"level": 1, "seconds": 540}),
        (10, Kind.LAMELLA_MAPPED),
        (14, Kind.LAMELLA_MAPPED),
        (15, Kind.TARGETS_SET_UP, {"targets": 2}),
        (16, Kind.TARGETS_SET_UP, {"targets": 2}),
        (20, Kind.ACQUISITION_STARTED, {"items": 2}),
        (80, Kind.ACQUISITION_ENDED, {"items": 0}),
        (900, Kind.RUN_STARTED),
        (905, Kind.LAMELLA_MAPPED),  # not 891 min after the one before
    )
    rest = {one.work: one for one in time_left(read_session(tmp_path), known)}
    assert {work: (one.count, one.each_s) for work, one in rest.items()} == {
        "finding lamellae of a grid": (1, 540),
        "map of a lamella": (1, 240),
        "targets of a lamella": (1, 60),
        "tilt series of an area": (2, 1800),
    }
    assert total(list(rest.values())) == "about 1 h 14 min"
    unknown = time_left(read_session(tmp_path), events((20, Kind.ACQUISITION_STARTED)))
    assert total(unknown).startswith("unknown")


def test_while_the_first_acquisition_runs_its_own_files_tell(tmp_path):
    folder = with_targets(Folder(tmp_path).named(), 1, 2, 3).series(1).acquire_off(1)
    for path in folder.directory.glob("*.mdoc"):
        os.utime(path, (BEGAN.timestamp() + 2400,) * 2)
    (rest,) = time_left(read_session(tmp_path), events((0, Kind.ACQUISITION_STARTED, {"items": 3})))
    assert (rest.count, rest.each_s) == (2, 2400)


def test_the_journal_in_the_directory_is_read(tmp_path, capsys):
    with_targets(Folder(tmp_path).named(), 1)
    journal.note(tmp_path, Kind.ACQUISITION_STARTED, "G1", items=2)
    assert main(["status", str(tmp_path)]) == 0
    assert "1 x tilt series of an area: unknown" in capsys.readouterr().out
