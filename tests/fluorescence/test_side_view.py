"""Features of a fluorescence volume in a picture from the side: in the lamella or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from space.errors import SpaceError
from space.fluorescence.side_view import _depths, _jacobian, fit_side_view, is_inside

LAMELLA = np.array([[-0.3, -5.0], [-0.3, 5.0], [0.3, 5.0], [0.3, -5.0]])


def scene(
    seed: int, count: int = 8, error_um: float = 0.1, mirrored: bool = False, high: float = 6
):
    """Beads in a volume, where they are seen, and the true projection."""
    rng = np.random.default_rng(seed)
    beads = rng.uniform(-1, 1, (count, 3)) * (20, 20, high)
    true = Rotation.random(random_state=seed).as_matrix()[:2] * rng.uniform(0.8, 1.2)
    if mirrored:
        true = true @ np.diag([1.0, 1.0, -1.0])
    offset = rng.uniform(-30, 30, 2)
    seen = beads @ true.T + offset + rng.normal(0, error_um, (count, 2))
    return beads, seen, true, offset


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_without_errors_the_projection_is_found_also_of_a_mirrored_stack(seed, mirrored):
    beads, seen, true, offset = scene(seed, error_um=0.0, mirrored=mirrored)
    view = fit_side_view(beads, seen)
    np.testing.assert_allclose(np.array(view.matrix)[:, :3], true, atol=1e-5)
    np.testing.assert_allclose(np.array(view.matrix)[:, 3], offset, atol=1e-4)
    assert max(view.residuals_um) < 1e-4
    along = np.cross(*true)
    angle = np.degrees(np.arcsin(abs(along[2]) / np.linalg.norm(along)))
    assert view.grazing_deg == pytest.approx(angle, abs=0.01)


def test_errors_that_are_told_are_those_that_are_made():
    """In units of what is told, errors along an axis have a mean square of about 1."""
    squares, told = [], []
    for seed in range(30):
        beads, seen, true, offset = scene(100 + seed, count=7)
        try:
            view = fit_side_view(beads, seen, usual_um=0.1)
        except SpaceError:
            continue
        points = np.random.default_rng(seed).uniform(-1, 1, (10, 3)) * (15, 15, 5)
        off = view.to_picture(points) - points @ true.T - offset
        inverse = np.linalg.inv(view.covariance_um2(points) + 1e-12 * np.eye(2))
        squares += np.einsum("ni,nij,nj->n", off, inverse, off).tolist()
        told.append(np.sqrt(np.trace(view.covariance_um2(points[:1])[0]) / 2))
    assert len(told) > 22 and np.median(told) < 0.15
    assert 0.6 < np.mean(squares) / 2 < 1.6


def test_the_derivatives_are_those_of_the_projection():
    beads, _, true, _ = scene(3)
    scale = np.linalg.norm(true[0])
    turn = np.vstack([true / scale, np.cross(*true) / scale**2])
    found, small = _jacobian(true, beads), 1e-6
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = small
        moved = scale * (Rotation.from_rotvec(step).as_matrix() @ turn)[:2]
        np.testing.assert_allclose(
            found[:, :, axis], (beads @ moved.T - beads @ true.T) / small, atol=1e-3
        )
    np.testing.assert_allclose(found[:, :, 3], beads @ true.T, atol=1e-9)


def test_beads_in_one_plane_are_refused():
    beads, seen, *_ = scene(4, high=0.0)
    with pytest.raises(SpaceError, match="one plane"):
        fit_side_view(beads, seen)
    with pytest.raises(SpaceError, match="3 beads"):
        fit_side_view(beads[:3], seen[:3])
    seen[0, 0] = np.nan
    with pytest.raises(SpaceError, match="not a place"):
        fit_side_view(beads, seen)


def test_a_wrong_bead_is_far_from_where_the_others_put_it():
    beads, seen, *_ = scene(6, count=9, error_um=0.05)
    seen[2] += (3.0, -2.0)
    view = fit_side_view(beads, seen)
    assert int(np.nanargmax(view.left_out_um)) == 2 and view.left_out_um[2] > 2.0


def test_a_feature_within_the_lamella_is_told_from_one_above_it():
    beads, _, true, _ = scene(8, count=12)
    rng = np.random.default_rng(1)
    seen = beads @ true.T + rng.normal(0, 0.05, (12, 2))
    back = np.linalg.pinv(true)
    features = np.array([back @ place for place in ((0.0, 1.0), (2.0, 0.0), (0.3, 0.0))])
    within, above, edge = is_inside(fit_side_view(beads, seen, 0.05), features, LAMELLA, 0.05)
    assert within.probability > 0.97 and within.depth_um == pytest.approx(0.3, abs=0.1)
    assert above.probability < 0.01 and above.depth_um == pytest.approx(-1.7, abs=0.15)
    assert 0.1 < edge.probability < 0.9
    with pytest.raises(SpaceError, match="enclose nothing"):
        is_inside(fit_side_view(beads, seen), features, LAMELLA[:2])


def test_the_command_tells_of_each_feature(tmp_path, capsys):
    from space.cli import main

    beads, _, true, _ = scene(8, count=10)
    pixel_um = 0.05
    seen = (beads @ true.T + (20.0, 30.0)) / pixel_um
    flat = beads / (1.0, 1.0, 1.5)  # as a focus shows them
    tables = {
        "beads": ("x_um,y_um,z_um,row,column", np.column_stack([flat, seen])),
        "features": ("x_um,y_um,z_um", flat[:2]),
        "corners": ("row,column", seen[0] + np.array([[-9, -9], [-9, 9], [9, 9], [9, -9]])),
    }
    for name, (first, numbers) in tables.items():
        np.savetxt(tmp_path / f"{name}.csv", numbers, "%.6f", ",", header=first, comments="")
    words = ["clem", "depth", *(str(tmp_path / f"{one}.csv") for one in ("beads", "features")),
             "--pixel-um", str(pixel_um), "--z-factor", "1.5"]  # fmt: skip
    assert main([*words, "--lamella", str(tmp_path / "corners.csv")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("10 beads; the view is ")
    assert "inside the edge" in said[-2] and said[-2].endswith(" %")
    assert said[-1].endswith("in the lamella: 0 %")
    assert main(words) == 0
    row, column = seen[1]
    assert capsys.readouterr().out.endswith(f"2: row {row:.1f}, column {column:.1f}\n")
    (tmp_path / "beads.csv").write_text("x_um,y_um\n1,2\n", encoding="utf-8")
    assert main(words) == 2 and "z_um, row, column" in capsys.readouterr().err


@settings(max_examples=50)
@given(st.floats(-2, 2), st.floats(-7, 7))
def test_depth_in_a_rectangle_is_the_distance_from_its_edge(row, column):
    (found,) = _depths(np.array([[row, column]]), LAMELLA)
    down, across = abs(row) - 0.3, abs(column) - 5.0
    outside = np.hypot(max(down, 0), max(across, 0))
    assert found == pytest.approx(-outside if outside > 0 else -max(down, across), abs=1e-9)
