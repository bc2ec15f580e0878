"""What is seen of a session while it runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from space.cli.screen import Screen
from space.simulation import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Session:
    """A session as far as its screen sees it: lines of the log, and files."""

    def __init__(self, folder: Path, stream: io.StringIO, level: int = 5, verbose: bool = False):
        self.folder, self.stream = folder, stream
        self.screen = Screen(stream, Progress(folder, level), verbose)

    def says(self, line: str, *files: str) -> None:
        for name in files:
            (self.folder / name).write_text("", encoding="utf-8")
        self.screen.hear(line)

    def runs(self, level: int = 5) -> None:
        """Two lamellae, with two tilts each."""
        self.says("WARNING: Caution")
        self.says("Grid G1 in /somewhere")
        lamellae = json.dumps({"lamellae": [{}, {}]})
        (self.folder / "G1_lamellae.json").write_text(lamellae, encoding="utf-8")
        self.says("2 lamellae found on grid G1.")
        self.says("PL1 was seen again", "G1_PL01_im.png")
        self.says("PL2 was seen again", "G1_PL02_im.png")
        self.says("Level 1: 5 s")
        for n in (1, 2):
            self.says(f"Opened montage file /somewhere/G1_L0{n}.mrc, 5 x 5 pieces")
            self.says(f"Saved G1_L0{n}.png.", f"G1_L0{n}.png", f"G1_L0{n}_seg.png")
        self.says("Level 2: 5 s")
        if level < 4:
            return
        self.says("G1_L01: 3 targets", "G1_L01_tgts.txt", "G1_L01_area2_tgts.txt")
        self.says("G1_L02: 3 targets", "G1_L02_tgts.txt")
        self.says("Level 4: 5 s")
        for n in (1, 2):
            for tilt in (1, 2):
                self.says(f"Tilt {tilt} of 2 (0.0 deg)")
                self.says(f"Opened G1_L0{n}_ts_001.mrc", f"G1_L0{n}_ts_001.mrc")
            self.says("Tilt series at 3 targets done")
        self.says("Acquire at Items ended after 2 items")


def test_elsewhere_than_on_a_terminal_each_step_is_one_line(tmp_path):
    stream = io.StringIO()
    Session(tmp_path, stream).runs()
    steps = [line for line in stream.getvalue().splitlines() if " of " in line]
    assert steps == [
        "Level 1: 0 of 2 lamellae looked at",
        "Level 1: 1 of 2 lamellae looked at",
        "Level 1: 2 of 2 lamellae looked at",
        "Level 2: 0 of 2 lamella maps",
        "Level 2: 1 of 2 lamella maps",
        "Level 2: 2 of 2 lamella maps",
        "Level 4: 0 of 2 lamellae with targets",
        "Level 4: 1 of 2 lamellae with targets",
        "Level 4: 2 of 2 lamellae with targets",
        "Level 5: 0 of 2 lamellae with tilt series",
        "Level 5: 0 of 2 lamellae with tilt series, tilt 1 of 2",
        "Level 5: 0 of 2 lamellae with tilt series, tilt 2 of 2",
        "Level 5: 1 of 2 lamellae with tilt series",
        "Level 5: 1 of 2 lamellae with tilt series, tilt 1 of 2",
        "Level 5: 1 of 2 lamellae with tilt series, tilt 2 of 2",
        "Level 5: 2 of 2 lamellae with tilt series",
    ]
    assert "Opened" not in stream.getvalue()
    assert "WARNING: Caution" in stream.getvalue()


def test_on_a_terminal_there_is_a_bar_with_the_last_line(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    session = Session(tmp_path, stream)
    session.runs()
    session.screen.close()
    text = stream.getvalue()
    half = "[########........] Level 2: 1 of 2 lamella maps | Saved G1_L01.png."
    quarter = "[####............] Level 5: 0 of 2 lamellae with tilt series, tilt 1 of 2 | "
    assert half in text and quarter + "Opened G1_L01_ts_001.mrc" in text
    assert max(len(part) for line in text.splitlines() for part in line.split("\r")) < 120
    assert text.endswith("\r"), "the bar is gone at the end"
    stays = [line.split("\r")[-1] for line in text.split("\n")]
    assert "Level 1: 5 s" in stays and not any("Opened" in line for line in stays)


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_verbose_shows_every_line_and_nothing_else(tmp_path, kind):
    stream, lines = kind(), []
    session = Session(tmp_path, stream, verbose=True)
    hear, session.screen.hear = session.screen.hear, lambda line: (lines.append(line), hear(line))
    session.runs()
    assert stream.getvalue().splitlines() == lines


def test_a_session_that_ends_earlier_has_no_further_level(tmp_path):
    stream = io.StringIO()
    Session(tmp_path, stream, level=2).runs(level=2)
    assert stream.getvalue().splitlines()[-1] == "Level 2: 5 s"


def test_a_script_of_ones_own_has_no_progress(tmp_path):
    for stream in (io.StringIO(), Terminal()):
        session = Session(tmp_path, stream)
        session.says("hello")
        session.says("Tilt 3 of 5 (0.0 deg)")
        assert stream.getvalue() == "hello\n"


@pytest.mark.parametrize(("key", "verbose", "shown"), [("P", 0, 0), ("P", 1, 1), ("B", 0, 1)])
def test_that_nobody_presses_the_key_of_a_pause_is_only_in_the_log(tmp_path, key, verbose, shown):
    session = Session(tmp_path, io.StringIO(), verbose=bool(verbose))
    session.says(f"The script has been looking for key {key} for a while: answers press it")
    assert ("looking for key" in session.stream.getvalue()) is bool(shown)
