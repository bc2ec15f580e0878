"""Orders of axes: of a tomogram's file, and of the three numbers of a coordinate.

An order names the axes of a file from the one that runs fastest: ``xyz`` are columns along x, rows
along y and sections along z, as most programs write. ``xzy`` is what comes out of IMOD's tilt
before it is turned, ``zxy`` what some programs for looking at sections write. All of the room is
(z, y, x).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from space.errors import SpaceError, shown

ORDERS = ("xyz", "xzy", "zxy")


def checked_order(order: str) -> str:
    """Return an order.

    Raises
    ------
    SpaceError
        If it is none of `ORDERS`.
    """
    if order not in ORDERS:
        raise SpaceError(
            f"{shown(order)} is no order of axes.", do=f"Use one of {', '.join(ORDERS)}."
        )
    return order


def order_axes(order: str) -> tuple[int, int, int]:
    """Return which axis of the file's array (sections, rows, columns) is z, y and x."""
    slowest_first = checked_order(order)[::-1]
    z, y, x = (slowest_first.index(axis) for axis in "zyx")
    return z, y, x


def points_zyx(points: np.ndarray, order: str) -> np.ndarray:
    """Return points (n, 3) of three numbers in an order as (z, y, x)."""
    fastest_first = checked_order(order)
    given = np.asarray(points, float).reshape(-1, 3)
    return given[:, [fastest_first.index(axis) for axis in "zyx"]]


def in_file_order(points_zyx_px: np.ndarray, order: str) -> np.ndarray:
    """Return points (z, y, x) as (column, row, section) of a file in an order."""
    given = np.asarray(points_zyx_px, float).reshape(-1, 3)
    return given[:, ["zyx".index(axis) for axis in checked_order(order)]]


def permuted(values: Sequence[float], order: str) -> tuple[float, float, float]:
    """Return what belongs to (sections, rows, columns) as (z, y, x)."""
    z, y, x = (values[axis] for axis in order_axes(order))
    return z, y, x
