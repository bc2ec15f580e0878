"""What tilt series of two kinds expose each other to, counted over all tilts.

The footprint of a beam on the specimen is an ellipse, at each tilt longer by 1/cos(tilt) across
the tilt axis. A point inside all footprints of a series gets its whole dose; one that only the
longer ones reach gets the share of the tilts at which they do. Doses are e/Å² across the beam, as
microscopes report them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from space.targeting.options import ExposureOptics
from space.targeting.packing import TiltFrame

TILT_STEPS_DEG = (1.0, 2.0, 3.0, 5.0, 10.0)
"""Of series whose tilts are not known: of these, the one counts with which most is exposed."""

FIELD_POINTS = 7
"""Of a field along each side, at which dose is counted."""

SLACK_E_A2 = 1e-6


@dataclass(frozen=True, eq=False)
class Exposed:
    """Tilt series of one kind.

    Parameters
    ----------
    beams_map_px : ndarray (n, 2)
        Middles of their beams, (row, column).
    optics : ExposureOptics
        Width of the beam and how the specimen lies.
    dose_e_A2 : float
        Of one whole series.
    margin_um : float
        Added to the beam's radius: how far a beam may miss its place.
    """

    beams_map_px: np.ndarray
    optics: ExposureOptics
    dose_e_A2: float
    margin_um: float = 0.0

    @property
    def radius_um(self) -> float:
        """Radius of the beam with its margin."""
        return self.optics.beam_diameter_um / 2 + self.margin_um


def usual_tilts_deg(optics: ExposureOptics, step_deg: float) -> np.ndarray:
    """Return the tilts of a series from the lowest to the highest, both included."""
    most = abs(optics.max_tilt_deg)
    count = int(most / step_deg)
    inner = np.arange(-count, count + 1) * step_deg
    return np.unique(np.concatenate([inner, [-most, most]]))


def shares_at(
    points_map_px: np.ndarray, exposed: Exposed, tilts_deg: np.ndarray | None = None
) -> np.ndarray:
    """Return which share of each series' pictures hits which point.

    Parameters
    ----------
    points_map_px : ndarray (m, 2)
        (row, column).
    exposed : Exposed
        With n beams.
    tilts_deg : ndarray (k,), optional
        Of the stage; None: up to the highest, in those of the usual steps that expose most.

    Returns
    -------
    ndarray (m, n)
        From 0 to 1. A pretilt is added to each tilt on the side where footprints get longer, so
        that this is an upper bound whichever side that is.
    """
    optics = exposed.optics
    flat = TiltFrame(optics.pixel_um, optics.tilt_axis_deg, 1.0)
    points = flat.from_map(np.asarray(points_map_px, float).reshape(-1, 2))
    beams = flat.from_map(np.asarray(exposed.beams_map_px, float).reshape(-1, 2))
    along, across = (np.abs(points[:, None, axis] - beams[None, :, axis]) for axis in (0, 1))
    room2 = exposed.radius_um**2 - along**2
    room = np.sqrt(np.maximum(room2, 0))
    # Inside the ellipse where across * cos(tilt) <= room: at tilts with a cosine up to their ratio.
    ratio = np.where(room2 >= 0, room / np.maximum(across, 1e-12) * (1 + 1e-12), -1.0)
    if tilts_deg is not None:
        return _share_of_tilts(ratio, np.asarray(tilts_deg, float), optics)
    most = np.zeros(ratio.shape)
    for step_deg in TILT_STEPS_DEG:
        np.maximum(
            most, _share_of_tilts(ratio, usual_tilts_deg(optics, step_deg), optics), out=most
        )
    return most


def _share_of_tilts(ratio: np.ndarray, tilts_deg: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """Share of tilts at which the cosine is at most a ratio."""
    inclined = np.clip(np.abs(tilts_deg) + abs(optics.pretilt_deg), 0, 89.0)
    cosines = np.sort(np.cos(np.radians(inclined)))
    return np.searchsorted(cosines, ratio, side="right") / len(cosines)


def dose_at(
    points_map_px: np.ndarray,
    kinds: Sequence[Exposed],
    tilts_deg: np.ndarray | None = None,
) -> np.ndarray:
    """Return the dose (m,) in e/Å² that series of some kinds give to points (m, 2)."""
    points = np.asarray(points_map_px, float).reshape(-1, 2)
    total = np.zeros(len(points))
    for kind in kinds:
        total += kind.dose_e_A2 * shares_at(points, kind, tilts_deg).sum(axis=1)
    return total


def field_points(targets_map_px: np.ndarray, optics: ExposureOptics) -> np.ndarray:
    """Return points (n, FIELD_POINTS², 2) all over the Record fields of targets (n, 2)."""
    steps = np.linspace(-0.5, 0.5, FIELD_POINTS)
    width, height = (side / optics.pixel_um for side in optics.field_um)
    along, across = np.meshgrid(steps * width, steps * height)
    angle = np.radians(optics.field_rotation_deg)
    rows = along * np.sin(angle) + across * np.cos(angle)
    columns = along * np.cos(angle) - across * np.sin(angle)
    offsets = np.stack([rows, columns], axis=-1).reshape(-1, 2)
    return np.asarray(targets_map_px, float).reshape(-1, 1, 2) + offsets[None]


def most_in_fields(
    targets_map_px: np.ndarray, optics: ExposureOptics, others: Sequence[Exposed]
) -> np.ndarray:
    """Return the highest dose (n,) in each target's field of series of other kinds."""
    points = field_points(targets_map_px, optics)
    return dose_at(points.reshape(-1, 2), others).reshape(points.shape[:2]).max(axis=1, initial=0.0)


def harmless(
    fine_map_px: np.ndarray,
    fine_optics: ExposureOptics,
    broad: Exposed,
    scores: np.ndarray,
    most_e_A2: float,
) -> np.ndarray:
    """Return which broad series can stay if no fine field may get more of them than a dose.

    Those that score least go first, one by one, among those that reach a field with too much.

    Parameters
    ----------
    fine_map_px : ndarray (m, 2)
        Targets of the fine series.
    fine_optics : ExposureOptics
        Of these.
    broad : Exposed
        With n beams.
    scores : ndarray (n,)
        Of the broad series.
    most_e_A2 : float
        The budget.

    Returns
    -------
    ndarray of bool (n,)
    """
    stays = np.ones(len(broad.beams_map_px), bool)
    points = field_points(fine_map_px, fine_optics).reshape(-1, 2)
    if not len(points) or not len(stays):
        return stays
    doses = broad.dose_e_A2 * shares_at(points, broad)
    while True:
        too_much = (doses @ stays) > most_e_A2 + SLACK_E_A2
        blamed = stays & (doses[too_much] > 0).any(axis=0)
        if not blamed.any():
            return stays
        stays[np.flatnonzero(blamed)[int(np.argmin(np.asarray(scores)[blamed]))]] = False
