"""Acquire at Items with scripts."""

from __future__ import annotations

import pytest

from space.simulator import Policy, Script
from space.simulator.acquire.items import run_acquire
from space.simulator.acquire.steps import ACTIONS, is_due, not_possible
from space.simulator.column import ScriptStopped, SEMerror, TaskError
from space.simulator.commands import all_commands
from space.simulator.program.acquire_state import AcquireParams, LastDone, Step
from space.simulator.program.policy import ask_yes_no

HEAD = "#!Python\nimport serialem as sem\n"
POINTS = """
sem.OpenNavigator()
for x in (10, 20, 30):
    i = sem.AddStagePosAsNavPoint(x, 2 * x, 0)
    sem.SetItemAcquire(int(i), 1)
"""
NOTE = 'sem.Echo(f"item {sem.ReportNavItem()[0]:.0f} at {sem.ReportStageXYZ()[0]:.0f}")\n'


def start(simulation, primary=NOTE, after="", body=POINTS, end=""):
    simulation.scripts[2] = Script("Primary", HEAD + primary)
    simulation.scripts[3] = Script("After", HEAD + after)
    simulation.acquire_params(primary=2, after=3 if after else 0)
    return simulation.run(HEAD + body + end + "\nsem.StartNavAcquireAtEnd()\n")


def logged(simulation, start_text):
    return [line for line in simulation.log if line.startswith(start_text)]


def flags(simulation):
    return [item.acquire for item in simulation.session.navigator.items]


@pytest.fixture
def simulation(make_simulation):
    return make_simulation()


def test_items_in_order_then_turned_off(simulation):
    after = "sem.Echo(f'left {sem.ReportNumNavAcquire()[0]:.0f}')"
    assert start(simulation, after=after).ok
    assert logged(simulation, "item") == ["item 1 at 10", "item 2 at 20", "item 3 at 30"]
    assert logged(simulation, "left") == ["left 2", "left 1", "left 0"]
    assert flags(simulation) == [False] * 3
    assert not simulation.session.acquire.acquiring


def test_nothing_starts_after_an_error_or_without_items(simulation):
    assert not start(simulation, end="sem.SetBinning('V', 3)\n").ok
    assert logged(simulation, "item") == []
    assert not start(
        simulation,
        body="sem.OpenNavigator() if not sem.ReportIfNavOpen() else 0\n"
        "for i in (3, 2, 1): sem.SetItemAcquire(i, 0)\n",
    ).ok


def test_starts_after_exit(simulation):
    simulation.scripts[2] = Script("Primary", HEAD + NOTE)
    simulation.acquire_params(primary=2)
    assert simulation.run(HEAD + POINTS + "sem.StartNavAcquireAtEnd()\nsem.Exit()\n").ok
    assert len(logged(simulation, "item")) == 3


def test_error_ends_and_leaves_acquire_on(simulation):
    primary = NOTE + "if sem.ReportNavItem()[0] == 2: sem.SetBinning('V', 3)\n"
    result = start(simulation, primary)
    assert not result.ok and "binning" in result.error
    assert flags(simulation) == [False, True, True]
    assert not simulation.session.acquire.acquiring


def test_error_without_message_boxes_goes_on(simulation):
    primary = "sem.NoMessageBoxOnError(1)\n" + NOTE
    primary += "if sem.ReportNavItem()[0] == 2: sem.SetBinning('V', 3)\n"
    assert start(simulation, primary).ok
    assert flags(simulation) == [False, True, False]


def test_exit_counts_as_completed(simulation):
    assert start(simulation, NOTE + "sem.Exit()").ok
    assert flags(simulation) == [False] * 3


def test_skip_and_end(simulation):
    primary = NOTE + "if sem.ReportNavItem()[0] == 1: sem.SkipAcquiringNavItem()\n"
    primary += "if sem.ReportNavItem()[0] == 2: sem.EndAcquireAtItems()\n"
    assert start(simulation, primary).ok
    assert flags(simulation) == [True, False, True]


def test_item_outside_the_stage_is_skipped(simulation):
    body = POINTS + "sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(2000, 0, 0)), 1)\n"
    assert start(simulation, body=body).ok
    assert len(logged(simulation, "item")) == 3
    assert flags(simulation) == [False] * 4


