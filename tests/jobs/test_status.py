import json
import os
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from helpers import REPOSITORY, Clock, beat, make_map, write_result

from space.jobs import JobFolder, looking, monitor_command
from space.jobs.looking import Observer, quick_observer, watch_until_known
from space.jobs.monitor_sign import MonitorBeat, monitor_path
from space.jobs.presence import Patience
from space.jobs.status import (
    EXIT_CODES,
    FolderSeen,
    MapSeen,
    MonitorSeen,
    Status,
    WorkerSeen,
    to_dict,
    verdict,
)
from space.jobs.vitals import Vitals
from space.jobs.wording import lines, span
from space.jobs.workers import Worker, this_machine

FAR = Worker("far-7-abc123", "far", 7, "0")
HERE = FolderSeen("/maps")


def seen_map(state, name="a_L01.png", **more):
    return MapSeen("/maps", name, state, **more)


def seen_worker(life="alive", name="w", **more):
    return WorkerSeen(name, "far", 7, "0", life, **more)


def seen_monitor(life="alive", **more):
    return MonitorSeen("m", "far", 8, life, ("0",), ("/maps",), looked="x", **more)


def judged(*maps, workers=(), monitors=(), folders=(HERE,)):
    return verdict(Status(tuple(folders), maps, tuple(workers), tuple(monitors)))


# --- the verdict ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maps", "workers", "monitors", "word"),
    [
        ([], [], [], "idle"),
        (["done"], [], ["alive"], "idle"),
        (["done"], ["dead"], [], "idle"),
        (["done"], ["silent"], ["alive"], "idle"),
        (["running"], ["alive"], [], "healthy"),
        (["waiting"], ["alive"], [], "healthy"),
        (["waiting"], [], ["alive"], "healthy"),
        (["new"], [], ["alive"], "healthy"),
        (["copying"], [], [], "healthy"),
        (["waiting"], [], [], "dead"),
        (["new"], [], [], "dead"),
        (["waiting"], ["dead", "silent"], ["dead"], "dead"),
        (["waiting"], ["silent"], ["silent"], "dead"),
        (["done"], [], ["dead"], "dead"),
        (["done"], [], ["dead", "alive"], "idle"),
        (["running", "waiting"], ["hanging"], ["alive"], "hanging"),
        (["running"], ["silent"], ["alive"], "hanging"),
        (["waiting"], ["alive"], ["hanging"], "hanging"),
        (["failed", "running"], ["alive"], ["alive"], "failed"),
        (["broken"], [], ["alive"], "failed"),
        (["failed", "waiting"], [], [], "dead"),
    ],
)
def test_the_verdict(maps, workers, monitors, word):
    found = judged(
        *[seen_map(state, worker="w0", reason="why") for state in maps],
        workers=[
            seen_worker(life, f"w{i}", map_name="a_L01.png" if "running" in maps else "")
            for i, life in enumerate(workers)
        ],
        monitors=[seen_monitor(life) for life in monitors],
    )
    assert found.word == word
    assert found.exit_code == EXIT_CODES[word] == (0 if word in ("healthy", "idle") else 1)
    assert bool(found.problems) == (found.exit_code != 0)
    assert all(problem.what.endswith(".") and problem.do for problem in found.problems)


def test_a_folder_that_cannot_be_read_cannot_be_judged_unless_others_are_bad_enough():
    away = FolderSeen("/away", "the map folder is away")
    found = judged(folders=[HERE, away])
    assert (found.word, found.exit_code) == ("unknown", 2)
    assert "/away" in found.text
    found = judged(seen_map("waiting"), folders=[HERE, away])
    assert (found.word, found.exit_code, len(found.problems)) == ("dead", 1, 2)


def test_a_folder_in_which_nothing_was_ever_done_may_be_the_wrong_one():
    assert "no maps yet" in judged().text and "Is this the folder" in judged().text
    assert judged(seen_map("done")).text == "Nothing waits. Nobody watches."
    assert judged(monitors=[seen_monitor()]).text == "Nothing waits. A monitor watches."


def test_a_stop_file_is_named_as_the_reason():
    stopped = replace(HERE, is_stopped=True)
    assert judged(folders=[stopped]).word == "idle"
    found = judged(seen_map("waiting"), folders=[stopped])
    assert (found.word, found.exit_code) == ("stopped", 1)
    assert "SPACE_stop.txt" in found.text


