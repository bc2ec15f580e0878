"""On which lamellae focus and tilt range were tried, and what came of it, as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from space.files import read_json_or_empty, write_text_atomic
from space.steps.session import FilesOfGrid

_NUMBER = re.compile("[0-9]{1,6}")


def tried_file(session: FilesOfGrid) -> Path:
    """The file of a grid."""
    return session.directory / f"{session.grid}_tried.json"


def outcomes(session: FilesOfGrid) -> dict[int, str]:
    """Return why the trial of each lamella that was tried failed; "" where it went well."""
    return read(tried_file(session))


def read(path: Path) -> dict[int, str]:
    """Read outcomes by lamella; what cannot be read counts as not tried."""
    return {
        int(number): why
        for number, why in read_json_or_empty(path).items()
        if _NUMBER.fullmatch(number) and isinstance(why, str)
    }


def failed(session: FilesOfGrid) -> frozenset[int]:
    """Return the lamellae of which nothing is acquired since their trial failed."""
    return frozenset(number for number, why in outcomes(session).items() if why)


def keep(session: FilesOfGrid, number: int, why: str) -> None:
    """Note how the trial of a lamella ended."""
    _write(session, {**outcomes(session), number: why})


def forget_failures(session: FilesOfGrid) -> None:
    """Take failures back: trials are not wanted any more."""
    _write(session, {number: why for number, why in outcomes(session).items() if not why})


def _write(session: FilesOfGrid, values: Mapping[int, str]) -> None:
    texts = {str(number): why for number, why in sorted(values.items())}
    write_text_atomic(tried_file(session), json.dumps(texts, indent=1) + "\n")
