"""What the picture of a grid shows: numbers as in file names, and why others are left out."""

from __future__ import annotations

from space.geometry import MapFrame
from space.lamellae import LEFT_OUT, Lamella
from space.microscope import Item
from space.steps.grid_picture import GONE, lamellae_shown
from space.steps.lamella_list import LamellaList

# 2 µm pixels, rows upwards in stage y.
FRAME = MapFrame((500, 1000), ((0.5, 0.0), (0.0, -0.5)), (0.0, 0.0))
OFFSET_UM = (6.0, -4.0)


def lamella(number, x_um, y_um, category="good", probability=0.9) -> Lamella:
    return Lamella(number, (x_um, y_um), (16.0, 24.0), category, probability)


def point(label, x_um, y_um, note="") -> Item:
    return Item(1, label, note, (x_um + OFFSET_UM[0], y_um + OFFSET_UM[1]), 0.0, 0)


KNOWN = LamellaList(
    lamellae=(
        lamella(1, 100, 50),
        lamella(2, -200, 80, "thick", 0.8),
        lamella(3, 300, 0, "broken", 0.75),  # so it turned out at intermediate magnification
        lamella(4, 0, -300, probability=0.3),
        lamella(5, 104, 56, probability=0.6),
    ),
    others=(
        lamella(0, -100, -50, "gone"),
        lamella(0, 400, 400, probability=0.05),
        lamella(0, 985, 0),
        lamella(0, -204, 86, "good", 0.7),
    ),
    offset_um=OFFSET_UM,
)
ITEMS = [
    point("FL1", 100, 50, "good (90%)"),
    point("FL2", -190, 80, "thick (80%)"),  # a person has moved it
    point("FL12", 40, 40),
    point("FL13", 9, 9, "a note of somebody else"),
]


def shown() -> dict[str, list]:
    found = lamellae_shown(KNOWN, ITEMS, FRAME, 0.1, ("broken", "gone"))
    result: dict[str, list] = {}
    for one in found:
        result.setdefault(one.label or one.left_out, []).append(one)
    return result


def test_lamellae_bear_the_numbers_of_their_files_and_others_the_reason():
    found = shown()
    assert {key: len(ones) for key, ones in found.items()} == {
        "L01": 1,
        "L02": 1,
        "L12": 1,
        LEFT_OUT["category"]: 2,
        LEFT_OUT["threshold"]: 1,
        LEFT_OUT["stage"]: 1,
        LEFT_OUT["close"]: 2,
        GONE: 1,
    }
    assert [one.probability for key in ("L01", "L12") for one in found[key]] == [0.9, None]
    assert not any(one.left_out for key in ("L01", "L02", "L12") for one in found[key])
    assert {one.category for one in found[LEFT_OUT["category"]]} == {"broken", "gone"}


def test_frames_are_where_lamellae_lie_on_the_map_of_the_grid():
    found = shown()
    for label, (column, row) in {"L01": (550, 225), "L02": (400, 210), "L12": (520, 230)}.items():
        (one,) = found[label]
        assert ((one.x0_px + one.x1_px) / 2, (one.y0_px + one.y1_px) / 2) == (column, row)
    (one,) = found["L01"]
    assert (one.x1_px - one.x0_px, one.y1_px - one.y0_px) == (8, 12)
