"""The targets on the map of a lamella."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.plots import greys
from space.plots.canvas import (
    canvas,
    count,
    draw_map,
    legend,
    outlined,
    save,
    scale_bar,
)
from space.plots.colours import (
    AREA_COLORS,
    AREA_STYLES,
    BLUE,
    GREEN,
    LIGHT,
    ORANGE,
    RED,
    YELLOW,
    LineStyle,
    lightness,
    rgb,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from space.targeting import Choice, ExposureOptics, TargetArea

BEYOND_MARGIN_UM = 1.0
_TILT_AXIS: dict[str, Any] = {"color": "white", "ls": (0, (5, 4)), "lw": 1.4}


def plot_targets(
    path: Path,
    map_image: np.ndarray,
    wanted: np.ndarray,
    choice: Choice | Sequence[TargetArea],
    optics: ExposureOptics,
    title: str = "",
    crop: bool = False,
) -> None:
    """Draw the choice of targets on a lamella map.

    Wanted classes red, beams at the highest tilt as yellow ellipses, fields of view blue
    (each area in a blue or a line style of its own), tracking fields red, tilt axis through the
    tracking target dashed white on black, targets numbered as in their targets file (area.number
    with several areas), those that a person fixed with a dot, geometry points orange with the beam
    at zero tilt, bounding polygons green.

    Parameters
    ----------
    map_image : ndarray (rows, columns)
        Grey map.
    wanted : ndarray of bool (rows, columns)
        Mask of the wanted classes.
    choice : space.targeting.Choice, or its areas
        What to draw, in pixels of the map.
    optics : space.targeting.ExposureOptics
        Field, beam, tilt axis, pixel size.
    crop : bool
        Draw only the part of the map that image shift reaches around the targets.
    """
    areas = choice if isinstance(choice, Sequence) else choice.areas
    polygons = getattr(choice, "polygons_map_px", ())
    total = sum(len(area.targets_map_px) for area in areas)
    figure, (axes,) = canvas(map_image.shape, title or count(total, "target"))
    draw_map(axes, map_image, _wanted_layer(wanted))
    styles = field_styles(len(areas))
    for number, (area, style) in enumerate(zip(areas, styles), 1):
        _draw_area(axes, area, optics, style, _Sizes.of(total), number if len(areas) > 1 else 0)
        _draw_tilt_axis(axes, area.targets_map_px[0], optics, map_image.shape)
    _draw_polygons(axes, polygons)
    legend(figure, _handles(areas, styles, optics, bool(len(polygons))))
    if crop and total:
        _crop(axes, areas, optics, map_image.shape)
    scale_bar(axes, map_image.shape, optics.pixel_nm)
    save(figure, path, optics.pixel_nm)


@dataclass(frozen=True)
class FieldStyle:
    """How the fields of an area are drawn."""

    color: str
    line: LineStyle


def field_styles(count: int) -> list[FieldStyle]:
    """Return how to draw each of some areas: colours first, then other line styles."""
    styles = (FieldStyle(color, style) for style in cycle(AREA_STYLES) for color in AREA_COLORS)
    return list(islice(styles, count))


@dataclass(frozen=True)
class _Sizes:
    """Of letters and lines (points), smaller where there are many targets."""

    letters: float
    line: float

    @staticmethod
    def of(total: int) -> _Sizes:
        letters = 9 if total <= 40 else 6 if total <= 200 else 4
        return _Sizes(letters, 1.4 if total <= 200 else 0.7)

    @property
    def edge(self) -> float:
        """Of the dark edges that keep light lines apart from a light map."""
        return self.line + 1.2


def _draw_area(
    axes: Axes,
    area: TargetArea,
    optics: ExposureOptics,
    style: FieldStyle,
    sizes: _Sizes,
    number: int,
) -> None:
    """Draw an area; its number is 0 if it is the only one."""
    from matplotlib.patches import Circle, Ellipse, Polygon

    beam_px = optics.beam_diameter_um / optics.pixel_um
    corners = field_corners_px(optics)
    reach_px = [reach / optics.pixel_um for reach in optics.field_reach_um]
    edged = outlined(sizes.edge)
    for index, (row, column) in enumerate(area.targets_map_px):
        tracking = index == 0
        color = RED if tracking else style.color
        axes.add_patch(
            Ellipse(
                (column, row),
                beam_px,
                beam_px * optics.stretch,
                angle=optics.tilt_axis_deg,
                fill=False,
                ec=YELLOW,
                lw=sizes.line * 0.8,
                zorder=3,
                **edged,
            )
        )
        axes.add_patch(
            Polygon(
                corners + (column, row),
                closed=True,
                fill=False,
                ec=color,
                lw=sizes.line * (1.7 if tracking else 1.2),
                ls="solid" if tracking else style.line,
                zorder=5 if tracking else 4,
                **edged,
            )
        )
        if area.fixed[index]:
            axes.plot(column, row, "o", color=color, ms=4, zorder=6, **edged)
        name = f"{number}.{index + 1}" if number else f"{index + 1}"
        _draw_target_name(axes, name, (row, column), reach_px, sizes)
    for row, column in area.geometry_points_map_px:
        axes.add_patch(
            Circle((column, row), beam_px / 2, fill=False, ec=ORANGE, lw=sizes.line, **edged)
        )
        axes.plot(column, row, "+", color=ORANGE, ms=6, mew=sizes.line, **edged)
    if number:
        _draw_area_name(axes, area.targets_map_px[0], reach_px, style, sizes, number)


def _draw_target_name(
    axes: Axes,
    name: str,
    point_map_px: tuple[float, float],
    reach_px: Sequence[float],
    sizes: _Sizes,
) -> None:
    """Write it above the field's right corner, where it hides nothing that is to be seen."""
    row, column = point_map_px
    axes.annotate(
        name,
        (column + reach_px[1], row - reach_px[0]),
        xytext=(1, -1),
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=sizes.letters,
        color="white",
        zorder=6,
        clip_on=True,
        **outlined(1 if sizes.letters < 9 else 2),
    )


