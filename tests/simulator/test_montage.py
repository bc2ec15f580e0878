"""Montage layout, alignment of pieces and stitching, on pictures with a known truth."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from space.simulator.montage import assembly as montage
from space.simulator.montage.assembly import Layout, Pieces

ANGLE = math.radians(3.3)
PIXEL_UM = 0.0945
# Camera pixels (Y up) per stage µm for specimen axes opposite to the stage's.
STAGE_TO_CAMERA = tuple(
    tuple(-v / PIXEL_UM for v in row)
    for row in ((math.cos(ANGLE), -math.sin(ANGLE)), (math.sin(ANGLE), math.cos(ANGLE)))
)


def texture(shape, seed=3):
    rng = np.random.default_rng(seed)
    fine = ndimage.gaussian_filter(rng.standard_normal(shape), 2.0)
    coarse = ndimage.gaussian_filter(rng.standard_normal(shape), 9.0)
    return (2000 + 500 * fine / fine.std() + 400 * coarse / coarse.std()).astype(np.int16)


def cut(picture, layout, errors, margin):
    """Pieces as a stage with errors would take them: content moved by minus the error."""
    cols, rows = layout.frame_px
    pieces = {}
    for piece in layout.order:
        left, top = layout.corner_px(piece)
        dx, dy = errors.get(piece, (0, 0))
        y, x = top + dy + margin, left + dx + margin
        pieces[piece] = picture[y : y + rows, x : x + cols].copy()
    return pieces


def test_sizes_order_and_coordinates():
    layout = Layout((3, 2), (100, 80), (20, 10), frozenset({(1, 1)}))
    assert layout.size_px == (260, 150)
    assert layout.order == ((0, 0), (0, 1), (1, 0), (2, 0), (2, 1))
    assert Layout((2, 3), (9, 9), (1, 1)).order == ((0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0))
    assert layout.coordinates_px((2, 1)) == (160, 70)
    assert layout.corner_px((0, 0)) == (0, 70)
    assert layout.corner_px((2, 1)) == (160, 0)
    assert layout.offset_px((0, 1)) == (-80.0, 35.0)


def test_stage_directions_of_a_real_microscope():
    """A step right moves the stage by (-1.00, +0.06), a step up by (-0.05, -1.00)."""
    layout = Layout((3, 3), (1000, 1000), (100, 100))
    center = np.array(layout.stage_um((1, 1), (12.0, -7.0), STAGE_TO_CAMERA, 4))
    assert center == pytest.approx((12.0, -7.0))
    step_um = 900 * 4 * PIXEL_UM
    right = np.array(layout.stage_um((2, 1), (12.0, -7.0), STAGE_TO_CAMERA, 4)) - center
    up = np.array(layout.stage_um((1, 2), (12.0, -7.0), STAGE_TO_CAMERA, 4)) - center
    assert right / step_um == pytest.approx((-1.0, 0.06), abs=0.01)
    assert up / step_um == pytest.approx((-0.06, -1.0), abs=0.01)


def test_full_grid_covers_the_octagon_and_skips_corners():
    octagon = montage.octagon_um((-990, 990, -990, 990))
    assert np.abs(octagon).max() == pytest.approx(990)
    layout, center = montage.fit_to_polygon(octagon, STAGE_TO_CAMERA, 4, (720, 512), (72, 51))
    assert center == pytest.approx((0.0, 0.0), abs=1e-6)
    assert (0, 0) in layout.skipped and len(layout.order) > 80
    matrix = np.asarray(STAGE_TO_CAMERA) / 4
    rng = np.random.default_rng(0)
    points = rng.uniform(-990, 990, (400, 2))
    points = points[np.abs(points).sum(axis=1) < 990 * math.sqrt(2)]
    for point in points @ matrix.T:
        offsets = np.array([layout.offset_px(p) for p in layout.order])
        assert (np.abs(point - offsets) <= np.array([360, 256])).all(axis=1).any()


@pytest.mark.parametrize("binning", [1, 2, 3])
def test_perfect_pieces_give_the_picture_back(binning):
    layout = Layout((3, 2), (120, 90), (30, 20))
    picture = texture((layout.size_px[1], layout.size_px[0]))
    overview = montage.stitch(cut(picture, layout, {}, 0), layout, binning=binning)
    width, height = layout.size_px
    assert overview.shape == (height // binning, width // binning)
    rows, cols = overview.shape
    top, left = (height - rows * binning) // 2, (width - cols * binning) // 2
    blocks = picture[top : top + rows * binning, left : left + cols * binning]
    expected = blocks.reshape(rows, binning, cols, binning).mean(axis=(1, 3))
    assert np.abs(overview - expected).max() <= 0.51
    middle = montage.center_composite(cut(picture, layout, {}, 0), layout)
    top, left = (height - 90) // 2, (width - 120) // 2
    np.testing.assert_array_equal(middle, picture[top : top + 90, left : left + 120])


def test_missing_pieces_are_grey():
    layout = Layout((2, 1), (50, 40), (10, 10), frozenset({(1, 0)}))
    pieces = {(0, 0): np.full((40, 50), 7, np.uint8)}
    pieces[0, 0][:, :25] = 9
    overview = montage.stitch(pieces, layout)
    assert (overview[:, 50:] == 8).all() and overview.dtype == np.uint8


def test_alignment_finds_stage_errors_and_keeps_the_mean():
    layout = Layout((3, 3), (300, 220), (75, 60))
    margin = 40
    picture = texture((layout.size_px[1] + 2 * margin, layout.size_px[0] + 2 * margin))
    rng = np.random.default_rng(5)
    errors = {p: tuple(int(v) for v in rng.integers(-12, 13, 2)) for p in layout.order}
    pieces = cut(picture, layout, errors, margin)
    noisy = {p: (i + rng.normal(0, 300, i.shape)).astype(np.int16) for p, i in pieces.items()}
    shifts = montage.align_pieces(noisy, layout, 40)
    mean = np.mean(list(errors.values()), axis=0)
    for piece, error in errors.items():
        assert shifts[piece] == pytest.approx(np.array(error) - mean, abs=0.5)
    assert np.mean(list(shifts.values()), axis=0) == pytest.approx((0, 0), abs=1e-9)
    overview = montage.stitch(pieces, layout, shifts)
    off_y, off_x = (margin + int(round(v)) for v in (mean[1], mean[0]))
    truth = picture[off_y : off_y + overview.shape[0], off_x : off_x + overview.shape[1]]
    crop = slice(20, -20), slice(20, -20)
    assert np.corrcoef(overview[crop].ravel(), truth[crop].ravel())[0, 1] > 0.9
    plain = montage.stitch(pieces, layout)
    assert np.corrcoef(plain[crop].ravel(), truth[crop].ravel())[0, 1] < 0.7


def test_noise_alone_is_not_aligned():
    layout = Layout((3, 2), (300, 220), (75, 60))
    rng = np.random.default_rng(9)
    pieces = {p: rng.poisson(50, (220, 300)).astype(np.int16) for p in layout.order}
    assert all(s == (0.0, 0.0) for s in montage.align_pieces(pieces, layout, 40).values())


def test_points_are_traced_to_their_piece():
    layout = Layout((2, 2), (100, 80), (20, 20))
    pieces = Pieces(layout, {(1, 1): (4.0, -6.0)}, overview_binning=2)
    number, (x, y) = pieces.locate(70, 10)
    assert number == layout.number((1, 1)) == 3
    left, top = layout.corner_px((1, 1))
    assert (x, y) == (140 - left - 4, 80 - (20 - top + 6))
    assert pieces.shift_of(number) == (2.0, -3.0)
    hole = Pieces(Layout((2, 1), (100, 80), (20, 20), frozenset({(1, 0)})))
    assert hole.locate(150, 40) is None


@settings(max_examples=30)
@given(
    nx=st.integers(1, 5),
    ny=st.integers(1, 5),
    fx=st.integers(32, 200),
    fy=st.integers(32, 200),
    part=st.floats(0.05, 0.45),
)
def test_layout_is_symmetric_and_tight(nx, ny, fx, fy, part):
    layout = Layout((nx, ny), (fx, fy), (int(fx * part), int(fy * part)))
    offsets = np.array([layout.offset_px(p) for p in layout.order])
    assert offsets.mean(axis=0) == pytest.approx((0, 0), abs=1e-9)
    width, height = layout.size_px
    corners = np.array([layout.corner_px(p) for p in layout.order])
    assert corners.min(axis=0).tolist() == [0, 0]
    assert (corners.max(axis=0) + (fx, fy)).tolist() == [width, height]
    centers = corners + np.array([fx, fy]) / 2 - np.array([width, height]) / 2
    np.testing.assert_allclose(centers * (1, -1), offsets, atol=1e-9)


def test_whole_grid_takes_seconds():
    layout = Layout((5, 7), (1440, 1023), (216, 153))
    pieces = {p: texture((1023, 1440), seed=1) for p in layout.order[:1]}
    pieces = dict.fromkeys(layout.order, pieces[0, 0])
    start = time.perf_counter()
    montage.align_pieces(pieces, layout, 6)
    montage.stitch(pieces, layout)
    assert time.perf_counter() - start < 15  # a few seconds; more on a machine that is busy


@pytest.mark.parametrize("limit_um", [370.0, 980.0])
@pytest.mark.parametrize("angle_deg", [0.0, 3.3, 20.0, 45.0])
def test_full_montage_asks_for_no_place_beyond_the_stage_limits(angle_deg, limit_um):
    angle = math.radians(angle_deg)
    to_camera = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    ) / (-PIXEL_UM)
    limits_um = (-limit_um, limit_um, -limit_um, limit_um)
    octagon = montage.octagon_um(limits_um)
    layout, center = montage.fit_to_polygon(
        octagon, to_camera, 4, (1024, 1024), (154, 154), limits_um
    )
    places = np.linalg.solve(
        to_camera / 4, np.transpose([layout.offset_px(p) for p in layout.order])
    )
    assert np.abs(places.T + center).max() <= limit_um
    # What is left still shows the middle of the grid without a gap.
    half_um = 512 * 4 * PIXEL_UM
    turn = np.random.default_rng(5).uniform(0, 2 * math.pi, 200)
    for x, y in 0.7 * limit_um * np.column_stack([np.cos(turn), np.sin(turn)]):
        away = to_camera @ (places - np.array([[x], [y]])) * PIXEL_UM
        assert (np.abs(away) <= half_um).all(axis=0).any(), (x, y)
