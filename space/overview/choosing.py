"""What is needed to choose the targets of a session again, from what its files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from space import settings as settings_module
from space.config import Config
from space.errors import SpaceError
from space.journal import Event, Kind
from space.microscope import RecordOptics
from space.overview.facts import LamellaFacts, SessionFacts
from space.settings import Result, Settings
from space.steps import read_record


def settings_with(
    session: SessionFacts,
    changed: Mapping[str, Any],
    config: Config,
    space_dir: Path,
    where: str = "--set",
) -> Settings:
    """Return the settings of a session with other values of those that concern targets.

    Raises
    ------
    SpaceError
        If the session has none that can be read, or a value is of another setting or not allowed.
    """
    if session.settings is None:
        raise SpaceError(session.problems[0], str(session.directory))
    known = settings_module.settings_of(Result.TARGETS)
    others = [name for name in changed if name not in known]
    if others:
        raise SpaceError(
            f"{', '.join(others)} changes no targets.", where, f"Known: {', '.join(known)}."
        )
    # Folders are those of this computer.
    here = {"SPACE_DIR": str(space_dir), "external_map_dir": "", "automation_level": 4}
    parsed = settings_module.parse({**session.settings.to_dict(), **changed, **here})
    problems = settings_module.check(parsed, config)
    if problems:
        raise SpaceError(" ".join(problems), where, "Correct it.")
    return parsed.settings


def noted_record(
    session: SessionFacts, lamella: LamellaFacts, settings: Settings
) -> RecordOptics | None:
    """Return the optics of Record as noted for a lamella, or for another one of the session."""
    paths = [lamella.choice_file, *(other.choice_file for other in session.lamellae)]
    known = (read_record(path) for path in paths if path is not None)
    record = next((found for found in known if found is not None), None)
    if record is None:
        return None
    return replace(record, beam_diameter_um=settings.beam_diameter or record.beam_diameter_um)


def may_be_acquiring(session: SessionFacts, events: tuple[Event, ...]) -> bool:
    """Tell whether items of a session may be being acquired, as far as files tell."""
    last = None
    for event in events:
        if event.kind in (Kind.ACQUISITION_STARTED, Kind.ACQUISITION_ENDED, Kind.RUN_STARTED):
            last = event
    runs = last is not None and last.kind is Kind.ACQUISITION_STARTED
    begun = any(area.begun and area.acquire for one in session.lamellae for area in one.areas)
    return runs or begun
