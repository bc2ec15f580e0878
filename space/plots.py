"""Pictures a person looks at. matplotlib is imported only when one is drawn."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from space.files import atomic_path

LONGEST_PX = 1800
FIGURE_INCH = 12.0
DPI = 160
RED, YELLOW, BLUE, ORANGE = "#d62f20", "#f3c623", "#4f92e0", "#e8873a"
GREEN = "#5ad07a"
BEYOND_MARGIN_UM = 1.0
# In letters of the picture's width.
TITLE_LINE, LONGEST_TITLE = 110, 330
LEGEND_LINE, BESIDE_LABEL = 145, 7
# Light enough that black letters on it can be read (0..1).
LIGHT = 0.45


def plot_detection(
    path: Path,
    image: np.ndarray,
    boxes: Sequence,
    colors: Mapping[str, str],
    pixel_nm: float,
    title: str = "",
) -> None:
    """Draw detected lamellae on a whole-grid map.

    Parameters
    ----------
    path : Path
        PNG to write, whole or not at all.
    image : ndarray (rows, columns)
        Grey map; any number type.
    boxes : sequence
        With x0_px, y0_px, x1_px, y1_px (x = column), category and probability.
    colors : mapping
        Category → colour, for every category among the boxes.
    pixel_nm : float
        Pixel size of the image, for the scale bar.
    """
    figure, axes = _canvas(image, title or f"{len(boxes)} lamellae detected")
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    size = 9 if len(boxes) <= 40 else 7
    for box in boxes:
        color = colors[box.category]
        width, height = box.x1_px - box.x0_px, box.y1_px - box.y0_px
        axes.add_patch(
            Rectangle((box.x0_px, box.y0_px), width, height, fill=False, ec=color, lw=1.6)
        )
        # Above the box, or below it where the map ends.
        above = box.y0_px > 0.03 * image.shape[0]
        axes.annotate(
            f"{_words(box.category)} {box.probability:.0%}",
            ((box.x0_px + box.x1_px) / 2, box.y0_px if above else box.y1_px),
            xytext=(0, 4 if above else -4),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=size,
            color="black" if _lightness(color) > LIGHT else "white",
            parse_math=False,
            bbox={"boxstyle": "round,pad=0.15", "fc": color, "ec": "none", "alpha": 0.9},
        )
    counts: dict[str, int] = {}
    for box in boxes:
        counts[box.category] = counts.get(box.category, 0) + 1
    handles = [
        Line2D([], [], color=colors[category], lw=3, label=f"{_words(category)} ({n})")
        for category, n in sorted(counts.items())
    ]
    _legend(figure, handles)
    _scale_bar(axes, image.shape, pixel_nm)
    _save(figure, axes, path, pixel_nm)


def plot_targets(
    path: Path,
    map_image: np.ndarray,
    wanted: np.ndarray,
    choice,
    optics,
    title: str = "",
    crop: bool = False,
) -> None:
    """Draw the choice of targets on a lamella map.

    Wanted classes red, beams at the highest tilt as yellow ellipses, fields of view blue,
    tracking fields red, tilt axis through the tracking target dashed white, targets
    numbered as in their targets file (area.number with several areas), those that a person fixed
    with a dot, geometry points orange with the beam at zero tilt, bounding polygons green.

    Parameters
    ----------
    map_image : ndarray (rows, columns)
        Grey map.
    wanted : ndarray of bool (rows, columns)
        Mask of the wanted classes.
    choice : space.targeting.Choice, or its areas
        What to draw, in pixels of the map.
    optics : space.targeting.Optics
        Field, beam, tilt axis, pixel size.
    crop : bool
        Draw only the part of the map that image shift reaches around the targets.
    """
    areas = getattr(choice, "areas", choice)
    count = sum(len(area.targets_map_px) for area in areas)
    figure, axes = _canvas(map_image, title or _count(count, "target"))
    _overlay(axes, wanted)
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Ellipse, Patch, Polygon

    beam_px = optics.beam_diameter_um / optics.pixel_um
    corners = _field_corners_px(optics)
    reach_px = [reach / optics.pixel_um for reach in optics.field_reach_um]
    small = 9 if count <= 40 else 6 if count <= 200 else 4
    width = 1.4 if count <= 200 else 0.7
    for area_number, area in enumerate(areas, 1):
        for index, (row, column) in enumerate(area.targets_map_px):
            tracking = index == 0
            axes.add_patch(
                Ellipse(
                    (column, row),
                    beam_px,
                    beam_px * optics.stretch,
                    angle=optics.tilt_axis_deg,
                    fill=False,
                    ec=YELLOW,
                    lw=width * 0.8,
                    zorder=3,
                )
            )
            axes.add_patch(
                Polygon(
                    corners + (column, row),
                    closed=True,
                    fill=False,
                    ec=RED if tracking else BLUE,
                    lw=width * (1.5 if tracking else 1),
                    zorder=5 if tracking else 4,
                )
            )
            if area.fixed[index]:
                axes.plot(column, row, "o", color=RED if tracking else BLUE, ms=4, zorder=6)
            number = f"{index + 1}" if len(areas) == 1 else f"{area_number}.{index + 1}"
            # Above the field's right corner, where it hides nothing that is to be seen.
            axes.annotate(
                number,
                (column + reach_px[1], row - reach_px[0]),
                xytext=(1, -1),
                textcoords="offset points",
                ha="left",
                va="bottom",
                fontsize=small,
                color="white",
                zorder=6,
                clip_on=True,
                **_outlined(1 if small < 9 else 2),
            )
        for row, column in area.geometry_points_map_px:
            axes.add_patch(Circle((column, row), beam_px / 2, fill=False, ec=ORANGE, lw=width))
            axes.plot(column, row, "+", color=ORANGE, ms=6, mew=width)
        _tilt_axis(axes, area.targets_map_px[0], optics, map_image.shape)
    polygons = getattr(choice, "polygons_map_px", ())
    for corners in polygons:
        axes.add_patch(Polygon(corners[:, ::-1], closed=True, fill=False, ec=GREEN, lw=1.6))
    handles = [
        Patch(fc=RED, alpha=0.6, label="wanted classes"),
        Line2D([], [], color=RED, lw=2, label="tracking target"),
        Line2D([], [], color=BLUE, lw=2, label="target (Record field)"),
        Line2D([], [], color=YELLOW, lw=2, label=f"beam at {optics.steepest_tilt_deg:g}°"),
        Line2D([], [], color=ORANGE, lw=2, label="geometry point (beam at 0°)"),
        Line2D([], [], color="white", lw=1.5, ls="--", label="tilt axis"),
    ]
    if any(area.fixed.any() for area in areas):
        handles.append(Line2D([], [], color=BLUE, marker="o", ms=4, ls="", label="fixed target"))
    if polygons:
        handles.append(Line2D([], [], color=GREEN, lw=2, label="polygon"))
    _legend(figure, handles)
    if crop and count:
        _crop(axes, areas, optics, map_image.shape)
    _scale_bar(axes, map_image.shape, optics.pixel_nm)
    _save(figure, axes, path, optics.pixel_nm)


def plot_score(
    path: Path,
    values: np.ndarray,
    pixel_nm: float,
    title: str = "Score of a target centred here",
    points_px: np.ndarray | None = None,
) -> None:
    """Draw a score map (or any step on the way) with a colour bar.

    Parameters
    ----------
    values : ndarray (rows, columns)
        Scores; `ScoreMap.values`.
    pixel_nm : float
        Size of its pixels.
    points_px : ndarray (n, 2), optional
        (row, column) of places to mark, in pixels of `values`.
    """
    figure, axes = _canvas(values, title, cmap="viridis", limits=_score_limits(values))
    if values.size:
        bar = figure.colorbar(axes.images[0], ax=axes, fraction=0.03, pad=0.01)
        bar.ax.tick_params(colors="white", labelsize=9)
    if points_px is not None and len(points_px):
        points = np.asarray(points_px)
        axes.plot(points[:, 1], points[:, 0], "o", mfc="none", mec="white", ms=7)
    _scale_bar(axes, values.shape, pixel_nm)
    _save(figure, axes, path, pixel_nm)


def _canvas(image: np.ndarray, title: str, cmap: str = "gray", limits=None):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = max(1, image.shape[0]), max(1, image.shape[1])
    # A very long map would make a picture nobody can open.
    aspect = min(3.0, max(1 / 3, rows / columns))
    wide = FIGURE_INCH if aspect <= 1 else FIGURE_INCH / aspect
    figure = Figure(
        figsize=(max(wide, 5.0), max(wide * aspect, 2.0) + 0.9),
        dpi=DPI,
        facecolor="#202020",
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor("black")
    lines = textwrap.wrap(_words(title, LONGEST_TITLE), TITLE_LINE)
    axes.set_title("\n".join(lines), color="white", fontsize=12, parse_math=False)
    axes.set_axis_off()
    if image.size:
        small = _shrink(np.asarray(image))
        low, high = limits or _grey_limits(small)
        axes.imshow(
            small,
            cmap=cmap,
            vmin=low,
            vmax=high,
            extent=(0, columns, rows, 0),
            interpolation="antialiased",
        )
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    return figure, axes


def _shrink(image: np.ndarray) -> np.ndarray:
    """Average blocks until the longer side is at most `LONGEST_PX`."""
    factor = math.ceil(max(image.shape) / LONGEST_PX)
    if factor <= 1:
        return image.astype(np.float32)
    starts = [np.arange(0, size, factor) for size in image.shape]
    rows, columns = image.shape
    small = np.empty((len(starts[0]), len(starts[1])), np.float32)
    # Row blocks one at a time: a large map must not be copied as float.
    across = np.diff(np.append(starts[1], columns))
    for index, start in enumerate(starts[0]):
        block = image[start : start + factor]
        small[index] = np.add.reduceat(block.sum(axis=0, dtype=np.float64), starts[1])
        small[index] /= across * len(block)
    return small


def _grey_limits(image: np.ndarray) -> tuple[float, float]:
    low, high = (float(value) for value in np.percentile(image[::2, ::2], (0.5, 99.5)))
    return (low, high) if high > low else (low - 1, low + 1)


def _score_limits(values: np.ndarray) -> tuple[float, float]:
    high = float(values.max()) if values.size else 1.0
    return 0.0, high if high > 0 else 1.0


def _overlay(axes, mask: np.ndarray) -> None:
    if not mask.size or not mask.any():
        return
    share = _shrink(mask)
    color = tuple(int(RED[index : index + 2], 16) / 255 for index in (1, 3, 5))
    layer = np.empty((*share.shape, 4), np.float32)
    layer[..., :3] = color
    # Where most of the map is wanted, a strong colour would hide what there is to be seen.
    layer[..., 3] = (0.45 if mask.mean() < 0.3 else 0.25) * share
    axes.imshow(layer, extent=(0, mask.shape[1], mask.shape[0], 0), interpolation="nearest")


def _field_corners_px(optics) -> np.ndarray:
    """Corners (4, 2) of the field as (column, row) from its centre."""
    wide, high = (side / optics.pixel_um / 2 for side in optics.field_um)
    angle = math.radians(optics.field_rotation_deg)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-math.sin(angle), math.cos(angle)])
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.array([a * wide * along + b * high * across for a, b in signs])


def _tilt_axis(axes, point_map_px, optics, shape) -> None:
    angle = math.radians(optics.tilt_axis_deg)
    reach = math.hypot(*shape)
    row, column = point_map_px
    axes.plot(
        [column - reach * math.cos(angle), column + reach * math.cos(angle)],
        [row - reach * math.sin(angle), row + reach * math.sin(angle)],
        color="white",
        ls=(0, (5, 4)),
        lw=1.2,
        scalex=False,
        scaley=False,
        zorder=2,
    )


def _crop(axes, areas, optics, shape) -> None:
    points = np.concatenate(
        [np.concatenate([area.targets_map_px, area.geometry_points_map_px]) for area in areas]
    )
    margin = optics.beam_diameter_um * optics.stretch + BEYOND_MARGIN_UM
    margin_px = margin / optics.pixel_um
    low = np.maximum(points.min(axis=0) - margin_px, 0)
    high = np.minimum(points.max(axis=0) + margin_px, shape)
    axes.set_xlim(low[1], high[1])
    axes.set_ylim(high[0], low[0])


def _scale_bar(axes, shape, pixel_nm: float) -> None:
    """A bar of a round length, about a sixth of what is shown, in the lower left corner."""
    from matplotlib.patches import Rectangle

    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    wide = right - left
    if wide <= 0 or not shape[0] or not shape[1]:
        return
    goal_um = wide * pixel_nm / 1000 / 6
    power = 10 ** math.floor(math.log10(goal_um))
    length_um = max(step * power for step in (1, 2, 5) if step * power <= goal_um)
    length_px = length_um * 1000 / pixel_nm
    x, y = left + 0.03 * wide, bottom - 0.04 * (bottom - top)
    thick = 0.008 * (bottom - top)
    axes.add_patch(Rectangle((x, y - thick), length_px, thick, fc="white", ec="black", zorder=7))
    label = f"{length_um:g} µm" if length_um >= 1 else f"{length_um * 1000:g} nm"
    axes.annotate(
        label,
        (x + length_px / 2, y - thick),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color="white",
        fontsize=11,
        zorder=7,
        **_outlined(),
    )


def _outlined(width: float = 2) -> dict:
    """Text that can be read on black and on white."""
    from matplotlib.patheffects import withStroke

    return {"path_effects": [withStroke(linewidth=width, foreground="black")]}


def _lightness(color: str) -> float:
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    return 0.3 * red + 0.6 * green + 0.1 * blue


def _words(text: str, longest: int = 30) -> str:
    """Return a name as a picture can show it: one line, of letters that can be printed."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."


