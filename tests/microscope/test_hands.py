"""What SerialEM answers, and what becomes of it."""

from __future__ import annotations

import logging
import sys

import fake_serialem
import pytest
from fake_serialem import SEMerror
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.microscope import autoloader, log_to_serialem, navigator, scope, waiting
from space.microscope.sem import error_text, serialem


def refuse(*_):
    raise SEMerror("SCRIPT ERROR WITH THIS MESSAGE\n*****\nno way")


def test_a_missing_module_says_how_to_simulate(monkeypatch):
    monkeypatch.setitem(sys.modules, "serialem", None)
    with pytest.raises(SpaceError, match="serialem") as caught:
        serialem()
    assert "spacetomo simulate" in str(caught.value)


def test_an_empty_error_still_has_words():
    assert error_text(SEMerror("")) != ""
    assert "*" not in error_text(SEMerror("a\n****\nb"))


class UserSettings:
    """User settings as SerialEM keeps them: undone at the end of a script unless told to keep."""

    def __init__(self, monkeypatch, **values: float) -> None:
        self.values, self.kept = dict(values), dict(values)
        fake_serialem.install(
            monkeypatch, ReportUserSetting=self.values.__getitem__, SetUserSetting=self.change
        )

    def change(self, name, value, keep=0):
        self.values[name] = float(value)
        if keep:
            self.kept[name] = float(value)


@pytest.mark.parametrize("before", [0.0, 1.0])
def test_image_shift_stays_centred_on_the_tilt_axis_when_the_script_ends(
    monkeypatch, caplog, before
):
    caplog.set_level(logging.INFO, "space")
    settings = UserSettings(monkeypatch, ShiftToTiltAxis=before)
    for _ in range(3):
        scope.centre_image_shift_on_tilt_axis()
    assert settings.kept == {"ShiftToTiltAxis": 1.0}
    assert caplog.text.count("ShiftToTiltAxis was off") == (1 if before == 0 else 0)


def test_a_serialem_without_the_setting_is_told_and_the_session_goes_on(monkeypatch, caplog):
    variables = {}
    fake_serialem.install(
        monkeypatch,
        ReportUserSetting=refuse,
        SetUserSetting=refuse,
        IsVariableDefined=lambda name: float(name in variables),
        GetVariable=variables.get,
        SetPersistentVar=variables.__setitem__,
    )
    for _ in range(2):  # the second time in the post action
        scope.centre_image_shift_on_tilt_axis()
    assert caplog.text.count("no way") == 1 and "Center image shift on tilt axis" in caplog.text


def test_a_scope_that_does_not_tell_its_beam_gets_the_camera_diagonal(monkeypatch, caplog):
    fake_serialem.install(
        monkeypatch,
        GoToLowDoseArea=lambda area: None,
        ReportIlluminatedArea=lambda: 0.0,
        CameraProperties=lambda: (4000.0, 3000.0, 0.0, 5.0, 0.2, 1.0),
        CameraToSpecimenMatrix=lambda mag: (0.0, 2e-4, -2e-4, 0.0),
    )
    optics = scope.go_to_record()
    assert optics.field_um == pytest.approx((0.8, 0.6))
    assert optics.beam_diameter_um == pytest.approx(1.0)
    assert optics.rotation_deg == pytest.approx(90)
    assert "illuminated area" in caplog.text


def test_the_illuminated_area_counts_in_hundred_micrometres(monkeypatch):
    fake_serialem.install(
        monkeypatch,
        GoToLowDoseArea=lambda area: None,
        ReportIlluminatedArea=lambda: 0.016,
        CameraProperties=lambda: (4000.0, 3000.0, 0.0, 5.0, 0.2, 1.0),
        CameraToSpecimenMatrix=lambda mag: (2e-4, 0.0, 0.0, 2e-4),
    )
    assert scope.go_to_record().beam_diameter_um == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ((1.0, "Grid A"), "Grid A"),
        ((1.0, 3.0), ""),
        (1.0, ""),
        ((1.0, ""), ""),
        ((-1.0, " b "), "b"),
        (-2.0, ""),
        ((0.0, 1.0, 3.0, 2.0, 0.0, "JEOL grid"), "JEOL grid"),  # identity 0, no status
        ((7.0, 1.0, 3.0, 2.0, 0.0, ""), ""),
    ],
)
def test_slot_names_in_all_forms(monkeypatch, answer, name):
    fake_serialem.install(monkeypatch, ReportSlotStatus=lambda slot: answer)
    assert autoloader.slot_name(3) == name


