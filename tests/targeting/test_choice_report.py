"""What a person reads about a choice: candidate places, why they hold no target, totals."""

import numpy as np
import pytest

from space.targeting import ExposureOptics, TargetingOptions, describe, select_targets

LABELS = {"background": 0, "black": 1, "mitos": 2, "ice": 3, "lamella": 4}
OPTICS = ExposureOptics(30.0, (0.86, 0.61), 1.2, tilt_axis_deg=90.0, beam_margin_um=0.0)


def choose(marks, *, optics=OPTICS, polygons=(), **options):
    """Marks are (class, row, column); each is a patch of 20 x 20 px (0.6 um)."""
    labels = np.full((300, 600), LABELS["lamella"], np.uint8)
    for name, row, column in marks:
        labels[row - 10 : row + 10, column - 10 : column + 10] = LABELS[name]
    asked = TargetingOptions(**{"avoid_list": ("black", "ice"), **options})
    choice = select_targets(labels, LABELS, asked, optics, polygons_map_px=polygons)
    return choice, describe(choice, asked)


TWO = [("mitos", 150, 100), ("mitos", 150, 400)]
COVERED = [("mitos", 60, 250), ("ice", 60, 231), ("ice", 60, 269)]


@pytest.mark.parametrize(
    ("marks", "changes", "places", "rejected"),
    [
        (TWO, {}, 2, {}),
        ([*TWO, ("mitos", 150, 430)], {}, 3, {"beam conflict": 1}),
        (TWO, {"max_targets": 1}, 2, {"max_targets": 1}),
        (TWO, {"polygons": [[(0, 0), (300, 0), (300, 200), (0, 200)]]}, 2, {"outside polygons": 1}),
        (TWO, {"target_score_threshold": 0.95}, 2, {"threshold": 2}),
        (
            [*TWO, *COVERED],
            {"target_score_threshold": 0.6, "penalty_weight": 3.0},
            3,
            {"avoided class": 1},
        ),
        ([], {}, 0, {}),
    ],
)
def test_places_without_a_target_are_counted_by_reason(marks, changes, places, rejected):
    choice, text = choose(marks, **changes)
    assert (choice.counts.places, choice.rejected) == (places, rejected)
    for reason, count in rejected.items():
        assert f"{count} {reason}" in text


def test_places_are_chosen_or_rejected_and_nothing_else():
    rng = np.random.default_rng(3)
    marks = [("mitos" if k % 3 else "ice", *rng.integers((30, 30), (270, 570))) for k in range(60)]
    choice, _ = choose(marks)
    chosen = choice.counts.places - sum(choice.rejected.values())
    # Every target has a candidate place of its own unless two of these overlap.
    assert 0.8 * choice.n_targets <= chosen <= choice.n_targets
    assert choice.rejected.get("other", 0) == 0


def test_share_in_fields_counts_every_place_once():
    # Fields of 0.86 x 0.61 um under beams of 0.3 um overlap widely.
    dense = ExposureOptics(30.0, (0.86, 0.61), 0.3, tilt_axis_deg=90.0, beam_margin_um=0.0)
    choice, text = choose([TWO[0]], optics=dense, sparse=False)
    assert choice.n_targets > 4
    assert choice.counts.wanted_in_fields == pytest.approx(1.0, abs=0.02)
    assert "The fields hold 100% of the wanted 0.36 um2." in text
    half, _ = choose(TWO, max_targets=1)
    assert half.counts.wanted_in_fields == pytest.approx(0.5, abs=0.05)


def test_the_text_tells_what_a_person_wants_to_know():
    choice, text = choose([*TWO, ("ice", 60, 250)], target_list={"mitos": 0.5}, extra_tracking=True)
    first = text.splitlines()[0]
    assert "3 targets on mitos (priority 0.5) in 1 area (1 of them for tracking alone)" in first
    assert f"total score {choice.counts.total_score:.2f}" in first
    assert "counted by priority" in text
    assert describe(choose([])[0], TargetingOptions()).startswith("no targets on mitos")
