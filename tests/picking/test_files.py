"""Tomograms and coordinates, as other programs write and read them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import starfile
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.picking.files import (
    KINDS,
    ORDERS,
    in_file_order,
    open_tomogram,
    points_zyx,
    read_coordinates,
    read_list,
    write_picks,
)
from space.picking.peaks import Picks
from space.volumes import Frame, write_mrc

SHAPE = (9, 14, 20)
POINTS = np.array([[4.0, 5.25, 6.5], [1.0, 13.0, 19.0], [8.0, 0.0, 0.5]])
PICKS = Picks(POINTS, np.array([0.9, 0.5, 0.25]))


def tomogram(folder, order="xyz", joined=False, name="t1"):
    """Write a volume whose values say where they are, with its axes in an order; open it."""
    z, y, x = np.ogrid[tuple(map(slice, SHAPE))]
    data = (10000 * z + 100 * y + x).astype(np.float32)
    in_file = data.transpose(["zyx".index(axis) for axis in order[::-1]])
    path = folder / f"{name}.mrc"
    write_mrc(path, in_file, Frame((1.5, 1.5, 1.5)))
    return data, open_tomogram(path, name, order, joined)


@pytest.mark.parametrize("order", ORDERS)
def test_axes_come_in_order(tmp_path, order):
    data, found = tomogram(tmp_path, order)
    assert found.shape == SHAPE
    part = (slice(2, 7), slice(3, 9), slice(0, 20))
    assert (found[part] == data[part]).all()


def test_exchanged_axes_mirror(tmp_path):
    hands = {order: tomogram(tmp_path, order)[1].frame.handedness for order in ORDERS}
    assert hands == {"xyz": "right", "xzy": "left", "zxy": "right"}


def test_two_sections_are_joined_by_choice(tmp_path):
    data, found = tomogram(tmp_path, "xzy", joined=True)
    assert found.shape == (4, 14, 20)
    joined = (data[0:8:2] + data[1:8:2]) / 2
    part = (slice(1, 3), slice(0, 14), slice(5, 20))
    assert (found[part] == joined[part]).all()
    assert found.frame.voxel_nm == (3.0, 1.5, 1.5)
    # A section of two joined ones lies in the middle between them.
    assert found.to_shown(np.array([[2.5, 3, 4]])).tolist() == [[1, 3, 4]]
    assert np.allclose(found.to_file(found.to_shown(POINTS)), POINTS)


@given(order=st.sampled_from(ORDERS))
def test_points_in_the_order_of_a_file_come_back(order):
    assert (points_zyx(in_file_order(POINTS, order), order) == POINTS).all()


@pytest.mark.parametrize(("kind", "order"), list(itertools.product(KINDS, ("xyz", "zxy"))))
def test_picks_come_back_from_each_kind_of_file(tmp_path, kind, order):
    _, found = tomogram(tmp_path, order)
    (path,) = write_picks(tmp_path / "out", {"t1": PICKS}, {"t1": found}, [kind])
    # Models and points are in the order of the volume, tables name their columns.
    in_file = order if kind in ("mod", "points") else "xyz"
    back = read_coordinates(path, {"t1": found}, in_file)["t1"]
    assert np.allclose(back.points_px, POINTS, atol=0.01)
    if kind not in ("mod", "points"):
        assert np.allclose(back.scores, PICKS.scores)


def test_relion_counts_from_the_middle_in_angstrom(tmp_path):
    _, found = tomogram(tmp_path)
    middle = Picks(np.array([SHAPE]) / 2 + [[0, 0, 2.0]], np.ones(1))
    (path,) = write_picks(tmp_path, {"t1": middle}, {"t1": found}, ["star"])
    told = starfile.read(path)
    assert np.allclose(told["rlnCenteredCoordinateXAngst"], 30)
    assert np.allclose(told["rlnCenteredCoordinateZAngst"], 0)


def test_unbinned_coordinates_of_relion_are_scaled(tmp_path):
    _, found = tomogram(tmp_path)
    path = tmp_path / "a.star"
    path.write_text(
        "data_particles\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"
        "t1 40 20 8\n",
        encoding="utf-8",
    )
    back = read_coordinates(path, {"t1": found}, scale=0.25)["t1"]
    assert back.points_px.tolist() == [[2, 5, 10]]


def test_a_table_as_cet_pick_has_it(tmp_path):
    _, first = tomogram(tmp_path)
    path = tmp_path / "coords.txt"
    path.write_text(
        "image_name\tx_coord\ty_coord\tz_coord\nt1\t3\t2\t1\nt1\t10\t11\t8\n", encoding="utf-8"
    )
    assert read_coordinates(path, {"t1": first})["t1"].points_px.tolist() == [
        [1, 2, 3],
        [8, 11, 10],
    ]


@pytest.mark.parametrize("line", ["1 1 3 2 1", "3 2 1", "\t3\t2\t1"])
def test_points_as_model2point_writes_them(tmp_path, line):
    _, found = tomogram(tmp_path)
    path = tmp_path / "t1.txt"
    path.write_text(line + "\n", encoding="utf-8")
    assert read_coordinates(path, {"t1": found})["t1"].points_px.tolist() == [[1, 2, 3]]


def test_points_outside_are_refused_with_what_to_do(tmp_path):
    _, found = tomogram(tmp_path)
    path = tmp_path / "t1.txt"
    path.write_text("3 2 15\n", encoding="utf-8")
    with pytest.raises(SpaceError, match="1 of 1 particles lie outside"):
        read_coordinates(path, {"t1": found})


@pytest.mark.parametrize("header", ["image_name\trec_path", "image_name\tpath", "Name\tImage_path"])
def test_lists_of_tomograms(tmp_path, header):
    tomogram(tmp_path)
    (tmp_path / "list.txt").write_text(f"{header}\nt1\tt1.mrc\nt2\t/far/t2.mrc\n", encoding="utf-8")
    found = read_list(tmp_path / "list.txt")
    assert [one.name for one in found] == ["t1", "t2"]
    assert found[0].path == tmp_path / "t1.mrc"


def test_a_volume_is_a_list_of_one(tmp_path):
    assert [one.name for one in read_list(tmp_path / "a.mrc")] == ["a"]


@pytest.mark.parametrize(
    "text", ["", "image_name\trec_path\n", "a\tb\nc\td\n", "image_name\tpath\nx\n",
             "image_name\tpath\na\tx\na\ty\n"],
)  # fmt: skip
def test_what_is_no_list_is_refused(tmp_path, text):
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    with pytest.raises(SpaceError):
        read_list(tmp_path / "list.txt")
