"""Focus and tilt range are tried on a lamella before its series, without exposing a target."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from space import journal, overview, pacetomo
from space.errors import SpaceError
from space.microscope import focusing
from space.settings import Settings
from space.steps import GridSession, is_acquired, trial, tried
from space.steps.trial import TiltRange, place_to_focus_um, tilt_range
from tests.microscope import fake_serialem

HEAD = (("_set", "startTilt", "10"), ("_set", "minTilt", "-44"), ("_bset", "measureGeo", "True"))


def target(*shift_um: float) -> pacetomo.Target:
    return pacetomo.Target("a_ts_001.mrc", shift_um or None, (0.0, 0.0))


def test_the_range_is_that_of_the_targets_file_or_of_the_settings():
    assert tilt_range(pacetomo.TargetsFile(), 60) == TiltRange(0, -60, 60)
    assert tilt_range(pacetomo.TargetsFile(head=HEAD), 60) == TiltRange(10, -44, 60)
    odd = (("_set", "startTilt", "ten"), ("_set", "maxTilt", "nan"))
    assert tilt_range(pacetomo.TargetsFile(head=odd), 52) == TiltRange(0, -52, 52)


def test_focus_is_measured_at_the_geometry_point_farthest_from_all_targets():
    points = tuple(pacetomo.GeoPoint(place) for place in ((1.0, 0.0), (6.0, 0.0), (4.0, 1.0)))
    targets = (target(0, 0), target(7, 0))
    assert place_to_focus_um(pacetomo.TargetsFile(targets, points)) == (4.0, 1.0)
    assert place_to_focus_um(pacetomo.TargetsFile(targets)) is None
    unknown = (target(0, 0), target())  # a place that is not known cannot be kept clear of
    assert place_to_focus_um(pacetomo.TargetsFile(unknown, points)) is None


@pytest.fixture
def session(bench):
    made = bench()
    made.place_lamellae()
    return made


def run(session, **settings):
    return session.run(4, try_focus_and_tilt=True, max_targets=2, **settings)


def tried_events(session):
    return [
        event
        for event in journal.read(session.directory)
        if event.kind is journal.Kind.LAMELLA_TRIED
    ]


def acquiring(session) -> int:
    return sum(bool(item.acquire) for item in session.items())


def test_a_lamella_is_tried_once_and_no_target_is_exposed(session):
    assert run(session).ok
    (event,) = tried_events(session)
    assert event.numbers["failed"] == 0 and event.numbers["highest_deg"] == 60
    assert abs(event.numbers["defocus_um"]) < 30
    assert acquiring(session) == 1
    targets = pacetomo.read(session.directory / "G1_L01_tgts.txt").targets
    places = np.array([session.place_um(one) for one in targets])
    focused = [one for one in session.simulation.exposures if one.area == "F"]
    assert focused
    for exposure in focused:
        apart_um = np.hypot(*(places - exposure.center_um).T).min()
        assert apart_um > 1.6, "the beam of Focus reaches a target"
    scope = session.simulation.session.scope
    assert abs(scope.stage.tilt_deg) < 0.5 and scope.area == "V"
    assert scope.image_shift == pytest.approx((0, 0), abs=1e-6)
    before = session.count_exposures()
    assert run(session).ok
    assert len(tried_events(session)) == 1 and session.count_exposures() == before


def test_a_lamella_that_fails_is_not_acquired_until_it_was_tried_well(session, monkeypatch):
    scope = session.simulation.session.scope
    enough_deg, scope.properties["MaximumTiltAngle"] = scope.properties["MaximumTiltAngle"], 50.0
    assert run(session).ok
    assert acquiring(session) == 0 and abs(scope.stage.tilt_deg) < 0.5
    (event,) = tried_events(session)
    assert event.numbers["failed"] == 1 and "does not tilt to -60.0 degrees" in event.text
    files = GridSession(Settings(WG_offset_via_IM=False), None, *[session.directory] * 2, "G1")
    assert not is_acquired(files)  # a later run loads the grid again for it
    assert "since its focus and tilt range were tried and failed" in session.log()
    (facts,) = overview.read_session(session.directory).lamellae
    assert facts.state == "ready" and "tried and failed" in facts.reason
    assert session.run(4, max_targets=2).ok  # without the setting it is acquired as it is
    assert acquiring(session) == 1 and len(tried_events(session)) == 1
    assert run(session).ok
    assert acquiring(session) == 0 and len(tried_events(session)) == 2
    scope.properties["MaximumTiltAngle"] = enough_deg
    scope.store_area("F", axis_um=3.0)
    assert run(session).ok
    assert acquiring(session) == 1
    assert "only the tilt range was tried, not the focus: Focus lies beside Record" in session.log()
    assert not any(one.area == "F" for one in session.simulation.exposures)


def test_a_trial_that_was_cut_short_is_made_again(bench):
    session = bench(faults=["user-stop@TiltTo:2"])
    session.place_lamellae()
    assert not run(session).ok
    assert acquiring(session) == 1 and not tried_events(session)
    assert run(session).ok
    (event,) = tried_events(session)
    assert event.numbers["failed"] == 0
    assert abs(session.simulation.session.scope.stage.tilt_deg) < 0.5


@pytest.mark.parametrize(
    ("outcome", "acquiring", "due"),
    [(None, False, True), (None, True, True), ("", False, False), ("why", False, True),
     ("why", True, False)],
)  # fmt: skip
def test_what_failed_is_not_tried_again_between_two_items(
    tmp_path, monkeypatch, outcome, acquiring, due
):
    session = GridSession(Settings(try_focus_and_tilt=True), None, tmp_path, tmp_path, "G1")
    (tmp_path / "G1_L01_tgts.txt").write_text("_tgt = 001\ntsfile = G1_L01_ts_001.mrc\n", "utf-8")
    if outcome is not None:
        tried.keep(session, 1, outcome)
    monkeypatch.setattr(trial.steering, "left_out", lambda session: frozenset())
    monkeypatch.setattr(trial.navigator, "is_acquiring", lambda: acquiring)
    monkeypatch.setattr(trial.navigator, "map_with_note", lambda note: SimpleNamespace(index=1))
    monkeypatch.setattr(trial.navigator, "acquire_is_on", lambda index: True)
    assert trial._is_due(session, 1) is due
    assert tried.failed(session) == ({1} if outcome else set())


def test_a_focus_that_serialem_did_not_find_is_measured_once_more(monkeypatch):
    answers = [(0.0, -1.0), (-3.5, 0.0), (0.0, -1.0), (0.0, -1.0)]
    modes = []
    fake_serialem.install(
        monkeypatch,
        G=modes.append,
        ReportAutoFocus=lambda: answers.pop(0),
        ReportColumnOrGunValve=lambda: 1.0,
        AreDewarsFilling=lambda: 0.0,
    )
    assert focusing.measured_defocus_um() == -3.5
    with pytest.raises(SpaceError, match="Autofocus failed twice: SerialEM found no focus"):
        focusing.measured_defocus_um()
    assert modes == [-1] * 4  # the focus itself is left alone
