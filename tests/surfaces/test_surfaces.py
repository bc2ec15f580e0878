"""Surfaces of bodies whose volume, area and form are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from space.errors import SpaceError
from space.surfaces import SurfaceOptions, surfaces_of
from space.volumes import Frame
from tests.surfaces.shapes import ball, plate, ring, turned, voxels

WITHIN = 0.01


def made(volume, voxel_nm=(1.0, 1.0, 1.0), origin_nm=(0.0, 0.0, 0.0), **options):
    frame = Frame(voxel_nm, origin_nm)
    return list(surfaces_of(volume.astype(np.uint8), frame, SurfaceOptions(**options)))


def one(volume, *args, **options):
    (found,) = made(volume, *args, **options)
    return found


def _holds(mask, voxel_nm, volume_nm3):
    """Whether the voxels themselves are right: those of a ball on a grid can be 5 % too few."""
    return mask.sum() * np.prod(voxel_nm) == pytest.approx(volume_nm3, rel=0.006)


offsets = st.tuples(*[st.floats(-0.5, 0.5)] * 3)


@settings(max_examples=10, deadline=None)
@given(radius=st.floats(7, 12), finer=st.floats(1, 2.5), offset=offsets, scale=st.floats(0.5, 20))
def test_a_ball_has_its_volume_its_area_and_its_thickness(radius, finer, offset, scale):
    voxel_nm = (scale, scale / finer, scale / finer)
    radius_nm = radius * scale
    mask = voxels(ball(radius_nm), radius_nm, voxel_nm, offset)
    assume(_holds(mask, voxel_nm, 4 / 3 * np.pi * radius_nm**3))
    found = one(mask, voxel_nm)
    assert found.form.volume_nm3 == pytest.approx(4 / 3 * np.pi * radius_nm**3, rel=WITHIN)
    assert found.form.area_nm2 == pytest.approx(4 * np.pi * radius_nm**2, rel=WITHIN)
    assert found.thickness.median_nm == pytest.approx(2 * radius_nm, rel=0.1)
    assert (found.form.euler, found.form.handles, found.form.watertight) == (2, 0, True)


@settings(max_examples=6, deadline=None)
@given(
    small=st.floats(5, 6), ratio=st.floats(2.2, 2.6), finer=st.floats(1, 2), offset=offsets,
    turn=st.integers(0, 10**6),
)  # fmt: skip
def test_a_ring_has_its_volume_and_area_however_it_lies(small, ratio, finer, offset, turn):
    voxel_nm = (1.0, 1.0 / finer, 1.0 / finer)
    large = small * ratio
    mask = voxels(ring(large, small), large + small, voxel_nm, offset, turned(turn))
    assume(_holds(mask, voxel_nm, 2 * np.pi**2 * large * small**2))
    found = one(mask, voxel_nm)
    assert found.form.volume_nm3 == pytest.approx(2 * np.pi**2 * large * small**2, rel=WITHIN)
    assert found.form.area_nm2 == pytest.approx(4 * np.pi**2 * large * small, rel=WITHIN)
    assert (found.form.euler, found.form.handles, found.form.watertight) == (0, 1, True)
    assert found.thickness.median_nm == pytest.approx(2 * small, rel=0.06)


def test_the_frame_says_where_a_surface_lies():
    mask = np.zeros((20, 30, 40), bool)
    mask[5:11, 8:20, 4:34] = True
    found = one(mask, (4.0, 2.0, 1.0), (100.0, 200.0, 300.0), smooth_nm=0.5, smooth_z_nm=2.0)
    middle_xyz_nm = (found.vertices_nm.min(0) + found.vertices_nm.max(0)) / 2
    assert middle_xyz_nm == pytest.approx([300 + 18.5, 200 + 2 * 13.5, 100 + 4 * 7.5], abs=0.05)
    assert np.ptp(found.vertices_nm, axis=0) == pytest.approx([30, 24, 24], abs=1.5)


@pytest.mark.parametrize("simplify", [True, False])
def test_faces_look_outwards(simplify):
    found = one(voxels(ball(8), 8, (1, 1, 1)), simplify=simplify)
    corners = found.vertices_nm[found.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = corners.mean(1) - found.vertices_nm.mean(0)
    assert (np.einsum("ij,ij->i", normals, outwards) > 0).all()


def test_fewer_faces_do_for_what_is_smooth():
    mask = voxels(ball(15), 15, (1, 1, 1))
    all_faces, fewer = one(mask, simplify=False), one(mask)
    assert len(fewer.faces) < 0.3 * len(all_faces.faces)
    assert fewer.form.is_like(all_faces.form)


def _two_balls(apart_nm, radius_nm=10.0):
    def inside(a, b, c):
        return ball(radius_nm)(a - apart_nm / 2, b, c) | ball(radius_nm)(a + apart_nm / 2, b, c)

    return voxels(inside, radius_nm + apart_nm / 2, (1, 1, 1))


def test_parts_that_touch_are_two_if_their_labels_are():
    mask = _two_balls(20)
    labels = mask * np.where(np.arange(mask.shape[2]) < mask.shape[2] // 2, 1, 2)
    found = made(labels)
    assert [part.label for part in found] == [1, 2]
    for part in found:
        assert part.form.volume_nm3 == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.02)
        assert (part.form.euler, part.form.watertight) == (2, True)
    whole_nm3 = sum(part.form.volume_nm3 for part in found)
    assert whole_nm3 == pytest.approx(mask.sum(), rel=WITHIN)


def test_parts_are_cut_at_a_neck_on_demand():
    mask = _two_balls(18.5)  # their neck is 7.6 nm wide
    assert len(made(mask)) == 1
    assert len(made(mask, neck_nm=5)) == 1
    found = made(mask, neck_nm=12)
    cap_nm3 = np.pi * 0.75**2 * (30 - 0.75) / 3
    for part in found:
        assert part.form.volume_nm3 == pytest.approx(4 / 3 * np.pi * 10**3 - cap_nm3, rel=0.02)
        assert part.form.euler == 2
    assert len(found) == 2
    # What would be too small stays where it is.
    assert len(made(mask, neck_nm=12, smallest_nm3=5000)) == 1


def test_parts_of_one_label_are_divided_and_small_ones_dropped():
    labels = np.zeros((30, 30, 60), np.uint8)
    labels[5:15, 5:15, 5:15] = labels[5:15, 5:15, 30:40] = 3
    labels[20:22, 20:22, 20:22] = 3
    assert len(made(labels)) == 3
    found = made(labels, smallest_nm3=9, labels={3: "cube"})
    assert [part.name for part in found] == ["cube_001", "cube_002"]
    assert made(labels, labels={2: "other"}) == []


def test_a_hollow_belongs_to_the_part_around_it():
    outer, inner = ball(14), ball(8)
    mask = voxels(lambda *at: outer(*at) & ~inner(*at), 14, (1, 1, 1))
    found = one(mask)
    assert found.form.volume_nm3 == pytest.approx(4 / 3 * np.pi * (14**3 - 8**3), rel=WITHIN)
    assert found.form.area_nm2 == pytest.approx(4 * np.pi * (14**2 + 8**2), rel=0.015)
    assert (found.form.euler, found.form.shells, found.form.handles) == (4, 2, 0)
    assert found.thickness.median_nm == pytest.approx(6, rel=0.08)


def test_what_reaches_the_border_is_closed_there():
    mask = voxels(ball(12), 12, (1, 1, 1))
    half = mask[mask.shape[0] // 2 :]
    found = one(half)
    assert found.at_border and found.form.watertight
    assert found.form.volume_nm3 == pytest.approx(half.sum(), rel=4e-3)
    assert not one(mask).at_border


@pytest.mark.parametrize("turn", [0, 1])
def test_a_plate_is_as_thick_as_it_is(turn):
    mask = voxels(plate(6.0, 60.0), 33, (1, 1, 1), (0.5, 0.5, 0.5), turned(turn) if turn else None)
    assert one(mask).thickness.median_nm == pytest.approx(6.0, rel=0.08)


def test_sections_that_jitter_are_smoothed_along_z():
    rng = np.random.default_rng(3)
    labels = np.zeros((20, 60, 60), np.uint8)
    for section in range(2, 18):
        row, column = 30 + rng.integers(-2, 3, 2)
        y, x = np.mgrid[:60, :60]
        labels[section] = np.hypot(y - row, x - column) < 14
    rough = one(labels, (40.0, 10.0, 10.0), smooth_nm=10.0)
    smooth = one(labels, (40.0, 10.0, 10.0), smooth_nm=10.0, smooth_z_nm=80.0)
    wanted_nm2 = 2 * np.pi * 140 * (16 * 40) + 2 * np.pi * 140**2
    assert rough.form.area_nm2 > 1.08 * wanted_nm2
    assert smooth.form.area_nm2 == pytest.approx(wanted_nm2, rel=0.06)
    assert smooth.form.volume_nm3 == pytest.approx(rough.form.volume_nm3, rel=6e-3)


def test_a_single_voxel_has_a_surface():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    found = one(mask, (2.0, 2.0, 2.0))
    assert found.form.volume_nm3 == pytest.approx(8, rel=0.02)
    assert found.form.watertight


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**9), st.floats(0.2, 0.7))
def test_any_voxels_give_closed_surfaces(seed, density):
    mask = np.random.default_rng(seed).random((7, 6, 5)) < density
    found = made(mask, smooth_nm=0.4)
    assert all(part.form.watertight and part.form.volume_nm3 > 0 for part in found)
    assert all(part.form.euler % 2 == 0 for part in found)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((3, 3, 3), 0.5), "between whole numbers"),
        (np.full((3, 3, 3), np.nan), "between whole numbers"),
        (np.full((3, 3, 3), -1), "from -1 to"),
        (np.full((3, 3, 3), 2**30), "Number them anew"),
        (np.zeros((3, 3), int), "3 axes"),
    ],
)
def test_what_is_no_volume_of_labels_is_refused(values, words):
    with pytest.raises(SpaceError) as found:
        list(surfaces_of(values, Frame((1, 1, 1))))
    assert words in str(found.value)


def test_a_part_that_needs_too_much_memory_is_refused_before_it_is_made():
    with pytest.raises(SpaceError, match="of memory"):
        made(np.ones((30, 30, 30)), memory_gb=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"smooth_nm": -1.0}, "smooth_nm"),
        ({"neck_nm": float("nan")}, "neck_nm"),
        ({"smallest_nm3": -1}, "smallest_nm3"),
        ({"formats": ("vrml",)}, "vrml"),
        ({"formats": ()}, "No kind"),
        ({"labels": {0: "nothing"}}, "0 is no label"),
        ({"labels": {1: "../up"}}, "name"),
        ({"memory_gb": 0}, "memory_gb"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(SpaceError, match=words):
        SurfaceOptions(**options)
