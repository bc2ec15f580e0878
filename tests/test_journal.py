"""The journal of a session: what is noted is read again, whatever happens to the file."""

from __future__ import annotations

import logging
import os
import sys
from datetime import datetime, timedelta, timezone

import pytest

from space import journal
from space.journal import JOURNAL_FILE, Event, Kind, note, read


def test_what_is_noted_is_read_in_its_order(tmp_path):
    note(tmp_path, Kind.RUN_STARTED, level=5)
    note(tmp_path, Kind.LAMELLA_SKIPPED, "Gµ", 3, "too\ndark")
    first, second = read(tmp_path)
    assert (first.kind, first.grid, first.lamella, first.numbers) == (
        Kind.RUN_STARTED,
        "",
        None,
        {"level": 5.0},
    )
    assert (second.grid, second.lamella, second.text) == ("Gµ", 3, "too\ndark")
    assert abs(datetime.now(timezone.utc) - second.when_utc) < timedelta(minutes=1)
    assert len((tmp_path / JOURNAL_FILE).read_bytes().splitlines()) == 2


def test_noting_never_raises(tmp_path):
    note(tmp_path / "missing", Kind.GRID_DONE, "G1")
    (tmp_path / JOURNAL_FILE).mkdir()
    note(tmp_path, Kind.GRID_DONE, "G1")
    assert read(tmp_path) == () and read(tmp_path / "missing") == ()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    session = tmp_path / "session"
    session.mkdir()
    os.symlink(outside, session / JOURNAL_FILE)
    note(session, Kind.GRID_DONE, "G1")
    assert outside.read_bytes() == b"mine"


def test_a_line_that_was_cut_off_costs_only_itself(tmp_path):
    note(tmp_path, Kind.GRID_LOADED, "G1")
    note(tmp_path, Kind.GRID_DONE, "G1")
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(path.read_bytes()[:-9])
    note(tmp_path, Kind.GRID_LOADED, "G2")
    assert [(event.kind, event.grid) for event in read(tmp_path)] == [
        (Kind.GRID_LOADED, "G1"),
        (Kind.GRID_LOADED, "G2"),
    ]


def test_what_is_no_event_is_left_out(tmp_path):
    note(tmp_path, Kind.GRID_DONE, "G1", lamella=2)
    good = (tmp_path / JOURNAL_FILE).read_text(encoding="utf-8")
    bad = [
        good.replace('"grid_done"', '"grid_melted"'),
        good.replace('"G1"', "7"),
        good.replace('"lamella": 2', '"lamella": 2.5'),
        good.replace('"numbers": {}', '"numbers": {"a": "b"}'),
        good.replace("+00:00", ""),
        good.replace("T", " at "),
        "[]\n",
        "\n",
    ]
    (tmp_path / JOURNAL_FILE).write_text("".join([*bad, good]), encoding="utf-8")
    (event,) = read(tmp_path)
    assert event == Event(event.when_utc, Kind.GRID_DONE, "G1", 2)


def test_of_a_long_journal_the_end_is_read(tmp_path, monkeypatch):
    for number in range(20):
        note(tmp_path, Kind.LAMELLA_MAPPED, "G1", number)
    monkeypatch.setattr(journal, "LARGEST_READ_BYTES", 500)
    numbers = [event.lamella for event in read(tmp_path)]
    assert 0 < len(numbers) < 5 and numbers[-1] == 19


def test_long_texts_are_cut_and_odd_numbers_left_out(tmp_path):
    note(tmp_path, Kind.WARNING, "G" * 999, text="\N{MICROSCOPE}" * 9999, a=float("nan"), b=1)
    (event,) = read(tmp_path)
    assert len(event.grid) < 999 and 1000 < len(event.text) < 9999 and event.numbers == {"b": 1}


def test_warnings_and_errors_of_the_program_are_kept(tmp_path):
    log = logging.getLogger("space.workflow")
    with journal.warnings_kept(tmp_path) as keeper:
        keeper.grid = "G2"
        log.info("nothing")
        log.warning("%d maps", 3)
        log.error("failed")
        keeper.handle(logging.makeLogRecord({"msg": "%d maps", "args": ("three",), "levelno": 30}))
    log.warning("afterwards")
    assert [(event.kind, event.text) for event in read(tmp_path)] == [
        (Kind.WARNING, "3 maps"),
        (Kind.ERROR, "failed"),
        (Kind.WARNING, "%d maps"),
    ]
    assert {event.grid for event in read(tmp_path)} == {"G2"}
