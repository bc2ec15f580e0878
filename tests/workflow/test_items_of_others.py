"""Items of other people in the Navigator, however they are labelled, are left alone."""

from __future__ import annotations

import pytest

from space.microscope import Item
from space.simulation import judge
from space.steps import acquire, lamella_list
from tests.workflow.bench import cached_grid


def add(label: str, note: str, x: float, y: float) -> list[str]:
    lines = [
        f"i = int(sem.AddStagePosAsNavPoint({x}, {y}, 0))",
        f"sem.ChangeItemLabel(i, {label!r})",
    ]
    return [*lines, f"sem.ChangeItemNote(i, {note!r})"] if note else lines


def polygon(label: str) -> list[str]:
    return [
        "sem.SetVariable('px', listToSEMarray([900, 910, 910]))",
        "sem.SetVariable('py', listToSEMarray([900, 900, 910]))",
        "i = int(sem.AddStagePointsAsPolygon('px', 'py', 0))",
        f"sem.ChangeItemLabel(i, {label!r})",
    ]


def facts(session, labels) -> list[tuple]:
    return [
        (item.label, item.note, tuple(item.stage_um), bool(item.acquire))
        for item in session.items()
        if item.label in labels
    ]


def test_maps_polygons_and_points_of_others_are_left_alone_up_to_targets(bench):
    session = bench()
    session.place_lamellae()
    foreign = ("PL3", "FL2", "FL7", "L01", "PL1")
    session.do(
        *add("PL3", "", 900, 900),
        *add("FL2", "a nice hole", 900, 905),
        *add("L01", "good (90%)", 905, 900),
        *add("PL1", "calibration", 910, 900),
        *polygon("FL7"),
        "sem.SaveNavigator()",
    )
    before = facts(session, foreign)
    assert len(before) == len(foreign)
    result = session.run(4)
    assert result.ok, result.error
    assert "ERROR" not in session.log()
    after = facts(session, foreign)
    assert [row for row in after if row in before] == before
    stage = [exposure.center_um for exposure in session.simulation.exposures]
    assert all(max(abs(x), abs(y)) < 850 for x, y in stage), "went to somebody else's item"
    assert session.names("*_tgts.txt") == ["G1_L01_tgts.txt"]
    assert "is no lamella (a polygon): left alone" in session.log()


def test_a_point_labelled_by_hand_without_a_note_is_a_lamella(bench):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    x, y = session.grid.lamellae[1].center_um
    # as a person does: FL2 goes, FL5 is put by hand, and a second FL1 is a mistake
    session.do(
        "i = int(sem.NavIndexWithLabel('FL2'))",
        "sem.DeleteNavigatorItem(i)",
        *add("FL5", "", x, y),
        *add("FL1", "", x + 3, y),
        "sem.SaveNavigator()",
    )
    result = session.run(2)
    assert result.ok, result.error
    assert session.names("G1_L*.mrc") == ["G1_L01.mrc", "G1_L05.mrc"]
    assert "FL1, was added by hand and another lamella has this number" in session.log()


@pytest.mark.parametrize("name", ["FL1", "L01"])
def test_a_grid_called_like_a_lamella_is_taken_for_none(bench, name):
    session = bench(("good", "good", "broken"), seed=27)
    session.simulation.session.scope.stage.limits_um = (-200.0, 200.0, -200.0, 200.0)
    session.simulation.session.grids[1] = cached_grid(("good", "good", "broken"), 27, name)
    result = session.run(1)
    assert result.ok, result.error
    maps = [item for item in session.items() if item.kind == 2]
    assert [item.note for item in maps] == [f"{name}.mrc"]
    points = sorted(item.label for item in session.items() if item.kind == 0)
    assert points == ["FL1", "FL2"]
    exposures = session.count_exposures()
    assert session.run(1).ok
    assert session.count_exposures() == exposures


ITEMS = [
    Item(1, "FL1", "G1.mrc", (0.0, 0.0), 0.0, 2),
    Item(2, "FL1", "good (90%)", (1.0, 0.0), 0.0, 0),
    Item(3, "FL2", "good (90%)", (2.0, 0.0), 0.0, 1),
    Item(4, "PL2", "good (40%)", (3.0, 0.0), 0.0, 0),
    Item(5, "PL3", "mine", (4.0, 0.0), 0.0, 0),
    Item(6, "FL4", "", (5.0, 0.0), 0.0, 0),
    Item(7, "FL2", "", (6.0, 0.0), 0.0, 0),
    Item(8, "PL2", "broken (90%)", (7.0, 0.0), 0.0, 2),
]


def test_all_steps_agree_about_what_is_a_lamella():
    assert [item.index for item in lamella_list.to_visit(ITEMS)] == [2, 4, 6]
    assert [item.index for item in lamella_list.labelled(ITEMS, "PL")] == [4]
    told = lamella_list.remarks(ITEMS)
    assert [text.split(",")[0] for text in told] == [f"Item {n}" for n in (1, 3, 5, 7, 8)]
    assert sorted(acquire._numbers(ITEMS, "FL")) == [1, 2, 4]
    assert acquire._numbers(ITEMS, "PL") == [2]
    places = judge.positions(ITEMS)
    assert sorted(places) == [1, 2, 4] and places[1][1] == "good" and places[4][1] == ""