def test_items_added_meanwhile_are_acquired(simulation):
    after = """
if sem.ReportNumTableItems() < 4:
    sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(40, 0, 0)), 1)
"""
    assert start(simulation, after=after).ok
    assert logged(simulation, "item")[-1] == "item 4 at 40"


def test_script_after_the_acquisition(simulation):
    simulation.scripts[7] = Script("End", HEAD + "sem.Echo('end script')")
    assert start(simulation, end="sem.RunScriptAfterNavAcquire(7)\n").ok
    assert logged(simulation, "end script") == ["end script"]
    assert start(simulation, body="for i in (1, 2, 3): sem.SetItemAcquire(i, 1)\n").ok
    assert logged(simulation, "end script") == ["end script"]


def test_parameters_from_the_script(simulation):
    simulation.scripts[5] = Script("Other", HEAD + "sem.Echo('other')")
    end = "sem.NavAcqAtEndUseParams('F')\nsem.SetNavAcqAtEndParams('prim', 2, 'scrp-p', 5)\n"
    assert start(simulation, end=end).ok
    assert len(logged(simulation, "other")) == 3 and logged(simulation, "item") == []


def test_valves_are_opened_between_steps(simulation):
    primary = NOTE + "sem.Echo(f'valve {sem.ReportColumnOrGunValve()}')\n"
    primary += "sem.SetColumnOrGunValve(0)\n"
    assert start(simulation, primary).ok
    assert logged(simulation, "valve") == ["valve 1.0"] * 3


# --- what scripts see -------------------------------------------------------------------------


def test_what_scripts_see_meanwhile(simulation):
    primary = """
acquiring, state = sem.ReportIfNavAcquiring()
sem.ReportNavItem()
left, series = sem.ReportNumNavAcquire()
sem.Echo(f"seen {acquiring:.0f} {state:.0f} {sem.GetVariable('navAcqIndex'):.0f} {left:.0f}")
"""
    check = "assert sem.ReportIfNavAcquiring() == (0.0, 0.0)\n"
    assert start(simulation, primary, end=check).ok
    assert logged(simulation, "seen") == ["seen 1 7 1 3", "seen 1 7 2 2", "seen 1 7 3 1"]
    assert simulation.run(HEAD + check).ok
    assert simulation.run(
        HEAD + "sem.CloseNavigator()\nassert sem.ReportNumNavAcquire() == (-1, -1)"
    )


@pytest.mark.parametrize(
    "call",
    ["SetItemAcquire(3, 1)", "StartNavAcquireAtEnd()", "NavAcqAtEndUseParams('F')"],
)
def test_what_is_refused_meanwhile(simulation, call):
    result = start(simulation, f"sem.{call}\n")
    assert not result.ok and flags(simulation) == [True] * 3


@pytest.mark.parametrize(
    "call", ["EndAcquireAtItems()", "SkipAcquiringNavItem()", "SkipAcquiringGroup()"]
)
def test_what_is_refused_else(simulation, call):
    result = simulation.run(HEAD + "sem.OpenNavigator()\nsem." + call)
    assert not result.ok and "not acquiring" in result.error


def test_items_before_the_present_one_can_be_deleted(simulation):
    primary = NOTE + "if sem.ReportStageXYZ()[0] > 15: sem.DeleteNavigatorItem(1)\n"
    assert start(simulation, primary).ok
    assert logged(simulation, "item") == ["item 1 at 10", "item 2 at 20", "item 2 at 30"]
    assert flags(simulation) == [False]


@pytest.mark.parametrize(
    ("x", "seen"),
    [(10, ["item 1 at 10", "item 1 at 20", "item 2 at 30"]),
     (20, ["item 1 at 10", "item 2 at 20", "item 2 at 30"])],
)  # fmt: skip
def test_the_present_item_can_be_deleted(simulation, x, seen):
    primary = NOTE + f"if sem.ReportStageXYZ()[0] == {x}: sem.DeleteNavigatorItem(0)\n"
    assert start(simulation, primary).ok
    assert logged(simulation, "item") == seen and flags(simulation) == [False] * 2


def test_items_without_a_number_can_be_deleted_too(simulation):
    assert simulation.run(HEAD + POINTS).ok
    for index in (1, 2, 3):
        simulation.session.navigator.update(index, {"MapID": None})
    simulation.scripts[2] = Script("Primary", HEAD + NOTE + "sem.DeleteNavigatorItem(1)\n")
    simulation.acquire_params(primary=2)
    assert simulation.run_acquire().ok and flags(simulation) == []
    assert len(logged(simulation, "item")) == 3


