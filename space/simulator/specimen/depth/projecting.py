"""Clouds of blobs on the pixels of a picture, and on the voxels of a volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from space.simulator.specimen import texture

from .cloud import SIGMAS_NM, Cloud

_REACH = 3.5  # standard deviations after which a blob has ended
_FINE_PX = 1.6  # a blob is drawn on pixels of which its standard deviation is so many, or fewer


def project(cloud: Cloud, to_px: np.ndarray, shape: tuple[int, int], pixel_nm: float) -> np.ndarray:
    """Potential along the beam on the pixels of a picture, V nm.

    Parameters
    ----------
    cloud : Cloud
    to_px : (2, 4) array
        Affine map from (x, y, z, 1), nm in the cloud's frame, to (column, row) with pixel
        centres at +0.5.
    shape : (rows, columns)
    pixel_nm : float
        Side of a pixel as the camera sees it.

    Returns
    -------
    (rows, columns) float32
    """
    m = np.asarray(to_px, np.float64)
    # In two steps, since positions on a lamella in single precision have no tenths of a pixel.
    middle = np.zeros(3) if not len(cloud) else cloud.points_nm.mean(axis=0, dtype=np.float64)
    near = (cloud.points_nm - middle.astype(np.float32)) @ m[:, :3].T.astype(np.float32)
    px = near + (m[:, :3] @ middle + m[:, 3]).astype(np.float32)
    total = np.zeros(shape, np.float32)
    for grade in np.unique(cloud.grades):
        sigma_px = SIGMAS_NM[grade] / pixel_nm
        step = max(1, int(sigma_px / _FINE_PX))
        chosen = cloud.grades == grade
        drawn = _drawn(px[chosen], cloud.weights[chosen], sigma_px, step, shape)
        total += drawn
    total *= np.float32(1.0 / pixel_nm**2)
    return total


def _drawn(
    px: np.ndarray, weights: np.ndarray, sigma_px: float, step: int, shape: tuple[int, int]
) -> np.ndarray:
    """Blobs of one width on a lattice of every `step`-th pixel, enlarged to all of them."""
    pad = int(np.ceil(_REACH * sigma_px / step)) + 2
    lattice = texture.lattice_shape(shape, step) if step > 1 else shape
    padded = (lattice[0] + 2 * pad, lattice[1] + 2 * pad)
    # Lattice points lie on the centres of pixels.
    at = (px[:, ::-1] - np.float32(0.5)) / np.float32(step) + np.float32(pad)
    flat = added(at, weights, padded)
    # What bilinear weights spread, and a pixel averages over, is part of the width already.
    spread = 1.0 / 6.0 + (1.0 / 6.0 if step > 1 else 0.0)
    wanted = (sigma_px / step) ** 2 + 1.0 / (12.0 * step**2) - spread
    blurred = ndimage.gaussian_filter(
        flat, np.sqrt(max(wanted, 0.0)), mode="constant", truncate=_REACH
    )
    inner = np.ascontiguousarray(blurred[pad : pad + lattice[0], pad : pad + lattice[1]])
    if step > 1:
        inner *= np.float32(1.0 / step**2)
        return texture.enlarge(inner, step, shape)
    return inner


def added(at: np.ndarray, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Weights on an array, each shared by the elements around its place.

    Parameters
    ----------
    at : (n, d) array
        Places as indexes of the array, element centres at whole numbers.
    weights : (n,) array
    shape : d sizes

    Returns
    -------
    float32 array of `shape`; what lies outside is left out
    """
    # Axis by axis, since NumPy is slow along the short one of an array of places.
    low = np.floor(at)
    inside = np.ones(len(at), bool)
    for axis, size in enumerate(shape):
        inside &= (low[:, axis] >= 0) & (low[:, axis] < size - 1)
    low, weights = low[inside], weights[inside].astype(np.float32)
    part = (at[inside] - low).astype(np.float32)
    strides = [int(np.prod(shape[n + 1 :])) for n in range(len(shape))]
    first = np.zeros(len(low), np.intp)
    for axis, stride in enumerate(strides):
        first += low[:, axis].astype(np.intp) * stride
    corners = list(np.ndindex(*(2,) * len(shape)))
    places = np.empty((len(corners), len(first)), np.intp)
    shares = np.empty((len(corners), len(first)))
    for number, corner in enumerate(corners):
        np.add(first, int(np.dot(corner, strides)), out=places[number])
        share = weights
        for axis, far in enumerate(corner):
            share = share * (part[:, axis] if far else 1 - part[:, axis])
        shares[number] = share
    total = np.bincount(places.ravel(), shares.ravel(), int(np.prod(shape)))
    return total.astype(np.float32).reshape(tuple(shape))


def volume(
    cloud: Cloud, origin_nm: np.ndarray, shape: tuple[int, int, int], voxel_nm: float
) -> np.ndarray:
    """Potential in the voxels of a volume, V.

    Parameters
    ----------
    cloud : Cloud
    origin_nm : array (x, y, z)
        Outer corner of the first voxel, in the cloud's frame.
    shape : (z, y, x)
    voxel_nm : float

    Returns
    -------
    (z, y, x) float32
    """
    total = np.zeros(shape, np.float32)
    at = (cloud.points_nm - np.asarray(origin_nm, np.float32))[:, ::-1] / np.float32(voxel_nm)
    at -= np.float32(0.5)
    for grade in np.unique(cloud.grades):
        chosen = cloud.grades == grade
        sigma = SIGMAS_NM[grade] / voxel_nm
        pad = int(np.ceil(_REACH * sigma)) + 1
        padded = [n + 2 * pad for n in shape]
        put = added(at[chosen] + np.float32(pad), cloud.weights[chosen], padded)
        width = np.sqrt(max(sigma**2 + 1.0 / 12.0 - 1.0 / 6.0, 0.0))
        blurred = ndimage.gaussian_filter(put, width, mode="constant", truncate=_REACH)
        total += blurred[tuple(slice(pad, pad + n) for n in shape)]
    total *= np.float32(1.0 / voxel_nm**3)
    return total