def test_an_empty_slot_and_a_silent_autoloader_are_told(monkeypatch):
    fake_serialem.install(
        monkeypatch, ReportSlotStatus=lambda slot: 0.0, IsVariableDefined=lambda name: 0.0
    )
    with pytest.raises(SpaceError, match="empty"):
        autoloader.slot_name(3)
    fake_serialem.install(monkeypatch, ReportSlotStatus=refuse)
    with pytest.raises(SpaceError, match="no way"):
        autoloader.slot_name(3)


@pytest.mark.parametrize("reported", [2.0, (2.0, 1.0)])
@pytest.mark.parametrize("status", [(0.0, "Grid A"), (1.0, "Grid A")])
def test_a_grid_that_somebody_has_loaded_is_taken_as_it_is(monkeypatch, status, reported):
    variables = {}
    fake_serialem.install(
        monkeypatch,
        ReportSlotStatus=lambda slot: status,
        ReportLoadedSlot=lambda: reported,
        IsVariableDefined=lambda name: 0.0,
        SetPersistentVar=lambda name, value: variables.update({name: value}),
        LoadCartridge=refuse,
    )
    assert autoloader.slot_name(2) == "Grid A"
    autoloader.load(2)
    assert list(variables.values()) == ["2"]
    if status[0] == 0.0:
        with pytest.raises(SpaceError, match="empty"):
            autoloader.slot_name(3)


@pytest.mark.parametrize(
    ("report", "on_stage"),
    [
        (None, 2),
        (refuse, 2),
        (lambda: 0.0, 2),
        (lambda: -1.0, 2),
        (lambda: 2.0, 2),
        (lambda: 3.0, 3),
    ],
)
def test_a_grid_that_a_person_has_put_there_since_is_noticed(monkeypatch, report, on_stage):
    more = {} if report is None else {"ReportLoadedSlot": report}
    fake_serialem.install(
        monkeypatch, IsVariableDefined=lambda name: 1.0, GetVariable=lambda name: 2.0, **more
    )
    assert [slot for slot in (1, 2, 3) if autoloader.is_on_stage(slot)] == [on_stage]


@pytest.mark.parametrize("report", [None, refuse, lambda: 0.0])
def test_an_empty_slot_stays_one_where_nothing_is_known_of_the_stage(monkeypatch, report):
    more = {} if report is None else {"ReportLoadedSlot": report}
    fake_serialem.install(
        monkeypatch,
        ReportSlotStatus=lambda slot: (0.0, "Grid A"),
        IsVariableDefined=lambda name: 0.0,
        **more,
    )
    with pytest.raises(SpaceError, match="empty") as told:
        autoloader.slot_name(2)
    assert '["stage"]' in str(told.value)


def test_a_grid_is_not_loaded_twice_and_a_failure_is_told(monkeypatch):
    variables, loads, code = {}, [], [0.0]
    fake_serialem.install(
        monkeypatch,
        SetColumnOrGunValve=lambda state: None,
        ReportColumnOrGunValve=lambda: 0.0,
        IsVariableDefined=lambda name: float(name in variables),
        GetVariable=lambda name: float(variables[name]),
        SetPersistentVar=lambda name, value: variables.update({name: value}),
        LoadCartridge=lambda slot: loads.append(slot) or (code[0], 0.0),
    )
    autoloader.load(2)
    autoloader.load(2)
    assert loads == [2]
    code[0] = 4.0
    with pytest.raises(SpaceError, match="code 4"):
        autoloader.load(3)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Grid 1", "Grid_1"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", ""),
        ("yeast.3", "yeast_3"),
        ("x_tgts_y", "x-tgts_y"),
        ("con", "con_"),
        ("é", ""),
        ("a" * 60, "a" * 40),
    ],
)
def test_names_are_made_safe(name, safe):
    assert autoloader.folder_safe(name) == safe


@given(st.text(max_size=60))
def test_safe_names_stay_safe(name):
    safe = autoloader.folder_safe(name)
    assert autoloader.folder_safe(safe) == safe
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in safe)
    assert "_tgt" not in safe.lower()


def test_acquire_inside_a_running_range_is_refused_without_an_error(monkeypatch):
    fake_serialem.install(monkeypatch, SetItemAcquire=refuse)
    assert navigator.set_acquire(3) is False
    fake_serialem.install(monkeypatch, SetItemAcquire=lambda index, flag: None)
    assert navigator.set_acquire(3) is True


class Ticks:
    """A clock that a Delay advances."""

    def __init__(self, monkeypatch, key_at: float = 1e9) -> None:
        self.now = 0.0
        fake_serialem.install(
            monkeypatch,
            Delay=self.delay,
            KeyBreak=lambda key: float(key == "B" and self.now >= key_at),
        )
        monkeypatch.setattr(waiting.time, "monotonic", lambda: self.now)

    def delay(self, seconds, unit):
        assert unit == "s"
        self.now += seconds


