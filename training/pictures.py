"""Pictures of the simulated specimen with their truth, as a microscope would record them."""

from __future__ import annotations

import numpy as np

from space.simulator.specimen import KINDS, LABEL, Grid

LAMELLA_PIXEL_NM = 16.0
GRID_PIXEL_NM = 400.0


def view(center_um, pixel_um: float, shape, angle_deg: float, mirror: bool = False) -> np.ndarray:
    """Affine map (2, 3) from picture (column, row, 1) to the grid frame."""
    a = np.deg2rad(angle_deg)
    turn = pixel_um * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if mirror:
        turn = turn @ np.diag([1.0, -1.0])
    middle = turn @ (shape[1] / 2, shape[0] / 2)
    return np.column_stack([turn, np.asarray(center_um) - middle])


def exposed(rng, transmission: np.ndarray, relative_noise: float) -> np.ndarray:
    """Add counting noise (`relative_noise` is its standard deviation in vacuum) and offset."""
    noise = rng.standard_normal(transmission.shape, dtype=np.float32)
    return transmission + relative_noise * np.sqrt(np.maximum(transmission, 0.002)) * noise


def to_bytes(picture: np.ndarray, low: float = 0.1, high: float = 99.9) -> np.ndarray:
    """Stretch between two percentiles to 0..255, as maps are saved for segmentation."""
    lo, hi = np.percentile(picture[::4, ::4], [low, high])
    scaled = (picture - lo) * (255.0 / max(hi - lo, 1e-6))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def lamella_picture(seed: int, shape=(1400, 2000)) -> tuple[np.ndarray, np.ndarray]:
    """A View-magnification map of one lamella at 16 nm/px with its labels.

    Parameters
    ----------
    seed : int
        Decides specimen, rotation, magnification error, noise and faults.
    shape : (rows, columns)

    Returns
    -------
    picture, labels : uint8 arrays of `shape`
    """
    rng = np.random.default_rng([101, seed])
    kind = rng.choice(
        ["good", "wedge", "contaminated", "broken", "thick", "gone"],
        p=[0.45, 0.22, 0.15, 0.09, 0.07, 0.02],
    )
    grid = Grid.make(seed, 1, kinds=[str(kind)])
    lamella = grid.lamellae[0]
    pixel_um = LAMELLA_PIXEL_NM * 1e-3 * rng.uniform(0.93, 1.07)
    base = lamella.angle_deg + rng.choice([0, 180]) + rng.normal(0, 8)
    if rng.random() < 0.25:
        base = rng.uniform(0, 360)
    center = np.asarray(lamella.center_um) + rng.uniform(-3, 3, 2)
    m = view(center, pixel_um, shape, base, bool(rng.random() < 0.5))
    transmission = grid.transmission(m, shape, pixel_um)
    labels = grid.label_map(m, shape)

    transmission = _seams(rng, transmission)
    picture = exposed(rng, transmission, 0.038 * rng.uniform(0.6, 2.2))
    if rng.random() < 0.4:
        picture, labels = _unfilled(rng, picture, labels)
    return to_bytes(picture), labels


def _seams(rng, transmission: np.ndarray) -> np.ndarray:
    """Pieces of a montage differ a little in brightness."""
    result = transmission.copy()
    rows = np.arange(0, transmission.shape[0], int(rng.uniform(400, 640)))
    cols = np.arange(0, transmission.shape[1], int(rng.uniform(400, 640)))
    for r0, r1 in zip(rows, [*rows[1:], transmission.shape[0]], strict=True):
        for c0, c1 in zip(cols, [*cols[1:], transmission.shape[1]], strict=True):
            result[r0:r1, c0:c1] *= rng.normal(1.0, 0.015)
    return result


def _unfilled(rng, picture, labels):
    """A montage overview is a rectangle; where no piece lies it holds one grey value."""
    fill = rng.choice([picture.min(), 0.0, picture.mean()])
    for axis in (0, 1):
        width = int(rng.uniform(0, 0.12) * picture.shape[axis])
        if width:
            at = [slice(None), slice(None)]
            at[axis] = slice(None, width) if rng.random() < 0.5 else slice(-width, None)
            picture[tuple(at)] = fill
            labels[tuple(at)] = LABEL["background"]
    return picture, labels


def grid_picture(
    seed: int, rng, center_um, grid: Grid, size_px: int
) -> tuple[np.ndarray, list[tuple[int, float, float, float, float]]]:
    """A part of a whole-grid map at 400 nm/px and the boxes in it.

    Returns
    -------
    picture : (size_px, size_px) uint8 array
    boxes : list of (category index in KINDS, x0, y0, x1, y1) in pixels
    """
    pixel_um = GRID_PIXEL_NM * 1e-3 * rng.uniform(0.92, 1.08)
    shape = (size_px, size_px)
    angle = rng.choice([0, 90, 180, 270]) + rng.normal(0, 12)
    m = view(center_um, pixel_um, shape, angle, bool(rng.random() < 0.5))
    transmission = grid.transmission(m, shape, pixel_um)
    transmission = transmission * rng.uniform(0.8, 1.0) + rng.uniform(0, 0.04)
    picture = exposed(rng, transmission, rng.uniform(0.005, 0.05))
    back = np.linalg.inv(m[:, :2])
    boxes = []
    for lamella in grid.lamellae:
        corners = _outline(lamella.site) - m[:, 2]
        px = corners @ back.T
        (x0, y0), (x1, y1) = px.min(axis=0), px.max(axis=0)
        boxes.append((KINDS.index(lamella.kind), x0, y0, x1, y1))
    gain = rng.uniform(150, 255)
    return np.clip(np.rint(picture * gain), 0, 255).astype(np.uint8), boxes


def _outline(site) -> np.ndarray:
    """Corners (4, 2) in the grid frame of the rectangle that a box is drawn around."""
    half_s, half_t = site.length_um / 2 + 1.0, site.width_um / 2 + 1.5
    st = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_s, half_t)
    to_site = site.site_from_grid
    return (st - to_site[:, 2]) @ np.linalg.inv(to_site[:, :2]).T