def test_failed_maps_are_named_with_their_reason_but_not_all_of_them():
    maps = [seen_map("failed", f"m{i}.png", reason=f"why{i}") for i in range(9)]
    text = judged(*maps).text
    assert "9 maps failed" in text
    assert "m2.png: why2" in text and "m3.png" not in text and "6 more" in text


def test_the_end_of_the_queue_is_told_by_the_pace_of_those_who_live():
    pace = Vitals(share=0.5, megapixels=10, done_mpx=20, done_s=10)
    status = Status(
        (HERE,),
        (
            seen_map("running", worker="w", megapixels=10),
            seen_map("waiting", "b_L01.png", megapixels=25),
            seen_map("waiting", "grid.png", task="detect", megapixels=99),
        ),
        (
            seen_worker(vitals=pace, map_name="a_L01.png", task="segment"),
            seen_worker("dead", "x", vitals=pace),
        ),
    )
    assert status.mpx_per_s == 2.0
    assert status.end_s == pytest.approx((5 + 25) / 2)
    assert status.end_of_map_s(status.maps[0]) == pytest.approx(2.5)
    assert replace(status, workers=()).end_s is None
    assert Status((HERE,)).end_s == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0 s"), (89, "89 s"), (120, "2 min"), (5400, "1 h 30 min"), (4e5, "5 d")],
)
def test_spans_of_time(seconds, text):
    assert span(seconds) == text


# --- what is seen ---------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    """A folder with a map that waits, as JobFolder."""
    make_map(tmp_path, "G_L01.png", shape=(200, 500))
    found = JobFolder(tmp_path)
    found.submit("G_L01.png")
    return found


def watched(map_dir, clock, meanwhile=lambda: None):
    """Watch as the command does, in a time of our own; return what is seen and how long it took."""
    begun = clock.now

    def sleep(seconds):
        clock.now += seconds
        meanwhile()

    observer = Observer([map_dir], looking.BEATS_WATCHED * Patience.beat_s, clock=clock)
    return watch_until_known(observer, sleep, clock), clock.now - begun


def state_of(status, name="G_L01.png"):
    return next(seen.state for seen in status.maps if seen.name == name)


def test_another_computer_is_judged_by_whether_its_sign_of_life_changes(folder, clock):
    folder.claim(FAR)
    beat(folder.map_dir, FAR, 1, job=["G_L01.png", "segment"])
    status, seconds = watched(folder.map_dir, clock)
    assert status.workers[0].life == "silent"
    assert 8 <= seconds <= 11
    assert verdict(status).word == "hanging"
    counts = iter(range(2, 100))
    status, seconds = watched(
        folder.map_dir,
        clock,
        lambda: beat(folder.map_dir, FAR, next(counts), job=["G_L01.png", "segment"]),
    )
    assert status.workers[0].life == "alive"
    assert seconds < 4
    assert (verdict(status).word, state_of(status)) == ("healthy", "running")


def test_who_waits_for_a_dead_computer_waits_in_vain(folder, clock):
    beat(folder.map_dir, FAR, 1)
    status, _ = watched(folder.map_dir, clock)
    assert (verdict(status).word, state_of(status)) == ("dead", "waiting")


def test_on_this_computer_all_is_known_at_once(folder, clock):
    gone = Worker(f"{this_machine()}-1-abc123", this_machine(), 2**22 + 1)
    beat(folder.map_dir, gone, 1, vitals={"clock_s": time.monotonic()})
    status, seconds = watched(folder.map_dir, clock)
    assert (status.workers[0].life, seconds) == ("dead", 0)
    living = Worker(f"{this_machine()}-2-abc123", this_machine(), os.getpid())
    folder.claim(living)
    job = ["G_L01.png", "segment"]
    for vitals, life in (
        ({"clock_s": time.monotonic(), "job_s": 9}, "alive"),
        ({"clock_s": time.monotonic() - 60}, "silent"),
        ({"clock_s": time.monotonic(), "stalled_s": 400}, "hanging"),
    ):
        beat(folder.map_dir, living, 1, job=job, vitals=vitals)
        status, seconds = watched(folder.map_dir, clock)
        (found,) = [w for w in status.workers if w.name == living.name]
        assert (found.life, seconds) == (life, 0)
    assert verdict(status).word == "hanging"
    assert "no progress for 7 min" in verdict(status).text


