"""The signals of fluorescence that a choice asks for, read from beside a map."""

from __future__ import annotations

from pathlib import Path

from space.fluorescence import SIGNAL, read_signal
from space.targeting.options import TargetingOptions
from space.targeting.scoring import KnownMap, signals_of, with_signals


def with_signals_of_map(
    known: KnownMap, names: dict[str, int], map_png: Path, options: TargetingOptions
) -> tuple[KnownMap, dict[str, int]]:
    """Return labels with the classes of channels, if any are wanted or avoided.

    Parameters
    ----------
    known : KnownMap
    names : dict of str to int
    map_png : Path
        Picture of the map, beside which its fluorescence lies.
    options : TargetingOptions

    Raises
    ------
    SpaceError
        If the map has no registered fluorescence, or lacks a channel.
    """
    asked = signals_of(options)
    if not asked:
        return known, names
    rows, columns = known.labels.shape
    signals = {name: read_signal(map_png, name[len(SIGNAL) :], (rows, columns)) for name in asked}
    return with_signals(known, names, signals, options)
