"""Reading a session's directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from space.errors import SpaceError, shown
from space.images import is_whole_png
from space.jobs import JobFolder, JobStatus
from space.microscope import SavedItem, read_navigator_file
from space.overview.facts import GridFacts, SessionFacts
from space.overview.lamellae import Seen, lamellae_of
from space.overview.planned import with_plan
from space.settings import SETTINGS_FILE, Settings, load
from space.steps import (
    NAMES_FILE,
    GridOnDisk,
    LamellaList,
    earlier_names,
    grid_name_in,
    is_session,
    points_to_visit,
    read_lamella_list,
    session_id,
)


def read_session(directory: Path, map_dir: Path | None = None, grid: str = "") -> SessionFacts:
    """Read where a session stands. Changes nothing.

    Parameters
    ----------
    directory : Path
        SerialEM's directory of the session.
    map_dir : Path, optional
        Where its pictures for the models are, seen from this computer; by default as its settings
        say (`external_map_dir`), else the directory itself.
    grid : str
        Look at this one alone; by default, at all grids.

    Raises
    ------
    SpaceError
        When there is no such folder, or no session in it.
    """
    directory = Path(directory)
    if directory.is_file():
        raise SpaceError("This is a file.", str(directory), "Name the folder that it is in.")
    if not directory.is_dir():
        raise SpaceError("There is no such folder.", str(directory), "Correct the path.")
    settings, problems = _settings(directory)
    if settings is None and not is_session(directory):
        raise SpaceError(
            f"There is no session in this folder: neither {SETTINGS_FILE} nor another file that "
            "SPACEtomo.py writes first.",
            str(directory),
            "Name the directory that SerialEM had when SPACEtomo.py ran: it holds the .nav file.",
        )
    maps = _map_dir(directory, settings, map_dir)
    noted = earlier_names(directory)
    if not noted and (directory / NAMES_FILE).exists():
        problems.append(
            f"{NAMES_FILE} cannot be read: what was done on the grids of earlier runs is not "
            "shown. Bring it back from a copy, or run SPACEtomo.py again, which writes it anew."
        )
    names = {slot: name for slot, name in noted.items() if _is_plain(name)}
    problems += [
        f"{shown(name)}, noted for slot {shown(slot)}, cannot be the name of a grid's files."
        for slot, name in noted.items()
        if slot not in names
    ]
    order = [slot for slot in _slots(settings, names) if not grid or names.get(slot) == grid]
    own_id = session_id(directory)
    grids = tuple(
        _grid(directory, maps, names.get(slot, ""), slot, settings, own_id) for slot in order
    )
    if settings is not None and settings.follows_plan:
        grids = with_plan(grids, directory)
    return SessionFacts(directory, settings, maps, grids, tuple(problems))


def _settings(directory: Path) -> tuple[Settings | None, list[str]]:
    try:
        return load(directory), []
    except SpaceError as error:
        return None, [str(error)]


def _map_dir(directory: Path, settings: Settings | None, given: Path | None) -> Path:
    if given is not None:
        return Path(given)
    return Path(settings.external_map_dir) if settings and settings.external_map_dir else directory


def _is_plain(name: str) -> bool:
    """Whether a grid's name leads nowhere else."""
    return bool(name) and Path(name).name == name and "\\" not in name and "\0" not in name


def _slots(settings: Settings | None, names: Mapping[str, str]) -> list[str]:
    """Return the slots of all grids: in the order of the last run, then those of earlier runs."""
    wanted = [str(slot) for slot in settings.grid_list] if settings else []
    return list(dict.fromkeys([*wanted, *names]))


def _grid(
    directory: Path, map_dir: Path, name: str, slot: str, settings: Settings | None, own_id: str
) -> GridFacts:
    level = settings.automation_level if settings else 5
    if not name:
        return GridFacts("", slot, level=level)
    root = _root_in(map_dir, directory, name, own_id)
    files = GridOnDisk(directory, map_dir, name, root)
    problems: list[str] = []
    items = _items(files, problems)
    known = _known(files, problems)
    pictures = [files.map_png(mark.number).name for mark, _ in points_to_visit(items)]
    jobs = _jobs(map_dir, pictures, problems)
    return GridFacts(
        name,
        slot,
        _if_there(files.navigator_file),
        _if_there(directory / files.log_name),
        _if_there(files.lamellae_file),
        _if_there(directory / files.whole_grid_note),
        files.whole_grid_png if is_whole_png(files.whole_grid_png) else None,
        lamellae_of(files, Seen(items, known, jobs)),
        level,
        tuple(problems),
        root,
    )


def _root_in(map_dir: Path, directory: Path, name: str, own_id: str) -> str:
    try:
        return grid_name_in(map_dir, directory, name, own_id) or name
    except OSError:
        return name


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _items(files: GridOnDisk, problems: list[str]) -> tuple[SavedItem, ...]:
    try:
        return read_navigator_file(files.navigator_file)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        problems.append(f"The Navigator file {files.navigator_file.name} cannot be read: {error}.")
        return ()


def _known(files: GridOnDisk, problems: list[str]) -> LamellaList | None:
    try:
        return read_lamella_list(files.lamellae_file)
    except SpaceError as error:
        problems.append(str(error))
        return None


def _jobs(map_dir: Path, pictures: list[str], problems: list[str]) -> dict[str, JobStatus] | None:
    try:
        return JobFolder(map_dir).statuses_of(pictures, "segment")
    except (SpaceError, OSError) as error:
        problems.append(f"The segmentations are not known: {error}")
        return None
