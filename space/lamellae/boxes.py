"""Detection windows over a map, and one box per lamella from the boxes of all windows.

Pure functions of numbers. x is the column and y the row of the image, in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from space.files import is_name
from space.predicates import is_number

#: No lamella's box is longer; windows overlap by more, so each lamella is whole in one of them.
LONGEST_LAMELLA_UM = 60.0
#: Two boxes show the same lamella from this intersection over union on ...
SAME_IOU = 0.3
#: ... or when this part of the smaller one lies inside the larger one.
SAME_INSIDE = 0.6
#: A box that a window border cut counts this much of one that shows its lamella whole.
CUT_WORTH = 0.5


_CORNERS = ("x0_px", "y0_px", "x1_px", "y1_px")


@dataclass(frozen=True)
class Box:
    """An axis-aligned rectangle around a lamella.

    ``x`` is the column, ``y`` the row; `cut_sides` holds the letters of the sides
    (``l``, ``t``, ``r``, ``b``) at which a window's border may have cut the lamella.
    """

    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float
    category: str
    probability: float
    cut_sides: str = ""

    @property
    def area_px2(self) -> float:
        """Area in square pixels."""
        return max(0.0, self.x1_px - self.x0_px) * max(0.0, self.y1_px - self.y0_px)

    @property
    def center_px(self) -> tuple[float, float]:
        """Middle as (row, column), the order of points in maps."""
        return (self.y0_px + self.y1_px) / 2, (self.x0_px + self.x1_px) / 2

    def scaled(self, factor: float) -> Box:
        """Return the box in an image whose pixels are `factor` times smaller."""
        return replace(
            self,
            x0_px=self.x0_px * factor,
            y0_px=self.y0_px * factor,
            x1_px=self.x1_px * factor,
            y1_px=self.y1_px * factor,
        )

    def shifted(self, x_px: float, y_px: float) -> Box:
        """Return the box moved by (`x_px`, `y_px`)."""
        return replace(
            self,
            x0_px=self.x0_px + x_px,
            y0_px=self.y0_px + y_px,
            x1_px=self.x1_px + x_px,
            y1_px=self.y1_px + y_px,
        )

    def clipped(self, shape: tuple[int, int]) -> Box:
        """Return the part of the box inside an image of `shape` (rows, cols)."""
        rows, cols = shape
        return replace(
            self,
            x0_px=min(max(self.x0_px, 0.0), float(cols)),
            y0_px=min(max(self.y0_px, 0.0), float(rows)),
            x1_px=min(max(self.x1_px, 0.0), float(cols)),
            y1_px=min(max(self.y1_px, 0.0), float(rows)),
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "x0_px": self.x0_px,
            "y0_px": self.y0_px,
            "x1_px": self.x1_px,
            "y1_px": self.y1_px,
            "category": self.category,
            "probability": self.probability,
        }

    @classmethod
    def from_dict(cls, values: Any) -> Box:
        """Return the box that `to_dict` wrote.

        Raises
        ------
        ValueError
            With what is wrong, if it is not a box.
        """
        if not isinstance(values, dict):
            raise ValueError("a box is not a table of names and values")
        numbers = [_number_of(values, key) for key in (*_CORNERS, "probability")]
        x0_px, y0_px, x1_px, y1_px, probability = numbers
        if x1_px < x0_px or y1_px < y0_px:
            raise ValueError("a box ends before it begins")
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"the probability of a box is {probability:g}")
        category = values.get("category")
        if not isinstance(category, str) or not is_name(category):
            raise ValueError(f"the category of a box is {str(category)[:30]!r}, not a short name")
        return cls(x0_px, y0_px, x1_px, y1_px, category, probability)


def _number_of(values: dict[str, Any], key: str) -> float:
    value = values.get(key)
    if not is_number(value):
        raise ValueError(f"{key} of a box is {str(value)[:30]!r}, not a number")
    return float(value)


def overlap_px(pixel_nm: float, window_px: int, longest_um: float = LONGEST_LAMELLA_UM) -> int:
    """Return how far neighbouring windows overlap: more than the longest lamella.

    At 400 nm and 60 µm this is 151 px. Never more than three quarters of the window, so that
    windows still advance when pixels are small.
    """
    wanted = math.floor(longest_um * 1000.0 / pixel_nm) + 1
    return max(0, min(wanted, window_px * 3 // 4))


def window_starts(length_px: int, window_px: int, least_overlap_px: int) -> tuple[int, ...]:
    """Return where windows begin along one axis so that they cover 0..`length_px`.

    Windows are spread evenly; neighbours share at least `least_overlap_px`. An axis shorter
    than the window gets one window that begins before 0 and is centred on it (to be padded).

    Raises
    ------
    ValueError
        If windows could not advance.
    """
    if window_px <= 0 or not 0 <= least_overlap_px < window_px:
        raise ValueError(f"window {window_px} px cannot overlap by {least_overlap_px} px")
    if length_px <= window_px:
        return (-((window_px - length_px) // 2),)
    steps = math.ceil((length_px - window_px) / (window_px - least_overlap_px))
    return tuple(round(i * (length_px - window_px) / steps) for i in range(steps + 1))


def intersection_px2(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    width = min(a.x1_px, b.x1_px) - max(a.x0_px, b.x0_px)
    height = min(a.y1_px, b.y1_px) - max(a.y0_px, b.y0_px)
    return max(0.0, width) * max(0.0, height)


def same_lamella(a: Box, b: Box) -> bool:
    """Tell whether two boxes show the same lamella (symmetric)."""
    shared = intersection_px2(a, b)
    if shared <= 0.0:
        return False
    smaller = min(a.area_px2, b.area_px2)
    union = a.area_px2 + b.area_px2 - shared
    return shared >= SAME_IOU * union or shared >= SAME_INSIDE * smaller


def merge_boxes(boxes: Iterable[Box]) -> list[Box]:
    """Make one box of all that show the same lamella.

    The result does not depend on the order of `boxes`. The more probable ones come first,
    those that a window border cut at half their probability; each takes in the boxes of the
    same lamella that are left. Where a whole box leads, it keeps its size; where a cut one
    leads, it grows around all parts. Category and probability are those of the most
    probable member. Repeated until nothing changes, since a joined box may meet more parts.
    A box that was merged, by way of others, into one that it shares nothing with shows
    another lamella and is taken out again.

    Returns
    -------
    list of Box
        Most probable first. No two show the same lamella, and every one of `boxes` shares area
        with one of them.
    """
    groups = [_Group(box, (box,)) for box in sorted(set(boxes), key=_rank)]
    while True:
        merged = sorted(_merge_once(groups), key=lambda group: _rank(group.box))
        if len(merged) == len(groups):
            return sorted((group.box for group in _without_strays(merged)), key=_by_probability)
        groups = merged


def keep_best(
    corners_px: np.ndarray, probabilities: np.ndarray, same_iou: float = 0.5
) -> np.ndarray:
    """Non-maximum suppression: indices of the boxes that no better one covers.

    Parameters
    ----------
    corners_px : ndarray, shape (n, 4)
        x0, y0, x1, y1.
    probabilities : ndarray, shape (n,)
    same_iou : float
        Intersection over union above which the less probable box is dropped.

    Returns
    -------
    ndarray of int
        Most probable first; equal probabilities are ordered by position.
    """
    corners = np.asarray(corners_px, dtype=np.float64).reshape(-1, 4)
    scores = np.asarray(probabilities, dtype=np.float64)
    order = np.lexsort((corners[:, 3], corners[:, 2], corners[:, 1], corners[:, 0], -scores))
    areas = np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0.0), axis=1)
    chosen: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        chosen.append(int(best))
        corner0 = np.maximum(corners[rest, :2], corners[best, :2])
        corner1 = np.minimum(corners[rest, 2:], corners[best, 2:])
        shared = np.prod(np.maximum(corner1 - corner0, 0.0), axis=1)
        union = np.maximum(areas[rest] + areas[best] - shared, 1e-12)
        order = rest[shared / union <= same_iou]
    return np.array(chosen, dtype=int)


def mark_cut_sides(
    box: Box, window: tuple[int, int, int, int], shape: tuple[int, int], near_px: float = 3.0
) -> Box:
    """Note at which sides the border of a window may have cut a box.

    Parameters
    ----------
    box : Box
        In pixels of the whole image.
    window : tuple of int
        x0, y0, x1, y1 of the window in the image (may reach beyond it where padded).
    shape : tuple of int
        (rows, cols) of the image; its own borders cut nothing that another window could show.
    near_px : float
        A box that ends this close to the border counts as cut.
    """
    x0, y0, x1, y1 = window
    rows, cols = shape
    sides = ""
    if x0 > 0 and box.x0_px <= x0 + near_px:
        sides += "l"
    if y0 > 0 and box.y0_px <= y0 + near_px:
        sides += "t"
    if x1 < cols and box.x1_px >= x1 - near_px:
        sides += "r"
    if y1 < rows and box.y1_px >= y1 - near_px:
        sides += "b"
    return replace(box, cut_sides=sides)


@dataclass(frozen=True)
class _Group:
    """Boxes taken for one lamella, and the one around it, named after the most probable."""

    box: Box
    members: tuple[Box, ...]


def _merge_once(ranked: Sequence[_Group]) -> list[_Group]:
    left = list(ranked)
    merged = []
    while left:
        leader = left.pop(0)
        same = [group for group in left if same_lamella(leader.box, group.box)]
        left = [group for group in left if not same_lamella(leader.box, group.box)]
        members = leader.members + tuple(box for group in same for box in group.members)
        merged.append(_Group(_joined(leader.box, [group.box for group in same]), members))
    return merged


def _without_strays(groups: Sequence[_Group]) -> list[_Group]:
    """Groups without members outside of their boxes; such members go where they belong.

    A stray joins the group whose lamella it shows, else it stands for a lamella of its own. No
    box grows by that, so none can come to show what another one shows.
    """
    settled, strays = [], []
    for group in groups:
        held = [box for box in group.members if intersection_px2(box, group.box) > 0]
        strays += [box for box in group.members if box not in held]
        if held:
            settled.append(_Group(group.box, tuple(held)))
    for stray in sorted(strays, key=_rank):
        home = next((g for g in settled if same_lamella(g.box, stray)), None)
        if home is None:
            settled.append(_Group(stray, (stray,)))
        else:
            settled[settled.index(home)] = _Group(home.box, (*home.members, stray))
    return [replace(group, box=_named(group.box, group.members)) for group in settled]


def _named(box: Box, members: Sequence[Box]) -> Box:
    best = min(members, key=_by_probability)
    return replace(box, category=best.category, probability=best.probability)


def _joined(leader: Box, others: Sequence[Box]) -> Box:
    if not others:
        return leader
    members = [leader, *others]
    named = _named(leader, members)
    if not leader.cut_sides:
        return named
    # A side stays cut only if the member that reaches farthest there is cut there.
    ends = {
        "l": min(members, key=lambda b: b.x0_px),
        "t": min(members, key=lambda b: b.y0_px),
        "r": max(members, key=lambda b: b.x1_px),
        "b": max(members, key=lambda b: b.y1_px),
    }
    sides = "".join(side for side, member in ends.items() if side in member.cut_sides)
    return replace(
        named,
        x0_px=ends["l"].x0_px,
        y0_px=ends["t"].y0_px,
        x1_px=ends["r"].x1_px,
        y1_px=ends["b"].y1_px,
        cut_sides=sides,
    )


def _by_probability(box: Box) -> tuple[float | str, ...]:
    return (
        -box.probability,
        box.x0_px,
        box.y0_px,
        box.x1_px,
        box.y1_px,
        box.category,
        box.cut_sides,
    )


def _rank(box: Box) -> tuple[float | str, ...]:
    rank = box.probability * (CUT_WORTH if box.cut_sides else 1.0)
    return (-rank, *_by_probability(box))
