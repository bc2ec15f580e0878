"""What exists of a lamella's targets, from files and the Navigator. Nothing is changed."""

from __future__ import annotations

import glob
import os
import re
from bisect import bisect_left
from fnmatch import fnmatchcase
from pathlib import Path

from space import pacetomo
from space.errors import SpaceError
from space.microscope import navigator
from space.steps.session import FilesOfGrid
from space.targeting import count_points

_MOST_AREA_DIGITS = 2


def choice_path(session: FilesOfGrid, number: int) -> Path:
    """The choice of a lamella's targets as a file that a person can edit."""
    return session.directory / f"{session.map_stem(number)}_choice.json"


def broad_choice_path(session: FilesOfGrid, number: int) -> Path:
    """The choice of a lamella's broad fields, as a file like `choice_path`."""
    root = pacetomo.broad_root(session.map_stem(number))
    return session.directory / f"{root}_choice.json"


class Listing:
    """The names in a folder, read once: for whoever asks for hundreds of patterns at one moment.

    Parameters
    ----------
    directory : Path
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            there = os.listdir(directory)
        except OSError:
            there = []
        self._names = sorted((os.path.normcase(name), name) for name in there)

    def find(self, pattern: str) -> list[Path]:
        """Return the files that match a pattern, sorted by name."""
        pattern = os.path.normcase(pattern)
        first = re.split(r"[*?[]", pattern, maxsplit=1)[0]
        start = bisect_left(self._names, (first, ""))
        found = []
        for folded, name in self._names[start:]:
            if not folded.startswith(first):
                break
            if fnmatchcase(folded, pattern) and not name.startswith("."):
                found.append(self.directory / name)
        return sorted(found)


def find_files(directory: Path, pattern: str, listing: Listing | None = None) -> list[Path]:
    """Return the files of a folder that match a pattern, sorted by name.

    Parameters
    ----------
    directory : Path
    pattern : str
    listing : Listing, optional
        What was in this folder a moment ago; the folder itself is not asked then.
    """
    if listing is not None:
        return listing.find(pattern)
    return sorted(Path(name) for name in glob.glob(f"{glob.escape(str(directory))}/{pattern}"))


def area_patterns(root: str) -> list[str]:
    """Patterns of the roots of all areas of a lamella, its broad ones last, but of no other one."""
    return [
        f"{one}{area}"
        for one in (root, pacetomo.broad_root(root))
        for area in (
            "",
            *(f"_area{'[0-9]' * digits}" for digits in range(1, _MOST_AREA_DIGITS + 1)),
        )
    ]


def targets_files(session: FilesOfGrid, number: int, listing: Listing | None = None) -> list[Path]:
    """Return the targets files of all areas that are there."""
    return [
        path
        for root in area_patterns(session.map_stem(number))
        for path in find_files(session.directory, pacetomo.targets_file_name(root), listing)
    ]


def has_no_targets(session: FilesOfGrid, number: int) -> bool:
    """Whether a lamella was set up without targets.

    The targets file is then empty and the choice beside it has none. An empty file beside a
    choice with targets is incomplete.
    """
    path = session.targets_file(number)
    return (
        path.is_file()
        and path.stat().st_size == 0
        and count_points(choice_path(session, number)) == ()
    )


def is_set_up(session: FilesOfGrid, number: int) -> bool:
    """Whether the targets of a lamella were set up.

    There is no target, or the item with the targets file's name as note is there, which is
    written last, and no targets file is incomplete. A lamella with which PACEtomo has begun
    counts as set up in any case: its Acquire must not be turned on again.
    """
    path = session.targets_file(number)
    if not path.is_file():
        return False
    if is_begun(session, number) or has_no_targets(session, number):
        return True
    return navigator.map_with_note(path.name) is not None and not cut_files(session, number)


def cut_files(session: FilesOfGrid, number: int, listing: Listing | None = None) -> list[Path]:
    """Return the targets files of a lamella that are incomplete."""
    chosen = count_points(choice_path(session, number)) or ()
    areas = {session.targets_file(number, area): counts for area, counts in enumerate(chosen, 1)}
    paths = targets_files(session, number, listing)
    return [path for path in paths if _is_cut(path, areas.get(path, (0, 0)))]


def _is_cut(path: Path, chosen: tuple[int, int]) -> bool:
    """Whether a targets file lacks its end.

    Without the end mark (earlier versions wrote none, PACEtomo's own script for targets keeps none)
    it must read well, be ended, and have the geometry points that were chosen, which come last.
    Where none were, it must have as many targets with their scores. What a person has added has
    no score.
    """
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
        if text.rstrip().endswith(pacetomo.END.strip()):
            return False
        read = pacetomo.read(path)
    except (OSError, SpaceError):
        return True
    scored = sum(target.score is not None for target in read.targets)
    at_its_end = len(read.geo_points) >= chosen[1] > 0
    complete = bool(read.targets) and (at_its_end or (scored >= chosen[0] and not chosen[1]))
    return not complete or not text.endswith("\n")


def is_begun(session: FilesOfGrid, number: int) -> bool:
    """Whether PACEtomo has begun with one of a lamella's areas."""
    return any(begun_files(path) for path in targets_files(session, number))


def begun_files(targets_file: Path, listing: Listing | None = None) -> list[Path]:
    """Return the run files and tilt series that PACEtomo has begun from a targets file."""
    folder = targets_file.parent
    runs = find_files(folder, pacetomo.run_files_pattern(targets_file.name), listing)
    series: set[Path] = set()
    for path in (targets_file, *runs):
        try:
            series |= {folder / target.tsfile for target in pacetomo.read(path).targets}
        except SpaceError:  # its series are unknown: any that may be its own
            root = targets_file.name[: -len(pacetomo.targets_file_name(""))]
            series |= set(find_files(folder, pacetomo.tilt_series_pattern(root), listing))
    return [*runs, *sorted(path for path in series if path.exists())]
