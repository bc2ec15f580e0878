"""What goes wrong at the microscope: our own workflow rides it out, or ends with a clear message.

Either way the script is then run again without faults, and by the truth nothing is lost and
nothing was done twice but what was cut off.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from space.simulation import make_project
from tests.session.small_session import TILTS, SmallSession

LEVELS = (1, 2, 4, 5)
TILT_SERIES = "G1_L01_ts"


@dataclass(frozen=True)
class Case:
    """A fault and what an operator sees.

    Attributes
    ----------
    faults : str
        As on the command line.
    start, level : int
        Level that the session was run to before, and level of the run with the fault.
    says : str
        Found in the log of that run.
    ends : bool
        Whether the run ends; otherwise it is ridden out.
    again : str
        Beginning of the names of files of which pictures may be taken twice.
    """

    faults: str
    start: int
    level: int
    says: str
    ends: bool = False
    again: str = "none"

    def __str__(self) -> str:
        return f"{self.faults.replace(' ', '+')}, level {self.level}"


CASES = [
    Case("camera-timeout@M", 1, 2, "G1_L01.mrc failed: The camera did not .* tried once more",
         again="G1_L01.mrc"),
    Case("stage-failure@Eucentricity stage-off@MoveToNavItem:2", 1, 2,
         r"eucentric height failed: The stage did not reach(.*\n)*.*5\.0 um away. It is sent"),
    Case("stage-off@M", 1, 2, r"a piece was taken 5\.0 um from its place", again="G1_L01.mrc"),
    Case("autoloader-failure", 0, 1, r"The grid was not loaded \(code 1\).*Check the autoloader",
         ends=True),
    Case("dark-image@M", 1, 2, "column valves are closed.*\n.*column valves are opened again",
         again="G1_L01.mrc"),
    Case("refill@M", 1, 2, "Waiting for the dewars to be filled", again="G1_L01.mrc"),
    Case("dark-image@1-", 0, 1, "G1.mrc failed twice: the column valves are closed", ends=True,
         again="G1.mrc"),
    Case("camera-timeout@1-", 1, 2, "No lamella map could be collected", ends=True),
    Case("state-off@3-", 2, 4,
         "in place of .* also after it was set once more.*Nothing is exposed like this"),
    Case("disk-full@M", 1, 2, "SPACEtomo stopped: The disk is full: .*Free some space", ends=True),
    Case("user-stop@NewMap", 1, 2, "Stopped by the user", ends=True, again="G1_L01.mrc"),
    Case("camera-timeout@R:8", 4, 5, "Acquire at Items ended.*The camera did not", ends=True,
         again=TILT_SERIES),
    Case("script-error@100", 4, 5, "Acquire at Items ended.*the command failed", ends=True,
         again=TILT_SERIES),
    Case("disk-full@S:20", 4, 5, "Acquire at Items ended.*could not be written", ends=True,
         again=TILT_SERIES),
    Case("disk-full@NoMessageBoxOnError:2", 4, 5,
         "Post action: The disk is full.*\n.*ended after 1 item"),
    Case("drift@V lost-focus@V", 4, 5, "The specimen drifts by .*: waiting for a minute"),
    Case("dark-image@R:4 refill@R:9", 4, 5, "The column valves are opened again"),
]  # fmt: skip

DEATHS = [
    ("serialem-death@M", 0, 1, "G1.mrc"),
    ("serialem-death@ShiftItemsByMicrons", 0, 1, "none"),
    ("serialem-death@SaveNavigator:6", 0, 1, "none"),
    ("serialem-death@Eucentricity", 1, 2, "none"),
    ("serialem-death@M:2", 1, 2, "G1_L02.mrc"),
    ("serialem-death@NewMap:3", 2, 4, "none"),
    ("serialem-death@SetItemAcquire:1", 2, 4, "none"),
    ("serialem-death@R:9", 4, 5, TILT_SERIES),
    # The last command of the first item's script: a line before the tilts, one for each, one after.
    (f"serialem-death@Echo:{len(TILTS) + 2}", 4, 5, TILT_SERIES),
    ("serialem-death@SaveNavigator:5", 4, 5, "none"),
]


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A session kept after each level, in a folder that keeps its name."""
    root = tmp_path_factory.mktemp("faults")
    project = make_project(root / "project", segmentation_pixel_nm=48)
    with pytest.MonkeyPatch.context() as patch:
        session = SmallSession(root / "work" / "session", project, patch)
        for level in LEVELS:
            outcome = session.run(level)
            assert outcome.result.ok, outcome.result.error
            session.check(level)
            session.copy_to(root / str(level))
    return root


def test_a_session_runs_level_by_level_and_is_whole(before):
    """Held by the fixture; it is also the session that runs on the oldest Python."""
    assert {path.name for path in before.iterdir()} >= {str(level) for level in LEVELS}
    assert len(list((before / str(LEVELS[-1])).glob("G1_L0?_ts_*.mrc"))) >= 2


