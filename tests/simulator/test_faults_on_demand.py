"""Each fault on demand: when it strikes, what scripts see, and what is true afterwards."""

from __future__ import annotations

import pytest

from space.simulator import Script
from space.simulator.column.faults import (
    LOST_FOCUS_UM,
    Fault,
    Faults,
    FaultSpecError,
    parse_fault,
)

HEAD = "#!Python\nimport serialem as sem\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drift", Fault("drift", 1, 1)),
        ("camera-timeout@5", Fault("camera-timeout", 5, 5)),
        ("camera-timeout@5-7", Fault("camera-timeout", 5, 7)),
        ("disk-full@2-", Fault("disk-full", 2, None)),
        ("stage-failure:0.02", Fault("stage-failure", probability=0.02)),
        (
            "serialem-death@MoveToNavItem:3",
            Fault("serialem-death", command="MoveToNavItem", call=3),
        ),
        ("user-stop@M", Fault("user-stop", command="M")),
    ],
)
def test_how_faults_are_written(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    ["", "flood", "drift@0", "drift@5-3", "drift:0", "drift:1.5", "drift:often", "drift@M:0",
     "drift@@2"],
)  # fmt: skip
def test_what_is_no_fault(text):
    with pytest.raises(FaultSpecError):
        parse_fault(text)


def test_occasions_chances_and_calls():
    faults = Faults(["drift@2-3", "refill:0.3", "lost-focus@V:2"], seed=4)
    assert [faults.strikes("drift") for _ in range(5)] == [False, True, True, False, False]
    by_chance = [faults.strikes("refill") for _ in range(200)]
    again = Faults(["drift@2-3", "refill:0.3", "lost-focus@V:2"], seed=4)
    assert [again.strikes("refill") for _ in range(200)] == by_chance
    assert 30 < sum(by_chance) < 90
    for called, expected in ((1, False), (2, True), (3, False)):
        faults.command_begins("V")
        assert faults.strikes("lost-focus") is expected, called
    assert faults.struck[:2] == [("drift", 2), ("drift", 3)]
    assert not faults.strikes("camera-timeout")


def test_each_fault_says_whether_it_struck():
    faults = Faults(
        ["drift@2", "drift@2-", "drift@9", "camera-timeout", "lost-focus@V:2", "refill@V",
         "disk-full@T", "refill:0.5"],
        seed=4,
    )  # fmt: skip
    for _ in range(12):
        faults.strikes("drift")
    faults.command_begins("V")
    faults.strikes("lost-focus")
    assert faults.report() == [
        "drift@2 struck once, at 2 (pictures: 12).",
        "drift@2- struck 11 times, at 2, 3, 4, 5, 6, 7, 8, 9, ... (pictures: 12).",
        "drift@9 struck once, at 9 (pictures: 12).",
        "camera-timeout@1 did not strike (pictures: 0).",
        "lost-focus@V:2 did not strike (calls of V: 1).",
        "refill@V:1 did not strike (calls of V: 1; pictures and questions about dewars after "
        "call 1: 0).",
        "disk-full@T:1 did not strike (calls of T: 0).",
        "refill:0.5 did not strike (pictures and questions about dewars: 0).",
    ]


@pytest.mark.parametrize("text", ["drift@1", "drift@5-7", "drift@2-", "drift:0.02", "drift@M:3"])
def test_a_fault_is_written_as_it_was_read(text):
    assert str(parse_fault(text)) == text


def run(make_simulation, body, *faults, **options):
    simulation = make_simulation(faults=faults, **options)
    simulation.result = simulation.run(HEAD + body)
    assert simulation.session.faults.struck, "the fault did not strike"
    return simulation


TRIED = """
sem.NoMessageBoxOnError(1)
try:
    {}
    sem.Echo("went well")
except sem.SEMerror as error:
    sem.Echo("caught: " + str(error).replace(chr(10), " "))
"""


def caught(simulation):
    return [line for line in simulation.log if line.startswith("caught: ")]


def test_camera_timeout(make_simulation):
    simulation = run(make_simulation, "sem.T()\n" + TRIED.format("sem.T()"), "camera-timeout@2")
    assert "time-out" in caught(simulation)[0]
    assert len(simulation.exposures) == 1