@pytest.mark.parametrize("first", ["", "sem.SaveNavigator('a.nav')\n"])
def test_closing_the_navigator_ends_it(simulation, first):
    result = start(simulation, first + NOTE + "sem.CloseNavigator()\n")
    assert result.ok and len(logged(simulation, "item")) == 1


def test_items_added_after_one_was_deleted_can_be_set_to_acquire(simulation):
    primary = (
        NOTE
        + """
if sem.ReportStageXYZ()[0] == 20:
    sem.DeleteNavigatorItem(1)
    sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(40, 0, 0)))
"""
    )
    assert start(simulation, primary).ok
    assert logged(simulation, "item")[-1] == "item 3 at 40"


def test_other_registrations_are_left_alone(simulation):
    assert start(simulation, end="sem.ChangeItemRegistration(2, 2)\n").ok
    assert len(logged(simulation, "item")) == 2 and flags(simulation) == [False, True, False]


# --- how it ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "popup", "end_script"), [("", 1, 0), ("1", 0, 0), ("2", 1, 1)])
def test_end_by_a_script(simulation, option, popup, end_script):
    simulation.scripts[7] = Script("End", HEAD + "sem.Echo('end script')")
    primary = NOTE + f"sem.EndAcquireAtItems({option})\n"
    after = "sem.Echo('after')"
    assert start(simulation, primary, after, end="sem.RunScriptAfterNavAcquire(7)\n").ok
    assert logged(simulation, "after") == ["after"] and flags(simulation) == [False, True, True]
    dialogs = [d for d in simulation.session.dialogs if d.kind == "message"]
    assert len(dialogs) == popup and len(logged(simulation, "end script")) == end_script


def test_last_script_after_an_acquisition_that_the_user_started(simulation):
    simulation.scripts[9] = Script("Last", HEAD + "sem.Echo('last script')")
    simulation.scripts[2] = Script("Primary", HEAD + NOTE)
    simulation.acquire_params(primary=2)
    assert simulation.run(HEAD + POINTS + "sem.RunScriptAfterNavAcquire(-1)\n").ok
    assert logged(simulation, "item") == []
    assert simulation.run_acquire().ok
    assert len(logged(simulation, "item")) == 3 and logged(simulation, "last script")


def test_no_script_after_an_acquisition_that_failed(simulation):
    simulation.scripts[9] = Script("Last", HEAD + "sem.Echo('last script')")
    assert not start(simulation, "1 / 0", end="sem.RunScriptAfterNavAcquire(9)\n").ok
    assert logged(simulation, "last script") == []


def test_an_acquisition_can_ask_for_the_next(simulation):
    simulation.scripts[9] = Script(
        "Again",
        HEAD + "if sem.ReportNumTableItems() < 4:\n"
        "    sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(40, 0, 0)))\n"
        "    sem.StartNavAcquireAtEnd()\n",
    )
    assert start(simulation, end="sem.RunScriptAfterNavAcquire(9)\n").ok
    assert logged(simulation, "item")[-1] == "item 4 at 40"


def test_stop_by_the_user_ends_it_and_leaves_acquire_on(make_simulation):
    def press_stop(kind, text):
        raise ScriptStopped("Stopped by the user")

    simulation = make_simulation(policy=Policy(respond=press_stop))
    primary = NOTE + "if sem.ReportNavItem()[0] == 2: sem.YesNoBox('x')\n"
    simulation.scripts[9] = Script("Last", HEAD + "sem.Echo('last script')")
    result = start(simulation, primary, end="sem.RunScriptAfterNavAcquire(9)\n")
    assert result.stopped and not simulation.session.acquire.acquiring
    assert len(logged(simulation, "item")) == 2 and flags(simulation) == [False, True, True]
    assert not logged(simulation, "last script")


