"""Where the pictures of a series were taken, against the way of a point of the specimen."""

from __future__ import annotations

import numpy as np

from space.series.pictures import TiltSeries
from space.series.quality import Quality

_FEWEST = 5


def astray_um(series: TiltSeries, quality: Quality) -> tuple[float | None, ...]:
    """Return how far each picture's place is from the way of one point of the specimen.

    Tilted, a point keeps its place along the tilt axis, and across it moves by
    y cos - z sin. Both are fitted to the pictures that were not lost. None where a script has not
    noted the place, or for too few pictures.
    """
    pictures = series.pictures
    lost = quality.lost or (False,) * len(pictures)
    known = [k for k, one in enumerate(pictures) if one.shift_um is not None]
    kept = [k for k in known if not lost[k]]
    if len(kept) < _FEWEST:
        return (None,) * len(pictures)
    tilt = np.radians([one.tilt_deg for one in pictures])
    shifts = np.array([one.shift_um or (0.0, 0.0) for one in pictures])
    model = np.stack([np.ones(len(tilt)), np.cos(tilt), np.sin(tilt)], axis=1)
    across, *_ = np.linalg.lstsq(model[kept], shifts[kept, 1], rcond=None)
    dx = shifts[:, 0] - np.median(shifts[kept, 0])
    away = np.hypot(dx, shifts[:, 1] - model @ across)
    return tuple(float(away[k]) if k in set(known) else None for k in range(len(pictures)))
