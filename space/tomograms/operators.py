"""From stretched pictures to a slab of specimen and back, frequency by frequency.

In the stretched frame (`geometry`) a layer at height z is seen shifted by z tan t. Along x, a
shift is a factor exp(-2 pi i k z tan t) at each frequency k. Frequencies and rows do not mix:
for each of them the picture values q (n) and the slab v (layers) are tied by a small matrix,

    q = A v,    A[t, z] = m_t(k) exp(-2 pi i k z tan t),

where m_t(k) is 0 beyond what a picture stretched by 1 / cos t can hold. Back-projection is its
adjoint. Everything else is a weight, an n x n matrix W(k) in v = A* W q:

* weighted back-projection with the exact filter for a slab of known thickness (Harauz and
  van Heel, Optik 73 (1986) 146): diagonal, 1 / sum over u of sinc(d k (tan t - tan u)).
* SIRT with n iterations from nothing (Gilbert, J. Theor. Biol. 36 (1972) 105): its steps
  v + A* (q - A v) / w are linear, so that n of them are the polynomial
  (1 - (1 - l / w) ^ n) / l of A A*, with w its largest eigenvalue, here n_pictures * layers.
"""

from __future__ import annotations

import numpy as np

_BAND_BEGIN, _BAND_END = 0.40, 0.5  # of the sampling frequency: where pictures are faded out
_LEAST = 1e-9


def frequencies(columns: int) -> np.ndarray:
    """Return the frequencies of a real row, in cycles per pixel."""
    return np.fft.rfftfreq(columns)


def band(tilts_deg: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the part of each picture that is used at each frequency, shape (k, n).

    A cosine edge, in frequencies of the picture before it was stretched.
    """
    own = k[:, None] / np.cos(np.radians(tilts_deg))[None, :]
    edge = np.clip((own - _BAND_BEGIN) / (_BAND_END - _BAND_BEGIN), 0.0, 1.0)
    return np.asarray(0.5 * (1 + np.cos(np.pi * edge)))


def overlap(tilts_deg: np.ndarray, k: np.ndarray, layers: float) -> np.ndarray:
    """Return A A* / layers without the band: what two pictures share, shape (k, n, n).

    The mean over all layers of exp(-2 pi i k z (tan t - tan u)): Dirichlet's kernel, which for
    many layers is a sinc.
    """
    tangent = np.tan(np.radians(tilts_deg))
    turns = k[:, None, None] * (tangent[:, None] - tangent[None, :])
    whole = max(1, round(layers))
    below = whole * np.sin(np.pi * turns)
    near = np.abs(below) < _LEAST
    return np.asarray(np.where(near, 1.0, np.sin(np.pi * whole * turns) / np.where(near, 1, below)))


def back_projection(
    tilts_deg: np.ndarray, k: np.ndarray, layers: int, first: int = 0, last: int | None = None
) -> np.ndarray:
    """Return A* without the band for some of the layers, shape (k, layers, n), complex64."""
    z = np.arange(first, layers if last is None else last) - (layers - 1) / 2
    phase = z[:, None] * np.tan(np.radians(tilts_deg))[None, :]
    # A point at height z is seen at x + z tan t: to bring it back, shift by -z tan t.
    return np.exp((2j * np.pi) * k[:, None, None] * phase[None]).astype(np.complex64)


def wbp_weights(tilts_deg: np.ndarray, k: np.ndarray, layers: int) -> np.ndarray:
    """Return the weights of weighted back-projection, shape (k, n, n), diagonal."""
    used = band(tilts_deg, k)
    sums = np.einsum("kij,kj->ki", np.maximum(overlap(tilts_deg, k, layers), 0.0), used)
    weights = used / np.maximum(sums, 1.0) / layers
    return np.asarray(weights[:, :, None] * np.eye(len(tilts_deg))[None])


def sirt_weights(tilts_deg: np.ndarray, k: np.ndarray, layers: int, iterations: int) -> np.ndarray:
    """Return the weights that are SIRT with a number of iterations, shape (k, n, n)."""
    used = band(tilts_deg, k)
    gram = used[:, :, None] * overlap(tilts_deg, k, layers) * used[:, None, :] * layers
    values, vectors = np.linalg.eigh(gram)
    part = np.clip(values / (len(tilts_deg) * layers), _LEAST, 1.0)
    gain = -np.expm1(iterations * np.log1p(-np.minimum(part, 1 - _LEAST))) / part
    inner = (vectors * (gain / (len(tilts_deg) * layers))[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.asarray(used[:, :, None] * inner)


def left_out(
    spectra: np.ndarray, tilts_deg: np.ndarray, k: np.ndarray, layers: float, noise: float
) -> np.ndarray:
    """Return each picture as all others together predict it.

    The others give the slab by regularised least squares, and the slab is projected again: in one
    formula, q - (C^-1 q) / diag(C^-1) with C = A A* / layers + noise.

    Parameters
    ----------
    spectra : ndarray, shape (n, rows, k)
        Pictures in the stretched frame, transformed along x.
    tilts_deg : ndarray, shape (n,)
    k : ndarray
        The frequencies.
    layers : float
        Thickness of the slab in pixels.
    noise : float
        Its variance over that of the signal.

    Returns
    -------
    ndarray, shape (n, rows, k)
    """
    used = band(tilts_deg, k)
    shared = used[:, :, None] * overlap(tilts_deg, k, layers) * used[:, None, :]
    inverse = np.linalg.inv(shared + noise * np.eye(len(tilts_deg))[None])
    values = spectra.transpose(2, 0, 1)
    off = (inverse.astype(np.complex64) @ values) / np.einsum("kii->ki", inverse)[:, :, None]
    return np.asarray((values - off).transpose(1, 2, 0).astype(np.complex64))


def expected(
    spectra: np.ndarray,
    tilts_deg: np.ndarray,
    at_deg: float,
    k: np.ndarray,
    layers: float,
    noise: float,
) -> np.ndarray:
    """Return how aligned pictures say that one at another tilt looks, shape (rows, k).

    Parameters are those of `left_out`; `spectra` are those of the aligned pictures alone.
    """
    tilts = np.append(tilts_deg, at_deg)
    used = band(tilts, k)
    shared = used[:, :, None] * overlap(tilts, k, layers) * used[:, None, :]
    own = shared[:, :-1, :-1] + noise * np.eye(len(tilts_deg))[None]
    weights = np.linalg.solve(own, shared[:, :-1, -1:])[:, :, 0]
    return np.asarray(np.einsum("kn,nrk->rk", weights.astype(np.float32), spectra))