def test_a_worker_of_an_older_version_is_watched(folder, clock):
    living = Worker(f"{this_machine()}-2-abc123", this_machine(), os.getpid())
    beat(folder.map_dir, living, 1)
    status, seconds = watched(folder.map_dir, clock)
    assert status.workers[0].life == "silent"
    assert seconds > 8


@pytest.mark.parametrize(
    ("looked_s", "age_s", "life", "word"),
    [(3, 0, "alive", "healthy"), (400, 0, "hanging", "hanging"), (3, 60, "silent", "dead")],
)
def test_monitors(folder, clock, looked_s, age_s, life, word):
    who = Worker(f"{this_machine()}-3-abc123", this_machine(), os.getpid())
    sign = MonitorBeat(who, 1, looked_s=looked_s, clock_s=time.monotonic() - age_s)
    path = monitor_path(folder.map_dir, who.name)
    path.write_text(json.dumps(sign.to_dict()), encoding="utf-8")
    status, _ = watched(folder.map_dir, clock)
    assert (status.monitors[0].life, verdict(status).word) == (life, word)


def test_every_kind_of_map_is_told_apart(folder, clock):
    here = folder.map_dir
    make_map(here, "done_L01.png")
    write_result(here, "done_L01.png")
    make_map(here, "new_L01.png")
    (here / "cut_L01.png").write_bytes(make_map(here, "whole_L01.png").read_bytes()[:200])
    (here / "photo_L01.tif").touch()
    (here / "grid.png").touch()  # not a map
    make_map(here, "bad_L01.png")
    folder.submit("bad_L01.png")
    folder.give_up_waiting("ink")
    folder.submit("G_L01.png", again=True)
    who = Worker("far-9-abc123", "far", 9)
    sign = MonitorBeat(who, 1, broken={"whole_L01.png": "it is odd", "../x": "no such file"})
    text = json.dumps(sign.to_dict())
    monitor_path(here, who.name).write_text(text, encoding="utf-8")
    status, _ = watched(here, clock)
    assert {seen.name: seen.state for seen in status.maps} == {
        "G_L01.png": "waiting",
        "done_L01.png": "done",
        "new_L01.png": "new",
        "cut_L01.png": "copying",
        "whole_L01.png": "broken",
        "photo_L01.tif": "broken",
        "bad_L01.png": "failed",
    }
    reasons = {seen.name: seen.reason for seen in status.maps}
    assert reasons["bad_L01.png"] == "ink"
    assert reasons["whole_L01.png"] == "it is odd"
    waiting = next(seen for seen in status.maps if seen.name == "G_L01.png")
    assert waiting.megapixels == 0.1


def test_a_question_changes_nothing(folder, clock):
    here = folder.map_dir
    folder.claim(FAR)
    gone = Worker(f"{this_machine()}-1-abc123", this_machine(), 2**22 + 1)
    beat(here, gone, 1)
    make_map(here, "new_L01.png")

    def picture():
        return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in here.iterdir()}

    before, state = picture(), here.stat().st_mtime_ns
    watched(here, clock)
    assert picture() == before
    assert here.stat().st_mtime_ns == state, "a file was made and removed again"


def test_two_folders_are_one_picture(folder, tmp_path_factory, clock):
    other = tmp_path_factory.mktemp("other")
    beat(folder.map_dir, FAR, 1, job=["G_L01.png", "segment"])
    beat(other, FAR, 1, job=["", ""])
    for folders in ([folder.map_dir, other], [other, folder.map_dir]):
        (worker,) = Observer(folders, clock=clock).look().workers
        assert worker.map_name == "G_L01.png"


