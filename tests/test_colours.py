"""Colours of pictures can be told apart, also by people with red-green colour blindness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from space.config import UNKNOWN_CATEGORY, load_config
from space.plots.colours import (
    AREA_COLORS,
    BLUE,
    CLASS_COLORS,
    GREEN,
    ORANGE,
    RED,
    SERIES_COLORS,
    SERIES_GREY,
    YELLOW,
    class_colors,
)
from space.plots.segmentation import color_table
from tests.color_vision import SIGHTS, distances

ROOT = Path(__file__).resolve().parent.parent
BLACK_AND_WHITE = {"black": "#000000", "white": "#ffffff"}

# A distance of 2.3 can just be noticed side by side. These are for thin lines and small patches
# far from one another, and for patches of classes, which mostly touch.
LINES, PATCHES = 24.0, 20.0


def categories() -> dict[str, str]:
    config = load_config(ROOT)
    found = {name: category.plot_color for name, category in config.categories.items()}
    return {**found, "(unknown)": UNKNOWN_CATEGORY.plot_color}


def marks() -> dict[str, str]:
    areas = {f"area {number}": color for number, color in enumerate(AREA_COLORS, 1)}
    others = {"tracking": RED, "beam": YELLOW, "geometry": ORANGE, "polygon": GREEN}
    return {**areas, **others, **BLACK_AND_WHITE}


def series() -> dict[str, str]:
    named = {f"series {number}": color for number, color in enumerate(SERIES_COLORS, 1)}
    return {**named, "others": SERIES_GREY, "black": "#000000"}


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize(
    ("colors", "least"),
    [(categories(), LINES), (marks(), LINES), (series(), LINES), (CLASS_COLORS, PATCHES)],
    ids=["categories", "marks of targets", "series", "classes"],
)
def test_every_pair_of_colours_can_be_told_apart(colors, least, sight):
    if sight == "protanope":
        least = 18.0  # one man in a hundred: as good as the others' colours allow
    near = {pair: round(d, 1) for pair, d in distances(colors, sight).items() if d < least}
    assert not near


def test_the_simulation_makes_a_red_and_a_green_alike_and_leaves_blue_and_yellow():
    pairs = distances({"red": "#b22c18", "green": "#55963a"}, "deuteranope")
    assert (
        pairs["red", "green"]
        < 15
        < 60
        < distances({"red": "#b22c18", "green": "#55963a"}, "normal")["red", "green"]
    )
    assert (
        distances({"blue": "#4040ff", "yellow": "#ffff40"}, "deuteranope")["blue", "yellow"] > 100
    )
    assert len({tuple(table.sum(axis=1).round(3)) for table in SIGHTS.values()}) == 1  # white stays


def test_fields_of_the_first_area_are_blue_as_ever():
    assert AREA_COLORS[0] == BLUE


def test_classes_of_the_shipped_model_have_colours_of_their_own():
    table = json.loads((ROOT / "models/lamella_segmentation/dataset.json").read_text())["labels"]
    assert set(table) <= set(CLASS_COLORS)
    assert class_colors(table) == {name: CLASS_COLORS[name] for name in table}


def test_a_class_keeps_its_colour_whatever_other_classes_a_model_has():
    few = class_colors(["mitos", "background", "golgi"])
    assert few["mitos"] == CLASS_COLORS["mitos"]
    assert few == class_colors(["golgi", "mitos", "background"])
    assert few["golgi"] not in (few["mitos"], few["background"])
    many = class_colors([f"class {n}" for n in range(60)] + ["mitos", "\ud800"])
    assert len(many) == 62 and many["mitos"] == CLASS_COLORS["mitos"]
    assert len(set(class_colors([f"class {n}" for n in range(len(CLASS_COLORS))]).values())) == 18


def test_labels_are_painted_in_the_colours_of_their_classes():
    table = color_table({"mitos": 9, "white": 200})
    assert table.shape == (256, 3)
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in table[[9, 200]]] == [
        CLASS_COLORS["mitos"],
        CLASS_COLORS["white"],
    ]
    assert tuple(table[7]) == (255, 0, 255)  # of no class: not to be overlooked
