import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime

import pytest
from helpers import REPOSITORY, make_map, write_worker_script

from space.jobs import JobFolder, monitor_command, view
from space.jobs.looking import Observer
from space.jobs.status import FolderSeen, MapSeen, Status, WorkerSeen
from space.jobs.view import LiveView, can_be_live, picture
from space.jobs.vitals import Vitals
from tests.jobs.tiny_models import write_config

rich_console = pytest.importorskip("rich.console")

NOW = datetime(2026, 5, 4, 12, 0, 0)
HERE = FolderSeen("/data/session")


def seen(state, name="G_L01.png", **more):
    return MapSeen("/data/session", name, state, **more)


def working(share=0.5, life="alive", **more):
    vitals = Vitals(
        share=share, megapixels=40, done_mpx=100, done_s=50, device="NVIDIA H100",
        memory_mb=3100, gpu_memory_mb=5200, stalled_s=400,
    )  # fmt: skip
    return WorkerSeen(
        "w", "gpu-node", 4711, "0", life, replace(vitals, **more), "R_L01.png", "segment"
    )


BUSY = Status(
    (HERE,),
    (
        seen("done", "D_L01.png"),
        seen("failed", "F_L01.png", reason="no contrast"),
        seen("broken", "B_L01.png", reason="it is cut off"),
        seen("waiting", "W_L01.png", megapixels=40),
        seen("running", "R_L01.png", megapixels=40, worker="w", attempt=2),
    ),
    (working(),),
)


def drawn(status, width=110, height=30, **more):
    console = rich_console.Console(
        width=width, height=height, file=io.StringIO(), record=True, **more
    )
    console.print(picture(status, width, height, NOW, NOW))
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    return text


def test_all_that_is_going_on_is_in_the_picture():
    text = drawn(BUSY)
    rows = text.splitlines()
    assert "1 waiting, 1 running, 1 done, 1 failed, 1 broken; all done in 30 s (12:00)" in rows[0]
    states = [row.split()[0] for row in rows[1:6]]
    assert states == ["running", "failed", "broken", "waiting", "done"]
    assert "R_L01.png" in rows[1] and "50%, 10 s left, GPU 0, attempt 2" in rows[1]
    assert "no contrast" in rows[2] and "it is cut off" in rows[3] and "40 Mpx" in rows[4]
    (worker,) = [row for row in rows if "gpu-node" in row]
    for fact in ("GPU 0: NVIDIA H100", "2 Mpx/s", "3.1 GB, GPU 5.2 GB", "gpu-node 4711", "works"):
        assert fact in worker
    assert "! 1 map failed. Mend the reason and start the monitor with --retry." in text


def test_a_clock_moves_while_there_is_nothing_to_do():
    idle = Status((HERE,))
    text = drawn(idle)
    assert "12:00:00  idle  0 waiting" in text
    assert "watching since 2026-05-04 12:00" in text
    later = rich_console.Console(width=110, file=io.StringIO(), record=True)
    later.print(picture(idle, 110, 30, NOW.replace(microsecond=500_000), NOW))
    assert later.export_text()[0] != text[0]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (replace(BUSY, workers=(working(life="hanging"),)), "no progress for 7 min"),
        (replace(BUSY, workers=(working(life="silent"),)), "no sign of life"),
        (replace(BUSY, workers=(working(life="dead"),)), "has died"),
        (replace(BUSY, workers=(working(waits_for="turn on GPU 0"),)), "waits for its turn on"),
        (replace(BUSY, workers=(working(share=None),)), "GPU 0, attempt 2"),
        (Status((HERE,), (seen("waiting"),)), "1 map waits and nobody works"),
        (Status((replace(HERE, problem="it is away"),)), "cannot be looked at: it is away"),
        (Status((replace(HERE, is_stopped=True),), (seen("waiting"),)), "SPACE_stop.txt"),
        (Status((HERE,), (seen("running", "grid.png", task="detect", worker="x"),)), "grid.png"),
        (Status((HERE, FolderSeen("/b")), (seen("new"),)), "session/G_L01.png"),
    ],
)
def test_states(status, words):
    assert words in drawn(status)


@pytest.mark.parametrize(("width", "height"), [(20, 6), (40, 15), (60, 24), (79, 24), (300, 100)])
def test_the_picture_fits_the_terminal_however_many_maps_there_are(width, height):
    maps = tuple(seen("waiting", f"Position_{i}_L01.png", megapixels=3) for i in range(900))
    text = drawn(replace(BUSY, maps=BUSY.maps + maps), width, height)
    assert len(text.splitlines()) <= max(height, 12)
    if width >= 40:
        states = [row.split()[0] for row in text.splitlines() if "_L01" in row or "Posit" in row]
        (hidden,) = re.findall(r"and (\d+) mo", text)
        assert states[0] == "running"
        assert len(states) + int(hidden) == 905


