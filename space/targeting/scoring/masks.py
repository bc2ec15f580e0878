"""From labels to what is wanted, what is avoided and what is free lamella surface.

Labels are known by name only; which number a class has is the model's business.

* off the lamella: the classes of `off_lamella` (vacuum and bulk). What is left falls into pieces,
  of which only the lamella's own count, see `space.targeting.scoring.pieces`.
* wanted: the classes of `target_list`, each with its priority. With ``"lamella"`` as the first
  entry it is every class except those off the lamella, `crack`, `coating` and the avoided ones.
  (The class named lamella is only the lamella's bare surface, without the cells and what is in
  them.)
* avoided: the classes of `avoid_list`.
* surface: where a geometry point may lie: lamella that is neither wanted nor avoided, and not
  covered by things that stand out of it (`COVERED`). When the whole lamella is wanted, nothing
  of it is precious in particular and it counts as surface too.
* focusable: lamella on which a beam can be focused: no crack and nothing `UNIFORM`.
* centred: where a target may be centred: nothing off the lamella and no coating, unless it is
  wanted by name. A field at the lamella's edge may hold enough of a wanted class and still have its
  middle, at which the series is focused and tracked, on the coating or in the vacuum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from space.errors import SpaceError
from space.pictures import block_sums
from space.settings import WHOLE_LAMELLA
from space.targeting.options import TargetingOptions
from space.targeting.scoring.memory import Key, Memory, frozen
from space.targeting.scoring.pieces import COUNTS, JOINS, OFF, off_pieces, relabelled

VACUUM, UNLABELLED = "white", "background"
# They join pieces of a lamella, but are no lamella.
CRACK, COATING = "crack", "coating"
COVERED = (COATING, "dynabeads", "ice", "cryst")
UNIFORM = (COATING, "ice")
STRIP_PX = 4_000_000
SHARE_MARK = "@"
"""A class "NAME@25" counts as a quarter of what NAME is wanted, see `signals`."""


@dataclass(frozen=True, eq=False)
class ClassTables:
    """Lookup tables (256 entries each): label → wanted, avoided, surface, focusable, centred.

    `wanted` (float32) holds the priority of each class, 0 for those not wanted; the others are
    boolean. `entry` is the index of the entry of `target_list` that asks for a class, -1 for none.
    `piece` is `OFF` the lamella, `JOINS` pieces of it or `COUNTS` for their area. `beside` are two
    numbers that no class has, for what lies beside the lamella.
    """

    wanted: np.ndarray
    avoided: np.ndarray
    surface: np.ndarray
    focusable: np.ndarray
    centred: np.ndarray
    entry: np.ndarray
    piece: np.ndarray
    beside: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Coverage:
    """Share of every cell (`factor` × `factor` map pixels) that is wanted, avoided and so on.

    What is wanted counts with its priority. `classes` are the labels at the cells' centres.
    The arrays are float32 of equal shape; cells at the lower and right rim that stick out of
    the map count what sticks out as nothing.
    """

    wanted: np.ndarray
    avoided: np.ndarray
    surface: np.ndarray
    focusable: np.ndarray
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
    _refuse_classes(label_names, options)
    off = off_lamella(label_names, options)
    lamella = set(label_names) - set(off) - {CRACK, COATING} - set(options.avoid_list)
    surface = lamella - set(COVERED)
    focusable = set(label_names) - set(off) - {CRACK, *UNIFORM}
    entries = {name: index for index, name in enumerate(options.target_list)}
    if options.whole_lamella:
        # Classes named beside the whole lamella have their own priority on it.
        entries = dict.fromkeys(lamella, entries.pop(WHOLE_LAMELLA)) | entries
    else:
        surface -= set(options.named_targets)
    wanted, entry = np.zeros(256, np.float32), np.full(256, -1)
    for name, index in entries.items():
        wanted[label_names[name]] = options.target_weights[index]
        entry[label_names[name]] = index
    for name, (whole, share) in _shares(label_names).items():
        weight = share * options.priorities.get(whole, 0.0)
        # As a place on the lamella it may be wanted more.
        if weight > wanted[label_names[name]]:
            wanted[label_names[name]] = weight
            entry[label_names[name]] = options.target_list.index(whole)
            surface.discard(name)
    piece = np.full(256, JOINS, np.uint8)
    if _has_surface_class(label_names):
        piece[:] = OFF  # numbers without a name are as good as unlabelled
    for name, label in label_names.items():
        piece[label] = OFF if name in off else JOINS if name in (CRACK, COATING) else COUNTS
    centred = np.ones(256, bool)
    if options.on_lamella_only:
        centred = (piece != OFF) & ~_table(label_names, {COATING} & set(label_names)) | (wanted > 0)
    beside = [label for label in range(254, -1, -1) if label not in label_names.values()][:2]
    return ClassTables(
        wanted,
        _table(label_names, options.avoid_list),
        _table(label_names, surface),
        _table(label_names, focusable),
        centred,
        entry,
        piece,
        tuple(beside),
    )


def _shares(label_names: dict[str, int]) -> dict[str, tuple[str, float]]:
    """Return the classes that count as a share of another one, by their names."""
    found = {}
    for name in label_names:
        whole, mark, percent = name.rpartition(SHARE_MARK)
        if mark and whole in label_names and percent.isdecimal():
            found[name] = (whole, int(percent) / 100)
    return found


def _refuse_classes(label_names: dict[str, int], options: TargetingOptions) -> None:
    """Raise for classes that the model lacks or that are in both lists, and for no class at all."""
    targets = options.named_targets
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
            "Remove it from one of the lists.",
        )
    if not options.target_list:
        raise SpaceError("No class to target.", "target_list", 'Name one, e.g. "mitos".')


def off_lamella(label_names: dict[str, int], options: TargetingOptions) -> tuple[str, ...]:
    """Classes that are vacuum or bulk, as far as the model has them.

    A class that is wanted by name belongs to the sample. In a model without a class for vacuum
    or for bare surface, ``background`` is whatever is not labelled, surface as well, and is not
    taken for vacuum.
    """
    return tuple(
        name
        for name in options.off_lamella
        if name in label_names
        and name not in options.named_targets
        and (name != UNLABELLED or _has_surface_class(label_names))
    )


def pieces_unknown(label_names: dict[str, int], options: TargetingOptions) -> str:
    """Why the lamella's pieces cannot be found by a model's classes; empty if they can."""
    how = (
        "Name its classes for vacuum and bulk in off_lamella_classes in SPACEtomo_config.py, or "
        "set on_lamella_only = False."
    )
    if not any(name in label_names for name in options.off_lamella):
        return (
            "What lies beside the lamella is unknown: the segmentation model has none of the "
            f"classes {', '.join(options.off_lamella)}. {how}"
        )
    if (
        UNLABELLED in label_names
        and UNLABELLED in options.off_lamella
        and not _has_surface_class(label_names)
    ):
        return (
            f"{UNLABELLED} counts as lamella, since the segmentation model has neither {VACUUM} "
            f"nor {WHOLE_LAMELLA}. {how}"
        )
    return ""


def _has_surface_class(label_names: dict[str, int]) -> bool:
    return VACUUM in label_names or WHOLE_LAMELLA in label_names


def pieces_key(tables: ClassTables, polygons_map_px: Sequence[np.ndarray]) -> Key:
    """What decides which pixels lie on the lamella's own pieces.

    Which of the others are avoided does not: masks that are made of the labels of `on_own_pieces`
    follow from this and from the numbers that are in the masks.
    """
    corners = tuple(polygon.tobytes() for polygon in polygons_map_px)
    return ("pieces", tables.piece.tobytes(), tables.beside, corners)


def on_own_pieces(
    labels: np.ndarray,
    tables: ClassTables,
    polygons_map_px: Sequence[np.ndarray] = (),
    memory: Memory | None = None,
) -> tuple[np.ndarray, ClassTables, np.ndarray]:
    """Labels and tables by which only the lamella's own pieces are wanted, surface or focusable.

    Parameters
    ----------
    labels : ndarray of uint8
    polygons_map_px : sequence of (k, 2) arrays
        Pieces that one of them touches belong to the lamella.
    memory : Memory, optional
        What is known of this label map.

    Returns
    -------
    labels : ndarray of uint8
        The same array if all is on the lamella; else pixels beside it have other numbers.
    tables : ClassTables
        With these numbers; what was avoided is avoided beside the lamella too.
    lost : ndarray of int (256,)
        How many pixels of each label lie beside it.
    """
    memory = memory or Memory()
    key = (*pieces_key(tables, polygons_map_px), "labels", tables.avoided.tobytes())
    own, lost = memory.get(key) or _without_others(labels, tables, polygons_map_px, memory)
    memory.keep(key, (own, lost), 0 if own is labels else own.nbytes)
    if own is labels:
        return labels, tables, lost
    plain, avoided = tables.beside
    numbers = np.arange(256)
    return (
        own,
        replace(
            tables,
            avoided=tables.avoided | (numbers == avoided),
            centred=tables.centred & (numbers != plain) & (numbers != avoided),
        ),
        lost,
    )


def _without_others(
    labels: np.ndarray, tables: ClassTables, polygons_map_px: Sequence[np.ndarray], memory: Memory
) -> tuple[np.ndarray, np.ndarray]:
    """The labels, with other numbers beside the lamella, and how many of each changed."""
    key = (*pieces_key(tables, polygons_map_px), "others")
    runs = memory.get(key) or off_pieces(labels, tables.piece, polygons_map_px)
    memory.keep(key, runs, sum(ends.nbytes for ends in runs))
    if not len(runs[0]):
        return labels, frozen(np.zeros(256, np.int64))
    if len(tables.beside) < 2:
        raise SpaceError(
            "The segmentation model has too many classes to separate the lamella's pieces.",
            "target selection",
            "Set on_lamella_only = False.",
        )
    plain, avoided = tables.beside
    table = np.where(tables.avoided, avoided, plain).astype(np.uint8)
    own, lost = relabelled(labels, runs, table)
    return frozen(own), frozen(lost)


def wanted_mask(
    label_map: np.ndarray,
    label_names: dict[str, int],
    options: TargetingOptions,
    polygons_map_px: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Boolean mask of the wanted pixels that count, same shape as the map (for plots)."""
    labels, tables = as_labels(label_map), class_tables(label_names, options)
    if options.on_lamella_only:
        labels, tables, _ = on_own_pieces(labels, tables, polygons_map_px)
    return (tables.wanted > 0)[labels]


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
            f"A label map must be a 2-D array of whole numbers, not {labels.dtype} {labels.shape}.",
            "target selection",
        )
    if labels.dtype == np.uint8:
        return labels
    if labels.size and (labels.min() < 0 or labels.max() > 255):
        raise SpaceError("Labels must be from 0 to 255.", "target selection")
    return labels.astype(np.uint8)