@pytest.fixture
def session(before, monkeypatch):
    """Give the session as a level left it."""

    def at(level: int) -> SmallSession:
        session = SmallSession(before / "work" / "session", before / "project", monkeypatch)
        session.start_from(before / str(level) if level else None)
        return session

    return at


def go_on(session, level: int, again: str) -> None:
    """Run without faults what was cut off, and look at the truth.

    Tilt series that were cut off are taken again only where somebody wants it.
    """
    if again == TILT_SERIES:
        before = session.exposures
        outcome = session.run(level)
        assert outcome.result.ok, outcome.result.error
        assert "G1_L01_tgts.txt was begun before" in outcome.log
        assert "Its Acquire was turned off" in outcome.log
        later = {Path(one.file).name for one in session.exposures[len(before) :] if one.file}
        assert not [name for name in later if name.startswith(TILT_SERIES)], later
        assert not [item.note for item in session.items if item.acquire]
        assert not session.repeated()
        session.set_acquire("G1_L01_tgts.txt")
    outcome = session.run(level, acquire_begun_items=again == TILT_SERIES)
    assert outcome.result.ok, outcome.result.error
    session.check(level)
    repeated = session.repeated()
    assert all(name.startswith(again) for name in repeated), repeated


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_is_ridden_out_or_told_and_nothing_is_lost(session, case):
    run = session(case.start)
    outcome = run.run(case.level, *case.faults.split())
    assert len(outcome.faults.struck) >= len(case.faults.split()), "the fault did not strike"
    assert outcome.result.ok is not case.ends, outcome.result.error
    assert re.search(case.says, outcome.log), outcome.log[-2000:]
    assert "This is a mistake in SPACEtomo" not in outcome.log
    go_on(run, case.level, case.again)


@pytest.mark.parametrize(("fault", "start", "level", "again"), DEATHS)
def test_a_session_goes_on_after_serialem_died(session, fault, start, level, again):
    run = session(start)
    assert run.run(level, fault).died
    go_on(run, level, again)


def cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def without_last_target(path):
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.rindex("_tgt = ")], encoding="utf-8")


HALF_WRITTEN = [
    {"G1_wg.png": cut, "G1_lamella_detected.png": cut, "G1_L01.png": cut},
    {"G1_wg.json": cut, "G1_lamella_detected.png": Path.unlink, "G1_L01.json": cut},
    {"G1_wg.png": Path.unlink, "G1_L01.json": Path.unlink, "G1_L02_tgt_001_view.mrc": Path.unlink},
    {"G1_L01_tgts.txt": cut, "G1_L02_tgt_001_view.mrc": cut},
    {"G1_L01_tgts.txt": lambda path: path.write_bytes(b""), "G1_L02_tgt_001_view.mrc.mdoc": cut},
    {"G1_L01_tgts.txt": without_last_target, "G1_L02_tgt_001_view.mrc.mdoc": Path.unlink},
]


@pytest.mark.parametrize("damage", HALF_WRITTEN, ids=lambda damage: "+".join(damage))
def test_what_was_written_by_half_is_made_again_without_a_picture(session, damage):
    run = session(4)
    whole = {name: (run.directory / name).read_bytes() for name in damage}
    exposures, targets = len(run.exposures), run.targets()
    for name, spoil in damage.items():
        spoil(run.directory / name)
    outcome = run.run(4)
    assert outcome.result.ok, outcome.result.error
    run.check(4)
    assert len(run.exposures) == exposures
    for name, content in whole.items():
        again = (run.directory / name).read_bytes()
        if name == "G1_wg.json":  # all items were shifted since, and the map with them
            again, content = (json.loads(data) for data in (again, content))
            places = [told["frame"].pop("center_stage_um") for told in (again, content)]
            assert np.allclose(*places, atol=0.01)
            again, content = ({**told, "frame": {}, "made_with": {}} for told in (again, content))
        elif name.endswith(".json"):  # with which settings the map was collected, is lost
            again, content = ({**json.loads(data), "made_with": {}} for data in (again, content))
        elif name.endswith(".mrc"):  # the header tells the time
            again, content = again[1024:], content[1024:]
        assert again == content, name
    assert run.targets() == targets
    assert sum(item.acquire for item in run.items) == len(targets)


def test_what_is_whole_is_left_alone(session):
    run = session(4)
    before = {
        path: path.stat().st_mtime_ns
        for path in run.directory.glob("G1*")
        if path.suffix not in (".nav", ".nav~", ".log")
    }
    assert run.run(4).result.ok
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_targets_that_pacetomo_has_begun_with_are_told_and_not_chosen_anew(session):
    run = session(5)
    cut(run.directory / "G1_L01_tgts.txt")
    (run.directory / "G1_L02_tgt_001_view.mrc").unlink()  # not needed any more
    exposures = len(run.exposures)
    outcome = run.run(4)
    assert outcome.result.ok
    assert "G1_L01_tgts.txt is incomplete, but PACEtomo has begun" in outcome.log
    assert not any(item.acquire for item in run.items)
    assert len(run.exposures) == exposures
    assert not (run.directory / "G1_L02_tgt_001_view.mrc").exists()
