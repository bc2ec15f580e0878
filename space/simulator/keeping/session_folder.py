"""Sessions kept on disk: scripts run one after another in several processes, as in one program.

A session's folder is the program's working directory. In it, the folder `simulated_microscope`
holds what is needed to go on:

=================  ==================================================================
``setup.json``     what the session is made of: seeds, grids, instrument
``hardware.json``  the microscope: stage, optics, valves, loaded grid, simulated time
``changes.jsonl``  what has changed of it since, while a script runs
``journal.jsonl``  every picture taken (the truth about it), and the random numbers used
``scripts.json``   the script list and the Acquire at Items dialog
``program.zip``    the program: buffers, variables, Navigator, open files, options, log
``running``        there only while a script runs
=================  ==================================================================

Changes and journal are written after each command and each picture. The rest is written when a
run ends; if it never ended (the program died), the next run starts the program anew on the
microscope as it stands: buffers, variables, open files and what was not saved of the
Navigator are gone, scripts and settings are those of the last good end. The specimen is drawn
again from its seed.

A session's folder can be moved or copied: paths in it are kept relative to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from space.simulator.column.installation import NEWEST
from space.simulator.formats.atomic import write_text_atomic
from space.simulator.keeping.journal import Journal
from space.simulator.keeping.keeper import load
from space.simulator.keeping.layout import (
    FORMAT,
    LOCK,
    SESSION_FOLDER,
    SETUP,
    SessionError,
    read_json,
)
from space.simulator.keeping.setup import Setup
from space.simulator.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from space.simulator.column.faults import Faults
    from space.simulator.imaging.pictures import Exposure
    from space.simulator.program.policy import Policy
    from space.simulator.specimen.interface import Specimen


@contextmanager
def open_session(
    directory: Path,
    setup: Setup | None = None,
    *,
    faults: Faults | Sequence[str] = (),
    policy: Policy | None = None,
    progress: Callable[[str], None] | None = None,
    time_scale: float = 0.02,
    grids: Mapping[int, Specimen] | None = None,
) -> Iterator[Simulation]:
    """Open a session that is kept on disk; it is saved when the block ends.

    Parameters
    ----------
    directory : Path
        The session's folder.
    setup : Setup, optional
        What a new session is made of. For an old one it may be left out, and must be the same.
    faults, policy, progress, time_scale :
        For this run, as for `Simulation`.
    grids : mapping, optional
        Slot → grid in place of those that the setup describes.

    Yields
    ------
    Simulation
        At the point where the last run left it; if that one never ended, with the program started
        anew.

    Raises
    ------
    SessionError
        If there is no such session and no setup, if the setup differs from the session's, if
        another process works on it, or if its files are damaged or cannot be made.
    """
    directory = Path(directory).resolve()
    folder = directory / SESSION_FOLDER
    if setup is None and not is_session(directory):
        raise SessionError(f"There is no session in {directory}")
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise SessionError(f"Another process works on the session in {directory}") from None
    except OSError as error:
        raise SessionError(f"No session can be kept in {directory}: {error.strerror}") from error
    try:
        setup = _agreed_setup(folder, setup)
        simulation = _simulation(directory, setup, faults, policy, progress, time_scale, grids)
        keeper = load(folder, simulation.session)
        keeper.begin(simulation.session)
        with closing(simulation):
            try:
                yield simulation
            except BaseException:
                # Whoever ends a run like this ends the program; the microscope stays as it is.
                keeper.note(simulation.session, everything=True)
                raise
            keeper.end(simulation.session)
    finally:
        lock.release()


def is_session(directory: Path) -> bool:
    """Whether a folder holds a session."""
    return (Path(directory) / SESSION_FOLDER / SETUP).is_file()


def stored_setup(directory: Path) -> Setup:
    """Read what the session in a folder is made of.

    Raises
    ------
    SessionError
        If its file is missing, damaged or of another version.
    """
    path = Path(directory) / SESSION_FOLDER / SETUP
    values = read_json(path)
    if values.get("format") != FORMAT:
        raise SessionError(
            f"{path} has format {values.get('format')}, this program reads {FORMAT}. "
            "Begin a new session in another folder"
        )
    try:
        return Setup.from_dict(values)
    except (TypeError, ValueError, LookupError, AttributeError) as problem:
        raise SessionError(f"{path} is damaged: {problem!r}") from problem


def pictures(directory: Path) -> list[Exposure]:
    """Read the truth about all pictures of a session without opening it."""
    return Journal.read(Path(directory) / SESSION_FOLDER).exposures


def _agreed_setup(folder: Path, setup: Setup | None) -> Setup:
    path = folder / SETUP
    if setup is not None and not path.is_file():
        write_text_atomic(path, json.dumps({"format": FORMAT, **setup.to_dict()}, indent=1) + "\n")
        return setup
    stored = stored_setup(folder.parent)
    if setup is not None and setup != stored:
        wanted, present = setup.to_dict(), stored.to_dict()
        names = ", ".join(name for name in wanted if wanted[name] != present[name])
        raise SessionError(
            f"The session in {folder.parent} was made with other values of: {names}. "
            "Leave them out, or begin a new session in another folder"
        )
    return stored


def _simulation(
    directory: Path,
    setup: Setup,
    faults: Faults | Sequence[str],
    policy: Policy | None,
    progress: Callable[[str], None] | None,
    time_scale: float,
    grids: Mapping[int, Specimen] | None,
) -> Simulation:
    if grids is None:
        grids = {slot: plan.grid() for slot, plan in enumerate(setup.grids, start=1)}
    return Simulation(
        directory,
        seed=setup.seed,
        grids=grids,
        time_scale=time_scale,
        policy=policy,
        progress=progress,
        noise=setup.noise,
        loaded=setup.loaded,
        stage_error_um=setup.stage_error_um,
        stage_limit_um=setup.stage_limit_um,
        instrument=setup.instrument,
        faults=faults,
        serialem=setup.serialem or NEWEST,
    )
