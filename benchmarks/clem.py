"""Fluorescence on maps: how exactly it is registered, and whether targets hit what fluoresces.

The grids and the light microscope are simulated, with a geometry of their own (turned, mirrored,
sheared, distorted, blurred); what lies where is judged by it. Three measurements, for each seed:

- pairs: the error at places all over the picture after four pairs with a click error
- search: beads or holes found in both; right, refused, or wrong by more than 2 µm at some place
- targets: on a lamella whose cells are partly fluorescent, chosen by the signal alone
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.fluorescence import (
    Features,
    Look,
    Picture,
    Registration,
    likely_signal,
    map_error_um,
    on_map,
    overlaid,
    register,
    search,
    shown,
    usual_look,
)
from space.pictures import to_8_bit
from space.simulator.fluorescence import (
    Field,
    Light,
    Stain,
    Taken,
    draw_beads,
    draw_field,
    stained,
    take,
)
from space.simulator.specimen import LABELS, Grid, Lamella
from space.targeting import Choice, ExposureOptics, KnownMap, TargetingOptions, select_targets
from space.targeting.scoring import with_signals

FIELD_PX, FIELD_UM = 900, 0.2
MAP_PX, MAP_UM = 1300, 0.2
LAMELLA_PX, LAMELLA_UM = 1400, 0.02
CLICK_UM = 0.2
WRONG_UM = 2.0
RECORD_UM, BEAM_UM = (1.2, 0.86), 1.4
LEAST_SCORE = 0.5
_SPREAD = 12


@dataclass(frozen=True, eq=False)
class Map:
    """A map by the electron microscope: where it lies, and what it shows."""

    px_to_grid: np.ndarray
    shape: tuple[int, int]
    pixel_um: float

    def to_px(self, places_um: np.ndarray) -> np.ndarray:
        """(row, column) of places (x, y) of the grid."""
        back = np.linalg.inv(self.px_to_grid[:, :2])
        return ((places_um - self.px_to_grid[:, 2]) @ back.T)[:, ::-1]


def drawn_map(
    rng: np.random.Generator, center_um: np.ndarray, side_px: int, pixel_um: float
) -> Map:
    angle = rng.uniform(0, 2 * np.pi)
    turn = pixel_um * np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    offset = center_um - turn @ (side_px / 2, side_px / 2)
    return Map(np.column_stack([turn, offset]), (side_px, side_px), pixel_um)


def places_px(shape: tuple[int, int]) -> np.ndarray:
    """(row, column) all over a picture."""
    steps = [np.linspace(0.05, 0.95, _SPREAD) * side for side in shape]
    return np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 2)


def errors_um(found: Registration, field: Field, map_: Map) -> np.ndarray:
    """How far places of the fluorescence picture that the map shows are from where they are."""
    places = places_px(field.shape)
    true = map_.to_px(field.to_grid(places[:, ::-1]))
    seen = ((true >= 0) & (true <= np.array(map_.shape))).all(axis=1)
    off = found.fit.to_map(places[seen]) - true[seen]
    return np.hypot(*off.T) * map_.pixel_um


def clicked(
    rng: np.random.Generator, field: Field, map_: Map, count: int, around_px: float
) -> Registration:
    """Pairs in as many directions from the middle, each clicked with an error."""
    turn = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count
    turn += rng.uniform(-0.4, 0.4, count)
    away = around_px * rng.uniform(0.6, 1.0, count)
    fm = np.array(field.shape) / 2 + np.stack([np.cos(turn), np.sin(turn)], 1) * away[:, None]
    there = map_.to_px(field.to_grid(fm[:, ::-1]))
    there += rng.normal(0, CLICK_UM / map_.pixel_um, there.shape)
    return register(fm, there, map_.pixel_um, field.shape, map_.shape, usual_um=CLICK_UM)


def scene(seed: int) -> tuple[Grid, np.ndarray, Taken]:
    """A grid, a place on it, and its fluorescence: milled ones and others in turn."""
    rng = np.random.default_rng([51, seed])
    milled = seed % 2 == 0
    grid = Grid.make(seed, 6 if milled else 0, milled=milled)
    there = [lamella for lamella in grid.lamellae if lamella.kind != "gone"]
    square = tuple(int(n) for n in rng.integers(-3, 4, 2))
    center = there[0].center_um if milled else grid.film.square_center_um(*square)
    field = draw_field(seed, center, (FIELD_PX, FIELD_PX), FIELD_UM)
    milled_um = tuple((*one.center_um, one.site.reach_um) for one in grid.lamellae)
    beads = draw_beads(seed, center, 170, rng.uniform(0.3, 3.0), milled_um)
    light = Light(focus_um=grid.film_height_um(*center) + rng.normal(0, 1))
    return grid, np.array(center), take(grid, field, beads, Stain(seed), light, seed)


def measured_search(
    seed: int, grid: Grid, center: np.ndarray, taken: Taken, away_um: float = 0.0
) -> dict[str, object]:
    """Beads and holes found in both; with `away_um`, in a map of another place of the grid."""
    rng = np.random.default_rng([52, seed])
    place = center + rng.uniform(-30, 30, 2)
    if away_um:  # towards the middle, where there is film as well
        far = float(np.linalg.norm(center))
        place -= away_um * (center / far if far > 100 else np.array([1.0, 0.0]))
    map_ = drawn_map(rng, place, MAP_PX, MAP_UM)
    through = grid.transmission(map_.px_to_grid, map_.shape, map_.pixel_um)
    through *= taken.beads.shadow(map_.px_to_grid, map_.shape)
    picture = rng.poisson(through * 60).astype(np.float32)
    channels = {name: Picture(planes[0], FIELD_UM) for name, planes in taken.channels.items()}
    begun = time.process_time()
    features = Features(taken.beads.diameter_um, 2 * grid.film.hole_radius_um)
    try:
        found = search(channels, Picture(picture, map_.pixel_um), features)
    except SpaceError as error:
        return {"search": "refused", "why": error.what, "search_s": time.process_time() - begun}
    off = errors_um(found, taken.field, map_)
    if away_um:
        return {"search": "warned" if found.warnings else "wrong"}
    verdict = "right" if off.max() <= WRONG_UM else "warned" if found.warnings else "wrong"
    return {
        "search": verdict,
        "search_median_um": float(np.median(off)),
        "search_worst_um": float(off.max()),
        "search_s": time.process_time() - begun,
    }


def measured_pairs(seed: int, center: np.ndarray, field: Field) -> dict[str, object]:
    rng = np.random.default_rng([53, seed])
    map_ = drawn_map(rng, center, MAP_PX, MAP_UM)
    found = clicked(rng, field, map_, 4, 0.42 * min(field.shape))
    off = errors_um(found, field, map_)
    told = found.fit.error_um(places_px(field.shape))
    return {
        "pairs_median_um": float(np.median(off)),
        "pairs_rms_um": float(np.sqrt((off**2).mean() / 2)),
        "pairs_told_um": float(np.sqrt((told**2).mean())),
    }


def on_lamella(
    seed: int, grid: Grid, lamella: Lamella
) -> tuple[Taken, Map, Registration, Choice, Look]:
    """A lamella's fluorescence, its map, and targets by signal on its true labels."""
    rng = np.random.default_rng([54, seed])
    center = np.array(lamella.center_um)
    field = draw_field(seed + 1000, lamella.center_um, (400, 400), 0.15)
    stain = Stain(seed, 0.5)
    light = Light(focus_um=lamella.height_um + rng.normal(0, 0.5))
    taken = take(grid, field, draw_beads(seed, lamella.center_um, 40, 0.0), stain, light, seed)
    map_ = drawn_map(rng, center, LAMELLA_PX, LAMELLA_UM)
    found = clicked(rng, field, map_, 4, 70)
    flat = taken.channels["mCherry"].max(axis=0)
    look = usual_look(flat, (255, 60, 60))
    error_um = map_error_um(found, field.shape, map_.shape)
    likely = likely_signal(flat, look.threshold, found.fit, map_.shape, error_um)
    options = TargetingOptions(["fm:mCherry"], ["white", "black", "crack", "ice"],
                               target_score_threshold=LEAST_SCORE)  # fmt: skip
    optics = ExposureOptics(1000 * LAMELLA_UM, RECORD_UM, BEAM_UM, 0.0)
    labels = lamella.label_map(map_.px_to_grid, map_.shape)
    names = {name: value for value, name in enumerate(LABELS)}
    known, names = with_signals(KnownMap(labels), names, {"fm:mCherry": (likely, "")}, options)
    return taken, map_, found, select_targets(known, names, options, optics), look


