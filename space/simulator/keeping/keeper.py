"""What brings a session to where the last run left it, and writes it down while it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from space.simulator.column.properties import starting_properties
from space.simulator.formats.atomic import whole_file, write_text_atomic
from space.simulator.keeping import hardware_state, layout
from space.simulator.keeping.freezing import FrozenStateError, freeze, thaw
from space.simulator.keeping.journal import Journal
from space.simulator.keeping.layout import FORMAT, SessionError
from space.simulator.program import user_settings
from space.simulator.program.acquire_state import AcquireParams
from space.simulator.program.session import Script

if TYPE_CHECKING:
    from space.simulator.program.session import Session


@dataclass
class Keeper:
    """Writes down a session while it runs.

    Attributes
    ----------
    folder : Path
        Where to.
    journal : Journal
        Pictures and random numbers, as far as they have been written.
    """

    folder: Path
    journal: Journal
    _hardware: hardware_state.State = field(init=False, default_factory=dict)

    def begin(self, session: Session) -> None:
        """Begin a run: from here on the program counts as running."""
        self.journal.cut()
        self.note(session, everything=True)
        self._write_hardware()
        self._write_scripts(session)
        write_text_atomic(self.folder / layout.RUNNING, f"{os.getpid()}\n")
        session.keeper = self

    def note(self, session: Session, everything: bool = False) -> None:
        """Write down what has changed at the microscope."""
        sources = hardware_state.random_sources(session)
        self.journal.note(session.exposures, sources, everything)
        now = hardware_state.read(session)
        changes = hardware_state.difference(self._hardware, now)
        if changes:
            layout.append_lines(self.folder / layout.CHANGES, [json.dumps(changes)])
            self._hardware = now

    def end(self, session: Session) -> None:
        """End a run well: the program's state is written, too."""
        self.note(session, everything=True)
        self._write_hardware()
        self._write_scripts(session)
        session.keeper = None
        with whole_file(self.folder / layout.PROGRAM) as temporary:
            freeze(temporary, session.program(), _known(session), str(self.folder.parent))
        (self.folder / layout.RUNNING).unlink(missing_ok=True)

    def _write_hardware(self) -> None:
        values = {"format": FORMAT, "state": self._hardware}
        write_text_atomic(self.folder / layout.HARDWARE, json.dumps(values, indent=1) + "\n")
        (self.folder / layout.CHANGES).unlink(missing_ok=True)

    def _write_scripts(self, session: Session) -> None:
        values = {
            "format": FORMAT,
            "scripts": {str(n): asdict(script) for n, script in sorted(session.scripts.items())},
            "acquire": {kind: asdict(params) for kind, params in session.acquire.params.items()},
        }
        write_text_atomic(self.folder / layout.SCRIPTS, json.dumps(values, indent=1) + "\n")


def load(folder: Path, session: Session) -> Keeper:
    """Bring a new session to where the last run left it; give what writes it down from then on.

    Raises
    ------
    SessionError
        If a file is damaged.
    """
    died = (folder / layout.RUNNING).exists()
    _load_program(folder, session, died)
    _load_scripts(folder, session)
    if (folder / layout.HARDWARE).is_file():
        hardware_state.apply(session, layout.read_json(folder / layout.HARDWARE)["state"])
    for changes in layout.whole_lines(folder / layout.CHANGES)[0]:
        hardware_state.apply(session, changes)
    journal = Journal.read(folder)
    session.exposures = list(journal.exposures)
    for name, source in hardware_state.random_sources(session).items():
        source.forget()
        source.revisit(journal.visits.get(name, ()))
    if died:
        session.write_log("The program was started again: its last run had not ended.")
    return Keeper(folder, journal)


def _load_program(folder: Path, session: Session, died: bool) -> None:
    path = folder / layout.PROGRAM
    if not path.is_file():
        return
    try:
        state = thaw(path, _known(session), str(folder.parent))
    except FrozenStateError as problem:
        raise SessionError(f"{problem}. Delete it to start the program anew") from problem
    _complete(session, state)
    if died:
        _take_settings(session, state)
    else:
        _put_in(session, state)


def _complete(session: Session, state: Mapping[str, Any]) -> None:
    """Give the state of an earlier version what it did not have, as a new session has it."""
    pairs = [(value, getattr(session, name, None)) for name, value in state.items()]
    for value, fresh in [*pairs, (state["scope"].stage, session.scope.stage)]:
        if type(fresh) is type(value) and hasattr(value, "__dict__"):
            vars(value).update({k: v for k, v in vars(fresh).items() if k not in vars(value)})
    options, scope = state["options"], state["scope"]
    options.user_settings = {**user_settings.defaults(), **options.user_settings}
    scope.properties = {**starting_properties(session.instrument), **scope.properties}


def _put_in(session: Session, state: Mapping[str, Any]) -> None:
    """Put the program's state in.

    The microscope is the one that the session was set up with, not the copy in the state.
    """
    instrument = session.instrument
    for name, value in state.items():
        setattr(session, name, value)
    session.instrument = session.scope.instrument = instrument
    session.camera.model = instrument.camera


def _known(session: Session) -> dict[str, object]:
    """Objects that are not kept but put in their places again."""
    known: dict[str, object] = {"faults": session.faults, "policy": session.policy}
    return known | {f"grid {slot}": grid for slot, grid in session.grids.items()}


def _take_settings(session: Session, state: Mapping[str, Any]) -> None:
    """Take over what the program reads from its settings file when it starts."""
    before = state["scope"]
    session.scope.areas, session.scope.states = before.areas, before.states
    session.camera.sets = state["camera"].sets
    user_settings.take_over(session, cast("Session", SimpleNamespace(**state)))


def _load_scripts(folder: Path, session: Session) -> None:
    if not (folder / layout.SCRIPTS).is_file():
        return
    values = layout.read_json(folder / layout.SCRIPTS)
    session.scripts = {int(n): Script(**script) for n, script in values["scripts"].items()}
    for kind, params in values["acquire"].items():
        session.acquire.params[kind] = AcquireParams(**params)
