"""Strokes on label maps: exact to a pixel, and undone as if they had never been drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import disk, polygon2mask
from skimage.segmentation import flood

from space import labelling
from space.labelling import Drawing, NotStrokesError, Shape, Stroke, drawing

NAMES = {"ice": 0, "lamella": 1, "mitos": 5}
SHAPE = (37, 53)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5

coordinates = st.floats(-15, 65, width=16) | st.integers(-15, 65).map(float)
points = st.tuples(coordinates, coordinates)
categories = st.sampled_from(["", *NAMES])
brushes = st.builds(
    Stroke, st.just(Shape.BRUSH), categories, st.lists(points, min_size=1, max_size=6).map(tuple),
    st.floats(0.75, 12),
)  # fmt: skip
polygons = st.builds(
    Stroke, st.just(Shape.POLYGON), categories, st.lists(points, min_size=3, max_size=8).map(tuple)
)
fills = st.builds(Stroke, st.just(Shape.FILL), categories, st.tuples(points))
strokes = st.lists(brushes | polygons | fills, max_size=8).map(tuple)


def whole(region, shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[region.place] = region.mask
    return mask


def drawn(base: np.ndarray, what: tuple[Stroke, ...]) -> np.ndarray:
    made = Drawing(base, NAMES)
    made.add(what)
    return made.labels


def base_labels() -> np.ndarray:
    base = np.zeros(SHAPE, np.uint8)
    base[5:30, 8:45] = 1
    base[10:18, 12:20] = 5
    return base


def distance_px(point, start, end) -> np.ndarray:
    """From each pixel's middle to a segment, by projecting it."""
    (row, column), (r0, c0), (r1, c1) = point, start, end
    length = (r1 - r0) ** 2 + (c1 - c0) ** 2
    along = ((row - r0) * (r1 - r0) + (column - c0) * (c1 - c0)) / length if length else 0.0
    part = np.clip(along, 0, 1)
    return np.hypot(row - r0 - part * (r1 - r0), column - c0 - part * (c1 - c0))


@given(brushes)
def test_a_brush_covers_all_middles_of_pixels_within_its_radius(stroke):
    ends = [*zip(stroke.points_px, stroke.points_px[1:])] or [(stroke.points_px[0],) * 2]
    away = np.min([distance_px((ROWS, COLUMNS), *both) for both in ends], axis=0)
    covered = whole(labelling.covered(stroke, SHAPE))
    assert covered[away < stroke.radius_px - 1e-6].all()
    assert not covered[away > stroke.radius_px + 1e-6].any()


@given(polygons)
def test_a_polygon_covers_what_lies_inside_by_the_even_odd_rule(stroke):
    corners = stroke.points_px
    inside, near = np.zeros(SHAPE, bool), np.full(SHAPE, np.inf)
    for (r0, c0), (r1, c1) in zip(corners, (*corners[1:], corners[0])):
        near = np.minimum(near, distance_px((ROWS, COLUMNS), (r0, c0), (r1, c1)))
        if r0 != r1:
            crossed = c0 + (ROWS - r0) * (c1 - c0) / (r1 - r0)
            inside ^= ((r0 > ROWS) != (r1 > ROWS)) & (crossed < COLUMNS)
    covered = whole(labelling.covered(stroke, SHAPE))
    assert (covered == inside)[near > 1e-6].all()


def test_a_disc_and_a_polygon_are_those_of_scikit_image():
    stroke = Stroke(Shape.BRUSH, "mitos", ((18.5, 25.5),), 9.3)
    expected = np.zeros(SHAPE, bool)
    expected[disk((18, 25), 9.3, shape=SHAPE)] = True
    assert (whole(labelling.covered(stroke, SHAPE)) == expected).all()
    corners = ((2.3, 4.1), (30.2, 9.7), (25.9, 48.2), (8.4, 40.6))
    stroke = Stroke(Shape.POLYGON, "mitos", corners)
    expected = polygon2mask(SHAPE, np.array(corners) - 0.5)
    assert (whole(labelling.covered(stroke, SHAPE)) == expected).all()


@given(st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_fill_is_that_of_the_whole_map_however_far_it_is_looked(half, random):
    rng = np.random.default_rng(random.getrandbits(32))
    labels = (rng.random((int(rng.integers(1, 40)), int(rng.integers(1, 40)))) < 0.7).view(np.uint8)
    point = (random.uniform(0, labels.shape[0] - 0.01), random.uniform(0, labels.shape[1] - 0.01))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "_FIRST_HALF_PX", half)
        found = whole(labelling.connected(labels, point), labels.shape)
    assert (found == flood(labels, (int(point[0]), int(point[1])), connectivity=1)).all()


