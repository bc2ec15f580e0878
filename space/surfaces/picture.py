"""A picture of surfaces: parallel projection, a depth for each pixel, light from the upper left."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw

from space.surfaces.extraction import Surface

_FINER = 2
"""Pixels are drawn so many times smaller, and averaged."""

_MARGIN = 0.06
_AMBIENT = 0.35
_LIGHT = np.array([-0.45, 0.55, 0.70]) / np.linalg.norm([-0.45, 0.55, 0.70])
_TURN_DEG, _RAISE_DEG = 30.0, 25.0
_MOST_AT_ONCE = 2_000_000
_GOLDEN = 0.61803398875


def draw(surfaces: Sequence[Surface], size_px: int = 1000) -> Image.Image:
    """Draw surfaces, each in a colour of its own, with a scale bar; z goes up in the picture."""
    side = size_px * _FINER
    depth = np.full(side * side, -np.inf)
    colours = np.full((side * side, 3), 255, np.uint8)
    turn = _view(_TURN_DEG, _RAISE_DEG)
    turned = [one.vertices_nm @ turn.T for one in surfaces]
    px_per_nm, middle = _fit(turned, side)
    for number, (one, points) in enumerate(zip(surfaces, turned)):
        across = (points[:, :2] - middle) * px_per_nm
        at_px = np.column_stack([across[:, 0] + side / 2, side / 2 - across[:, 1], points[:, 2]])
        light = _light(points, one.faces)
        colour = np.array(colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.55, 0.95))
        for pixels, depths, brightness in _filled(at_px[one.faces], light[one.faces], side):
            _put(depth, colours, pixels, depths, brightness[:, None] * colour)
    image = Image.fromarray(colours.reshape(side, side, 3))
    image = image.resize((size_px, size_px), Image.Resampling.BOX)
    if surfaces:
        _scale_bar(image, px_per_nm / _FINER)
    return image


def _view(turn_deg: float, raise_deg: float) -> np.ndarray:
    """Return the rotation from (x, y, z) to (right, up, towards the eye)."""
    turn, lift = np.deg2rad([turn_deg, raise_deg])
    about_z = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    # The eye looks along y, from a little above.
    right_up_eye = np.array(
        [[1, 0, 0], [0, np.sin(lift), np.cos(lift)], [0, -np.cos(lift), np.sin(lift)]]
    )
    return right_up_eye @ about_z


def _fit(turned: Sequence[np.ndarray], side: int) -> tuple[float, np.ndarray]:
    if not turned:
        return 1.0, np.zeros(2)
    low = np.min([one[:, :2].min(0) for one in turned], axis=0)
    high = np.max([one[:, :2].max(0) for one in turned], axis=0)
    widest_nm = max(float((high - low).max()), 1e-9)
    return side * (1 - 2 * _MARGIN) / widest_nm, (low + high) / 2


def _light(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return how bright each vertex is, from 0 to 1."""
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros_like(points)
    for corner in range(3):
        for axis in range(3):
            summed[:, axis] += np.bincount(faces[:, corner], normals[:, axis], len(points))
    length = np.linalg.norm(summed, axis=1)
    facing = (summed @ _LIGHT) / np.maximum(length, 1e-12)
    return _AMBIENT + (1 - _AMBIENT) * np.clip(facing, 0, 1)


def _filled(
    triangles: np.ndarray, light: np.ndarray, side: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return pixels whose middles triangles cover, with depth and brightness; some at a time.

    Triangles whose boxes are about as large are filled together.
    """
    edges = triangles[:, 1:, :2] - triangles[:, :1, :2]
    # Closed surfaces hide the faces that look away; rows count downwards, so these go clockwise.
    towards = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0] < -1e-9
    triangles, light = triangles[towards], light[towards]
    low = np.floor(triangles[:, :, :2].min(1)).astype(int)
    widest = (np.ceil(triangles[:, :, :2].max(1)).astype(int) - low).max(1) + 1
    sizes = np.ceil(2 ** (np.ceil(2 * np.log2(np.maximum(widest, 1))) / 2)).astype(int)
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        at_once = max(1, _MOST_AT_ONCE // int(size) ** 2)
        down, right = (one.ravel() for one in np.mgrid[:size, :size])
        for start in range(0, len(members), at_once):
            which = members[start : start + at_once]
            shares = _shares(triangles[which], low[which], right, down)
            one, at = np.nonzero((shares >= -1e-6).all(0))
            column, row = low[which, 0][one] + right[at], low[which, 1][one] + down[at]
            there = (column >= 0) & (column < side) & (row >= 0) & (row < side)
            one, at, pixel = one[there], at[there], (row * side + column)[there]
            own = shares[:, one, at]
            depths = (own * triangles[which, :, 2].T[:, one]).sum(0)
            yield pixel, depths, (own * light[which].T[:, one]).sum(0)


def _shares(
    triangles: np.ndarray, low: np.ndarray, right: np.ndarray, down: np.ndarray
) -> np.ndarray:
    """Return the barycentric coordinates of the middles of pixels, shape (3, triangles, pixels).

    Each is a plane over the picture: 1 at its own corner and 0 at the two others.
    """
    across = triangles[:, :, :2] - low[:, None] - 0.5
    edges = np.roll(across, -2, axis=1) - np.roll(across, -1, axis=1)  # opposite to each corner
    from_corner = across - np.roll(across, -1, axis=1)
    whole = edges[:, :, 0] * from_corner[:, :, 1] - edges[:, :, 1] * from_corner[:, :, 0]
    by_right, by_down = -edges[:, :, 1] / whole, edges[:, :, 0] / whole
    start = 1 - by_right * across[:, :, 0] - by_down * across[:, :, 1]
    planes = np.stack([by_right, by_down, start]).astype(np.float32)
    by_right, by_down, start = (one.T[:, :, None] for one in planes)
    return by_right * right.astype(np.float32) + by_down * down.astype(np.float32) + start


def _put(
    depth: np.ndarray,
    colours: np.ndarray,
    pixels: np.ndarray,
    depths: np.ndarray,
    rgb: np.ndarray,
) -> None:
    """Colour the pixels that are nearer to the eye than what is there."""
    order = np.argsort(depths, kind="stable")  # of several for one pixel, the last one stays
    pixels, depths, rgb = pixels[order], depths[order], rgb[order]
    nearer = depths > depth[pixels]
    depth[pixels[nearer]] = depths[nearer]
    colours[pixels[nearer]] = np.round(255 * rgb[nearer]).astype(np.uint8)


def _scale_bar(image: Image.Image, px_per_nm: float) -> None:
    aim_nm = image.width / 5 / px_per_nm
    power = 10 ** np.floor(np.log10(aim_nm))
    length_nm = float(max(one * power for one in (1, 2, 5) if one * power <= aim_nm))
    end, row = image.width * 0.97, image.height * 0.97
    pen = ImageDraw.Draw(image)
    pen.line([(end - length_nm * px_per_nm, row), (end, row)], fill=(0, 0, 0), width=4)
    text = f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} µm"
    pen.text((end, row - 6), text, fill=(0, 0, 0), anchor="rb", font_size=image.width // 45)