def measured_targets(seed: int, grid: Grid, lamella: Lamella) -> dict[str, object]:
    taken, map_, found, choice, _ = on_lamella(seed, grid, lamella)
    _, _, cells = stained(lamella, taken.stain, map_.px_to_grid, map_.shape)
    points = np.concatenate([area.targets_map_px for area in choice.areas] or [np.empty((0, 2))])
    at = np.clip(points.astype(int), 0, LAMELLA_PX - 1)
    return {
        "targets": len(points),
        "hits": int((cells[at[:, 0], at[:, 1]] == 2).sum()),
        "fluorescent_um2": float((cells == 2).sum() * LAMELLA_UM**2),
        "cells_um2": float((cells > 0).sum() * LAMELLA_UM**2),
        "error_um": map_error_um(found, taken.field.shape, map_.shape),
    }


def draw(path: Path, seed: int) -> None:
    """Draw a lamella's fluorescence, and its map with it and with the targets on signal."""
    from PIL import Image, ImageDraw

    grid = Grid.make(seed, 1, kinds=("good",))
    lamella = grid.lamellae[0]
    taken, map_, found, choice, look = on_lamella(seed, grid, lamella)
    flat = taken.channels["mCherry"].max(axis=0)
    through = grid.transmission(map_.px_to_grid, map_.shape, map_.pixel_um)
    noisy = np.random.default_rng(seed).poisson(through * 400)
    colored = overlaid(
        to_8_bit(noisy), [(shown(on_map(flat, found.fit, map_.shape), look), look.color)]
    )
    half = [side / LAMELLA_UM / 2 for side in RECORD_UM]
    right = Image.fromarray(colored)
    pen = ImageDraw.Draw(right)
    for row, column in np.concatenate([area.targets_map_px for area in choice.areas]):
        corners = (column - half[0], row - half[1], column + half[0], row + half[1])
        pen.rectangle(corners, outline=(255, 233, 59), width=5)
    black = np.zeros(flat.shape, np.uint8)
    left = Image.fromarray(overlaid(black, [(shown(flat, look), look.color)]))
    side = 560
    sheet = Image.new("RGB", (2 * side + 8, side), "white")
    sheet.paste(left.resize((side, side), Image.Resampling.BICUBIC), (0, 0))
    sheet.paste(right.resize((side, side), Image.Resampling.LANCZOS), (side + 8, 0))
    sheet.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def strangers(seeds: range) -> None:
    """Search in maps of other places: all are to be refused."""
    refused = 0
    for seed in seeds:
        grid, center, taken = scene(seed)
        found = measured_search(seed, grid, center, taken, 420.0)
        refused += found["search"] == "refused"
        print(f"{seed:3d}  {found['search']}", flush=True)
    print(f"maps of other places: {refused} of {len(seeds)} refused")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--strangers", type=int, default=0, help="only search in maps of other places, so many"
    )
    parser.add_argument("--picture", type=Path, help="draw one lamella into this file, and end")
    args = parser.parse_args()
    if args.picture:
        draw(args.picture, args.first)
        return
    if args.strangers:
        strangers(range(args.first, args.first + args.strangers))
        return
    rows: list[dict[str, object]] = []
    for seed in range(args.first, args.first + args.seeds):
        grid, center, taken = scene(seed)
        row: dict[str, object] = {"seed": seed, **measured_pairs(seed, center, taken.field)}
        row |= measured_search(seed, grid, center, taken)
        good = Grid.make(seed, 1, kinds=("good",))
        row |= measured_targets(seed, good, good.lamellae[0])
        rows.append(row)
        print(
            f"{seed:3d}  pairs {row['pairs_median_um']:.2f}  search {row['search']:8s}"
            f"{row.get('search_worst_um', float('nan')):6.2f}  "
            f"targets {row['hits']}/{row['targets']}",
            flush=True,
        )
    print("\n".join(table(rows)))
    if args.json:
        args.json.write_text(json.dumps({"rows": rows}, indent=1), encoding="utf-8")