def _legend(figure, handles) -> None:
    if not handles:
        return
    for handle in handles:  # a legend leaves out what begins with an underscore
        handle.set_label(re.sub("^_", " _", handle.get_label()))
    legend = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_columns([handle.get_label() for handle in handles]),
        fontsize=10,
        facecolor="#303030",
        edgecolor="#606060",
        labelcolor="white",
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _columns(labels: Sequence[str]) -> int:
    """Return how many columns of a legend fit into a picture; it fills one after the other."""
    for columns in range(min(6, len(labels)), 1, -1):
        rows = math.ceil(len(labels) / columns)
        longest = [max(map(len, labels[i : i + rows])) for i in range(0, len(labels), rows)]
        if sum(longest) + BESIDE_LABEL * columns <= LEGEND_LINE:
            return columns
    return 1


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number or 'no'} {word}s"


def _save(figure, axes, path: Path, pixel_nm: float) -> None:
    """Write the picture; its PNG text tells the drawn pixel size and what it shows."""
    to_dots = axes.transData.transform([(0.0, 0.0), (1.0, 0.0)])
    dots_per_px = abs(float(to_dots[1, 0] - to_dots[0, 0]))
    about = {
        "pixel_nm": f"{pixel_nm / dots_per_px:.3f}",
        "source": axes.get_title().replace("\n", " ") or path.stem,
    }
    with atomic_path(Path(path)) as temporary:
        # Noise hardly compresses: a low level is much quicker and nearly as small.
        figure.savefig(
            temporary,
            format="png",
            facecolor=figure.get_facecolor(),
            metadata=about,
            pil_kwargs={"compress_level": 2},
        )
