"""Registration without a person: by beads, or by the holes of a film, found in both pictures.

Beads lie at random: the pattern of some tens of them is found once or not at all. Holes are a
lattice, see `space.fluorescence.lattices`. Where nothing is sure, nothing is answered: a person
can give pairs of points.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from space.errors import SpaceError
from space.fluorescence.constellations import match_points
from space.fluorescence.lattices import by_holes
from space.fluorescence.pairs import Registration, register
from space.fluorescence.spots import Picture, likely_scales, spots_in

_log = logging.getLogger(__name__)

BEAD_UM, HOLE_UM = 1.0, 2.0

_TOLERANCE_UM = 1.0
_CLEAR_BEADS = 4.0
_MOST_BEADS = 400
_MOST_PAIRS = 100
_AGREE_UM = 3.0  # at the corners, far from what was found
_WHERE = "registration"


@dataclass(frozen=True)
class Features:
    """What is looked for in both pictures.

    Attributes
    ----------
    bead_um, hole_um : float or None
        Diameters; None: these are not looked for.
    """

    bead_um: float | None = BEAD_UM
    hole_um: float | None = HOLE_UM


def search(
    channels: Mapping[str, Picture], map_: Picture, features: Features | None = None
) -> Registration:
    """Register a fluorescence picture to a map by what is found in both.

    Parameters
    ----------
    channels : mapping of str to Picture
        Of one field and one size. Beads are looked for as bright spots in each, holes as bright
        or as dark ones.
    map_ : Picture
        In which beads are dark and holes are bright. Its pixel size must be known.
    features : Features, optional

    Raises
    ------
    SpaceError
        If nothing is sure; says what was found.
    """
    features = features or Features()
    if map_.pixel_um is None:
        raise SpaceError("The pixel size of the map is not known.", _WHERE)
    found: list[Registration] = []
    reasons: list[str] = []
    for name, channel in channels.items():
        for way, diameter_um in (("beads", features.bead_um), ("holes", features.hole_um)):
            if diameter_um is None:
                continue
            try:
                pairs = (_by_beads if way == "beads" else by_holes)(
                    channel, map_, diameter_um, _TOLERANCE_UM
                )
                found.append(_registered(*pairs, channel, map_))
            except SpaceError as error:
                reasons.append(f"{way} in {name}: {error.what}")
                _log.debug("%s in %s: %s", way, name, error)
    if not found:
        raise SpaceError(
            "Nothing says surely how the pictures lie. " + " ".join(reasons),
            _WHERE,
            "Give pairs of points.",
        )
    best = min(found, key=_off_um)
    shape = next(iter(channels.values())).values.shape
    corners = np.array([[0, 0], [0, shape[1]], [shape[0], 0], [shape[0], shape[1]]], float)
    for other in found:
        apart = np.hypot(*(best.fit.to_map(corners) - other.fit.to_map(corners)).T)
        apart_um = float(apart.max()) * map_.pixel_um
        if apart_um > _AGREE_UM:
            raise SpaceError(
                f"What was found in several ways does not agree (by {apart_um:.1f} um).",
                _WHERE,
                "Give pairs of points.",
            )
    return best


def _off_um(found: Registration) -> float:
    return float(np.median([off for off, kept in zip(found.residuals_um, found.kept) if kept]))


def _registered(
    fm_px: np.ndarray, map_px: np.ndarray, channel: Picture, map_: Picture
) -> Registration:
    assert map_.pixel_um is not None
    if len(fm_px) > _MOST_PAIRS:  # spread over all
        chosen = np.linspace(0, len(fm_px) - 1, _MOST_PAIRS).astype(int)
        fm_px, map_px = fm_px[chosen], map_px[chosen]
    rows, columns = channel.values.shape
    map_rows, map_columns = map_.values.shape
    found = register(
        fm_px,
        map_px,
        map_.pixel_um,
        (rows, columns),
        (map_rows, map_columns),
        fm_pixel_um=channel.pixel_um,
    )
    # What was found need not be listed one by one.
    return replace(found, how="found", warnings=tuple(
        text for text in found.warnings if not text.startswith("pair ")
    ))  # fmt: skip


def _by_beads(
    channel: Picture, map_: Picture, diameter_um: float, tolerance_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of points by the pattern of beads."""
    assert map_.pixel_um is not None
    ours = spots_in(channel, diameter_um, map_, True, _CLEAR_BEADS, _MOST_BEADS).points_px
    theirs = spots_in(map_, diameter_um, map_, False, _CLEAR_BEADS, _MOST_BEADS).points_px
    tolerance = tolerance_um / map_.pixel_um
    matched = match_points(ours, theirs, tolerance, likely_scales(channel, map_))
    return ours[matched.first], theirs[matched.second]
