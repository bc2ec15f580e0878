import os
import subprocess
import sys
from collections import Counter

import filelock
import pytest
from helpers import REPOSITORY, Clock, beat, make_map, watch_for, write_result

from space.errors import SpaceError
from space.jobs import JobFolder, queue_files
from space.jobs.presence import beat_path
from space.jobs.workers import Worker, this_machine

FAR = Worker("far-1-a", "far", 1)
FAR2 = Worker("far-2-b", "far", 2)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path, clock):
    return JobFolder(tmp_path, clock=clock)


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_life_of_a_job(folder, tmp_path):
    make_map(tmp_path, "G1_L01.png")
    assert folder.status("G1_L01.png").state == "absent"
    assert folder.submit("G1_L01.png").state == "queued"
    assert (tmp_path / "SPACE_queue.txt").read_text().startswith("G1_L01.png\t")
    beat(tmp_path, FAR, 1)
    claim = folder.claim(FAR)
    assert folder.status("G1_L01.png").state == "running"
    assert folder.status("G1_L01.png").worker == FAR.name
    assert folder.claim(FAR2) is None
    write_result(tmp_path, "G1_L01.png")
    assert folder.finish(claim)
    status = folder.status("G1_L01.png")
    assert (status.state, status.result) == ("done", tmp_path / "G1_L01_seg.png")
    assert not list(tmp_path.glob(".SPACE_claim*"))
    assert folder.statuses() == {"G1_L01.png": status}


def test_submitting_twice_is_one_job(folder, tmp_path):
    make_map(tmp_path, "G1_L01.png")
    for _ in range(3):
        folder.submit("G1_L01.png")
    assert folder.waiting() == 1
    beat(tmp_path, FAR, 1)
    claim = folder.claim(FAR)
    assert folder.submit("G1_L01.png").state == "running"
    assert folder.waiting() == 0
    write_result(tmp_path, "G1_L01.png")
    folder.finish(claim)
    assert folder.submit("G1_L01.png").state == "done"
    assert folder.claim(FAR) is None


def test_half_copied_result_is_not_done(folder, tmp_path):
    make_map(tmp_path, "G1_L01.png")
    folder.submit("G1_L01.png")
    result = write_result(tmp_path, "G1_L01.png")
    data = result.read_bytes()
    result.write_bytes(data[:-5])
    assert folder.status("G1_L01.png").state == "queued"
    result.write_bytes(data)
    assert folder.status("G1_L01.png").state == "done"


def test_map_taken_anew_is_segmented_anew(folder, tmp_path):
    make_map(tmp_path, "G1_L01.png", seed=1)
    write_result(tmp_path, "G1_L01.png")
    assert folder.submit("G1_L01.png").state == "done"
    make_map(tmp_path, "G1_L01.png", seed=2)
    assert folder.status("G1_L01.png").state == "absent"
    assert folder.submit("G1_L01.png").state == "queued"


def test_other_threshold_is_another_result(folder, tmp_path):
    make_map(tmp_path, "G1.png")
    boxes = tmp_path / "G1_boxes.json"
    boxes.write_text('{"boxes": [], "threshold": 0.1}')
    assert folder.submit("G1.png", task="detect", threshold=0.1).state == "done"
    assert folder.submit("G1.png", task="detect", threshold=0.4).state == "queued"
    boxes.write_text('{"boxes": [], "threshold": 0.4}')
    assert folder.status("G1.png").state == "done"


def test_failing_job_ends_as_failed_and_does_not_block_the_rest(folder, tmp_path):
    for name in ("bad_L01.png", "good_L01.png"):
        make_map(tmp_path, name)
        folder.submit(name)
    beat(tmp_path, FAR, 1)
    order = []
    while (claim := folder.claim(FAR)) is not None:
        order.append(claim.job.map_name)
        if claim.job.map_name == "bad_L01.png":
            folder.fail(claim, "ValueError: no luck")
        else:
            write_result(tmp_path, "good_L01.png")
            folder.finish(claim)
    assert order == ["bad_L01.png", "good_L01.png", "bad_L01.png", "bad_L01.png"]
    status = folder.status("bad_L01.png")
    assert (status.state, status.reason, status.attempt) == ("failed", "ValueError: no luck", 3)
    assert "FAILED after 3 attempts: ValueError: no luck" in folder.log_path(
        "bad_L01.png"
    ).read_text(encoding="utf-8")
    assert folder.submit("bad_L01.png").state == "failed"
    assert folder.submit("bad_L01.png", again=True).state == "queued"
    assert folder.claim(FAR).attempt == 1