def test_camera_timeout_in_a_montage_leaves_the_pieces_taken_before(make_simulation, tmp_path):
    body = "sem.OpenNewMontage(2, 2, 'm.mrc')\n" + TRIED.format("sem.M()")
    simulation = run(make_simulation, body, "camera-timeout@3")
    assert caught(simulation)
    assert simulation.session.files.current.sections == 2


def test_stage_failure_leaves_the_stage_half_way(make_simulation):
    body = TRIED.format("sem.MoveStageTo(20, -10)") + "sem.TiltTo(10)\n"
    simulation = run(make_simulation, body, "stage-failure")
    assert "did not reach" in caught(simulation)[0]
    assert simulation.session.scope.stage.position_um[:2] == pytest.approx((10, -5))
    simulation = run(make_simulation, TRIED.format("sem.TiltTo(10)"), "stage-failure")
    assert simulation.session.scope.stage.tilt_deg == pytest.approx(5)


def test_stage_off_is_told_by_the_readout(make_simulation):
    simulation = run(make_simulation, "sem.MoveStageTo(20, 30)\n", "stage-off")
    x, y, _ = simulation.session.scope.stage.position_um
    assert ((x - 20) ** 2 + (y - 30) ** 2) ** 0.5 == pytest.approx(5)
    assert simulation.session.scope.stage.true_um == pytest.approx((x, y))


def test_autoloader_failure(make_simulation):
    body = "sem.Echo(f'code {sem.LoadCartridge(1)[0]:.0f}')\nsem.LoadCartridge(1)\n"
    simulation = run(make_simulation, body, "autoloader-failure", loaded=None)
    assert "code 1" in simulation.log
    assert simulation.session.loaded_slot == 1 and not simulation.session.scope.valve_open


def test_dark_image_until_the_valve_is_open_again(make_simulation):
    body = """
for i in range(3):
    sem.T()
    sem.Echo(f'SEEN {sem.ReportMeanCounts("A"):.0f} {sem.ReportColumnOrGunValve():.0f}')
    sem.SetColumnOrGunValve(i)
sem.T()
"""
    simulation = run(make_simulation, body, "dark-image")
    seen = [line.split()[1:] for line in simulation.log if line.startswith("SEEN")]
    dark, closed, light = seen
    assert dark == closed == ["0", "0"] and light[1] == "1" and int(light[0]) > 10
    assert [one.dose_e_A2 > 0 for one in simulation.exposures] == [False, False, True, True]


def test_drift_moves_the_specimen_for_some_minutes(make_simulation):
    body = "for i in range(4):\n    sem.T()\n    sem.Delay(20, 's')\nsem.Delay(20, 'min')\n"
    body += "sem.T()\nsem.Delay(20, 's')\nsem.T()\n"
    simulation = run(make_simulation, body, "drift@2")
    x = [one.center_um[0] for one in simulation.exposures]
    steps = [abs(b - a) for a, b in zip(x, x[1:])]
    assert steps[2] > 0.2 and steps[2] < steps[1] + 0.5 and steps[-1] < 0.01


def test_lost_focus_does_not_show_in_the_readout(make_simulation):
    simulation = make_simulation(faults=["lost-focus"])
    scope = simulation.session.scope
    before, readout = scope.true_defocus_um(0.0), scope.defocus_um
    simulation.run(HEAD + "sem.T()\n")
    assert scope.true_defocus_um(0.0) - before == pytest.approx(-LOST_FOCUS_UM)
    assert scope.defocus_um == readout


def test_refill_is_over_after_a_while(make_simulation):
    body = """
sem.T()
polls = 0
while sem.AreDewarsFilling():
    sem.Delay(60, 's')
    polls += 1
sem.Echo(f'polls {polls}')
"""
    simulation = run(make_simulation, body, "refill")
    assert "polls 15" in simulation.log


