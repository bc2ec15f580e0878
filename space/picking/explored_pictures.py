"""A picture of what was explored: the map, and members of each cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from space.files import atomic_path, write_text_atomic
from space.picking.exploring import CUBE, Explored
from space.picking.files import Tomogram, write_picks
from space.picking.peaks import Picks

_MEMBERS = 10
_ROW_INCH = 0.62


def draw_clusters(path: Path, found: Explored) -> None:
    """Draw the map with the clusters in colours, and some members of each beside their mean.

    Of each member, three sections about its middle are averaged. Members nearest to the middle of
    their cluster come first.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    count = int(found.clusters.max()) + 1
    high = max(4.0, _ROW_INCH * count)
    figure = Figure(figsize=(5 + 0.6 * (_MEMBERS + 2), high), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=[5, 0.6 * (_MEMBERS + 2)])
    left, right = parts
    axes = left.subplots()
    colors = colormaps["tab20"](np.arange(count) % 20)
    axes.scatter(*found.map.T, s=6, c=colors[found.clusters], linewidths=0)
    for number in range(count):
        axes.annotate(
            str(number), found.map[found.clusters == number].mean(0), fontsize=9, weight="bold"
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{len(found.names)} places", fontsize=9)
    sheet = right.subplots(count, 1, squeeze=False)[:, 0]
    for number, row in enumerate(sheet):
        members = np.flatnonzero(found.clusters == number)
        middle = found.embedding[members].mean(0)
        near = members[np.argsort(np.linalg.norm(found.embedding[members] - middle, axis=1))]
        tiles = [_section(found.cubes[members].mean(0))]
        tiles += [_section(found.cubes[at]) for at in near[:_MEMBERS]]
        tiles += [np.zeros((CUBE, CUBE))] * (_MEMBERS + 1 - len(tiles))
        row.imshow(np.hstack(tiles), cmap="gray", vmin=-2, vmax=2)
        row.axvline(CUBE - 0.5, color=colors[number], linewidth=3)
        row.set_ylabel(f"{number} ({len(members)})", fontsize=7, rotation=0, ha="right")
        row.set_xticks([])
        row.set_yticks([])
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def write_explored(out: Path, found: Explored, tomograms: Mapping[str, Tomogram]) -> list[Path]:
    """Write clusters.png, clusters.txt with all places, and the coordinates of each cluster.

    Scores fall with the distance from the middle of a cluster.
    """
    out.mkdir(parents=True, exist_ok=True)
    made = [out / "clusters.png", out / "clusters.txt"]
    draw_clusters(made[0], found)
    lines = ["image_name\tx_coord\ty_coord\tz_coord\tcluster\tmap_x\tmap_y"]
    for name, (z, y, x), cluster, (a, b) in zip(
        found.names, found.points_px, found.clusters, found.map
    ):
        lines.append(f"{name}\t{x:.2f}\t{y:.2f}\t{z:.2f}\t{cluster}\t{a:.4f}\t{b:.4f}")
    write_text_atomic(made[1], "\n".join(lines) + "\n")
    of = np.array(found.names)
    for number in range(int(found.clusters.max()) + 1):
        members = found.clusters == number
        far = np.linalg.norm(found.embedding - found.embedding[members].mean(0), axis=1)
        scores = np.exp(-far / far[members].mean()) if members.any() else far
        picks = {
            str(name): Picks(
                found.points_px[members & (of == name)], scores[members & (of == name)]
            ).sorted()
            for name in dict.fromkeys(of[members])
        }
        made += write_picks(out, picks, tomograms, ["txt"], f"cluster_{number:02d}")
    return made


def _section(cube: np.ndarray) -> np.ndarray:
    middle = CUBE // 2
    found: np.ndarray = cube[middle - 1 : middle + 2].mean(0)
    return found * 1.5