def test_failed_map_taken_anew_runs_again(folder, tmp_path):
    make_map(tmp_path, "a_L01.png", seed=1)
    folder.submit("a_L01.png")
    folder.give_up_waiting("nobody")
    assert folder.submit("a_L01.png").state == "failed"
    make_map(tmp_path, "a_L01.png", seed=2)
    assert folder.submit("a_L01.png").state == "queued"


def test_dead_worker_on_another_machine_is_noticed_by_its_silence(folder, tmp_path, clock):
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    beat(tmp_path, FAR, 1)
    folder.claim(FAR)
    for count in range(2, 6):  # lives: its file changes, whatever its clock and file times say
        beat(tmp_path, FAR, count)
        os.utime(beat_path(tmp_path, FAR.name), (0, 0))
        watch_for(folder, clock, 50)
        assert folder.status("a_L01.png").state == "running"
    watch_for(folder, clock, 65)
    status = folder.status("a_L01.png")
    assert (status.state, status.reason) == ("queued", f"worker {FAR.name} died")
    assert not beat_path(tmp_path, FAR.name).exists()
    beat(tmp_path, FAR2, 1)
    assert folder.claim(FAR2).attempt == 2


def test_first_look_at_an_old_file_of_another_machine_proves_nothing(folder, tmp_path, clock):
    """A far clock that is days behind must not make a living worker look dead."""
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    beat(tmp_path, FAR, 1)
    folder.claim(FAR)
    os.utime(beat_path(tmp_path, FAR.name), (0, 0))
    newcomer = JobFolder(tmp_path, clock=clock)
    newcomer.reap()
    assert newcomer.status("a_L01.png").state == "running"


def test_dead_worker_on_this_machine_is_noticed_at_once(folder, tmp_path):
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    gone = Worker("gone", this_machine(), dead_pid())
    beat(tmp_path, gone, 1)
    folder.claim(gone)
    assert folder.status("a_L01.png").state == "queued"  # also before anybody clears up
    assert [w.name for w in folder.workers()] == []
    assert folder.claim(FAR).job.map_name == "a_L01.png"


def test_job_whose_worker_always_dies_fails_after_three_attempts(folder, tmp_path):
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    pid = dead_pid()
    for i in range(3):
        gone = Worker(f"{this_machine()}-{i}", this_machine(), pid)
        assert folder.claim(gone).attempt == i + 1
    assert folder.claim(FAR) is None
    assert folder.status("a_L01.png").state == "failed"
    assert "died" in folder.status("a_L01.png").reason


def test_worker_taken_for_dead_does_not_spoil_its_successor(folder, tmp_path, clock):
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    beat(tmp_path, FAR, 1)
    old = folder.claim(FAR)
    watch_for(folder, clock, 100)
    beat(tmp_path, FAR2, 1)
    new = folder.claim(FAR2)
    assert new is not None and not folder.owns(old)
    assert not folder.finish(old)
    folder.fail(old, "late")
    folder.release(old)
    assert folder.owns(new)
    assert folder.status("a_L01.png").worker == FAR2.name


def test_released_job_is_first_and_does_not_count(folder, tmp_path):
    for name in ("a_L01.png", "b_L01.png"):
        make_map(tmp_path, name)
        folder.submit(name)
    beat(tmp_path, FAR, 1)
    folder.release(folder.claim(FAR))
    claim = folder.claim(FAR)
    assert (claim.job.map_name, claim.attempt) == ("a_L01.png", 1)


