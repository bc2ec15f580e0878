"""``spacetomo clem register``: a fluorescence picture laid on a map."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.cli.clem import given
from space.cli.given import add_port, port
from space.errors import SpaceError
from space.images import read_png
from space.page import Beside
from space.pictures import to_8_bit
from space.project import project_folder

if TYPE_CHECKING:
    from space.fluorescence import KeptFluorescence, Registration


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "register",
        help="lay a fluorescence picture on a map, by pairs of points or by itself",
        description="Registers a fluorescence picture to a map (of the whole grid or of a lamella) "
        "by pairs of points, or by the beads or holes in both, and keeps its channels beside the "
        "map. The exit status is 0, or 2 if nothing is sure; then nothing is written.",
        epilog="Example: spacetomo clem register G1_L03.png lamella3.ome.tif --pairs pairs.csv "
        "--threshold mCherry=300",
    )
    parser.add_argument("map", type=Path, metavar="MAP", help="picture of the map (PNG)")
    given.add_files(parser)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--pairs", type=Path, metavar="CSV",
        help="pairs of points: fm_row,fm_column,map_row,map_column, in pixels",
    )  # fmt: skip
    how.add_argument(
        "--click", action="store_true",
        help="click the pairs in the browser; those of an earlier registration are there",
    )  # fmt: skip
    how.add_argument("--find", action="store_true", help="find the beads or holes in both pictures")
    parser.add_argument(
        "--kind", default="auto", choices=("auto", "similarity", "affine"),
        help="what the pictures may differ by (default: auto)",
    )  # fmt: skip
    parser.add_argument(
        "--click-um", type=float, default=0.3, metavar="UM",
        help="usual error of a pair along each axis (default: 0.3)",
    )  # fmt: skip
    parser.add_argument(
        "--bead-um", type=float, default=1.0, metavar="UM",
        help="diameter of beads for --find (default: 1.0; 0: none)",
    )  # fmt: skip
    parser.add_argument(
        "--hole-um", type=float, default=2.0, metavar="UM",
        help="diameter of holes for --find (default: 2.0; 0: none)",
    )  # fmt: skip
    given.add_looks(parser)
    add_port(parser)
    parser.add_argument("--open", action="store_true", help="open the browser (with --click)")
    parser.set_defaults(do=_register)


def _register(args: argparse.Namespace) -> int:
    from space import fluorescence

    if not 0 < args.click_um < 100:
        raise SpaceError(f"{args.click_um} is no error of a pair.", "--click-um")
    picture, info = read_png(args.map)
    pixel_um = info.get("pixel_nm", 0.0) / 1000
    if not pixel_um > 0:
        raise SpaceError(
            "The pixel size of the map is not known.", str(args.map), "Give a map of a session."
        )
    channels, flats = given.read_fm(args)
    looks = given.looks_of(args, channels, flats)
    rows, columns = picture.shape

    def by_pairs(fm: np.ndarray, there: np.ndarray) -> Registration:
        return fluorescence.register(
            fm, there, pixel_um, channels.shape, (rows, columns), args.kind, args.click_um,
            channels.pixel_um,
        )  # fmt: skip

    def keep(found: Registration) -> list[str]:
        chosen = {name: flats[name] for name in looks}
        kept = fluorescence.keep(args.map, channels.source, chosen, looks, found)
        return [*described(found, kept), f"Kept: {fluorescence.kept_path(args.map)}"]

    if args.click:
        fm_picture = fluorescence.overlaid(
            np.zeros(channels.shape, np.uint8),
            [(fluorescence.shown(flats[name], look), look.color) for name, look in looks.items()],
        )
        _serve(args, Beside(channels.source, fm_picture, channels.pixel_um),
               Beside(args.map.name, to_8_bit(picture), pixel_um), by_pairs, keep)  # fmt: skip
        return 0
    if args.pairs is not None:
        found = by_pairs(*given.read_pairs(args.pairs))
    else:
        seen = {name: fluorescence.Picture(flats[name], channels.pixel_um) for name in looks}
        features = fluorescence.Features(args.bead_um or None, args.hole_um or None)
        found = fluorescence.search(seen, fluorescence.Picture(picture, pixel_um), features)
    print("\n".join(keep(found)))
    return 0


def _serve(
    args: argparse.Namespace,
    fm: Beside,
    map_: Beside,
    fit: Callable[[np.ndarray, np.ndarray], Registration],
    keep: Callable[[Registration], list[str]],
) -> None:
    """Have pairs clicked in the browser; each time they are saved, say so here, too."""
    from space import page

    def save(found: Registration) -> list[str]:
        lines = keep(found)
        page.print_at_once("\n".join(lines))
        return [lines[0], "Kept beside the map."]

    view = page.PairsView(fm, map_, fit, save, _earlier_pairs(args.map))
    page.serve_pairs(view, page.Wish(args.map, project_folder(), port=port(args), opens=args.open))


def _earlier_pairs(map_png: Path) -> tuple[tuple[float, float, float, float], ...]:
    """Return the pairs that somebody gave for this map before."""
    from space.fluorescence import read_kept

    try:
        kept = read_kept(map_png)
    except SpaceError:
        return ()  # there is none, or it is of another map: it is made anew
    return kept.pairs if kept.how == "pairs" else ()


def described(found: Registration, kept: KeptFluorescence) -> list[str]:
    """Return a registration in words, line by line."""
    fit, lines = found.fit, []
    lines.append(
        f"{kept.source}: {'found' if found.how == 'found' else 'by pairs'}, "
        f"{sum(found.kept)} of {len(found.kept)} pairs; turned {fit.turned_deg:.1f} deg, "
        f"{'mirrored, ' if fit.is_flipped else ''}pixels of {fit.scale * fit.pixel_um:.4f} um"
    )
    if found.how != "found":
        lines.append("pair  off (um)  others put it (um off)")
        for index, (off, alone, used) in enumerate(
            zip(found.residuals_um, found.left_out_um, found.kept), 1
        ):
            words = "left out" if not used else "-" if alone is None else f"{alone:.2f}"
            lines.append(f"{index:4d}  {off:8.2f}  {words}")
    lines.append(f"Error over the map: {kept.error_um:.2f} um along each axis.")
    lines += [f"Warning: {text}." for text in found.warnings]
    return lines