def test_stop_between_scripts_ends_it_too(make_simulation):
    def press_stop(kind, text):
        raise ScriptStopped("Stopped by the user")

    simulation = make_simulation(policy=Policy(respond=press_stop))
    assert simulation.run(HEAD + POINTS).ok
    simulation.scripts[2] = Script("Primary", HEAD)
    simulation.acquire_params(primary=2, steps=(Step("autofocus"),), go_on_after_failure=True)
    commands = {**all_commands(), "G": lambda session: ask_yes_no(session, "Go on?")}
    assert run_acquire(simulation.session, commands).stopped
    assert flags(simulation) == [True] * 3 and not simulation.session.acquire.acquiring


def test_a_failing_stage_ends_it_and_is_no_item_out_of_reach(simulation, monkeypatch):
    scope = simulation.session.scope
    move = scope.stage.move_to

    def fail(x_um, *rest, **options):
        if abs(x_um - 20) < 1:
            raise TaskError("The stage did not move")
        return move(x_um, *rest, **options)

    monkeypatch.setattr(scope.stage, "move_to", fail)
    result = start(simulation)
    assert not result.ok and "did not move" in result.error
    assert flags(simulation) == [False, True, True]


def test_without_the_navigator_nothing_starts(simulation):
    assert not simulation.run_acquire().ok
    assert "not open" in simulation.log[-1]


# --- primary actions --------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "maps"), [(0, 0), (1, 3)])
def test_images_and_maps_are_saved(simulation, action, maps):
    assert simulation.run(HEAD + POINTS + "sem.OpenNewFile('maps.mrc')").ok
    simulation.acquire_params(action=action)
    assert simulation.run_acquire().ok
    session = simulation.session
    assert session.files.current.sections == 3 and len(session.navigator.items) == 3 + maps
    assert [item.kind for item in session.navigator.items[3:]] == [2] * maps
    assert flags(simulation)[:3] == [False] * 3


def test_images_without_a_file_end_it(simulation):
    assert simulation.run(HEAD + POINTS).ok
    simulation.acquire_params(action=0)
    result = simulation.run_acquire()
    assert not result.ok and "open file" in result.error and flags(simulation) == [True] * 3


def test_tilt_series_are_refused_before_anything_moves(simulation):
    assert simulation.run(HEAD + POINTS).ok
    simulation.acquire_params(action=3)
    result = simulation.run_acquire()
    assert "tilt series" in result.error and "not simulated" in result.error
    assert simulation.session.scope.stage.position_um[0] == 0.0


def test_multiple_records_fail_for_the_item_only_if_the_user_wants(simulation, monkeypatch):
    def fail(session):
        raise SEMerror("no hole vectors")

    commands = {**all_commands(), "MultipleRecords": fail}
    assert simulation.run(HEAD + POINTS).ok
    simulation.acquire_params(action=4)
    result = run_acquire(simulation.session, commands)
    assert not result.ok and "no hole vectors" in result.error
    simulation.acquire_params(action=4, go_on_after_failure=True)
    assert run_acquire(simulation.session, commands).ok
    assert flags(simulation) == [True] * 3


def test_a_file_is_opened_for_the_item_that_asks_for_it(simulation):
    assert simulation.run(HEAD + POINTS).ok
    navigator = simulation.session.navigator
    navigator.update(2, {"FileToOpen": "second.mrc", "FilePropIndex": "0"})
    simulation.scripts[2] = Script(
        "Primary", HEAD + "sem.Echo(f'file {sem.ReportFileNumber():.0f}')"
    )
    simulation.acquire_params(primary=2)
    assert simulation.run_acquire().ok
    assert logged(simulation, "file") == ["file -1", "file 1", "file 1"]
    assert "FileToOpen" not in navigator.item(2).values


# --- steps and their schedules ------------------------------------------------------------------

GROUPS = """
sem.OpenNavigator()
for x, group in ((10, 5), (20, 5), (30, 5), (40, 0), (50, 6), (60, 6)):
    i = sem.AddStagePosAsNavPoint(x, 0, 0, group)
    sem.SetItemAcquire(int(i), 1)
"""
STEP_NOTE = "sem.Echo(f'step {sem.ReportNavItem()[0]:.0f}')"


def steps_done(simulation, **schedule):
    simulation.scripts[2] = Script("Primary", HEAD + "sem.Delay(60, 's')\n" + NOTE)
    simulation.scripts[4] = Script("Step", HEAD + STEP_NOTE)
    simulation.acquire_params(primary=2, steps=(Step("script", 4, **schedule),))
    assert simulation.run(HEAD + GROUPS).ok
    assert simulation.run_acquire().ok
    return [int(line.split()[1]) for line in logged(simulation, "step")]


