"""Squares of simulated grids that nobody has milled, and the holes of those that are mapped.

Each grid is recorded as a map of the whole grid, in conditions drawn over the range of
`training.grid_maps` (noise, blur, haze, any direction, mirrored, displaced and unevenly bright
tiles), and stretched to 8 bits as sessions save it. A square is found when its middle is within a
tenth of the pitch. Squares in missing tiles, and those at the rim or in part under the ice of the
dark corner, are left out; what is wholly under that ice counts as one of thick ice.

One intact square of each grid is mapped in part, and the holes are looked for that nothing covers.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from space.pictures import to_8_bit
from space.simulator.specimen import LABEL, SQUARE_KINDS, Grid, UnmilledFilm, unmilled_grid
from space.squares import find_squares
from space.targeting import find_holes
from training.grid_maps import MODEL_PIXEL_NM, GridMap, draw_conditions
from training.recording import NOISE_NM, Tile, draw_tiles, exposed, view

from .common import parser, report

REACH_UM = 1060.0
NEAR_PITCHES = 0.1
HOLE_WITHIN_UM = 0.1
MAP_UM, MAP_NM = 30.0, 20.0
#: Where cells cover more of them, a map has no lattice to be found.
FREE_LEAST = 12


@dataclass
class Tally:
    """What was found, summed over grids."""

    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: int = 0
    errors_um: list[float] = field(default_factory=list)
    wrong_share: list[float] = field(default_factory=list)
    best_intact: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    holes: int = 0
    holes_found: int = 0
    holes_false: int = 0
    hole_errors_um: list[float] = field(default_factory=list)
    covered: int = 0


def look_at_grid(tally: Tally, grid: Grid, rng: np.random.Generator) -> None:
    """Find the squares of a grid and hold them against the truth."""
    conditions = draw_conditions(rng)
    pixel_um = 1e-3 * MODEL_PIXEL_NM * conditions.magnification
    side = int(2 * REACH_UM / pixel_um)
    tile_px = tuple(max(64, round(t / pixel_um)) for t in conditions.tile_um)
    tiles = draw_tiles(rng, (side, side), tile_px, conditions.faulty)
    seen = GridMap(grid, [], conditions, (0.0, 1.0)).recorded(rng, (0, 0), (side, side), tiles)
    picture = to_8_bit(seen.transmission)
    begun = time.process_time()
    found = find_squares(picture, pixel_um)
    tally.seconds.append(time.process_time() - begun)
    film = _film(grid)
    back = np.linalg.inv(seen.px_to_grid[:, :2]).T
    truth = []
    for square in film.squares():
        place = ((np.array(square.center_um) - seen.px_to_grid[:, 2]) @ back)[::-1]
        if not _is_missing(place, tiles, film.half_open_um / pixel_um):
            truth.append((place - _displaced_px(place, tiles), square))
    if found is None:
        tally.missed += len(truth)
        return
    centers = np.array([square.center_px for square in found.squares])
    away, nearest = cKDTree(centers).query([place for place, _ in truth])
    near = away <= NEAR_PITCHES * film.mesh_pitch_um / pixel_um
    tally.missed += int((~near).sum())
    tally.errors_um += (away[near] * pixel_um).tolist()
    pairs = [
        (square.kind, found.squares[k].look.category)
        for (_, square), k, ok in zip(truth, nearest, near)
        if ok
    ]
    tally.classes.update(pairs)
    tally.wrong_share.append(float(np.mean([kind != called for kind, called in pairs])))
    kind_of = {int(k): square.kind for (_, square), k, ok in zip(truth, nearest, near) if ok}
    best = [kind_of[k] for k in range(len(found.squares)) if k in kind_of][:20]
    tally.best_intact.append(float(np.mean([kind == "intact" for kind in best])))


def _is_missing(place: np.ndarray, tiles: list[Tile], half_px: float) -> bool:
    """Whether a square is in part where no tile was recorded."""
    return any(
        tile.missing
        and tile.rows[0] - half_px < place[0] < tile.rows[1] + half_px
        and tile.cols[0] - half_px < place[1] < tile.cols[1] + half_px
        for tile in tiles
    )


def _displaced_px(place: np.ndarray, tiles: list[Tile]) -> np.ndarray:
    """How far (rows, columns) the tile that shows a place was taken from where it should be."""
    for tile in tiles:
        moved = np.array(tile.shift_px)[::-1]
        row, column = place - moved
        if tile.rows[0] <= row < tile.rows[1] and tile.cols[0] <= column < tile.cols[1]:
            return moved
    return np.zeros(2)


def look_at_holes(tally: Tally, grid: Grid, rng: np.random.Generator) -> None:
    """Map a part of an intact square and hold its holes against the truth."""
    film = _film(grid)
    intact = [square for square in film.squares() if square.kind == "intact"]
    square = intact[rng.integers(len(intact))]
    room_um = max(film.half_open_um - 3.0 - MAP_UM / 2, 0.0)
    center = np.array(square.center_um) + rng.uniform(-0.6, 0.6, 2) * room_um
    pixel_um = 1e-3 * MAP_NM
    side = round(MAP_UM / pixel_um)
    m = view(center, pixel_um, (side, side), rng.uniform(0, 360))
    seen = grid.transmission(m, (side, side), pixel_um)
    labels = grid.label_map(m, (side, side))
    found = find_holes(to_8_bit(exposed(rng, seen, NOISE_NM / MAP_NM)), bright=True)
    holes = film.holes_um((float(center[0]), float(center[1])), MAP_UM)
    places = ((holes - m[:, 2]) @ np.linalg.inv(m[:, :2]).T)[:, ::-1]
    radius = film.hole_radius_um / pixel_um
    inside = places[((places > radius) & (places < side - radius)).all(axis=1)]
    rows, columns = inside.astype(int).T
    free = inside[np.isin(labels[rows, columns], [LABEL["lamella"], LABEL["vesicles"]])]
    if len(free) < FREE_LEAST:
        tally.covered += 1
        return
    tally.holes += len(free)
    if found is None:
        return
    away = cKDTree(found.holes_map_px).query(free)[0] * pixel_um
    tally.holes_found += int((away <= HOLE_WITHIN_UM).sum())
    tally.hole_errors_um += away[away <= HOLE_WITHIN_UM].tolist()
    beside = cKDTree(places).query(found.holes_map_px)[0] * pixel_um
    tally.holes_false += int((beside > HOLE_WITHIN_UM).sum())


def _film(grid: Grid) -> UnmilledFilm:
    if not isinstance(grid.film, UnmilledFilm):
        raise TypeError("The grid is milled.")
    return grid.film


def numbers(tally: Tally) -> dict[str, object]:
    """The measures."""
    n_found = sum(tally.classes.values())
    right = {kind: tally.classes[kind, kind] for kind in SQUARE_KINDS}
    of_kind = {
        kind: sum(count for (true, _), count in tally.classes.items() if true == kind)
        for kind in SQUARE_KINDS
    }
    return {
        "squares": n_found + tally.missed,
        "squares_found": round(n_found / max(n_found + tally.missed, 1), 4),
        "class_right": round(sum(right.values()) / max(n_found, 1), 4),
        "class_right_worst_grid": round(1 - max(tally.wrong_share, default=1.0), 4),
        "best_20_intact": round(float(np.mean(tally.best_intact)), 4),
        "center_error_um_median": round(float(np.median(tally.errors_um)), 2),
        "center_error_um_95": round(float(np.quantile(tally.errors_um, 0.95)), 2),
        "right_of_class": {
            kind: f"{right[kind] / max(of_kind[kind], 1):.4f} of {of_kind[kind]}"
            for kind in SQUARE_KINDS
        },
        "taken_for": {
            f"{true} for {called}": count
            for (true, called), count in sorted(tally.classes.items())
            if true != called
        },
        "cpu_seconds_median": round(float(np.median(tally.seconds)), 2),
        "holes": tally.holes,
        "holes_found": round(tally.holes_found / max(tally.holes, 1), 4),
        "holes_false": tally.holes_false,
        "hole_error_um_median": round(float(np.median(tally.hole_errors_um)), 4),
        "maps_covered": tally.covered,
    }


def main() -> None:
    """Command line."""
    args = parser(__doc__.splitlines()[0], n=30).parse_args()
    tally = Tally()
    for seed in range(args.seed_start, args.seed_start + args.n):
        grid = unmilled_grid(seed)
        rng = np.random.default_rng([77, seed])
        look_at_grid(tally, grid, rng)
        look_at_holes(tally, grid, rng)
    report({"grids": args.n, **numbers(tally)}, args.json)


if __name__ == "__main__":
    main()
