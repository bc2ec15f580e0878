"""From labels to what is wanted, what is avoided and what is free lamella surface.

Labels are known by name only; which number a class has is the model's business.

* wanted: the classes of `target_list`, each with its priority. With ``"lamella"`` as the first
  entry it is every class except those that are no lamella (`NOT_LAMELLA`) and the avoided ones.
  (The class named lamella is only the lamella's bare surface, without the cells and what is in
  them.)
* avoided: the classes of `avoid_list`.
* surface: where a geometry point may lie: lamella that is neither wanted nor avoided, and not
  covered by things that stand out of it (`COVERED`). When the whole lamella is wanted, nothing
  of it is precious in particular and it counts as surface too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from space.errors import SpaceError
from space.targeting.options import TargetingOptions

WHOLE_LAMELLA = "lamella"
NOT_LAMELLA = ("background", "white", "black", "crack")
COVERED = ("coating", "dynabeads", "ice", "cryst")
STRIP_PX = 4_000_000


@dataclass(frozen=True, eq=False)
class ClassTables:
    """Lookup tables (256 entries each): label → wanted, avoided, surface.

    `wanted` (float32) holds the priority of each class, 0 for those not wanted; the others are
    boolean.
    """

    wanted: np.ndarray
    avoided: np.ndarray
    surface: np.ndarray


@dataclass(frozen=True, eq=False)
class Coverage:
    """Share of every cell (`factor` × `factor` map pixels) that is wanted, avoided, surface.

    What is wanted counts with its priority. `classes` are the labels at the cells' centres.
    The arrays are float32 of equal shape; cells at the lower and right rim that stick out of
    the map count what sticks out as nothing.
    """

    wanted: np.ndarray
    avoided: np.ndarray
    surface: np.ndarray
    classes: np.ndarray
    factor: int
    map_shape: tuple[int, int]


def class_tables(label_names: dict[str, int], options: TargetingOptions) -> ClassTables:
    """Make the lookup tables for the options.

    Raises
    ------
    SpaceError
        If a class is not among `label_names`, is both wanted and avoided, or no class is wanted.
    """
    whole = options.target_list[:1] == (WHOLE_LAMELLA,)
    targets = options.target_list[1:] if whole else options.target_list
    unknown = [name for name in (*targets, *options.avoid_list) if name not in label_names]
    if unknown:
        raise SpaceError(
            f"No such segmentation class: {', '.join(unknown)}.",
            "target_list / avoid_list",
            f"Choose from {', '.join(label_names)}.",
        )
    both = [name for name in targets if name in options.avoid_list]
    if both:
        raise SpaceError(
            f"Both wanted and avoided: {', '.join(both)}.",
            "target_list / avoid_list",
            "Take it out of one of the lists.",
        )
    if not options.target_list:
        raise SpaceError("No class to target.", "target_list", 'Name one, e.g. "mitos".')

    lamella = set(label_names) - set(NOT_LAMELLA) - set(options.avoid_list)
    surface = lamella - set(COVERED)
    priorities = dict(options.priorities)
    if whole:
        # Classes named beside the whole lamella have their own priority on it.
        priorities = dict.fromkeys(lamella, priorities.pop(WHOLE_LAMELLA)) | priorities
    else:
        surface -= set(targets)
    wanted = np.zeros(256, np.float32)
    for name, priority in priorities.items():
        wanted[label_names[name]] = priority
    return ClassTables(
        wanted, _table(label_names, options.avoid_list), _table(label_names, surface)
    )


def wanted_mask(
    label_map: np.ndarray, label_names: dict[str, int], options: TargetingOptions
) -> np.ndarray:
    """Boolean mask of the wanted classes, same shape as the map (for plots)."""
    return (class_tables(label_names, options).wanted > 0)[as_labels(label_map)]


def as_labels(label_map: np.ndarray) -> np.ndarray:
    """Check a label map and give it as uint8 (rows, columns), without a copy if it is.

    Raises
    ------
    SpaceError
        If it is not a two-dimensional array of whole numbers 0..255.
    """
    labels = np.asarray(label_map)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise SpaceError(
            f"A label map is a 2-D array of whole numbers, not {labels.dtype} {labels.shape}.",
            "target selection",
        )
    if labels.dtype == np.uint8:
        return labels
    if labels.size and (labels.min() < 0 or labels.max() > 255):
        raise SpaceError("Labels must be from 0 to 255.", "target selection")
    return labels.astype(np.uint8)


def coverage(labels: np.ndarray, tables: ClassTables, factor: int) -> Coverage:
    """Block-average the three masks, strip by strip to keep memory small."""
    rows, columns = labels.shape
    shape = (-(-rows // factor), -(-columns // factor))
    out = [np.zeros(shape, np.float32) for _ in range(3)]
    # One mask for each priority: sums of whole numbers are quick and exact.
    masks = [(tables.wanted == weight, weight, 0) for weight in np.unique(tables.wanted) if weight]
    masks += [(tables.avoided, 1, 1), (tables.surface, 1, 2)]
    masks = [
        (table.astype(np.uint8).tobytes(), np.float32(factor**2 / weight), out[index])
        for table, weight, index in masks
    ]
    cells_per_strip = max(1, STRIP_PX // max(1, columns * factor))
    for first in range(0, shape[0], cells_per_strip):
        strip = np.ascontiguousarray(labels[first * factor : (first + cells_per_strip) * factor])
        raw = strip.tobytes()
        for table, full, target in masks:
            mask = np.frombuffer(raw.translate(table), np.uint8).reshape(strip.shape)
            cells = _block_sums(mask, factor)
            target[first : first + len(cells)] += cells / full
    classes = labels[factor // 2 :: factor, factor // 2 :: factor]
    return Coverage(*out, classes=classes, factor=factor, map_shape=(rows, columns))


def _block_sums(mask: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = mask.shape
    if factor == 1:
        return mask.astype(np.float32)
    whole = rows // factor * factor
    lines = [
        mask[:whole].reshape(-1, factor, columns).sum(axis=1, dtype=np.uint16)
        if whole
        else np.empty((0, columns), np.uint16)
    ]
    if whole < rows:
        lines.append(mask[whole:].sum(axis=0, dtype=np.uint16)[None])
    starts = np.arange(0, columns, factor)
    return np.add.reduceat(np.concatenate(lines).astype(np.float32), starts, axis=1)


def _table(label_names: dict[str, int], names: Iterable[str]) -> np.ndarray:
    table = np.zeros(256, bool)
    for name in names:
        table[label_names[name]] = True
    return table
