"""Colours of pictures: hues that the field is used to, told apart by lightness as well.

A deuteranope (one man in twenty) sees red, orange, yellow and green as shades of one colour, so
that within each group lightness must tell them apart. tests/test_colours.py holds this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Union
from zlib import crc32

RED, YELLOW, BLUE, ORANGE, GREEN = "#c4161c", "#ffe93b", "#5191ec", "#ff9f57", "#36c383"

LIGHT = 0.45
"""Black letters can be read on a colour that is lighter than this (0..1)."""

AREA_COLORS = (BLUE, "#b4d8f6", "#5a3df0")
"""Fields of the areas of targets, one after the other."""

SERIES_COLORS = (YELLOW, BLUE, ORANGE, GREEN, "#ffffff", "#7d4bff")
"""Lines of the tilt series that are named in a picture."""

SERIES_GREY = "#787878"
"""Lines of all other series."""

LineStyle = Union[str, tuple[float, tuple[float, ...]]]

AREA_STYLES: tuple[LineStyle, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1)))
"""Line styles of fields: another one each time the colours have been used up."""

CLASS_COLORS = {
    "background": "#000000",
    "white": "#fbfffe",
    "black": "#3b3837",
    "crack": "#dc54fb",
    "coating": "#6a2b0d",
    "cell": "#a2d797",
    "cellwall": "#437f58",
    "nucleus": "#282dd0",
    "vacuole": "#ffe27c",
    "mitos": "#ed1b00",
    "lipiddroplets": "#e8ae19",
    "vesicles": "#398fac",
    "multivesicles": "#39486a",
    "membranes": "#39a648",
    "dynabeads": "#33188b",
    "ice": "#8bd8ff",
    "cryst": "#5257aa",
    "lamella": "#aeaeae",
}
"""Classes of the published and the shipped segmentation models."""


def class_colors(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each class of a segmentation model.

    A known class has its colour in every model. One that is not known takes a colour that no
    class of its model has, chosen by its name and not by its place in the table, so that it mostly
    keeps it in other models, too.
    """
    names = sorted(names)
    chosen = {name: CLASS_COLORS[name] for name in names if name in CLASS_COLORS}
    for name in names:
        if name in chosen:
            continue
        mark = crc32(name.encode("utf-8", "surrogatepass"))
        free = [color for color in CLASS_COLORS.values() if color not in chosen.values()]
        chosen[name] = free[mark % len(free)] if free else f"#{mark & 0xFFFFFF:06x}"
    return chosen


def lightness(color: str) -> float:
    """Return about how light a colour ``#RRGGBB`` is (0..1)."""
    red, green, blue = rgb(color)
    return (0.3 * red + 0.6 * green + 0.1 * blue) / 255


def rgb(color: str) -> tuple[int, int, int]:
    """Return red, green and blue (0..255) of a colour ``#RRGGBB``."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