def table(rows: list[dict[str, object]]) -> list[str]:
    def values(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows if name in row], float)

    pairs, told = values("pairs_median_um"), values("pairs_told_um")
    rms = np.sqrt(np.mean(values("pairs_rms_um") ** 2) / np.mean(told**2))
    counts = {word: sum(row["search"] == word for row in rows)
              for word in ("right", "refused", "warned", "wrong")}  # fmt: skip
    hits, targets = values("hits").sum(), values("targets").sum()
    share = values("fluorescent_um2").sum() / values("cells_um2").sum()
    lines = [
        f"4 pairs, {CLICK_UM} um click error along each axis: median {np.median(pairs):.2f} um, "
        f"90 % {np.percentile(pairs, 90):.2f} um, worst {pairs.max():.2f} um; error made by error "
        f"told {rms:.2f}",
        "search: " + ", ".join(f"{word} {count}" for word, count in counts.items()),
    ]
    if len(values("search_median_um")):
        lines.append(
            f"search, where it answers: median {np.median(values('search_median_um')):.2f} um, "
            f"worst place {values('search_worst_um').max():.2f} um; "
            f"{np.median(values('search_s')):.1f} s of CPU"
        )
    lines.append(
        f"targets by signal, score {LEAST_SCORE} or more: {hits:.0f} of {targets:.0f} in "
        f"fluorescent cells ({hits / max(1, targets):.3f}; {share:.2f} of their area fluoresces)"
    )
    return lines


if __name__ == "__main__":
    main()
