"""Grids that nobody has milled: what is painted is what the truth says."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.keeping import Setup
from space.simulator.options import OptionError, made_of
from space.simulator.specimen import LABEL, SQUARE_KINDS, unmilled_grid

SEEDS = (3, 4)


def view_of_square(square, width_um: float, pixel_um: float):
    """Affine map and shape of a picture of a square."""
    n = round(width_um / pixel_um)
    corner = np.array(square.center_um) - width_um / 2
    return np.column_stack([pixel_um * np.eye(2), corner]), (n, n)


@pytest.fixture(scope="module", params=SEEDS)
def grid(request):
    return unmilled_grid(request.param)


def shares(grid, square) -> tuple[float, float, float]:
    """Share of a square's middle that is vacuum, that is opaque, and the median of the rest."""
    m, shape = view_of_square(square, 1.3 * grid.film.half_open_um, 0.4)
    seen = grid.transmission(m, shape, 0.4)
    film = seen[(seen < 0.99) & (seen > 0.1)]
    return (seen > 0.99).mean(), (seen < 0.1).mean(), np.median(film) if film.size else 0.0


def test_squares_look_as_their_kind_says(grid):
    by_kind = {kind: [] for kind in SQUARE_KINDS}
    for square in grid.film.squares():
        if np.isfinite(square.ice_nm):
            by_kind[square.kind].append(square)
    seen = {
        kind: np.array([shares(grid, square) for square in squares[:12]])
        for kind, squares in by_kind.items()
    }
    assert all(len(values) >= 3 for values in seen.values())
    vacuum, opaque, film = 0, 1, 2
    assert (seen["broken"][:, vacuum] > 0.06).all()
    assert np.median(seen["thick ice"][:, opaque]) > 0.5
    assert seen["empty"][:, film].min() > np.quantile(seen["intact"][:, film], 0.9)
    littered = np.median(seen["contaminated"][:, opaque])
    assert littered > 0.05 and (seen["intact"][:, vacuum] < 0.01).all()
    assert (seen["intact"][:, opaque] < 0.75).all()


def test_holes_are_open_where_the_truth_says_and_labels_follow_the_paint(grid):
    square = next(s for s in grid.film.squares() if s.kind == "intact" and s.ice_nm < 150)
    m, shape = view_of_square(square, 30.0, 0.05)
    seen, labels = grid.transmission(m, shape, 0.05), grid.label_map(m, shape)
    assert not np.isin(labels, [LABEL["background"], LABEL["white"]]).any()
    holes = grid.film.holes_um(square.center_um, 14.0)
    between = holes + np.array([0.5, 0.5]) @ grid_step(grid)
    at = np.floor((holes - m[:, 2]) / 0.05).astype(int)
    beside = np.floor((between - m[:, 2]) / 0.05).astype(int)
    beside = beside[((beside >= 0) & (beside < shape[0])).all(axis=1)]
    at, beside = (p[labels[p[:, 1], p[:, 0]] == LABEL["lamella"]] for p in (at, beside))
    assert len(at) >= 6
    assert np.median(seen[at[:, 1], at[:, 0]]) > 1.1 * np.median(seen[beside[:, 1], beside[:, 0]])
    assert seen[labels == LABEL["black"]].size == 0 or seen[labels == LABEL["black"]].max() < 0.3


def grid_step(grid) -> np.ndarray:
    angle, pitch = np.radians(grid.film.hole_deg), grid.film.hole_pitch_um
    return pitch * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def test_torn_film_is_labelled_vacuum_and_what_is_hidden_has_no_square(grid):
    film = grid.film
    torn = next(s for s in film.squares() if s.kind == "broken")
    n = film.half
    tear = film.tears_um[torn.index[0] + n, torn.index[1] + n]
    angle = np.radians(film.mesh_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    place = turn @ tear[:2] + torn.center_um
    m = np.column_stack([0.4 * np.eye(2), place - 2.0])
    assert (grid.label_map(m, (10, 10)) == LABEL["white"]).all()
    cx, cy, radius = film.dark_corner_um
    for square in film.squares():
        away = np.hypot(square.center_um[0] - cx, square.center_um[1] - cy)
        assert square.kind == "thick ice" or away > radius


def test_a_session_of_unmilled_grids_is_planned_and_refuses_lamellae():
    setup = Setup.of(seed=2, lamellae=4, unmilled=True)
    assert Setup.from_dict(setup.to_dict()) == setup
    grid = setup.grids[0].grid()
    assert grid.lamellae == () and grid.film.squares()
    assert np.array_equal(grid.film.kinds, unmilled_grid(201).film.kinds)
    asked = {"unmilled": True, "lamellae": 3, "kinds": None}
    with pytest.raises(OptionError, match="no lamellae"):
        made_of(_Given(**asked))


class _Given:
    """What a command line gave."""

    def __init__(self, **values) -> None:
        self.__dict__.update(values)