def coverage(
    labels: np.ndarray,
    tables: ClassTables,
    factor: int,
    memory: Memory | None = None,
) -> Coverage:
    """Block-average the masks.

    Parameters
    ----------
    memory : Memory, optional
        What is known of these labels.
    """
    rows, columns = labels.shape
    shape = (-(-rows // factor), -(-columns // factor))
    wanted, avoided, surface, focusable = (np.zeros(shape, np.float32) for _ in range(4))
    # One mask for each priority: sums of whole numbers are quick and exact.
    parts = [
        (tables.wanted == weight, float(weight), wanted)
        for weight in np.unique(tables.wanted)
        if weight
    ]
    parts += [
        (tables.avoided, 1, avoided),
        (tables.surface, 1, surface),
        (tables.focusable, 1, focusable),
    ]
    masks = [
        (table.astype(np.uint8).tobytes(), np.float32(factor**2 / weight), target)
        for table, weight, target in parts
        if table.any()
    ]
    counts = _counts(labels, [mask for mask, _, _ in masks], factor, memory or Memory())
    for mask, full, target in masks:
        np.add(target, np.divide(counts[mask], full, dtype=np.float32), out=target)
    # The last cells may be too narrow to reach as far as their middles.
    middles = (np.minimum(np.arange(n) * factor + factor // 2, last - 1)
               for n, last in zip(shape, labels.shape))  # fmt: skip
    classes = labels[np.ix_(*middles)]
    return Coverage(wanted, avoided, surface, focusable, classes, factor, (rows, columns))


def _counts(
    labels: np.ndarray, masks: Iterable[bytes], factor: int, memory: Memory
) -> dict[bytes, np.ndarray]:
    """How many pixels of each cell belong to masks, strip by strip to keep memory small."""
    keys = {mask: ("cells", factor, mask) for mask in masks}
    counts = {mask: memory.get(key) for mask, key in keys.items()}
    missing = [mask for mask, known in counts.items() if known is None]
    if missing:
        rows, columns = labels.shape
        shape = (-(-rows // factor), -(-columns // factor))
        for mask in missing:
            counts[mask] = np.empty(shape, np.min_scalar_type(factor**2))
        cells_per_strip = max(1, STRIP_PX // max(1, columns * factor))
        for first in range(0, shape[0], cells_per_strip):
            last = first + cells_per_strip
            strip = np.ascontiguousarray(labels[first * factor : last * factor])
            raw = strip.tobytes()
            for mask in missing:
                inside = np.frombuffer(raw.translate(mask), np.uint8).reshape(strip.shape)
                counts[mask][first:last] = block_sums(inside, factor)
    for mask in missing:
        memory.keep(keys[mask], frozen(counts[mask]), counts[mask].nbytes)
    return counts


def _table(label_names: dict[str, int], names: Iterable[str]) -> np.ndarray:
    table = np.zeros(256, bool)
    for name in names:
        table[label_names[name]] = True
    return table
