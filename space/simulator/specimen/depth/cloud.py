"""Matter as a cloud of Gaussian blobs, which any direction projects exactly.

The projection of a Gaussian is a Gaussian of the same width, whatever the direction. A particle,
a membrane or a filament is therefore a set of points with weights, and a picture of it is made by
adding the weights on pixels and blurring once for each width.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

SIGMAS_NM = (1.0, 2.0, 4.0)
"""Widths that blobs have; a blob's grade is its index here."""


@dataclass(frozen=True)
class Cloud:
    """Blobs in any frame.

    Attributes
    ----------
    points_nm : (n, 3) float32
    weights : (n,) float32
        Potential above that of the surroundings, integrated over the blob: V nm³.
    grades : (n,) uint8
        Widths of the blobs, as indexes of `SIGMAS_NM`.
    """

    points_nm: np.ndarray
    weights: np.ndarray
    grades: np.ndarray

    @classmethod
    def of(cls, points_nm: np.ndarray, weight: float | np.ndarray, grade: int) -> Cloud:
        """Blobs of one grade; a single weight counts for each."""
        points = np.asarray(points_nm, np.float32).reshape(-1, 3)
        weights = np.broadcast_to(np.asarray(weight, np.float32), len(points)).copy()
        return cls(points, weights, np.full(len(points), grade, np.uint8))

    @classmethod
    def joined(cls, clouds: Iterable[Cloud]) -> Cloud:
        """All blobs of several clouds of one frame."""
        every = list(clouds)
        if not every:
            return cls.of(np.zeros((0, 3)), 0.0, 0)
        return cls(
            np.concatenate([cloud.points_nm for cloud in every]),
            np.concatenate([cloud.weights for cloud in every]),
            np.concatenate([cloud.grades for cloud in every]),
        )

    def __len__(self) -> int:
        """Count the blobs."""
        return len(self.weights)

    @property
    def nbytes(self) -> int:
        """Memory that the blobs take."""
        return self.points_nm.nbytes + self.weights.nbytes + self.grades.nbytes

    def only(self, chosen: np.ndarray) -> Cloud:
        """Those blobs that a mask or indexes (n,) choose."""
        return Cloud(self.points_nm[chosen], self.weights[chosen], self.grades[chosen])

    def placed(self, rotations: np.ndarray, centers_nm: np.ndarray) -> Cloud:
        """One copy for each place.

        Parameters
        ----------
        rotations : (m, 3, 3)
            Take directions of this cloud's frame to those of the other frame.
        centers_nm : (m, 3)
            Where the origin comes to lie.
        """
        turned = np.einsum("mij,nj->mni", rotations.astype(np.float32), self.points_nm)
        turned += np.asarray(centers_nm, np.float32)[:, None, :]
        m = len(centers_nm)
        return Cloud(turned.reshape(-1, 3), np.tile(self.weights, m), np.tile(self.grades, m))


def random_rotations(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 3, 3) rotations of which each is as likely as any other.

    Unit quaternions evenly spread over the sphere in four dimensions; K. Shoemake, Uniform random
    rotations, Graphics Gems III (1992).
    """
    q = rng.standard_normal((n, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)
