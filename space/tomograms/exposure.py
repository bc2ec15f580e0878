"""Weights of frequencies by the dose: what the beam has destroyed does not count."""

from __future__ import annotations

import numpy as np

_A, _B, _C = 0.245, -1.665, 2.81
_AT_200_KV = 0.8
_LOWEST_PER_A = 1e-4


def critical_e_A2(k_per_A: np.ndarray, voltage_kv: float = 300.0) -> np.ndarray:
    """Return the dose at which the signal at a frequency has faded to 1 / e.

    N(k) = 0.245 k^-1.665 + 2.81 at 300 kV, as measured on rotavirus; 0.8 of it at 200 kV (Grant
    and Grigorieff, eLife 4 (2015) e06980, equation 3).

    Parameters
    ----------
    k_per_A : ndarray
        Frequencies in 1 / angstrom.
    voltage_kv : float
    """
    scale = _AT_200_KV if voltage_kv < 250 else 1.0
    return np.asarray(scale * (_A * np.maximum(k_per_A, _LOWEST_PER_A) ** _B + _C))


def dose_filter(
    shape: tuple[int, ...], pixel_nm: float, dose_e_A2: float, voltage_kv: float = 300.0
) -> np.ndarray:
    """Return the factor exp(-dose / 2 N(k)) of each frequency of a real transform.

    Parameters
    ----------
    shape : (rows, columns)
        Of the picture.
    pixel_nm : float
    dose_e_A2 : float
        That the specimen had when half of the picture was taken.
    voltage_kv : float
    """
    pixel_A = pixel_nm * 10
    y, x = np.fft.fftfreq(shape[0], pixel_A), np.fft.rfftfreq(shape[1], pixel_A)
    k = np.hypot(y[:, None], x[None, :])
    return np.asarray(np.exp(-dose_e_A2 / (2 * critical_e_A2(k, voltage_kv))), np.float32)