def test_who_works_in_one_folder_does_nothing_for_the_maps_in_another(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    living = Worker(f"{this_machine()}-2-abc123", this_machine(), os.getpid())
    sign = json.dumps(MonitorBeat(living, 1, clock_s=time.monotonic()).to_dict())
    monitor_path(elsewhere, living.name).write_text(sign, encoding="utf-8")
    found = verdict(quick_observer([elsewhere, folder.map_dir]).look())
    assert (found.word, found.exit_code) == ("dead", 1)
    assert str(folder.map_dir) in found.problems[0].do
    assert str(elsewhere) not in found.problems[0].do


def test_a_monitor_has_a_moment_to_see_a_folder_that_appeared_below(tmp_path, clock):
    make_map(tmp_path, "G_L01.png")
    below = tmp_path / "below"
    below.mkdir()
    make_map(below, "G_L01.png")
    living = Worker(f"{this_machine()}-2-abc123", this_machine(), os.getpid())

    def sign(map_dir):
        text = json.dumps(MonitorBeat(living, 1, clock_s=time.monotonic()).to_dict())
        monitor_path(map_dir, living.name).write_text(text, encoding="utf-8")

    def word(meanwhile=lambda: None):
        def sleep(seconds):
            clock.now += seconds
            meanwhile()

        quiet_s = looking.BEATS_WATCHED * Patience.beat_s
        observer = Observer([tmp_path, below], quiet_s, subfolders=True, clock=clock)
        return verdict(watch_until_known(observer, sleep, clock)).word

    sign(tmp_path)
    assert word() == "dead"
    assert word(lambda: sign(below)) == "healthy"


# --- the command ----------------------------------------------------------------------------------


def asked(capsys, *arguments):
    code = monitor_command.main(["--status", *arguments])
    return code, capsys.readouterr().out


NUMBER, TEXT = (int, float), str
SCHEMA = {
    "format": int, "verdict": TEXT, "exit_code": int, "text": TEXT, "mpx_per_s": NUMBER,
    "end_s": (int, float, type(None)),
    "problems": [{"word": TEXT, "what": TEXT, "do": TEXT}],
    "counts": dict.fromkeys(
        ["new", "copying", "waiting", "running", "done", "failed", "broken"], int
    ),
    "folders": [{"path": TEXT, "problem": TEXT, "is_stopped": bool, "is_served": bool}],
    "maps": [{
        "folder": TEXT, "name": TEXT, "state": TEXT, "task": TEXT, "reason": TEXT,
        "megapixels": NUMBER, "worker": TEXT, "attempt": int,
        "share": (int, float, type(None)),
    }],
    "workers": [{
        "name": TEXT, "machine": TEXT, "pid": int, "device": TEXT, "life": TEXT,
        "map_name": TEXT, "task": TEXT, "mpx_per_s": NUMBER,
        "vitals": {
            "share": (int, float, type(None)), "megapixels": NUMBER, "job_s": NUMBER,
            "stalled_s": NUMBER, "since": TEXT, "runtime": TEXT, "device": TEXT,
            "waits_for": TEXT, "memory_mb": NUMBER, "gpu_memory_mb": NUMBER,
            "done_mpx": NUMBER, "done_s": NUMBER, "clock_s": NUMBER,
        },
    }],
    "monitors": [{
        "name": TEXT, "machine": TEXT, "pid": int, "life": TEXT, "devices": list,
        "folders": list, "workers": int, "looked": TEXT, "looked_s": NUMBER,
    }],
}  # fmt: skip


def check(values, schema, where="status"):
    if isinstance(schema, dict):
        assert set(values) == set(schema), where
        for key in schema:
            check(values[key], schema[key], f"{where}.{key}")
    elif isinstance(schema, list):
        for value in values:
            check(value, schema[0], where)
    else:
        assert isinstance(values, schema), where


def test_the_json_keeps_its_form(folder, capsys):
    living = Worker(f"{this_machine()}-2-abc123", this_machine(), os.getpid())
    folder.claim(living)
    vitals = {"clock_s": time.monotonic(), "share": 0.25}
    beat(folder.map_dir, living, 1, job=["G_L01.png", "segment"], vitals=vitals)
    sign = MonitorBeat(living, 1, devices=("0",), clock_s=time.monotonic())
    text = json.dumps(sign.to_dict())
    monitor_path(folder.map_dir, living.name).write_text(text, encoding="utf-8")
    code, text = asked(capsys, "--json", "--dir", str(folder.map_dir))
    values = json.loads(text)
    check(values, SCHEMA)
    assert code == values["exit_code"] == 0
    assert values["maps"][0]["share"] == 0.25
    check(to_dict(Status((), (seen_map("failed"),))), SCHEMA)


def test_the_text_says_the_verdict_first(folder, capsys):
    code, text = asked(capsys, "--dir", str(folder.map_dir))
    assert code == 1
    assert text.startswith("DEAD: 1 map waits and nobody works.")
    assert "Start a monitor: python SPACEtomo_monitor.py --dir" in text
    code, text = asked(capsys, "--dir", str(folder.map_dir / "none"))
    assert code == 2
    assert text.startswith("UNKNOWN: ")


def test_names_from_a_shared_folder_do_not_reach_the_terminal_as_they_are():
    name = "a\x1b[2J\n_L01.png"
    worker = seen_worker(map_name=name, vitals=Vitals(device="x\x1b[2J"))
    text = "\n".join(
        lines(Status((HERE,), (seen_map("failed", name, reason="\x1b[31m"),), (worker,)))
    )
    assert "\x1b" not in text


def test_hundreds_of_maps_do_not_make_hundreds_of_lines():
    maps = tuple(seen_map("waiting", f"m{i}_L01.png") for i in range(500))
    found = lines(Status((HERE,), maps, (seen_worker(),)))
    assert len(found) < 30
    assert found[-1] == "and 480 more"


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
def test_a_reader_who_does_not_want_all_gets_no_traceback(folder, monkeypatch):
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert monitor_command.main(["--status", "--dir", str(folder.map_dir)]) == 1


@pytest.mark.parametrize(
    "arguments",
    [("--json",), ("--status", "--once"), ("--status", "--retry"), ("--jobs", "4", "--once")],
)
def test_what_does_not_fit_together_is_refused(tmp_path, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        monitor_command.main(["--dir", str(tmp_path), *arguments])
    assert caught.value.code == 2


# --- with real processes --------------------------------------------------------------------------

WORKER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from space.jobs import JobFolder
from space.jobs.heartbeat import Heartbeat
from space.jobs.presence import Patience
from space.jobs.vitals import Pulse
from space.jobs.workers import Worker
pulse = Pulse(lambda: ("nothing", "a desk"))
worker = Worker.this_process("cpu")
folder = JobFolder(Path(sys.argv[2]))
with Heartbeat(folder.map_dir, worker, Patience(beat_s=0.05), pulse=pulse) as heartbeat:
    claim = folder.claim(worker)
    heartbeat.begin(claim.job.map_name, "segment", 0.1)
    heartbeat.progressed(0.0)
    time.sleep(0.1)
    heartbeat.progressed(0.5)
    print("works", flush=True)
    time.sleep(120)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_real_worker_is_seen_working_stopped_and_killed(folder):
    quick = Patience(beat_s=0.05)
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(REPOSITORY), str(folder.map_dir)],
        stdout=subprocess.PIPE,
    )

    def word_becomes(expected, fits=lambda status: True):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            status = watch_until_known(quick_observer([folder.map_dir], quick), patience=quick)
            if verdict(status).word == expected and fits(status):
                return status
            time.sleep(0.05)
        raise AssertionError(verdict(status))

    try:
        assert process.stdout.readline().strip() == b"works"
        # A busy machine may give signs of life late, which looks silent for a moment.
        status = word_becomes("healthy", lambda s: s.share_of(s.maps[0]) == 0.5)
        (worker,) = status.workers
        assert (worker.vitals.device, worker.vitals.runtime) == ("a desk", "nothing")
        assert worker.vitals.memory_mb > 5
        process.send_signal(signal.SIGSTOP)
        assert "gives no sign of life" in verdict(word_becomes("hanging")).text
        process.kill()
        process.wait()
        assert state_of(word_becomes("dead")) == "waiting"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_ctrl_c_ends_the_question_quietly(monkeypatch):
    def interrupted(**more):
        raise KeyboardInterrupt

    monkeypatch.setattr(monitor_command, "main", interrupted)
    with pytest.raises(SystemExit) as ending:
        runpy.run_path(str(REPOSITORY / "SPACEtomo_monitor.py"), run_name="__main__")
    assert ending.value.code == 130
