"""What takes back what was done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from space.review import Edit, Kind, LamellaSeen, Scene, edit_to_dict, is_so, opposite, read_edit

ONE = LamellaSeen(1, "good", (0.0, 5.0), (16.0, 12.0))
TWO = replace(ONE, number=2, center_um=(50.0, 0.0))
BEFORE = Scene("G1", {1: ONE, 2: TWO}, order=(1, 2))
ADDED = replace(ONE, number=3, center_um=(90.0, 0.0))


def with_one(**about: object) -> Scene:
    return replace(BEFORE, lamellae={1: replace(ONE, **about), 2: TWO})


@pytest.mark.parametrize(
    ("edit", "after"),
    [
        (Edit("a", Kind.MOVE, "", number=1, center_um=(9.0, 9.0)), with_one(center_um=(9.0, 9.0))),
        (Edit("a", Kind.RESIZE, "", number=1, box_um=(9.0, 9.0)), with_one(box_um=(9.0, 9.0))),
        (Edit("a", Kind.CLASS, "", number=1, category="broken"), with_one(category="broken")),
        (Edit("a", Kind.VISIT, "", number=1, visit=False), with_one(visited=False)),
        (Edit("a", Kind.ORDER, "", numbers=(2, 1)), replace(BEFORE, order=(2, 1))),
        (
            Edit("a", Kind.DELETE, "", number=2),
            replace(BEFORE, lamellae={1: ONE}, removed=frozenset({2})),
        ),
        (
            Edit("a", Kind.ADD, "", center_um=(90.0, 0.0), box_um=(16.0, 12.0), category="good"),
            replace(BEFORE, lamellae={1: ONE, 2: TWO, 3: ADDED}),
        ),
    ],
)
def test_what_takes_back_asks_for_what_was(edit, after):
    assert is_so(edit, after) and not is_so(edit, BEFORE)
    back = read_edit({**opposite(edit, BEFORE, after), "id": "b", "of": ""})
    was = replace(BEFORE, removed=frozenset({3}))  # where an added one was never there
    assert is_so(back, was) and not is_so(back, after)
    if edit.kind not in (Kind.ADD, Kind.DELETE):
        plain = {k: v for k, v in edit_to_dict(edit).items() if k not in ("id", "of", "at")}
        assert opposite(back, after, BEFORE) == plain


def test_targets_and_unknown_lamellae_have_nothing_that_takes_back():
    assert opposite(Edit("a", Kind.TARGETS, "", number=1), BEFORE, BEFORE) == {}
    assert opposite(Edit("a", Kind.CLASS, "", number=7), BEFORE, BEFORE) == {}
    assert not is_so(Edit("a", Kind.TARGETS, "", number=1), BEFORE)
