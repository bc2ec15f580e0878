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
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from space.simulator import Simulation
from space.simulator.column.faults import Faults
from space.simulator.column.installation import NEWEST
from space.simulator.formats.atomic import whole_file, write_text_atomic
from space.simulator.imaging.pictures import Exposure
from space.simulator.keeping import hardware
from space.simulator.keeping.freezing import FrozenStateError, freeze, thaw
from space.simulator.program.acquire_state import AcquireParams
from space.simulator.program.policy import Policy
from space.simulator.program.session import Script
from space.simulator.python.script_state import apply_user_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from space.simulator.program.session import Session
    from space.simulator.specimen import Grid
    from space.simulator.specimen.interface import Specimen
    from space.simulator.specimen.labels import LamellaKind

FORMAT = 2
FOLDER = "simulated_microscope"
SETUP, HARDWARE, CHANGES, JOURNAL, SCRIPTS, PROGRAM, RUNNING, LOCK = (
    "setup.json", "hardware.json", "changes.jsonl", "journal.jsonl", "scripts.json", "program.zip",
    "running", "in_use.lock",
)  # fmt: skip

# Parts of a session that each run brings itself, or that are kept elsewhere.
_NOT_KEPT = ("grids", "installation", "faults", "policy", "keyboard", "keeper", "children",
             "exposures", "real_stdout", "_progress")  # fmt: skip
_RECENT = 64  # of the newest pictures, it is looked after each command whether they were saved


class SessionError(ValueError):
    """A session cannot be opened; the text says why and what to do."""


@dataclass(frozen=True)
class GridPlan:
    """How a grid is drawn; see `space.simulator.specimen.Grid.make`."""

    seed: int
    lamellae: int
    name: str
    kinds: tuple[LamellaKind, ...] | None = None
    within_um: float = 720.0

    def grid(self) -> Grid:
        """Draw the grid."""
        from space.simulator.specimen import Grid

        return Grid.make(
            self.seed, self.lamellae, name=self.name, kinds=self.kinds, within_um=self.within_um
        )


@dataclass(frozen=True)
class Setup:
    """What a session is made of; it stays the same for good.

    Attributes
    ----------
    seed : int
        Of stage errors and noise.
    grids : tuple of GridPlan
        In the slots from 1 on.
    instrument, stage_limit_um, stage_error_um, noise, loaded :
        As for `space.simulator.Simulation`; a file of one's own with its whole path.
    serialem : str
        Version of SerialEM, "" for a recent one.
    """

    seed: int = 1
    grids: tuple[GridPlan, ...] = ()
    instrument: str = "krios_300kv"
    stage_limit_um: float | None = None
    stage_error_um: float | None = None
    noise: bool = True
    loaded: int | None = 1
    serialem: str = ""

    @classmethod
    def of(
        cls,
        seed: int,
        grids: int = 1,
        lamellae: int = 6,
        kinds: Sequence[LamellaKind] | None = None,
        within_um: float = 720.0,
        **others: Any,  # further fields
    ) -> Setup:
        """Plan grids named G1, G2 … with seeds that follow from the session's."""
        plans = tuple(
            GridPlan(seed * 100 + slot, lamellae, f"G{slot}",
                     tuple(kinds) if kinds is not None else None, within_um)
            for slot in range(1, grids + 1)
        )  # fmt: skip
        return cls(seed, plans, **others)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Setup:
        """Read plain values."""
        told = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        plans = tuple(
            GridPlan(**{**plan, "kinds": tuple(plan["kinds"]) if plan["kinds"] else None})
            for plan in told.pop("grids")
        )
        return cls(grids=plans, **told)