def _draw_area_name(
    axes: Axes,
    point_map_px: np.ndarray,
    reach_px: Sequence[float],
    style: FieldStyle,
    sizes: _Sizes,
    number: int,
) -> None:
    """Write the area's name, as its files have it, under its tracking target."""
    axes.annotate(
        area_name(number),
        (point_map_px[1], point_map_px[0] + reach_px[0]),
        xytext=(0, -3),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=max(sizes.letters, 6),
        fontweight="bold",
        color="black" if lightness(style.color) > LIGHT else "white",
        zorder=7,
        clip_on=True,
        bbox={"boxstyle": "round,pad=0.15", "fc": style.color, "ec": "black", "lw": 0.6},
    )


def area_name(number: int) -> str:
    """Return what an area is called, as in the names of its files."""
    return f"area{number}"


def _handles(
    areas: Sequence[TargetArea],
    styles: Sequence[FieldStyle],
    optics: ExposureOptics,
    polygons: bool,
) -> list[Artist]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Patch(fc=RED, alpha=0.6, label="wanted classes"),
        Line2D([], [], color=RED, lw=2.4, label="tracking target"),
    ]
    for number, (area, style) in enumerate(zip(areas, styles), 1):
        described = f"{area_name(number)}: {count(len(area.targets_map_px), 'target')}"
        label = described if len(areas) > 1 else "target (Record field)"
        handles.append(Line2D([], [], color=style.color, ls=style.line, lw=2, label=label))
    handles += [
        Line2D([], [], color=YELLOW, lw=2, label=f"beam at {optics.steepest_tilt_deg:g}°"),
        Line2D([], [], color=ORANGE, marker="+", lw=2, label="geometry point (beam at 0°)"),
        Line2D([], [], **_TILT_AXIS, label="tilt axis"),
    ]
    if any(area.fixed.any() for area in areas):
        handles.append(Line2D([], [], color=BLUE, marker="o", ms=4, ls="", label="fixed target"))
    if polygons:
        handles.append(Line2D([], [], color=GREEN, ls="dashdot", lw=2, label="polygon"))
    return handles


def _draw_polygons(axes: Axes, polygons: Sequence[np.ndarray]) -> None:
    from matplotlib.patches import Polygon

    for corners in polygons:
        axes.add_patch(
            Polygon(
                corners[:, ::-1],
                closed=True,
                fill=False,
                ec=GREEN,
                lw=1.6,
                ls="dashdot",
                **outlined(3),
            )
        )


def _wanted_layer(mask: np.ndarray) -> greys.Layer | None:
    if not mask.size or not mask.any():
        return None
    # Where most of the map is wanted, a strong colour would hide what there is to be seen.
    opacity = 0.45 if mask.mean() < 0.3 else 0.25
    return greys.Layer(rgb(RED), opacity * greys.shrink(mask))


def field_corners_px(optics: ExposureOptics) -> np.ndarray:
    """Return the corners (4, 2) of the Record field as (column, row) from its centre."""
    wide, high = (side / optics.pixel_um / 2 for side in optics.field_um)
    angle = math.radians(optics.field_rotation_deg)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-math.sin(angle), math.cos(angle)])
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.array([a * wide * along + b * high * across for a, b in signs])


def _draw_tilt_axis(
    axes: Axes, point_map_px: np.ndarray, optics: ExposureOptics, shape: Sequence[int]
) -> None:
    """Draw white dashes on a black line: one of the two is seen on any map."""
    angle = math.radians(optics.tilt_axis_deg)
    reach = math.hypot(*shape)
    row, column = point_map_px
    x = [column - reach * math.cos(angle), column + reach * math.cos(angle)]
    y = [row - reach * math.sin(angle), row + reach * math.sin(angle)]
    stays: dict[str, Any] = {"scalex": False, "scaley": False, "zorder": 2}
    axes.plot(x, y, color="black", lw=2.2, **stays)
    axes.plot(x, y, **_TILT_AXIS, **stays)


def _crop(
    axes: Axes, areas: Sequence[TargetArea], optics: ExposureOptics, shape: Sequence[int]
) -> None:
    points = np.concatenate(
        [np.concatenate([area.targets_map_px, area.geometry_points_map_px]) for area in areas]
    )
    margin = optics.beam_diameter_um * optics.stretch + BEYOND_MARGIN_UM
    margin_px = margin / optics.pixel_um
    low = np.maximum(points.min(axis=0) - margin_px, 0)
    high = np.minimum(points.max(axis=0) + margin_px, shape)
    axes.set_xlim(low[1], high[1])
    axes.set_ylim(high[0], low[0])
