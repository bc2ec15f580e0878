"""Targets without a segmentation: all of a map that is not dark is wanted.

What a map shows is told from its grey alone. The labels are saved where a model's would be, so that
everything after a segmentation is as ever: choice, page, report.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from space import jobs
from space.geometry import MapFrame
from space.images import fingerprint, read_json_beside, read_png, read_png_text, write_png
from space.item_types import POINT
from space.jobs import JobFolder, JobStatus
from space.lamellae import mark_of
from space.microscope import SavedItem
from space.pictures import block_means
from space.predicates import is_number
from space.steps.pictures import LIMITS
from space.targeting import MANUAL_CLASSES, MANUAL_DARK, MANUAL_WANTED

BY_GREY = "by grey"
"""What the text `made` of such labels says."""

_DARK_SHARE = 0.2
"""What is less bright than this share of the brightest is too thick to be imaged, or a bar."""

_SMOOTH_NM = 150.0

log = logging.getLogger("space.workflow")


def labels_by_grey(
    picture: np.ndarray, pixel_nm: float, limits: tuple[float, float] | None
) -> np.ndarray:
    """Return the labels (uint8) of a map of which nothing is known but its grey.

    Parameters
    ----------
    picture : ndarray of uint8 (rows, columns)
    pixel_nm : float
    limits : tuple of float or None
        Counts of black and white; without them nothing counts as dark.
    """
    labels = np.full(picture.shape, MANUAL_CLASSES[MANUAL_WANTED], np.uint8)
    if limits is None or limits[1] <= limits[0]:
        return labels
    factor = max(1, round(_SMOOTH_NM / pixel_nm))
    counts = limits[0] + (limits[1] - limits[0]) / 255.0 * block_means(picture, factor)
    dark = counts < _DARK_SHARE * np.percentile(counts, 99)
    rows, columns = picture.shape
    wide = dark.repeat(factor, 0).repeat(factor, 1)[:rows, :columns]
    labels[wide] = MANUAL_CLASSES[MANUAL_DARK]
    return labels


def ensure_labels(picture: Path) -> None:
    """Write the labels of a map by its grey, unless they are there."""
    target = jobs.result_path(picture.parent, picture.name, "segment")
    if _are_of(target, picture):
        return
    grey, info = read_png(picture)
    noted = read_json_beside(picture).get(LIMITS)
    limits = None
    if isinstance(noted, list) and len(noted) == 2 and all(map(is_number, noted)):
        limits = (float(noted[0]), float(noted[1]))
    pixel_nm = float(info["pixel_nm"])
    write_png(
        target,
        labels_by_grey(grey, pixel_nm, limits),
        pixel_nm,
        picture.name,
        map=fingerprint(picture),
        labels=json.dumps(MANUAL_CLASSES),
        made=BY_GREY,
    )
    log.info("%s: no segmentation (manual_selection).", picture.name)


def statuses(folder: JobFolder, names: Sequence[str]) -> dict[str, JobStatus]:
    """Return how far maps are that no model is to segment: done, or absent."""
    found = {}
    for name in names:
        target = jobs.result_path(folder.map_dir, name, "segment")
        there = _are_of(target, folder.map_dir / name)
        found[name] = JobStatus("done", result=target) if there else JobStatus("absent")
    return found


def _are_of(target: Path, picture: Path) -> bool:
    if not target.is_file():
        return False
    told = read_png_text(target)
    return told.get("made") == BY_GREY and told.get("map") == fingerprint(picture)


def points_on_map(items: Sequence[SavedItem], frame: MapFrame, own: str) -> np.ndarray:
    """Return the points (n, 2) in map pixels that a person has put on a map.

    Points of SPACEtomo's own do not count: those of lamellae and squares, and geometry points,
    whose notes begin with `own`.
    """
    places = [
        item.numbers("StageXYZ")[:2]
        for item in items
        if item.kind == POINT
        and mark_of(item.label, item.note, item.kind) is None
        and not item.note.startswith(own)
    ]
    places = [place for place in places if len(place) == 2]
    if not places:
        return np.zeros((0, 2))
    points = frame.to_map(np.array(places))
    inside = ((points > 0) & (points < frame.shape)).all(axis=1)
    return np.asarray(points[inside])
