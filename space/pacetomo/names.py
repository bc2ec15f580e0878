"""Names of the files around a targets file."""

from __future__ import annotations

import re

_BROAD = "_broad"
_BROAD_FILE = re.compile(rf"{_BROAD}(_area[0-9]+)?_tgts\.txt$")

_LONGEST_CLASSES = 80
"""Of the class names in a file name, in characters."""


def area_root(root: str, area: int) -> str:
    """Root of the file names of an area of a lamella; the first area has the lamella's own."""
    return root if area == 1 else f"{root}_area{area}"


def broad_root(root: str) -> str:
    """Root of the file names of a lamella's broad series."""
    return f"{root}{_BROAD}"


def is_broad(targets_name: str) -> bool:
    """Whether a targets file is one of broad series, by its name."""
    return _BROAD_FILE.search(targets_name) is not None


def targets_file_name(root: str) -> str:
    """Name of the targets file; the navigator note of its map item is exactly this."""
    return f"{root}_tgts.txt"


def run_files_pattern(targets_name: str) -> str:
    """Pattern of the run files by which PACEtomo replaces a targets file, the newest one last."""
    return f"{targets_name[: -len('.txt')]}_run??.txt"


def tilt_series_name(root: str, number: int, series: int = 1) -> str:
    """Name of the tilt series of target `number` (from 1).

    `series` counts how often the lamella was set up and acquired, so that a later set-up does
    not take the names of tilt series that are there.
    """
    again = f"_set{series}" if series > 1 else ""
    return f"{root}{again}_ts_{number:03d}.mrc"


def tilt_series_pattern(root: str, series: int = 1) -> str:
    """Pattern of the names of tilt series."""
    return tilt_series_name(root, 0, series).replace("000", "???")


def view_file_name(root: str, number: int) -> str:
    """Name of the virtual View map of target `number` (from 1)."""
    return f"{root}_tgt_{number:03d}_view.mrc"


def preview_file_name(root: str, number: int) -> str:
    """Name of the Preview picture of target `number` (from 1)."""
    return f"{root}_tgt_{number:03d}.mrc"


def patterns_of_a_set_up(root: str) -> tuple[str, ...]:
    """Patterns of the files that SPACEtomo and PACEtomo write for an area, but tilt series."""
    targets = targets_file_name(root)
    settings = f"{targets[: -len('.txt')]}_settings.txt"
    pictures = (name(root, 0).replace("000", "???") for name in (view_file_name, preview_file_name))
    return targets, run_files_pattern(targets), settings, *pictures


def plot_name(root: str, target_list: tuple[str, ...]) -> str:
    """Name of the picture of the targets on a map, safe in every file system.

    Class names come with a model: they may hold anything, and there may be many.
    """
    names = [re.sub(r"[^A-Za-z0-9_.+-]+", "-", name).strip("-.") or "class" for name in target_list]
    shown = names
    while len("_".join(shown)) > _LONGEST_CLASSES and len(shown) > 1:
        shown = shown[:-1]
    text = "_".join(shown)[:_LONGEST_CLASSES]
    if len(shown) < len(names):
        text += f"_and_{len(names) - len(shown)}_more"
    return f"{root}_{text}_targets.png"


def plot_pattern(root: str) -> str:
    """Pattern of `plot_name`, whatever was targeted."""
    return f"{root}_*_targets.png"
