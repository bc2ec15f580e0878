"""What goes wrong on a shared folder costs no job, blames no job, and stops nobody."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
from helpers import Clock, FakeRunner, beat, make_map, watch_for, write_result, write_worker_script

from space.errors import SpaceError
from space.files import clear_remains, read_bytes_bounded, write_text_atomic
from space.jobs import JobFolder, claim_watch, claims, queue_files, results, workers
from space.jobs import worker as worker_module
from space.jobs.heartbeat import Heartbeat
from space.jobs.lines import parse_queue, parse_runs
from space.jobs.presence import Patience, beat_path, read_beat
from space.jobs.worker import Place, Timing, run_worker, work
from space.jobs.workers import Worker, this_machine

QUICK = Timing(idle_s=0.0, poll_s=0.01, folder_s=30.0)
FAR = Worker("far-1-a", "far", 1)
FAR2 = Worker("far-2-b", "far", 2)
NAME = "a_L01.png"
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path, clock):
    return JobFolder(tmp_path, clock=clock)


@pytest.fixture
def submitted(folder, tmp_path):
    make_map(tmp_path, NAME)
    folder.submit(NAME)
    return folder


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# --- who is alive ---------------------------------------------------------------------------


def test_a_machine_with_the_same_host_name_is_another_machine(submitted, tmp_path):
    """Its process number says nothing here: containers and WSL share names with their host."""
    host = this_machine().rsplit("-", 1)[0]
    other = Worker(f"{host}-00000000-1-a", f"{host}-00000000", dead_pid())
    beat(tmp_path, other, 1)
    claim = submitted.claim(other)
    submitted.reap()
    assert submitted.status(NAME).state == "running" and submitted.owns(claim)


def test_the_mark_of_a_machine_is_that_of_its_process_table(monkeypatch):
    this_machine.cache_clear()
    first = this_machine()
    monkeypatch.setattr(workers, "_process_table", lambda: "another boot, another container")
    this_machine.cache_clear()
    other = this_machine()
    this_machine.cache_clear()
    assert other != first
    assert other.rsplit("-", 1)[0] == first.rsplit("-", 1)[0]


def test_a_step_of_the_clock_kills_nobody(submitted, tmp_path, monkeypatch):
    worker = Worker.this_process()
    with Heartbeat(tmp_path, worker):
        submitted.claim(worker)
        monkeypatch.setattr(time, "time", lambda: 4e9)
        submitted.reap()
        assert submitted.status(NAME).state == "running"


def test_a_computer_that_slept_does_not_find_everybody_dead(submitted, tmp_path, clock):
    beat(tmp_path, FAR, 1)
    submitted.claim(FAR)
    submitted.reap()
    clock.now += 8 * 3600  # one long gap between two looks, not eight hours of watching
    submitted.reap()
    assert submitted.status(NAME).state == "running"
    watch_for(submitted, clock, 65)
    assert submitted.status(NAME).state == "queued"


# --- claims that outlive their job ----------------------------------------------------------


def test_a_worker_takes_up_the_claim_that_it_could_not_note(submitted, tmp_path, monkeypatch):
    worker = Worker.this_process()

    def full(path, text):
        raise OSError(errno.ENOSPC, "no space left", str(path))

    monkeypatch.setattr(queue_files, "write_text_atomic", full)
    with pytest.raises(OSError, match="no space"):
        submitted.claim(worker)
    monkeypatch.undo()
    claim = submitted.claim(worker)
    assert claim is not None and (claim.job.map_name, claim.attempt) == (NAME, 1)
    assert submitted.status(NAME).state == "running" and submitted.waiting() == 0
    write_result(tmp_path, NAME)
    assert submitted.finish(claim)


def test_a_claim_that_cannot_be_written_leaves_none(submitted, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(claims.json, "dump", full)
    with pytest.raises(OSError, match="no space"):
        submitted.claim(FAR)
    assert not list(tmp_path.glob(".SPACE_claim*"))


def test_a_claim_that_cannot_be_read_for_a_moment_is_not_lost(submitted, tmp_path, monkeypatch):
    claim = submitted.claim(FAR)
    write_result(tmp_path, NAME)
    troubles = iter([PermissionError(errno.EACCES, "in use")] * 20)

    def shaky(path, limit):
        for error in troubles:
            raise error
        return read_bytes_bounded(path, limit)

    monkeypatch.setattr(claims, "read_bytes_bounded", shaky)
    monkeypatch.setattr(claims, "_PAUSES_S", (0.0,))
    with pytest.raises(OSError, match="in use"):
        submitted.finish(claim)
    while next(troubles, None):
        pass
    assert submitted.finish(claim)


def test_a_folder_that_is_away_takes_no_claim(submitted, tmp_path):
    claim = submitted.claim(FAR)
    away = tmp_path.with_name("away")
    tmp_path.rename(away)
    tmp_path.mkdir()  # an empty mount point
    with pytest.raises(OSError, match="away"):
        submitted.owns(claim)
    tmp_path.rmdir()
    away.rename(tmp_path)
    assert submitted.owns(claim)


def test_a_worker_whose_folder_was_away_finishes_its_job(tmp_path):
    maps, away = tmp_path / "maps", tmp_path / "away"
    maps.mkdir()
    make_map(maps, NAME)
    folder = JobFolder(maps)
    folder.submit(NAME)

    class Away(FakeRunner):
        def run(self, job, map_dir, say, may_write, progressed):
            if self.done:
                return super().run(job, map_dir, say, may_write, progressed)
            self.done.append("first")
            maps.rename(away)
            try:
                open(maps / "x", "w", encoding="utf-8")
            finally:
                away.rename(maps)

    runner = Away()
    # The folder is back by the time the worker asks whose fault it was, so this counts once.
    assert run_worker([maps], tmp_path, "cpu", QUICK, runner) == 1
    assert folder.status(NAME).state == "done"


def test_a_job_that_was_left_is_given_to_others(submitted, tmp_path, clock):
    """The worker lives and beats, but in another job: the claim has outlived it."""
    beat(tmp_path, FAR, 1, job=[NAME, "segment"])
    submitted.claim(FAR)
    count = iter(range(2, 1000))
    watch_for(submitted, clock, 60, lambda: beat(tmp_path, FAR, next(count), job=[NAME, "segment"]))
    assert submitted.status(NAME).state == "running"
    watch_for(submitted, clock, 25, lambda: beat(tmp_path, FAR, next(count), job=["", ""]))
    assert submitted.status(NAME).state == "queued"
    assert "left" in submitted.status(NAME).reason


# --- workers that beat and do not get on ----------------------------------------------------


def test_a_worker_that_beats_without_progress_is_not_believed_for_ever(submitted, tmp_path, clock):
    beat(tmp_path, FAR, 1)
    submitted.claim(FAR)
    count = iter(range(2, 100_000))

    def beating(progress):
        beat(tmp_path, FAR, next(count), job=[NAME, "segment"], progress=progress)

    watch_for(submitted, clock, 500, lambda: beating(next(count)))
    assert submitted.status(NAME).state == "running" and not submitted.hanging()
    watch_for(submitted, clock, 1100, lambda: beating(0))
    assert submitted.status(NAME).state == "queued"
    assert "no progress" in submitted.status(NAME).reason


def test_a_job_has_a_limit_that_grows_with_its_map(submitted, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(claim_watch, "png_megapixels", lambda path: 10.0)
    beat(tmp_path, FAR, 1)
    submitted.claim(FAR)
    count = iter(range(2, 100_000))

    def beating():
        beat(tmp_path, FAR, next(count), job=[NAME, "segment"], progress=next(count))

    watch_for(submitted, clock, 1800 + 10 * 180, beating)
    assert submitted.status(NAME).state == "running"
    watch_for(submitted, clock, 150, beating)
    assert submitted.status(NAME).state == "queued" and "not done" in submitted.status(NAME).reason


def test_a_heartbeat_tells_job_and_progress_and_notices_that_it_hangs(tmp_path):
    reasons = []
    worker = Worker.this_process()
    patience = Patience(beat_s=0.02, stall_s=0.3)
    with Heartbeat(tmp_path, worker, patience, reasons.append) as heartbeat:
        path = beat_path(tmp_path, worker.name)
        assert read_beat(path).job == ("", "")
        time.sleep(0.5)
        assert not reasons  # without a job nothing can hang
        heartbeat.begin(NAME, "segment", 1.0)
        for _ in range(20):
            time.sleep(0.03)
            heartbeat.progressed()
        assert not reasons
        assert read_beat(path).job == (NAME, "segment") and read_beat(path).progress > 5
        time.sleep(0.7)
    assert len(reasons) == 1 and "progress" in reasons[0]


@posix
def test_a_hanging_worker_process_ends_itself_and_its_job_runs_again(tmp_path):
    once = 'p = Path(map_dir) / "hung"\n        if not p.exists(): p.touch(); time.sleep(1e6)'
    quick = (
        "from space.jobs import Patience, folder_view\n"
        "quick = Patience(0.1, 2.0, 0.5, 0.5, 1.0)\nfolder_view.Patience = lambda: quick"
    )
    write_worker_script(tmp_path, before=quick, action=once)
    make_map(tmp_path, NAME)
    folder = JobFolder(tmp_path)
    folder.submit(NAME)
    command = [sys.executable, str(tmp_path / "SPACEtomo_nnUNet.py"), "--worker"]
    command += ["--dir", str(tmp_path), "--device", "cpu", "--idle", "0"]
    hung = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60)
    assert hung.returncode == worker_module.STATUS_HUNG
    second = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60)
    assert second.returncode == 0
    assert folder.status(NAME).state == "done"


# --- nothing is blamed that is not to blame -------------------------------------------------


def test_a_full_disk_is_not_the_job_s_fault(submitted, tmp_path):
    class Full(FakeRunner):
        tries = 0

        def run(self, *args):
            self.tries += 1
            if self.tries <= 5:  # more often than a job may fail
                raise OSError(errno.ENOSPC, "no space left")
            return super().run(*args)

    assert run_worker([tmp_path], tmp_path, "cpu", QUICK, Full()) == 1
    assert submitted.status(NAME).state == "done"


def test_a_folder_that_was_away_only_while_it_was_asked_is_not_the_job_s_fault(tmp_path):
    maps, away = tmp_path / "maps", tmp_path / "away"
    maps.mkdir()
    make_map(maps, NAME)
    folder = JobFolder(maps)
    folder.submit(NAME)

    class Asking(FakeRunner):
        tries = 0

        def run(self, job, map_dir, say, may_write, progressed):
            self.tries += 1
            if self.tries <= 5:  # more often than a job may fail
                maps.rename(away)
                try:
                    may_write()
                finally:
                    away.rename(maps)
            return super().run(job, map_dir, say, may_write, progressed)

    assert run_worker([maps], tmp_path, "cpu", QUICK, Asking()) == 1
    assert folder.status(NAME).state == "done"


def test_what_was_given_up_is_tried_again_on_demand(submitted, tmp_path):
    for _ in range(3):
        submitted.fail(submitted.claim(FAR), "no luck")
    make_map(tmp_path, "b_L01.png", seed=1)
    submitted.submit("b_L01.png")
    assert submitted.give_up_waiting("no worker starts on this computer") == 1
    assert submitted.status("b_L01.png").reason == "no worker starts on this computer"
    assert submitted.retry(given_up_only=True) == 1
    assert submitted.status("b_L01.png").state == "queued"
    assert submitted.status(NAME).state == "failed"
    assert submitted.retry() == 1
    assert submitted.status(NAME).state == "queued"


# --- odd lines and files --------------------------------------------------------------------

ODD_LINES = [
    "\x00\x01",
    "x" * 230 + ".png",
    "a" * 10_000,
    "..",
    "/",
    '"',
    "a\x07_L01.png",
]


@pytest.mark.parametrize("line", ODD_LINES)
def test_an_odd_line_is_put_aside_and_the_others_go_on(folder, tmp_path, line, caplog):
    make_map(tmp_path, NAME)
    (tmp_path / "SPACE_queue.txt").write_text(f"{line}\n{NAME}\n", encoding="utf-8")
    assert folder.claim(FAR).job.map_name == NAME
    text = (tmp_path / "SPACE_queue.txt").read_text(encoding="utf-8")
    assert text.startswith("# not understood: ") and text.count("\n") == 1
    assert "not understood" in caplog.text


ODD_RUNS = [
    '{"state": "dancing"}',
    '{"state": 5}',
    '{"state": null, "attempt": 1}',
    '{"state": ["done"]}',
]


@pytest.mark.parametrize("values", ODD_RUNS)
def test_a_run_in_an_unknown_state_is_put_aside(values):
    table = parse_runs(f"a_L01.png\tsegment\t{values}\nb_L01.png\tsegment\t" + '{"state": "done"}')
    assert [run.job.map_name for run in table.records] == ["b_L01.png"]
    assert len(table.odd) == 1


@pytest.mark.parametrize("values", ["[" * 4000, '{"a": 1e400}', '{"a": NaN}', "{", "7", '"x"'])
def test_values_that_are_none_count_as_empty(values):
    job = parse_queue(f"a_L01.png\tsegment\t{values}").records[0]
    assert (job.map_name, dict(job.params)) == (NAME, {})
    run = parse_runs(f"a_L01.png\tsegment\t{values}").records[0]
    assert run.state == "queued"


@pytest.mark.parametrize("value", ["1e308", "-5", '"many"', "null", "[1]", "true", "99999999999"])
def test_attempts_are_small_numbers_whatever_is_written(value):
    run = parse_runs(f'a_L01.png\tsegment\t{{"state": "again", "attempt": {value}}}').records[0]
    assert 0 <= run.attempt <= 1000


def test_a_queue_saved_by_an_old_editor_is_read(folder, tmp_path):
    make_map(tmp_path, NAME)
    (tmp_path / "SPACE_queue.txt").write_bytes(f"{NAME}\r\n".encode("utf-16"))
    assert folder.claim(FAR).job.map_name == NAME


@pytest.mark.parametrize("name", ["a\nb_L01.png", "#a_L01.png", "x" * 230 + ".png", "a\tb.png", ""])
def test_a_name_that_cannot_stand_in_a_line_is_refused_in_words(folder, name):
    with pytest.raises(SpaceError, match="cannot be queued"):
        folder.submit(name)


ODD_CONTENT = [
    "",
    "{",
    "null",
    "[1, 2]",
    '{"worker": 5, "attempt": "x", "job": null}',
    '{"worker": {"name": "../../x", "machine": "m", "pid": 1}, "attempt": 1, "job": {}}',
    '{"worker": {"name": "x", "machine": 7, "pid": 1e999}}',
    '{"worker": {"name": "x", "machine": "m", "pid": 1}, "attempt": 1, "job": {"map_name": 5}}',
    "[" * 100_000,
    "\x00" * 100,
    "x" * 2_000_000,
]


@pytest.mark.parametrize("content", ODD_CONTENT)
@pytest.mark.parametrize("name", [".SPACE_claim_a_L01.segment.json", ".SPACE_worker_far-1-a.txt"])
def test_odd_claims_and_signs_of_life_stop_nobody(submitted, tmp_path, clock, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    watch_for(submitted, clock, 30)
    assert [w.name for w in submitted.workers()] == []
    assert submitted.status(NAME).state == "queued"
    assert submitted.claim(FAR2).job.map_name == NAME


@posix
@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
@pytest.mark.parametrize(
    "name", [".SPACE_claim_a_L01.segment.json", ".SPACE_worker_x.txt", "SPACE_runs.txt", NAME]
)
def test_what_is_no_regular_file_is_not_read(folder, tmp_path, clock, kind, name):
    """A pipe would be read for ever, a device without end."""
    path = tmp_path / name
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    make_map(tmp_path, "b_L01.png")
    if name != "SPACE_runs.txt":
        folder.submit("b_L01.png")
        watch_for(folder, clock, 30)
        assert folder.claim(FAR).job.map_name == "b_L01.png"
    else:
        with pytest.raises(OSError):
            folder.submit("b_L01.png")


@posix
def test_a_log_that_is_a_pipe_keeps_nobody_waiting(folder, tmp_path):
    os.mkfifo(folder.log_path(NAME))
    folder.write_log(NAME, "text")
    os.mkfifo(tmp_path / "SPACE_queue.lock")
    with pytest.raises(OSError, match="not a regular file"):
        folder.submit(NAME)


@posix
def test_a_sign_of_life_that_is_a_pipe_is_none(folder, tmp_path, clock):
    folder.submit(NAME)
    make_map(tmp_path, NAME)
    claim = folder.claim(FAR)
    os.mkfifo(beat_path(tmp_path, claim.worker.name))
    watch_for(folder, clock, 60)
    assert folder.status(NAME).state == "queued"


@posix
def test_no_log_or_lock_is_written_through_a_link(folder, tmp_path):
    outside = tmp_path.with_name("outside.txt")
    outside.write_text("mine", encoding="utf-8")
    folder.log_path(NAME).symlink_to(outside)
    folder.write_log(NAME, "text")
    write_text_atomic(folder.log_path(NAME), "text")
    (tmp_path / "SPACE_queue.lock").symlink_to(outside)
    with pytest.raises(OSError, match="link"):
        folder.submit(NAME)
    assert outside.read_text(encoding="utf-8") == "mine"
    outside.unlink()


def test_a_folder_that_is_away_says_nothing_about_a_result(submitted, tmp_path):
    write_result(tmp_path, NAME)
    away = tmp_path.with_name("away_with_result")
    tmp_path.rename(away)
    try:
        with pytest.raises(FileNotFoundError):
            submitted.status(NAME)
    finally:
        away.rename(tmp_path)
    assert submitted.status(NAME).state == "done"


def test_a_result_that_was_away_at_the_first_look_is_found(submitted, tmp_path, monkeypatch):
    """Else a map whose folder was away for a moment would be done twice."""
    write_result(tmp_path, NAME)
    look, first = results.file_state, iter([None])
    monkeypatch.setattr(results, "file_state", lambda path: next(first, look(path)))
    assert submitted.status(NAME).state == "done"


# --- order, models, shared folders ----------------------------------------------------------


def test_detections_come_first_then_the_order_of_the_queue(folder, tmp_path):
    for name in ("b_L02.png", "b_L01.png", "wg.png"):
        make_map(tmp_path, name)
    folder.submit("b_L02.png")
    folder.submit("b_L01.png")
    folder.submit("wg.png", task="detect", threshold=0.1)
    workers = [Worker(f"far-{i}", "far", i) for i in (1, 2, 3)]
    names = [folder.claim(worker).job.map_name for worker in workers]
    assert names == ["wg.png", "b_L02.png", "b_L01.png"]


def test_the_result_of_another_model_is_not_done(tmp_path):
    marks = {"segment": "new"}
    folder = JobFolder(tmp_path, models=lambda task: marks[task])
    make_map(tmp_path, NAME)
    write_result(tmp_path, NAME, model_hash="old")
    assert folder.status(NAME).state == "absent"
    assert folder.submit(NAME).state == "queued"
    assert JobFolder(tmp_path).status(NAME).state == "done"  # where the model is not known
    marks["segment"] = "old"
    assert folder.status(NAME).state == "done"
    marks["segment"] = ""  # no model here
    assert folder.status(NAME).state == "done"


@posix
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o775, 0o777])
def test_files_have_the_rights_of_their_folder(tmp_path, mode):
    maps = tmp_path / "maps"
    maps.mkdir()
    maps.chmod(mode)
    folder = JobFolder(maps)
    make_map(maps, NAME)
    folder.submit(NAME)
    folder.claim(FAR)
    folder.write_log(NAME, "x")
    made = [path for path in maps.iterdir() if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in made} == {mode & 0o666}
    assert {path.name for path in made} >= {"SPACE_queue.lock", "SPACE_runs.txt", NAME}


def test_remains_of_dead_writers_are_cleared_after_a_while(tmp_path):
    old = tmp_path / ".SPACE_runs.0123abcd.part.txt"
    new = tmp_path / ".SPACE_queue.0123abcd.part.txt"
    other = tmp_path / ".mine.part.txt"
    for path in (old, new, other):
        path.write_text("x", encoding="utf-8")
    for path in (old, other):
        os.utime(path, (1e9, 1e9))
    assert clear_remains(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([new.name, other.name])


def test_one_worker_works_through_two_folders(tmp_path):
    folders = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_map(tmp_path / name, NAME)
        folders.append(JobFolder(tmp_path / name))
        folders[-1].submit(NAME)
    assert run_worker([f.map_dir for f in folders], tmp_path, "cpu", QUICK, FakeRunner()) == 2
    assert [folder.status(NAME).state for folder in folders] == ["done", "done"]


def test_a_relative_folder_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    folder = JobFolder(Path("maps"))
    make_map(Path("maps"), NAME)
    folder.submit(NAME)
    monkeypatch.chdir(tmp_path.parent)
    assert folder.status(NAME).state == "queued"


def test_places_share_a_stop_only_where_it_lies(tmp_path):
    places = []
    worker = Worker.this_process()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_map(tmp_path / name, NAME)
        folder = JobFolder(tmp_path / name)
        folder.submit(NAME)
        places.append(Place(folder, Heartbeat(folder.map_dir, worker)))
    (tmp_path / "one" / "SPACE_stop.txt").touch()
    assert work(places, worker, FakeRunner(), QUICK) == 1
    assert [p.folder.status(NAME).state for p in places] == ["queued", "done"]


def test_the_saved_beat_holds_what_others_need(tmp_path):
    worker = Worker.this_process("0")
    with Heartbeat(tmp_path, worker) as heartbeat:
        heartbeat.begin(NAME, "segment", 1.0)
        text = beat_path(tmp_path, worker.name).read_text(encoding="utf-8")
    assert set(json.loads(text)) >= {"name", "machine", "pid", "device", "beat", "job", "progress"}


@pytest.fixture
def maps(tmp_path):
    """A map folder that can be moved away."""
    path = tmp_path / "maps"
    path.mkdir()
    make_map(path, NAME)
    return path


def test_a_folder_that_is_away_is_not_made_anew(maps, tmp_path):
    """Results in it would be lost when the folder is back, or keep it from coming back."""
    folder = JobFolder(maps)
    maps.rename(tmp_path / "elsewhere")
    with contextlib.suppress(OSError, SpaceError):
        folder.submit(NAME)
    with contextlib.suppress(OSError, SpaceError):
        folder.claim(FAR)
    assert not maps.exists()


def test_a_folder_that_goes_while_the_lock_is_waited_for_is_not_made_anew(
    maps, tmp_path, monkeypatch
):
    folder, acquire = JobFolder(maps), filelock.FileLock.acquire

    def late(self, *args, **more):
        maps.rename(tmp_path / "elsewhere")
        return acquire(self, *args, **more)

    monkeypatch.setattr(filelock.FileLock, "acquire", late)
    with pytest.raises(OSError):
        folder.submit(NAME)
    assert not maps.exists()
