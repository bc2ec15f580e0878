"""What may be done to what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.review import Edit, Kind, LamellaSeen, Scene, State, Verdict, grid_stamp, may, verdict

STAMP = grid_stamp({"shape": [9, 12]})
CORNERS = ((-100.0, -90.0), (100.0, -100.0), (100.0, 100.0), (-100.0, 100.0))


def lamella(number: int, state: State = State.FOUND, **about) -> LamellaSeen:
    about.setdefault("labels", "s0")
    return LamellaSeen(number, "good", (20.0 * number, 0.0), (16.0, 12.0), state, "c0", **about)


SCENE = Scene(
    "G1",
    {n: lamella(n, state) for n, state in enumerate(State, 1)},
    frozenset({9}),
    ("good", "broken"),
    CORNERS,
    STAMP,
)
ADD = Edit("a", Kind.ADD, STAMP, center_um=(-50.0, 3.0), box_um=(9.0, 9.0), category="good")


def edit(kind: Kind, number: int, **about) -> Edit:
    own = SCENE.lamellae[number]
    of = {Kind.TARGETS: own.choice, Kind.LABELS: own.labels}.get(kind, own.stamp)
    about.setdefault("center_um", (-50.0, 0.0))
    return Edit("a", kind, of, number=number, category="good", **about)


def test_what_may_be_done_in_each_state():
    allowed = {
        kind: [state.value for state in State if may(kind, state)]
        for kind in Kind
        if kind not in (Kind.ADD, Kind.ORDER)
    }
    before = ["found", "mapped", "set up"]
    assert allowed == {
        Kind.MOVE: before,
        Kind.RESIZE: before,
        Kind.DELETE: before,
        Kind.CLASS: before,
        Kind.VISIT: [*before, "being acquired", "exposed"],
        Kind.TARGETS: ["mapped", "set up"],
        Kind.LABELS: ["mapped", "set up"],
    }
    for number, state in enumerate(State, 1):
        for kind in allowed:
            done = verdict(edit(kind, number), SCENE)
            assert (done == Verdict("apply")) == may(kind, state), (kind, state, done)
    exposed = verdict(edit(Kind.MOVE, 5), SCENE).why
    assert exposed.startswith("Tilt series of lamella 5 were begun: it stays as it is")
    assert "is being acquired now" in verdict(edit(Kind.DELETE, 4), SCENE).why
    assert "has no map yet" in verdict(edit(Kind.TARGETS, 1), SCENE).why


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (replace(ADD, of="old"), "lies another way than the page showed it"),
        (replace(ADD, category="gold"), "no class 'gold' of lamellae (there are: good, broken)"),
        (replace(ADD, center_um=(101.0, 0.0)), "(101.0, 0.0) um lies outside the map of grid G1"),
        (replace(ADD, center_um=(0.0, -96.0)), "lies outside the map"),
        (replace(ADD, center_um=(15.0, 5.0)), "is 7.1 um from lamella 1"),
        (edit(Kind.MOVE, 1, center_um=(35.0, 5.0)), "is 7.1 um from lamella 2"),
        (Edit("a", Kind.DELETE, "x", number=7), "has no lamella 7 (it has L01, L02, L03, L04,"),
        (Edit("a", Kind.DELETE, "x", number=9), "Lamella 9 was removed"),
        (Edit("a", Kind.DELETE, "x", number=1), "is not as the page showed it any more"),
        (Edit("a", Kind.ORDER, STAMP, numbers=(2, 8)), "has no lamella 8"),
        (Edit("a", Kind.ORDER, "old", numbers=(2, 1)), "lies another way"),
        (replace(edit(Kind.TARGETS, 3), of="c1"), "was written anew since"),
        (edit(Kind.TARGETS, 3, redo=False), 'set up anew ("redo")'),
        (replace(edit(Kind.LABELS, 3), of="s1"), "labels of lamella 3 are not as the page showed"),
        (edit(Kind.LABELS, 5), "since what was exposed would be exposed again"),
        (edit(Kind.LABELS, 1), "has no map yet"),
    ],
)
def test_what_is_refused(asked, words):
    done = verdict(asked, SCENE)
    assert done.do == "refuse" and words in done.why


@pytest.mark.parametrize(
    "asked",
    [
        ADD,
        edit(Kind.MOVE, 1, center_um=(15.0, 5.0)),  # its own place does not count
        edit(Kind.CLASS, 2),
        Edit("a", Kind.ORDER, STAMP, numbers=(5, 1)),
        edit(Kind.TARGETS, 2, redo=False),
        edit(Kind.LABELS, 2),
        edit(Kind.LABELS, 3),
    ],
)
def test_what_is_applied(asked):
    assert verdict(asked, SCENE) == Verdict("apply")


def test_without_a_map_nothing_is_added_and_without_a_choice_none_is_taken():
    bare = replace(SCENE, corners_um=(), stamp="", lamellae={1: lamella(1)})
    assert "no map of grid G1" in verdict(replace(ADD, of=""), bare).why
    assert verdict(Edit("a", Kind.ORDER, "", numbers=(1,)), bare) == Verdict("apply")
    alone = {2: replace(lamella(2, State.MAPPED), choice="")}
    none = verdict(edit(Kind.TARGETS, 2), replace(SCENE, lamellae=alone))
    assert "no file with a choice" in none.why
    bare = replace(SCENE, lamellae={2: lamella(2, State.MAPPED, labels="")})
    assert "is not segmented" in verdict(replace(edit(Kind.LABELS, 2), of=""), bare).why


def test_a_place_that_the_stage_does_not_reach_is_refused():
    shifted = replace(SCENE, offset_um=(0.0, 20.0), reach_um=(-99.0, 99.0, -99.0, 99.0))
    assert verdict(ADD, shifted) == Verdict("apply")
    beyond = verdict(replace(ADD, center_um=(-50.0, 85.0)), shifted)
    assert "beyond the reach of the stage" in beyond.why


def test_points_stay_as_they_are_while_items_are_acquired():
    busy = replace(SCENE, acquiring=True)
    for kind in (Kind.MOVE, Kind.RESIZE, Kind.DELETE):
        assert verdict(edit(kind, 3), busy).do == "wait"
    assert verdict(ADD, busy).do == "wait"
    for kind in (Kind.CLASS, Kind.VISIT, Kind.TARGETS, Kind.LABELS):
        assert verdict(edit(kind, 3), busy).do == "apply"
    assert verdict(edit(Kind.DELETE, 5), busy).do == "refuse"


def test_what_a_page_has_asked_before_makes_nothing_stale():
    first = SCENE.lamellae[1]
    second = replace(first, category="broken")
    third = replace(second, box_um=(20.0, 20.0))
    became = {first.stamp: second.stamp, second.stamp: third.stamp}
    now = replace(SCENE, lamellae={1: third})
    assert verdict(edit(Kind.DELETE, 1), now, became) == Verdict("apply")
    assert "not as the page showed it" in verdict(edit(Kind.DELETE, 1), now, {}).why
    there_and_back = {first.stamp: second.stamp, second.stamp: first.stamp}
    assert verdict(edit(Kind.DELETE, 1), now, there_and_back).do == "refuse"


@given(st.floats(-150, 150), st.floats(-150, 150), st.booleans())
def test_what_lies_on_a_map_does_not_depend_on_the_turn_of_its_corners(x_um, y_um, other_way):
    corners = CORNERS[::-1] if other_way else CORNERS
    expected = -100 <= x_um <= 100 and y_um <= 100 and y_um >= -90 - 0.05 * (x_um + 100)
    assert replace(SCENE, corners_um=corners).is_on_map((x_um, y_um)) == expected