@pytest.mark.parametrize(
    ("schedule", "items"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"every": 2}, [1, 3, 5]),
        ({"every": 4, "after": True}, [1, 5]),
        ({"group": "start", "every": 2}, [1, 4, 5]),
        ({"group": "end"}, [3, 4, 6]),
        ({"separation_um": 25.0}, [1, 4]),
        ({"minutes": 1.5}, [1, 3, 5]),
    ],
)
def test_schedules(simulation, schedule, items):
    assert steps_done(simulation, **schedule) == items


def test_order_of_the_steps(simulation):
    for number, word in ((2, "primary"), (3, "before"), (4, "after"), (5, "extra"), (6, "late")):
        simulation.scripts[number] = Script(word, HEAD + f"sem.Echo('do {word}')")
    steps = (Step("script", 6, after=True), Step("script", 5))
    simulation.acquire_params(primary=2, before=3, after=4, steps=steps)
    assert simulation.run(HEAD + POINTS).ok
    assert simulation.run_acquire().ok
    order = ["do extra", "do before", "do primary", "do after", "do late"]
    assert logged(simulation, "do ") == order * 3


def test_steps_call_the_commands_of_the_same_name(simulation):
    called = []

    def note(name):
        return lambda session, *arguments: called.append((name, *arguments))

    commands = {**all_commands(), **{name: note(name) for name, _ in ACTIONS.values()}}
    assert simulation.run(HEAD + POINTS).ok
    for index in (2, 3):
        simulation.session.navigator.update(index, {"Acquire": None})
    simulation.scripts[2] = Script("Primary", HEAD)
    steps = tuple(Step(action) for action in ACTIONS)
    simulation.acquire_params(primary=2, steps=steps, skip_initial_move=True, relax_stage=True)
    assert run_acquire(simulation.session, commands).ok
    assert [name for name, *_ in called] == [name for name, _ in ACTIONS.values()]
    assert ("RealignToOtherItem", 1, 1) in called and ("Eucentricity", 1) in called
    assert simulation.session.scope.stage.position_um[0] == 0.0  # realigning was to move there


def test_a_step_that_fails_ends_it_unless_allowed(simulation):
    def fail(session, *arguments):
        raise SEMerror("no focus")

    commands = {**all_commands(), "G": fail, "Eucentricity": fail}
    simulation.scripts[2] = Script("Primary", HEAD + NOTE)
    assert simulation.run(HEAD + POINTS).ok
    for action, go_on, ok in (
        ("autofocus", False, False),
        ("autofocus", True, True),
        ("fine eucentricity", True, False),
    ):
        simulation.acquire_params(primary=2, steps=(Step(action),), go_on_after_failure=go_on)
        assert run_acquire(simulation.session, commands).ok is ok
    assert logged(simulation, "item") == [] and flags(simulation) == [True] * 3


def test_skip_in_a_script_before_leaves_the_item_for_later(simulation):
    simulation.scripts[2] = Script("Primary", HEAD + NOTE)
    simulation.scripts[3] = Script(
        "Before", HEAD + "if sem.ReportNavItem()[0] == 2: sem.SkipAcquiringNavItem()"
    )
    simulation.scripts[4] = Script("After", HEAD + "sem.Echo('after')")
    simulation.acquire_params(primary=2, before=3, after=4)
    assert simulation.run(HEAD + POINTS).ok and simulation.run_acquire().ok
    assert logged(simulation, "item") == ["item 1 at 10", "item 3 at 30"]
    assert len(logged(simulation, "after")) == 2 and flags(simulation) == [False, True, False]


STATUS = "sem.Echo('status ' + ' '.join(f'{v:.0f}' for v in sem.ReportGroupStatus()))\n"


