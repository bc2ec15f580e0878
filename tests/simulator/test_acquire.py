"""Acquire at Items with scripts."""

from __future__ import annotations

import pytest

from space.simulator import Script

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


def said(simulation, start_text):
    return [line for line in simulation.log if line.startswith(start_text)]


def flags(simulation):
    return [item.acquire for item in simulation.session.navigator.items]


@pytest.fixture
def simulation(make_simulation):
    return make_simulation()


def test_items_in_order_then_turned_off(simulation):
    after = "sem.Echo(f'left {sem.ReportNumNavAcquire()[0]:.0f}')"
    assert start(simulation, after=after).ok
    assert said(simulation, "item") == ["item 1 at 10", "item 2 at 20", "item 3 at 30"]
    assert said(simulation, "left") == ["left 2", "left 1", "left 0"]
    assert flags(simulation) == [False] * 3
    assert not simulation.session.acquire.acquiring


def test_nothing_starts_after_an_error_or_without_items(simulation):
    assert not start(simulation, end="sem.SetBinning('V', 3)\n").ok
    assert said(simulation, "item") == []
    assert not start(
        simulation,
        body="sem.OpenNavigator() if not sem.ReportIfNavOpen() else 0\n"
        "for i in (3, 2, 1): sem.SetItemAcquire(i, 0)\n",
    ).ok


def test_starts_after_exit(simulation):
    simulation.scripts[2] = Script("Primary", HEAD + NOTE)
    simulation.acquire_params(primary=2)
    assert simulation.run(HEAD + POINTS + "sem.StartNavAcquireAtEnd()\nsem.Exit()\n").ok
    assert len(said(simulation, "item")) == 3


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
    assert len(said(simulation, "item")) == 3
    assert flags(simulation) == [False] * 4


def test_items_added_meanwhile_are_acquired(simulation):
    after = """
if sem.ReportNumTableItems() < 4:
    sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(40, 0, 0)), 1)
"""
    assert start(simulation, after=after).ok
    assert said(simulation, "item")[-1] == "item 4 at 40"


def test_script_after_the_acquisition(simulation):
    simulation.scripts[7] = Script("End", HEAD + "sem.Echo('end script')")
    assert start(simulation, end="sem.RunScriptAfterNavAcquire(7)\n").ok
    assert said(simulation, "end script") == ["end script"]
    assert start(simulation, body="for i in (1, 2, 3): sem.SetItemAcquire(i, 1)\n").ok
    assert said(simulation, "end script") == ["end script"]


def test_parameters_from_the_script(simulation):
    simulation.scripts[5] = Script("Other", HEAD + "sem.Echo('other')")
    end = "sem.NavAcqAtEndUseParams('F')\nsem.SetNavAcqAtEndParams('prim', 2, 'scrp-p', 5)\n"
    assert start(simulation, end=end).ok
    assert len(said(simulation, "other")) == 3 and said(simulation, "item") == []


def test_valves_are_opened_between_steps(simulation):
    primary = NOTE + "sem.Echo(f'valve {sem.ReportColumnOrGunValve()}')\n"
    primary += "sem.SetColumnOrGunValve(0)\n"
    assert start(simulation, primary).ok
    assert said(simulation, "valve") == ["valve 1.0"] * 3