@contextmanager
def kept(
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
        another process works on it, or if its files are damaged.
    """
    directory = Path(directory).resolve()
    folder = directory / FOLDER
    if setup is None and not exists(directory):
        raise SessionError(f"There is no session in {directory}")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise SessionError(f"Another process works on the session in {directory}") from None
    try:
        setup = _agreed_setup(folder, setup)
        simulation = _simulation(directory, setup, faults, policy, progress, time_scale, grids)
        keeper = _load(folder, simulation.session)
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


def exists(directory: Path) -> bool:
    """Whether a folder holds a session."""
    return (Path(directory) / FOLDER / SETUP).is_file()


def stored_setup(directory: Path) -> Setup:
    """Read what the session in a folder is made of.

    Raises
    ------
    SessionError
        If its file is missing, damaged or of another version.
    """
    path = Path(directory) / FOLDER / SETUP
    values = _read_json(path)
    if values.get("format") != FORMAT:
        raise SessionError(
            f"{path} has format {values.get('format')}, this program reads {FORMAT}. "
            "Begin a new session in another folder"
        )
    return Setup.from_dict(values)


def pictures(directory: Path) -> list[Exposure]:
    """Read the truth about all pictures of a session without opening it."""
    return _read_journal(Path(directory) / FOLDER)[0]


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


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise SessionError(f"{path} cannot be read: {problem}") from problem


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


# --- reading --------------------------------------------------------------------------------------


def _load(folder: Path, session: Session) -> Keeper:
    """Bring a new session to where the last run left it."""
    known = _known(session)
    died = (folder / RUNNING).exists()
    if (folder / PROGRAM).is_file():
        try:
            state = thaw(folder / PROGRAM, known, str(folder.parent))
        except FrozenStateError as problem:
            raise SessionError(f"{problem}. Delete it to start the program anew") from problem
        if died:
            _take_settings(session, state)
        else:
            _put_in(session, state)
    _load_scripts(folder, session)
    if (folder / HARDWARE).is_file():
        hardware.apply(session, _read_json(folder / HARDWARE)["state"])
    for changes in _whole_lines(folder / CHANGES)[0]:
        hardware.apply(session, changes)
    exposures, chances, size = _read_journal(folder)
    session.exposures = exposures
    for path in hardware.CHANCES:
        chance = hardware.part(session, path)._chance
        chance.forget()
        chance.revisit(chances.get(path, ()))
    if died:
        session.write_log("The program was started again: its last run had not ended.")
    return Keeper(folder, session, size)


def _put_in(session: Session, state: Mapping[str, Any]) -> None:
    """Put the program's state in; what an earlier version of it did not have stays as new."""
    for name, value in state.items():
        fresh = getattr(session, name, None)
        if type(fresh) is type(value) and hasattr(value, "__dict__"):
            vars(value).update({k: v for k, v in vars(fresh).items() if k not in vars(value)})
        setattr(session, name, value)


def _known(session: Session) -> dict[str, object]:
    """Objects that are not kept but put in their places again."""
    known: dict[str, object] = {"faults": session.faults, "policy": session.policy}
    return known | {f"grid {slot}": grid for slot, grid in session.grids.items()}


def _take_settings(session: Session, state: Mapping[str, Any]) -> None:
    """Take over what the program reads from its settings file when it starts."""
    before = state["scope"]
    session.scope.areas, session.scope.states = before.areas, before.states
    session.camera.sets = state["camera"].sets
    session.options.user_settings = state["options"].user_settings
    apply_user_settings(session)


def _load_scripts(folder: Path, session: Session) -> None:
    if not (folder / SCRIPTS).is_file():
        return
    values = _read_json(folder / SCRIPTS)
    session.scripts = {int(n): Script(**script) for n, script in values["scripts"].items()}
    for kind, params in values["acquire"].items():
        session.acquire.params[kind] = AcquireParams(**params)


def _read_journal(folder: Path) -> tuple[list[Exposure], dict[str, list[tuple[int, ...]]], int]:
    """Read pictures, visits by part, and how many bytes of the file are whole lines."""
    exposures: dict[int, Exposure] = {}
    chances: dict[str, list[tuple[int, ...]]] = {}
    names = {one.name for one in fields(Exposure)}
    lines, size = _whole_lines(folder / JOURNAL)
    for kind, *values in lines:
        if kind == "picture":
            told = {n: hardware.restored(v) for n, v in values[0].items() if n in names}
            if told.get("file"):  # relative to the session's folder, which may have been moved
                told["file"] = str(folder.resolve().parent / told["file"])
            exposures[told["index"]] = Exposure(**told)
        elif kind == "chance":
            chances.setdefault(values[0], []).append(tuple(values[1]))
    return [exposures[index] for index in sorted(exposures)], chances, size


def _whole_lines(path: Path) -> tuple[list[Any], int]:
    """Read the values in a file's lines, and how many bytes these lines are.

    A last line without an end was being written when the program died; it does not count.
    """
    data = path.read_bytes() if path.is_file() else b""
    size = data.rfind(b"\n") + 1
    try:
        return [json.loads(line) for line in data[:size].decode("utf-8").splitlines()], size
    except (ValueError, RecursionError) as problem:
        raise SessionError(f"{path} is damaged: {problem}") from problem


# --- writing --------------------------------------------------------------------------------------


@dataclass
class Keeper:
    """Writes down a session while it runs.

    Attributes
    ----------
    folder : Path
        Where to.
    session : Session
        As it was read, which tells what is written already.
    size : int
        Bytes of the journal that are good.
    """

    folder: Path
    session: Session
    size: int
    _pictures: list[Exposure] = field(init=False)
    _visits: dict[str, int] = field(init=False)
    _hardware: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._pictures = list(self.session.exposures)
        self._visits = {
            path: len(hardware.part(self.session, path)._chance.visits) for path in hardware.CHANCES
        }

    def begin(self, session: Session) -> None:
        """Begin a run: from here on the program counts as running."""
        if (self.folder / JOURNAL).is_file():
            os.truncate(self.folder / JOURNAL, self.size)
        self.note(session, everything=True)
        self._write_hardware()
        self._write_scripts(session)
        write_text_atomic(self.folder / RUNNING, f"{os.getpid()}\n")
        session.keeper = self

    def note(self, session: Session, everything: bool = False) -> None:
        """Write down what has changed at the microscope."""
        lines = self._new_visits(session) + self._new_pictures(session, everything)
        _append(self.folder / JOURNAL, lines)
        now = hardware.read(session)
        changes = hardware.difference(self._hardware, now)
        if changes:
            _append(self.folder / CHANGES, [json.dumps(changes)])
            self._hardware = now

    def end(self, session: Session) -> None:
        """End a run well: the program's state is written, too."""
        self.note(session, everything=True)
        self._write_hardware()
        self._write_scripts(session)
        session.keeper = None
        state = {name: value for name, value in vars(session).items() if name not in _NOT_KEPT}
        with whole_file(self.folder / PROGRAM) as temporary:
            freeze(temporary, state, _known(session), str(self.folder.parent))
        (self.folder / RUNNING).unlink(missing_ok=True)

    def _new_visits(self, session: Session) -> list[str]:
        lines = []
        for path in hardware.CHANCES:
            visits = hardware.part(session, path)._chance.visits
            lines += [json.dumps(["chance", path, key]) for key in visits[self._visits[path] :]]
            self._visits[path] = len(visits)
        return lines

    def _new_pictures(self, session: Session, everything: bool) -> list[str]:
        written, now = self._pictures, session.exposures
        start = 0 if everything else max(0, len(written) - _RECENT)
        changed = [n for n in range(start, len(written)) if written[n] is not now[n]]
        changed += range(len(written), len(now))
        written[start:] = now[start:]
        return [json.dumps(["picture", self._told(now[n])]) for n in changed]

    def _told(self, exposure: Exposure) -> dict[str, Any]:
        told = hardware.plain(exposure)
        home = f"{self.folder.parent}{os.sep}"
        if told.get("file", "").startswith(home):
            told["file"] = told["file"][len(home) :]
        return told

    def _write_hardware(self) -> None:
        values = {"format": FORMAT, "state": self._hardware}
        write_text_atomic(self.folder / HARDWARE, json.dumps(values, indent=1) + "\n")
        (self.folder / CHANGES).unlink(missing_ok=True)

    def _write_scripts(self, session: Session) -> None:
        values = {
            "format": FORMAT,
            "scripts": {str(n): asdict(script) for n, script in sorted(session.scripts.items())},
            "acquire": {kind: asdict(params) for kind, params in session.acquire.params.items()},
        }
        write_text_atomic(self.folder / SCRIPTS, json.dumps(values, indent=1) + "\n")


def _append(path: Path, lines: Sequence[str]) -> None:
    if lines:
        with open(path, "a", encoding="utf-8", newline="\n") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
