"""Which Navigator items are lamellae."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.lamellae import Mark, lamella_note, lamella_number, mark_of

PL, FL = "PL", "FL"


@pytest.mark.parametrize(
    ("label", "told", "kind", "mark"),
    [
        ("FL1", "good (90%)", 0, Mark(FL, 1, "good", 0.9)),
        ("PL12", "broken (7%)", 0, Mark(PL, 12, "broken", 0.07)),
        ("FL2", "very thick (100%)", 0, Mark(FL, 2, "very thick", 1.0)),
        ("FL2", " good (90%) ", 0, Mark(FL, 2, "good", 0.9)),
        ("FL2", "good (90%) again", 0, Mark(FL, 2, "good", 0.9, again=True)),
        ("FL2", "Again ", 0, Mark(FL, 2, by_hand=True, again=True)),
        ("PL2", "again", 0, None),
        ("FL2", "good (90%) again and again", 0, None),
        ("FL3", "", 0, Mark(FL, 3, by_hand=True)),  # as the log invites people to do
        ("PL3", "", 0, None),  # only a detection makes these
        ("FL1", "good (90%)", 2, None),  # a map of a grid called FL1
        ("FL1", "FL1.mrc", 2, None),
        ("FL1", "", 2, None),
        ("PL1", "good (90%)", 1, None),  # a polygon
        ("FL1", "", 1, None),
        ("FL1", "nice place", 0, None),
        ("FL1", "good (90%) and more", 0, None),
        ("FL1", "good (900%)", 0, None),
        ("FL1", "good (150%)", 0, None),
        ("FL1", "(90%)", 0, None),
        ("FL1", "Sec 0 - FL1.mrc", 0, None),
        ("fl1", "good (90%)", 0, None),
        ("FL1a", "good (90%)", 0, None),
        ("FL", "good (90%)", 0, None),
        ("FL²", "good (90%)", 0, None),
        ("L01", "good (90%)", 0, None),
        ("1", "good (90%)", 0, None),
        ("FL1", "good (90%)", -1, None),
    ],
)
def test_a_lamella_is_a_point_with_our_label_and_our_note(label, told, kind, mark):
    assert mark_of(label, told, kind) == mark


@given(st.text(), st.floats(0, 1), st.sampled_from([PL, FL]), st.integers(0, 999))
def test_a_note_that_we_write_is_ours(category, probability, prefix, number):
    written = lamella_note(category, probability)
    assert written.isprintable()
    mark = mark_of(f"{prefix}{number}", written, 0)
    assert (mark.prefix, mark.number, mark.by_hand) == (prefix, number, False)
    assert abs(mark.probability - probability) <= 0.005 + 1e-9
    assert lamella_number(f"{prefix}{number}") == number
