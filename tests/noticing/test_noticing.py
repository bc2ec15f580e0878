"""Series in trouble are noticed while they are taken, told once, and never stopped."""

from __future__ import annotations

import os
from datetime import datetime

import pytest

from space import journal, noticing, settings, steps
from space.journal import Kind
from space.noticing import beside
from space.noticing.looking import noticed
from space.overview import read_session
from space.settings import Settings
from tests.overview.folders import Folder, with_targets
from tests.replanning.mdocs import write_mdoc

HOOK = {"webhook": "https://hooks.example.org/secret", "format": "json"}


@pytest.fixture
def session(tmp_path):
    """Lamella 1 is being acquired: of its two series the second gets dark."""
    folder = with_targets(Folder(tmp_path, night_hours=8, notify=HOOK).named(), 1, 2)
    settings.save(Settings(night_hours=8, automation_level=5, notify=HOOK), tmp_path, secrets=True)
    folder.series(1)
    write_mdoc(tmp_path / "G1_L01_ts_001.mrc.mdoc")
    write_mdoc(tmp_path / "G1_L01_ts_002.mrc.mdoc", lost=True)
    journal.note(tmp_path, Kind.ACQUISITION_STARTED, "G1", items=2)
    return folder


def look(directory, told):
    return noticing.look(settings.load(directory), directory, lambda *about: told.append(about[2:]))


def test_what_goes_wrong_is_told_once(session):
    told = []
    found = look(session.directory, told)
    assert [one.name for one in found] == ["G1_L01_ts_002.mrc"]
    assert look(session.directory, told) == []
    ((occasion, text, grid),) = told
    assert (occasion, grid) == ("series in trouble", "G1")
    assert "G1_L01_ts_002.mrc: lost from +33°" in text and "skip G1_L01" in text
    events = [e for e in journal.read(session.directory) if e.kind is Kind.SERIES_TROUBLE]
    assert [(e.grid, e.lamella) for e in events] == [("G1", 1)]


def test_series_of_long_ago_are_not_looked_at(session):
    assert list(noticed(read_session(session.directory)))
    old = datetime.now().timestamp() - 3 * 3600
    for path in session.directory.glob("*.mdoc"):
        os.utime(path, (old, old))
    assert not list(noticed(read_session(session.directory)))


def test_nobody_looks_where_nobody_asked(session, monkeypatch):
    other = Settings(automation_level=5)
    assert noticing.look(other, session.directory) == []
    monkeypatch.setattr(beside, "start_apart", lambda *about, **more: pytest.fail("started"))
    noticing.start(other, session.directory)


@pytest.fixture
def posted(monkeypatch):
    sent = []
    monkeypatch.setattr(
        "space.webhook_post.post", lambda address, message, kind: sent.append(message.title) or ""
    )
    return sent


def run(session, *steps_of_time) -> list[float]:
    """Run the process with a clock of its own; each pause calls the next function."""
    pauses, left = [], list(steps_of_time)

    def pause(seconds):
        pauses.append(seconds)
        (left.pop(0) if left else lambda: end(session))()

    start = datetime.now().timestamp()
    assert beside.run(session.directory, pause, lambda: start + sum(pauses)) == 0
    return pauses


def end(session) -> None:
    journal.note(session.directory, Kind.ACQUISITION_ENDED, "G1", items=0)


def test_the_process_looks_until_the_acquisition_is_over(session, posted):
    path = session.directory / "G1_L01_ts_001.mrc.mdoc"

    def darker():
        write_mdoc(path, lost=True)
        later = datetime.now().timestamp() + 5
        os.utime(path, (later, later))

    pauses = run(session, lambda: None, darker)
    assert len(pauses) == 3
    names = [e.text.partition(":")[0] for e in journal.read(session.directory)
             if e.kind is Kind.SERIES_TROUBLE]  # fmt: skip
    assert names == ["G1_L01_ts_002.mrc", "G1_L01_ts_001.mrc"]
    assert len(posted) == 2 and all("series in trouble (G1)" in title for title in posted)
    assert run(session) == []  # it is over


def test_the_process_ends_when_nothing_is_written_any_more(session, posted):
    pauses = run(session, *[lambda: None] * 1000)
    assert sum(pauses) == pytest.approx(beside.LONGEST_SILENCE_S, abs=2 * beside.POLL_S)


def test_one_process_is_enough(session, posted):
    import filelock

    with filelock.FileLock(str(session.directory / beside.LOCK)):
        assert run(session) == [] and posted == []


def test_where_only_mail_is_wanted_the_post_action_tells(session, monkeypatch):
    chosen = Settings(night_hours=8, automation_level=5, notify={"email": True})
    settings.save(chosen, session.directory, secrets=True)
    assert run(session) == []
    sent = []
    monkeypatch.setattr(
        "space.steps.telling.send_mail", lambda title, text: sent.append(title) or ""
    )
    assert len(noticing.look(chosen, session.directory)) == 1 and len(sent) == 1


def test_a_webhook_that_fails_is_noted(session, monkeypatch, caplog):
    monkeypatch.setattr("space.webhook_post.post", lambda *about: "no answer in time")
    chosen = settings.load(session.directory)
    steps.post_to_people(chosen, session.directory, "series in trouble", "x", "G1")
    assert "was not sent: no answer in time" in caplog.text and "secret" not in caplog.text
    last = journal.read(session.directory)[-1]
    assert last.kind is Kind.NOTIFIED and last.numbers["failed"] == 1.0
