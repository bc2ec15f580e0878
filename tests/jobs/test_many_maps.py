"""Questions about a folder with many maps: what is asked once, and what is not read again."""

from __future__ import annotations

import pytest
from helpers import make_map, write_result

from space.jobs import JobFolder, lines, queue_files, results
from space.jobs.machine import QueueState
from space.jobs.records import Job, Run, Table
from space.jobs.workers import Worker

FAR = Worker("far-1-a", "far", 1)
NAMES = [f"G_L{number:02d}.png" for number in range(6)]


@pytest.fixture
def made(tmp_path):
    """Four maps are done, one waits, one is unknown to the queue."""
    for name in NAMES:
        make_map(tmp_path, name)
    folder = JobFolder(tmp_path)
    for name in NAMES[:4]:
        folder.submit(name)
        claim = folder.claim(FAR)
        write_result(tmp_path, name, model_hash="now")
        folder.finish(claim)
    folder.submit(NAMES[4])
    return tmp_path


def test_the_configuration_is_asked_once_for_all_maps_of_a_look(made):
    asked = []
    folder = JobFolder(made, models=lambda task: asked.append(task) or "now")
    for look in (folder.statuses, lambda: folder.statuses_of(NAMES, "segment")):
        asked.clear()
        assert [s.state for s in look().values()][:5] == ["done"] * 4 + ["queued"]
        assert asked == ["segment"]


def test_the_model_may_change_between_two_looks(made):
    mark = ["now"]
    folder = JobFolder(made, models=lambda task: mark[0])
    assert folder.statuses()[NAMES[0]].state == "done"
    mark[0] = "other"
    assert folder.statuses()[NAMES[0]].state == "absent"


def test_a_file_that_has_not_changed_is_not_parsed_again(made, monkeypatch):
    parsed = []
    monkeypatch.setattr(
        queue_files, "parse_runs", lambda t: parsed.append(t) or lines.parse_runs(t)
    )
    folder = JobFolder(made)
    for _ in range(3):
        folder.statuses()
    assert len(parsed) == 1
    claim = folder.claim(FAR)
    assert folder.status(NAMES[4]).state == "running"
    assert len(parsed) == 2
    folder.release(claim)
    assert folder.status(NAMES[4]).state == "queued"


@pytest.mark.parametrize("task", [None, "segment"])
def test_the_statuses_of_several_maps_are_those_of_each(made, task):
    folder = JobFolder(made)
    write_result(made, NAMES[5])  # by another program
    found = folder.statuses_of(NAMES, task)
    assert found == {name: folder.status(name, task) for name in NAMES}
    assert [s.state for s in found.values()] == ["done"] * 4 + ["queued", "done"]


def test_whether_anything_is_open_is_seen_without_reading_the_results(made, monkeypatch):
    read = []
    whole = results.whole_png_texts
    monkeypatch.setattr(
        results, "whole_png_texts", lambda path: read.append(path.name) or whole(path)
    )
    folder = JobFolder(made)
    assert folder.has_open_jobs()
    claim = folder.claim(FAR)
    assert JobFolder(made).has_open_jobs()
    write_result(made, NAMES[4])
    folder.finish(claim)
    read.clear()
    assert not JobFolder(made).has_open_jobs() and read == []


def test_a_claimed_job_is_open_whatever_the_files_say(made):
    folder = JobFolder(made)
    folder.claim(FAR)
    for name in ("SPACE_queue.txt", "SPACE_runs.txt"):
        (made / name).unlink()
    assert folder.has_open_jobs()


def test_of_two_records_of_a_job_the_first_is_found():
    runs = Table((Run(Job("a.png"), "done", 1), Run(Job("a.png"), "failed", 2)))
    assert runs.find(("a.png", "segment")).attempt == 1
    assert QueueState(runs=runs).job(("b.png", "segment")) == Job("b.png")


def test_of_two_lines_the_last_run_counts_at_the_place_of_the_first():
    text = 'b.png\tsegment\t{"state": "done"}\na.png\tsegment\t{"state": "done"}\n'
    table = lines.parse_runs(text + 'b.png\tsegment\t{"state": "failed"}\n')
    assert [(run.job.map_name, run.state) for run in table.records] == [
        ("b.png", "failed"), ("a.png", "done")]  # fmt: skip