@given(strokes)
def test_what_is_undone_was_never_drawn_and_bands_change_nothing(what):
    base = base_labels()
    before = base.copy()
    made = Drawing(base, NAMES)
    for number, stroke in enumerate(what):
        made.add([stroke])
        assert (made.labels == drawn(base, what[: number + 1])).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "_BAND_PX", 60)
        patch.setattr(drawing, "_MOST_ROWS_AT_ONCE", 5)
        assert (drawn(base, what) == made.labels).all()
    assert (base == before).all()


@given(strokes)
def test_layers_hold_what_was_given_by_hand_also_where_something_lies_on_it(what):
    base = base_labels()
    made = Drawing(base, NAMES)
    made.add(what)
    layers = dict(made.layers())
    touched = np.zeros(SHAPE, bool)
    for mask in layers.values():
        touched |= mask
    assert (made.labels[~touched] == base[~touched]).all()
    for name in NAMES:
        shown = touched & (made.labels == NAMES[name])
        assert not (shown & ~layers.get(name, np.zeros(SHAPE, bool))).any()


def test_one_class_over_another_keeps_both_layers_and_the_eraser_clears_them():
    square = ((4.0, 4.0), (4.0, 24.0), (24.0, 24.0), (24.0, 4.0))
    what = (
        Stroke(Shape.POLYGON, "mitos", square),
        Stroke(Shape.BRUSH, "ice", ((14.0, 14.0),), 4.0),
        Stroke(Shape.BRUSH, "", ((6.0, 6.0),), 1.0),
    )
    made = Drawing(base_labels(), NAMES)
    made.add(what)
    layers = dict(made.layers())
    assert list(layers) == ["ice", "mitos"]
    assert layers["mitos"][14, 14] and layers["ice"][14, 14] and made.labels[14, 14] == 0
    assert not layers["mitos"][5, 5] and made.labels[5, 5] == base_labels()[5, 5] == 0


GOOD = {"kind": "brush", "class": "mitos", "points": [[1, 2.5]], "radius_px": 3}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "no list"),
        ([[]], "no table"),
        ([{**GOOD, "kind": "spray"}], "kind is 'spray'"),
        ([{**GOOD, "class": "gold"}], "class is 'gold'"),
        ([{**GOOD, "class": 5}], "class is 5"),
        ([{**GOOD, "class": ["mitos"]}], "class is"),
        ([{**GOOD, "radius_px": 0.5}], "radius_px is 0.5"),
        ([{**GOOD, "radius_px": 501}], "radius_px"),
        ([{**GOOD, "radius_px": "3"}], "radius_px"),
        ([{**GOOD, "radius_px": True}], "radius_px"),
        ([{**GOOD, "radius_px": float("nan")}], "radius_px"),
        ([{**GOOD, "more": 1}], "a brush has class, kind, points, radius_px"),
        ([{"kind": "fill", "class": None}], "a fill has"),
        ([{**GOOD, "points": []}], "no list of 1 to"),
        ([{**GOOD, "points": [[1, 2, 3]]}], "no point"),
        ([{**GOOD, "points": [[1, float("inf")]]}], "no point"),
        ([{**GOOD, "points": [[1, 1e7]]}], "no point"),
        ([{**GOOD, "points": [[1, False]]}], "no point"),
        ([{"kind": "polygon", "class": None, "points": [[1, 1], [2, 2]]}], "3 to"),
        ([{"kind": "fill", "class": None, "points": [[1, 1], [2, 2]]}], "1 to 1"),
        ([GOOD] * 2001, "at most 2000"),
        ([{**GOOD, "points": [[1, 1]] * 30_001}] * 2, "more than 60000 points"),
        ([{"kind": "fill", "class": None, "points": [[1, 1]]}] * 101, "more than 100 fills"),
        ([{**GOOD, "radius_px": 500, "points": [[1, 1]] * 7000}], "too many rows"),
        ([{**GOOD, "points": [[-1e5, 1], [1e5, 1]] * 20}], "too many rows"),
    ],
)
def test_what_is_no_stroke_is_told_with_its_number(wrong, words):
    with pytest.raises(NotStrokesError, match=words):
        labelling.read_strokes(wrong, NAMES)


@given(strokes)
def test_strokes_are_read_as_they_were_written(what):
    text = json.dumps(labelling.plain_strokes(what))
    assert labelling.read_strokes(json.loads(text), NAMES) == what