def test_names_are_shown_as_they_are_but_control_nothing():
    odd = "[red]a\x1b[2J[/red]_L01.png"
    text = drawn(Status((HERE,), (seen("failed", odd, reason="[bold]\x07x"),)))
    assert "[red]a?[2J[/red]_L01.png" in text
    assert "[bold]?x" in text


def test_a_console_that_knows_few_characters_is_enough():
    class Old(io.StringIO):
        encoding = "cp1252"

    stream = Old()
    console = rich_console.Console(
        width=100,
        height=30,
        file=stream,
        legacy_windows=True,
        force_terminal=True,
        color_system=None,
    )
    console.print(picture(BUSY, 100, 30, NOW, NOW))
    stream.getvalue().encode("cp1252", "strict")


# --- while a monitor runs -------------------------------------------------------------------------


def test_lines_of_the_log_are_above_the_table_and_it_goes_at_the_end(tmp_path, monkeypatch):
    make_map(tmp_path, "G_L01.png")
    stream = io.StringIO()
    console = rich_console.Console(width=100, height=30, file=stream, force_terminal=True)
    logger = logging.getLogger("space")
    before = list(logger.handlers)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        live = LiveView(Observer([tmp_path]), lambda: [tmp_path], console)
        with live:
            live.look()
            logging.getLogger("space.jobs").info("hello [red]%s", "there")
            live._live.refresh()
    finally:
        logger.setLevel(level)
    text = stream.getvalue()
    assert "INFO hello [red]there" in text
    assert text.index("hello") < text.rindex("G_L01.png")
    assert logger.handlers == before


def test_a_folder_that_goes_away_is_a_part_of_the_picture(tmp_path):
    here = tmp_path / "maps"
    here.mkdir()
    live = LiveView(Observer([here]), console=rich_console.Console(file=io.StringIO(), width=100))
    live.look()
    here.rmdir()
    live.look()
    assert live._status.folders[0].problem or not live._status.maps


@pytest.mark.parametrize("plain", [True, False])
def test_without_a_terminal_there_are_plain_lines(plain):
    assert not can_be_live(plain)


def test_a_terminal_without_rich_gets_plain_lines(monkeypatch):
    monkeypatch.setattr(
        view.sys, "stdout", type("Tty", (io.StringIO,), {"isatty": lambda s: True})()
    )
    monkeypatch.setenv("TERM", "xterm")
    assert can_be_live(False)
    assert not can_be_live(True)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert not can_be_live(False)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_ctrl_c_ends_a_monitor_with_a_view_and_gives_its_job_back(tmp_path):
    import pty

    space_dir, maps = tmp_path / "program", tmp_path / "maps"
    space_dir.mkdir()
    maps.mkdir()
    write_worker_script(space_dir, action="progressed(0.5); time.sleep(60)")
    write_config(space_dir)
    make_map(maps, "G_L01.png")
    code = (
        "import sys; from pathlib import Path; from space.jobs import monitor_command as command; "
        "command.missing_here = lambda config, space_dir: []; "
        f"sys.exit(command.main(['--dir', {str(maps)!r}, '--gpu', 'cpu', '--interval', '0.1'], "
        f"Path({str(space_dir)!r})))"
    )
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=follower, stdout=follower, stderr=follower,
        env=environment, cwd=REPOSITORY,
    )  # fmt: skip
    os.close(follower)
    folder, text = JobFolder(maps), b""
    try:
        end = time.monotonic() + 60
        while not (b"running" in text and b"G_L01.png" in text) and time.monotonic() < end:
            text += os.read(leader, 65536)
        assert b"works" in text or b"running" in text
        process.send_signal(signal.SIGINT)
        while process.poll() is None and time.monotonic() < end:
            try:
                text += os.read(leader, 65536)
            except OSError:  # closed by the process
                break
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert b"Stopped. Start again at any time" in text
    assert folder.status("G_L01.png").state == "queued"
    assert folder.workers() == []
    assert not list(maps.glob(".SPACE_monitor_*"))


def test_the_command_line_uses_the_view_on_a_terminal_only(tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(monitor_command, "missing_here", lambda config, space_dir: [])
    monkeypatch.setattr(monitor_command, "start_logging", lambda: None)
    monkeypatch.setattr(monitor_command, "catch_stop_signals", lambda ask: None)
    monkeypatch.setattr(monitor_command, "can_be_live", lambda plain: used.append(plain) and False)
    write_config(tmp_path)
    for more in ([], ["--plain"]):
        arguments = ["--dir", str(tmp_path), "--once", "--interval", "0.01", "--gpu", "cpu", *more]
        assert monitor_command.main(arguments, tmp_path) == 0
    assert used == [False, True]