def test_waiting_ends_with_the_result(monkeypatch):
    ticks = Ticks(monkeypatch)
    assert waiting.wait_for(lambda: "there" if ticks.now > 9 else None, "it", 100) == "there"
    assert waiting.wait_for(lambda: 0, "it", 100) == 0  # None alone means not yet


def test_waiting_ends_at_its_limit(monkeypatch):
    ticks = Ticks(monkeypatch)
    with pytest.raises(SpaceError, match="Gave up waiting for it"):
        waiting.wait_for(lambda: None, "it", 100)
    assert 100 < ticks.now < 110


def test_waiting_ends_with_the_b_key(monkeypatch):
    ticks = Ticks(monkeypatch, key_at=20)
    with pytest.raises(SpaceError, match="B key"):
        waiting.wait_for(lambda: None, "it", 100)
    assert 20 <= ticks.now < 30


def test_waiting_looks_at_what_shows_a_change_more_often_than_at_the_rest(monkeypatch):
    ticks = Ticks(monkeypatch)
    looks, polls = [], []

    def glance():
        looks.append(ticks.now)
        return ticks.now >= 9.2

    def poll():
        polls.append(ticks.now)
        return "there" if ticks.now >= 9.2 else None

    assert waiting.wait_for(poll, "it", 100, glance=glance) == "there"
    assert polls == [0.0, 2.0, 4.0, 6.0, 8.0, 9.5]
    assert looks == [n / 2 for n in range(20)]


def test_what_changes_while_it_is_looked_for_is_not_missed(monkeypatch):
    ticks = Ticks(monkeypatch)
    state = [0]

    def poll():
        state[0] += ticks.now == 0.0  # just after the look
        return "there" if ticks.now else None

    assert waiting.wait_for(poll, "it", 100, glance=lambda: state[0]) == "there"
    assert ticks.now == 0.5


def test_the_b_key_answers_between_two_polls(monkeypatch):
    ticks = Ticks(monkeypatch, key_at=20.5)
    with pytest.raises(SpaceError, match="B key"):
        waiting.wait_for(lambda: None, "it", 100, glance=lambda: 0)
    assert ticks.now == 20.5


def test_a_simulated_delay_is_followed_by_a_poll_at_once(monkeypatch):
    delays, polls = [], []
    fake_serialem.install(
        monkeypatch, Delay=lambda seconds, unit: delays.append(seconds), KeyBreak=lambda key: 0.0
    )
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: None)

    def poll():
        polls.append(1)
        return True if len(polls) == 5 else None

    assert waiting.wait_for(poll, "it", 100, glance=lambda: 0)
    assert len(delays) == 4


def test_waiting_ends_with_what_looking_raises(monkeypatch):
    Ticks(monkeypatch)

    def look():
        raise SpaceError("failed")

    with pytest.raises(SpaceError, match="failed"):
        waiting.wait_for(look, "it", 100)


def test_long_waiting_says_so_now_and_then(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "space")
    ticks = Ticks(monkeypatch)
    waiting.wait_for(lambda: True if ticks.now > 200 else None, "it", 1000, lambda: "busy")
    assert caplog.text.count("Still waiting for it") == 3
    assert "(busy)" in caplog.text


def test_waiting_without_news_is_told_without_empty_brackets(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "space")
    ticks = Ticks(monkeypatch)
    waiting.wait_for(lambda: True if ticks.now > 100 else None, "it", 1000, lambda: "")
    assert "Still waiting for it after 1 min." in caplog.text


def test_a_delay_that_does_not_delay_is_no_busy_loop(monkeypatch):
    slept = []
    fake_serialem.install(monkeypatch, Delay=lambda seconds, unit: None)
    monkeypatch.setattr(waiting.time, "sleep", slept.append)
    waiting.pause(2)
    assert slept and slept[0] > 0.01


def test_messages_reach_serialems_log_and_a_closed_log_hurts_nobody(monkeypatch):
    lines = []
    fake_serialem.install(monkeypatch, EchoBreakLines=lines.append)
    logger = logging.getLogger("space.test")
    with log_to_serialem():
        logger.info("hello %d", 1)
        logger.warning("careful")
        logger.debug("not this")
    logger.warning("nor this")
    assert lines == ["hello 1", "WARNING: careful"]
    fake_serialem.install(monkeypatch, EchoBreakLines=refuse)
    with log_to_serialem():
        logger.warning("nobody hears")
