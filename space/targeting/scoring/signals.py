"""The signal of fluorescence as one more class of a label map.

How likely each pixel shows signal is known by a registration with an error. The map gets several
classes of one channel: where signal is sure, and where it has three quarters, half and a quarter of
a chance. Each counts with its share of the priority, so that a field's score is the signal that it
is expected to hold, and a choice prefers what is sure.

What is off the lamella, cracks, coating and avoided classes stay what they are, and so does a
class that is wanted as much or more by name. Where a channel is avoided, it is avoided as soon as
signal is likelier than not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from space.errors import SpaceError
from space.fluorescence import is_signal
from space.targeting.options import TargetingOptions
from space.targeting.scoring.masks import (
    COATING,
    CRACK,
    SHARE_MARK,
    STRIP_PX,
    class_tables,
    off_lamella,
)
from space.targeting.scoring.memory import KnownMap, frozen

_PARTS = ((1.0, 7 / 8), (0.75, 5 / 8), (0.5, 3 / 8), (0.25, 1 / 8))
"""Shares that get classes of their own, and how likely signal is from where on."""

_LIKELY = 128
"""Of 255: rather signal than not."""


def signals_of(options: TargetingOptions) -> tuple[str, ...]:
    """Return the classes of a choice that are signals of channels."""
    return tuple(name for name in (*options.target_list, *options.avoid_list) if is_signal(name))


def with_signals(
    known: KnownMap,
    label_names: dict[str, int],
    signals: Mapping[str, tuple[np.ndarray, str]],
    options: TargetingOptions,
) -> tuple[KnownMap, dict[str, int]]:
    """Return a label map with classes for the signals of channels, and its classes.

    Parameters
    ----------
    known : KnownMap
        Labels (uint8).
    label_names : dict of str to int
    signals : mapping of str to (ndarray of uint8, str)
        By the names that the options use: how likely each pixel of the map shows signal, 0 to
        255, and what stands for it.
    options : TargetingOptions

    Raises
    ------
    SpaceError
        If a signal is not of the map's size, or no numbers are left.
    """
    names = dict(label_names)
    # What is wanted least is painted first and avoided ones last: the others go over it.
    order = sorted(signals, key=lambda name: options.priorities.get(name, 2.0))
    for name in order:
        values, mark = signals[name]
        if values.shape != known.labels.shape:
            raise SpaceError(
                f"The signal has {values.shape} pixels and the segmentation {known.labels.shape}.",
                f"target selection, {name}",
            )
        if name in options.avoid_list:
            names, tables = _avoided(known, names, name, options)
        else:
            names, tables = _wanted(known, names, name, options)
        known = _painted(known, values, tables, ("signal", name, mark))
    return known, names


def _wanted(
    known: KnownMap, names: dict[str, int], name: str, options: TargetingOptions
) -> tuple[dict[str, int], np.ndarray]:
    """Return the classes with those of a wanted channel, and a table: likely, label -> label."""
    fixed = {CRACK, COATING, *options.avoid_list, *off_lamella(names, options)}
    kept = np.zeros(256, bool)
    kept[[label for one, label in names.items() if one in fixed]] = True
    weights = _weights(names, options)
    own = options.priorities[name]
    table = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    for share, least in _PARTS:
        shown = name if share == 1.0 else f"{name}{SHARE_MARK}{100 * share:.0f}"
        names = {**names, shown: _free(known, names)}
        better = ~kept & (weights < own * share)
        upper = min((low for _, low in _PARTS if low > least), default=2.0)
        rows = slice(int(np.ceil(255 * least)), min(256, int(np.ceil(255 * upper))))
        table[rows, better] = names[shown]
    return names, table


def _avoided(
    known: KnownMap, names: dict[str, int], name: str, options: TargetingOptions
) -> tuple[dict[str, int], np.ndarray]:
    kept = np.zeros(256, bool)
    kept[[names[one] for one in off_lamella(names, options)]] = True
    names = {**names, name: _free(known, names)}
    table = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    table[_LIKELY:, ~kept] = names[name]
    return names, table


def _weights(names: dict[str, int], options: TargetingOptions) -> np.ndarray:
    """Return the priority of each label as it is without the channels that have no class yet."""
    from dataclasses import replace

    pending = [name for name in signals_of(options) if name not in names]
    left = [(name, weight) for name, weight in options.priorities.items() if name not in pending]
    if not left:
        return np.zeros(256, np.float32)
    now = replace(
        options,
        target_list=tuple(name for name, _ in left),
        target_weights=tuple(weight for _, weight in left),
        avoid_list=tuple(name for name in options.avoid_list if name not in pending),
        target_score_threshold=options.least_threshold,
    )
    return class_tables(names, now).wanted


def _painted(
    known: KnownMap, values: np.ndarray, table: np.ndarray, about: tuple[str, ...]
) -> KnownMap:
    key = (*about, table.tobytes())
    painted = known.memory.get(key)
    if painted is None:
        painted = known.labels.copy()
        rows = max(1, STRIP_PX // max(1, painted.shape[1]))
        for first in range(0, len(painted), rows):  # in strips, to keep memory small
            part = slice(first, first + rows)
            painted[part] = table[values[part], painted[part]]
        painted = frozen(painted)
        known.memory.keep(key, painted, painted.nbytes)
    return KnownMap(painted, known.memory.about(key), key)


def _free(known: KnownMap, names: dict[str, int]) -> int:
    """Return a number that no class and no pixel has."""
    used = np.zeros(256, bool)
    used[list(names.values())] = True
    rows = max(1, STRIP_PX // max(1, known.labels.shape[1]))
    for first in range(0, len(known.labels), rows):
        used |= np.bincount(known.labels[first : first + rows].ravel(), minlength=256) > 0
    free = np.flatnonzero(~used)
    if not len(free):
        raise SpaceError(
            "The segmentation model has too many classes to add signals.", "target_list"
        )
    return int(free[-1])