def test_status_of_groups(simulation):
    assert simulation.run(HEAD + GROUPS + STATUS).ok
    items = simulation.session.navigator.items
    groups = [item.integer("GroupID") for item in items]
    last = groups[-1]
    assert logged(simulation, "status") == [f"status -1 {last} " + ("2 2" if last else "0 0")]
    simulation.scripts[2] = Script("Primary", HEAD + STATUS)
    simulation.scripts[3] = Script("After", HEAD + STATUS.replace("status", "after"))
    simulation.acquire_params(primary=2, after=3)
    assert simulation.run_acquire().ok
    seen = [[int(word) for word in line.split()[1:]] for line in logged(simulation, "status ")[1:]]
    for index, (status, group, count, left) in enumerate(seen):
        assert group == groups[index]
        before = groups[:index].count(group)
        assert status == (0 if not group else 2 if before else 1)
        assert (count, left) == (
            (groups.count(group), groups.count(group) - before) if group else (0, 0)
        )
    after = [[int(word) for word in line.split()[1:]] for line in logged(simulation, "after ")]
    assert [row[:3] for row in after] == [row[:3] for row in seen]
    assert [row[3] for row in after] == [max(0, row[3] - 1) for row in seen]


def test_groups_can_be_skipped(simulation):
    simulation.scripts[2] = Script(
        "Primary", HEAD + NOTE + "if sem.ReportNavItem()[0] == 1: sem.SkipAcquiringGroup()\n"
    )
    simulation.acquire_params(primary=2)
    assert simulation.run(HEAD + GROUPS).ok and simulation.run_acquire().ok
    assert [line.split()[1] for line in logged(simulation, "item")] == ["1", "4", "5", "6"]
    assert flags(simulation) == [False, True, True, False, False, False]
    assert simulation.run_acquire().ok  # only that acquisition skipped them
    assert flags(simulation) == [False] * 6


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("script", 8), "no script number 8"),
        (Step("polish the stage"), "is not a step"),
        (Step("cook specimen"), "is not simulated"),
        (Step("autofocus", group="middle"), "start or end of groups"),
    ],
)
def test_steps_that_cannot_be_done_are_told_before_anything_moves(step, words):
    assert words in not_possible([step], {"G": None}, {})


def test_a_step_is_due_when_time_and_distance_have_passed():
    step = Step("autofocus", minutes=1, separation_um=10)
    last = LastDone(items=3, seconds=100.0, place_um=(0.0, 0.0))
    assert is_due(step, last, (10.0, 0.0), 160.0, False, False)
    assert not is_due(step, last, (9.0, 0.0), 160.0, False, False)
    assert not is_due(step, last, (10.0, 0.0), 159.0, False, False)
    assert is_due(step, LastDone(), (0.0, 0.0), 0.0, False, False)


def test_choices_may_come_from_a_file():
    from dataclasses import asdict

    params = AcquireParams(primary=2, steps=(Step("autofocus", every=3),))
    assert AcquireParams(**asdict(params)) == params


# --- parameters that scripts prepare --------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("SetNavAcqAtEndParams('prim', 2)", "must be used first"),
        ("NavAcqAtEndUseParams('X')", "use M or F"),
        ("NavAcqAtEndUseParams('R', 'file')", "from a file is not simulated"),
        ("NavAcqAtEndUseParams('F')\nsem.SetNavAcqAtEndParams('prim', 5)", "primary action"),
        ("NavAcqAtEndUseParams('F')\nsem.SetNavAcqAtEndParams('other', 1)", "not an option"),
        ("NavAcqAtEndUseParams('F')\nsem.SetNavAcqAtEndParams('prim', 2, 'x')", "needs a value"),
        ("RunScriptAfterNavAcquire(5)", "no script number 5"),
        ("RunScriptAfterNavAcquire(-1)", "no script number 0"),
        ("StartNavAcquireAtEnd()", "not open"),
    ],
)
def test_what_is_refused_when_preparing(simulation, call, words):
    result = simulation.run(HEAD + "sem." + call)
    assert not result.ok and words in result.error


def test_prepared_parameters_hold_for_one_acquisition(simulation):
    simulation.scripts[5] = Script("Other", HEAD + "sem.Echo('other')")
    end = "sem.NavAcqAtEndUseParams('M')\n"
    end += "sem.SetNavAcqAtEndParams('primary', 2, 'scrp-prim', 5, 'scrp-b', 5, 'scrp-a', 5)\n"
    assert start(simulation, end=end).ok
    assert len(logged(simulation, "other")) == 9
    assert start(simulation, body="for i in (1, 2, 3): sem.SetItemAcquire(i, 1)\n").ok
    assert len(logged(simulation, "item")) == 3
    assert simulation.session.acquire.params["M"].action == 1