def test_disk_full_saves_nothing(make_simulation):
    body = "sem.T()\nsem.OpenNewFile('a.mrc')\nsem.S()\n" + TRIED.format("sem.S()") + "sem.S()\n"
    simulation = run(make_simulation, body, "disk-full@2")
    assert "No space left" in caught(simulation)[0] or "not enough space" in caught(simulation)[0]
    assert simulation.session.files.current.sections == 2
    body = "sem.OpenNavigator()\nsem.AddStagePosAsNavPoint(1, 2, 0)\n"
    body += TRIED.format("sem.SaveNavigator('n.nav')")
    simulation = run(make_simulation, body, "disk-full")
    assert caught(simulation) and not (simulation.session.directory / "n.nav").exists()


POINTS = """
sem.OpenNavigator()
for x in (10, 20, 30):
    sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(x, 0, 0)), 1)
sem.StartNavAcquireAtEnd()
"""


def acquire(make_simulation, primary, fault):
    simulation = make_simulation(faults=[fault])
    simulation.scripts[2] = Script("Primary", HEAD + primary)
    simulation.acquire_params(primary=2)
    simulation.result = simulation.run(HEAD + POINTS)
    assert simulation.session.faults.struck
    return simulation


def acquire_flags(simulation):
    return [item.acquire for item in simulation.session.navigator.items]


def test_user_stop_ends_the_script_before_any_handler(make_simulation):
    body = """
try:
    try:
        sem.T()
    except BaseException:
        sem.Echo("first handler")
    sem.Echo("second command")
except Exception:
    sem.Echo("second handler")
finally:
    sem.Echo("clean-up")
"""
    simulation = run(make_simulation, body, "user-stop@T")
    assert not simulation.result.ok and "Stopped by the user" in simulation.result.error
    assert not simulation.exposures
    assert not {"first handler", "second command", "second handler", "clean-up"} & set(
        simulation.log
    )
    assert simulation.run(HEAD + "sem.T()\n").ok


def test_user_stop_ends_acquire_at_items(make_simulation):
    simulation = acquire(make_simulation, "sem.ReportNavItem()\nsem.R()\n", "user-stop@R:2")
    assert not simulation.result.ok
    assert acquire_flags(simulation) == [False, True, True]
    assert not simulation.session.acquire.acquiring


def test_script_error_strikes_only_in_acquire_at_items(make_simulation):
    simulation = acquire(make_simulation, "sem.ReportNavItem()\nsem.R()\n", "script-error@4")
    assert not simulation.result.ok and "fault on demand" in simulation.result.error
    assert simulation.session.faults.struck == [("script-error", 4)]
    assert acquire_flags(simulation) == [False, True, True]


def test_serialem_death_strikes_between_two_commands(make_simulation):
    class Died(BaseException):
        pass

    def die():
        raise Died

    faults = Faults(["serialem-death@T:2"], die=die)
    simulation = make_simulation(faults=faults)
    with pytest.raises(Died):
        simulation.run(HEAD + "for i in range(3): sem.T()\n")
    assert len(simulation.exposures) == 2


def test_a_state_or_area_that_comes_out_at_another_magnification(make_simulation):
    body = (
        "sem.GoToImagingState('1')\nsem.Echo(str(sem.ReportMagIndex()[0]))\n"
        "sem.GoToImagingState('1')\nsem.Echo(str(sem.ReportMagIndex()[0]))\n"
        "sem.GoToImagingState('2')\n"  # a low dose state counts when its area is gone to
        "for area in 'VVRV':\n"
        "    sem.GoToLowDoseArea(area)\n"
        "    sem.Echo(str(sem.ReportMagIndex()[0]))\n"
    )
    simulation = run(make_simulation, body, "state-off@2", "state-off@3")
    wg, wrong, *areas = [float(line) for line in simulation.log if line.endswith(".0")]
    assert wrong == wg - 1
    stored = simulation.session.scope.areas
    view, record = stored["V"].mag_index, stored["R"].mag_index
    assert areas == [view - 1, view - 1, record, view]


def test_a_tilt_that_ends_short_of_its_angle_without_an_error(make_simulation):
    body = (
        "sem.TiltTo(-30)\nsem.Echo('at %.1f' % sem.ReportTiltAngle())\n"
        "sem.TiltTo(-30)\nsem.Echo('at %.1f' % sem.ReportTiltAngle())\n"
    )
    simulation = run(make_simulation, body, "tilt-off@1", stage_error_um=0)
    assert [line for line in simulation.log if line.startswith("at ")] == ["at -27.0", "at -30.0"]
