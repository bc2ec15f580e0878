"""A microscope without a thing is told once and gone on with; a thing that failed is an error."""

from __future__ import annotations

import logging

import fake_serialem
import pytest
from fake_serialem import SEMerror

from space.errors import SpaceError
from space.microscope import autoloader, column, forget_warnings, scope, stage
from space.microscope.log import warn_once


def refuse(*_):
    raise SEMerror("SCRIPT ERROR WITH THIS MESSAGE\n*****\nno way")


def warnings(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_a_session_is_warned_once_and_the_next_one_again(monkeypatch, caplog):
    fake_serialem.install(monkeypatch)
    for _ in range(2):
        forget_warnings()
        for subject in ("valves", "beam", "valves"):
            warn_once(subject, "no %s here", subject)
    assert warnings(caplog) == ["no valves here", "no beam here"] * 2


# --- valves ---------------------------------------------------------------------------------------


class Valves:
    """Column valves that are told as `tells` says, and move as `moves` says."""

    def __init__(self, monkeypatch, tells: str, moves: str, state: int = 0) -> None:
        self.tells, self.moves, self.state, self.looks = tells, moves, state, 0
        fake_serialem.install(
            monkeypatch,
            SetColumnOrGunValve=self.set,
            ReportColumnOrGunValve=self.report,
            Delay=lambda amount, unit: None,
        )

    def set(self, wanted: int) -> None:
        if self.moves == "refused":
            raise SEMerror("no way")
        if self.moves in ("at once", "late"):
            self.state = wanted

    def report(self) -> float:
        self.looks += 1
        if self.tells == "refused":
            raise SEMerror("no such thing")
        if self.tells == "unknown":
            return -1.0
        return float(1 - self.state if self.moves == "late" and self.looks < 4 else self.state)


@pytest.mark.parametrize("wanted", [0, 1])
@pytest.mark.parametrize(
    ("tells", "moves", "outcome"),
    [
        ("state", "at once", "well"),
        ("state", "late", "well"),
        ("state", "never", "error"),
        ("state", "refused", "error"),
        ("refused", "at once", "well"),
        ("unknown", "at once", "well"),
        ("refused", "refused", "warning"),
        ("unknown", "refused", "warning"),
    ],
)
def test_valves_that_are_there_must_move(monkeypatch, caplog, wanted, tells, moves, outcome):
    monkeypatch.setattr(column, "pause", lambda seconds: None)
    Valves(monkeypatch, tells, moves, state=1 - wanted)
    drive = column.open_valve if wanted else column.close_valve
    if outcome == "error":
        with pytest.raises(SpaceError, match=f"did not {'open' if wanted else 'close'}"):
            drive()
    else:
        drive()
        drive()
    assert len(warnings(caplog)) == (outcome == "warning")
    if outcome == "warning":
        assert "no way" in caplog.text and "by hand" in caplog.text


def test_a_refusal_to_open_valves_that_are_open_hurts_nobody(monkeypatch, caplog):
    Valves(monkeypatch, "state", "refused", state=1)
    column.open_valve()
    assert warnings(caplog) == []


# --- aperture -------------------------------------------------------------------------------------


def test_an_aperture_that_is_not_driven_is_told_once_with_what_to_do(monkeypatch, caplog):
    fake_serialem.install(monkeypatch, SetApertureSize=refuse, ReportApertureSize=refuse)
    column.retract_objective_aperture()
    column.insert_objective_aperture(70)
    (told,) = warnings(caplog)
    assert "no way" in told and "By hand" in told and "aperture_control = False" in told


def test_an_aperture_that_is_there_but_does_not_move_is_an_error(monkeypatch, caplog):
    fake_serialem.install(monkeypatch, SetApertureSize=refuse, ReportApertureSize=lambda n: 50.0)
    with pytest.raises(SpaceError, match="was not put in: no way") as caught:
        column.insert_objective_aperture(70)
    assert "objective_aperture = 70" in str(caught.value)
    with pytest.raises(SpaceError, match="was not taken out"):
        column.retract_objective_aperture()
    assert warnings(caplog) == []


# --- height and tilt ------------------------------------------------------------------------------


class Stage:
    """A stage whose routine for the eucentric height, and whose tilting, fail in some way."""

    def __init__(self, monkeypatch, routine=lambda stage: None, tilt_deg=0.0, left=()) -> None:
        self.routine, self.tilt_deg, self.calls, self.sent, self.left = (
            routine, tilt_deg, 0, [], list(left),
        )  # fmt: skip
        fake_serialem.install(
            monkeypatch,
            Eucentricity=self.eucentricity,
            ReportTiltAngle=lambda: self.tilt_deg,
            ReportStageXYZ=lambda: (0.0, 0.0, 12.5),
            TiltTo=self.tilt_to,
            ReportColumnOrGunValve=lambda: 1.0,
            AreDewarsFilling=lambda: 0.0,
        )

    def eucentricity(self, mode: int) -> None:
        self.calls += 1
        self.routine(self)

    def tilt_to(self, angle: float) -> None:
        self.sent.append(angle)
        if self.left:
            self.tilt_deg = self.left.pop(0)
            raise SEMerror("the stage did not move")
        self.tilt_deg = angle - min(self.short_deg, angle) if self.short_times > 0 else angle
        self.short_times -= 1

    short_deg, short_times = 0.0, 0
    """By how much a tilt ends short of its angle without an error, and how often."""


def fail_on_the_way(stage: Stage) -> None:
    stage.tilt_deg = -2.5
    raise SEMerror("time-out")


def test_a_routine_that_is_refused_leaves_the_height_and_is_told_once(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    made = Stage(monkeypatch, refuse)
    stage.find_eucentric_height()
    stage.find_eucentric_height()
    assert made.calls == 2 and made.sent == []
    (told,) = warnings(caplog)
    assert "no way" in told and "present height stays" in told
    assert caplog.text.count("stays at a height of 12.5 um") == 2


def test_a_routine_that_began_and_failed_twice_is_an_error_and_the_stage_is_level(monkeypatch):
    made = Stage(monkeypatch, fail_on_the_way)
    with pytest.raises(SpaceError, match="eucentric height failed twice: time-out"):
        stage.find_eucentric_height()
    assert made.calls == 2 and made.tilt_deg == 0.0


def test_a_routine_that_the_valves_kept_from_working_was_not_refused(monkeypatch):
    made = Stage(monkeypatch, refuse)
    import serialem

    serialem.ReportColumnOrGunValve = lambda: 0.0
    serialem.SetColumnOrGunValve = lambda state: None
    monkeypatch.setattr(column, "pause", lambda seconds: None)
    with pytest.raises(SpaceError, match="valves did not open"):
        stage.find_eucentric_height()
    assert made.calls == 1


@pytest.mark.parametrize(
    ("tilt_deg", "left", "outcome"),
    [
        (0.3, [], "nothing"),
        (20.0, [], "level"),
        (20.0, [10.0], "level"),  # stopped half way, then did it
        (2.0, [2.0, 2.0], "warning"),
        (20.0, [20.0, 20.0], "error"),
    ],
)
def test_a_stage_is_levelled_or_nearly_so(monkeypatch, caplog, tilt_deg, left, outcome):
    made = Stage(monkeypatch, tilt_deg=tilt_deg, left=left)
    if outcome == "error":
        with pytest.raises(SpaceError, match="stays tilted by 20.0 degrees: the stage did not"):
            stage.level_stage()
    else:
        stage.level_stage()
    assert len(made.sent) == (0 if outcome == "nothing" else len(left) + (outcome == "level"))
    assert len(warnings(caplog)) == (outcome == "warning")


@pytest.mark.parametrize(("times", "reached"), [(0, True), (1, True), (2, False)])
def test_a_tilt_that_was_not_reached_is_tried_once_more_and_then_told(monkeypatch, times, reached):
    made = Stage(monkeypatch)
    made.short_deg, made.short_times = 3.0, times
    if reached:
        stage.tilt_to(60)
    else:
        with pytest.raises(SpaceError, match="not tilt to 60.0 degrees: it stands at 57.0"):
            stage.tilt_to(60)
    assert made.sent == [60.0] * min(times + 1, 2)


def test_a_routine_that_leaves_the_stage_tilted_is_followed_by_levelling(monkeypatch):
    made = Stage(monkeypatch, lambda stage: setattr(stage, "tilt_deg", 2.8))
    stage.find_eucentric_height()
    assert made.calls == 1 and made.tilt_deg == 0.0


def test_a_routine_that_gave_up_silently_is_told(monkeypatch, caplog):
    Stage(monkeypatch)
    import serialem

    serialem.ReportRoughEucenFailed = lambda: 0.0
    stage.find_eucentric_height()
    assert warnings(caplog) == []
    serialem.ReportRoughEucenFailed = lambda: 1.0
    stage.find_eucentric_height()
    (told,) = warnings(caplog)
    assert "gave up" in told and "12.5 um stays" in told


class Moved:
    """A stage that moves only so many times when it is told to; image shift as it is told."""

    def __init__(self, monkeypatch, fails: int = 0) -> None:
        self.place, self.shift_um, self.fails, self.sent = (0.0, 0.0), (3.0, -4.0), fails, 0
        fake_serialem.install(
            monkeypatch,
            ReportStageXYZ=lambda: (*self.place, 0.0),
            MoveStageTo=self.move,
            ReportImageShift=lambda: (1.0, 2.0, 30.0, 40.0, *self.shift_um),
            ResetImageShift=lambda: self.move(*self.shift_um),
        )

    def move(self, x: float, y: float) -> None:
        self.sent += 1
        if self.sent > self.fails:
            self.place = (x, y)


@pytest.mark.parametrize(("fails", "arrives"), [(0, True), (1, True), (2, False)])
def test_a_move_that_did_not_happen_is_made_once_more_and_then_told(monkeypatch, fails, arrives):
    made = Moved(monkeypatch, fails)
    if arrives:
        stage.move_to(30.0, 40.0)
        assert made.place == (30.0, 40.0)
    else:
        with pytest.raises(SpaceError, match=r"30.0, 40.0 um: it stands 50.0 um away"):
            stage.move_to(30.0, 40.0)


def test_a_stage_that_does_not_take_over_the_image_shift_is_told(monkeypatch):
    Moved(monkeypatch)
    scope.reset_image_shift()
    Moved(monkeypatch, fails=1)
    with pytest.raises(SpaceError, match="it stands 5.0 um from where it should be"):
        scope.reset_image_shift()


def test_an_image_shift_that_is_refused_by_a_code_is_an_error(monkeypatch):
    fake_serialem.install(
        monkeypatch, ImageShiftByMicrons=lambda x, y: float(x > 20), SetImageShift=lambda x, y: 1.0
    )
    scope.shift_image(19.0, 0.0)
    with pytest.raises(SpaceError, match=r"refuses an image shift by 21.0, 0.0 um") as caught:
        scope.shift_image(21.0, 0.0)
    assert "ImageShiftLimit" in str(caught.value)
    with pytest.raises(SpaceError, match=r"of 2.00, 3.00 units"):
        scope.set_image_shift(2, 3)


# --- autoloader -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "slot", "absent"),
    [
        (lambda name: 0.0, refuse, True),
        (lambda name: 0.0, lambda slot: 1.0, False),  # a slot that answers goes before a property
        (lambda name: 1.0, refuse, False),  # there is one, and something is wrong with it
        (refuse, refuse, False),  # nobody knows
    ],
)
def test_an_autoloader_is_absent_only_if_serialem_knows_so(monkeypatch, told, slot, absent):
    fake_serialem.install(monkeypatch, ReportProperty=told, ReportSlotStatus=slot)
    assert autoloader.is_absent(1) is absent