def test_crash_between_claim_and_note_loses_nothing(folder, tmp_path, monkeypatch):
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    gone = Worker("gone", this_machine(), dead_pid())

    def crash(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(queue_files, "write_text_atomic", crash)
    with pytest.raises(KeyboardInterrupt):
        folder.claim(gone)
    monkeypatch.undo()
    assert folder.claim(FAR).job.map_name == "a_L01.png"


def test_claim_file_removed_by_hand(folder, tmp_path, clock):
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    beat(tmp_path, FAR, 1)
    folder.claim(FAR)
    next(tmp_path.glob(".SPACE_claim*")).unlink()
    watch_for(folder, clock, 100)
    beat(tmp_path, FAR2, 1)
    assert folder.claim(FAR2).job.map_name == "a_L01.png"


def test_empty_claim_file_does_not_block_for_ever(folder, tmp_path, clock):
    make_map(tmp_path, "a_L01.png")
    folder.submit("a_L01.png")
    (tmp_path / ".SPACE_claim_a_L01.segment.json").touch()
    assert folder.claim(FAR) is None
    watch_for(folder, clock, 20)
    assert folder.claim(FAR) is not None


def test_line_typed_into_the_queue_is_done(folder, tmp_path):
    make_map(tmp_path, "a_L01.png")
    make_map(tmp_path, "b_L01.png")
    folder.submit("b_L01.png")
    path = tmp_path / "SPACE_queue.txt"
    path.write_text("# urgent\na_L01\n" + path.read_text(), encoding="utf-8")
    assert folder.claim(FAR).job.map_name == "a_L01.png"
    assert path.read_text(encoding="utf-8").startswith("# urgent\nb_L01.png")


def test_unknown_task_fails_and_the_next_job_comes(folder, tmp_path):
    make_map(tmp_path, "b_L01.png")
    (tmp_path / "SPACE_queue.txt").write_text("a.png\tdance\nb_L01.png\tsegment\n")
    assert folder.claim(FAR).job.map_name == "b_L01.png"
    assert folder.status("a.png").state == "failed"
    with pytest.raises(SpaceError):
        folder.submit("a.png", task="dance")


def test_result_for_a_map_that_changed_meanwhile_is_not_done(folder, tmp_path):
    make_map(tmp_path, "a_L01.png", seed=1)
    folder.submit("a_L01.png")
    claim = folder.claim(FAR)
    write_result(tmp_path, "a_L01.png")
    make_map(tmp_path, "a_L01.png", seed=2)
    assert not folder.finish(claim)
    assert folder.status("a_L01.png").state == "queued"


def test_lock_that_is_never_given_back_ends_the_wait(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(queue_files, "LOCK_SECONDS", 0.2)
    with filelock.FileLock(str(tmp_path / "SPACE_queue.lock")):
        with pytest.raises(SpaceError, match="locked"):
            folder.submit("a_L01.png")


def test_missing_folder_is_told(tmp_path):
    with pytest.raises(SpaceError, match="missing"):
        JobFolder(tmp_path / "none")


def test_silence_is_measured(folder, tmp_path, clock):
    beat(tmp_path, FAR, 1)
    assert folder.silent_s() == 0
    clock.now += 30
    assert folder.silent_s() == 30
    beat(tmp_path, FAR, 22)
    assert folder.silent_s() == 0


CLAIMER = """
import sys
sys.path[:0] = [{repository!r}, {tests!r}]
from pathlib import Path
from helpers import write_result
from space.jobs.heartbeat import Heartbeat
from space.jobs.workers import Worker
from space.jobs import JobFolder
here = Path({folder!r})
worker = Worker.this_process()
with Heartbeat(here, worker):
    folder = JobFolder(here)
    while (claim := folder.claim(worker)) is not None:
        print(claim.job.map_name)
        write_result(here, claim.job.map_name)
        assert folder.finish(claim)
"""


def test_two_processes_never_get_the_same_job(folder, tmp_path):
    names = [f"G_L{i:02d}.png" for i in range(12)]
    make_map(tmp_path, names[0])
    for name in names[1:]:
        (tmp_path / name).write_bytes((tmp_path / names[0]).read_bytes())
    for name in names:
        folder.submit(name)
    code = CLAIMER.format(
        repository=str(REPOSITORY), tests=str(REPOSITORY / "tests/jobs"), folder=str(tmp_path)
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    claimed = Counter()
    for process in processes:
        claimed.update(process.communicate(timeout=60)[0].split())
        assert process.returncode == 0
    assert claimed == Counter(names)
    assert {s.state for s in folder.statuses().values()} == {"done"}
