"""The file that the page writes: what is asked, and what a person has approved."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import parse_json, read_bytes_bounded, write_text_atomic
from space.predicates import is_whole
from space.review.edits import (
    Edit,
    NotAnEditError,
    edit_to_dict,
    is_id,
    is_lamella_number,
    is_stamp,
    read_edit,
)

FORMAT = "SPACEtomo review 1"
REVIEW_ENDING = "_review.json"

MOST_EDITS = 1000
"""Edits in one file; the page leaves out old ones that have their answer."""

_LARGEST_BYTES = 1_000_000
_LARGEST_REVISION = 10**9
_LONGEST_GRID = 200
_LOCK_S, _LOCK_POLL_S = 10.0, 0.01
_KEYS = {"format", "grid", "revision", "approved", "edits"}
_REMEDY = "Delete it, and ask again on the page. The run goes on without it."


class StaleError(SpaceError):
    """The file was written by somebody else since it was read."""


@dataclass(frozen=True)
class Unreadable:
    """An edit that cannot be understood: its id, and why."""

    id: str
    why: str


@dataclass(frozen=True)
class Review:
    """Contents of a file.

    Attributes
    ----------
    grid : str
        Name of the grid.
    revision : int
        Grows by one with each save.
    lamellae_approved : mapping of int to str, or None
        The lamellae of the grid as they were shown when a person agreed with them: their numbers
        and stamps (`LamellaSeen.stamp`); None if nobody did.
    targets_approved : mapping of int to str
        Lamellae with whose targets a person agrees, and the stamp of the targets that were shown
        (`LamellaSeen.targets`). Files of earlier versions do not say what was seen: stamps are
        empty then, and so is the table of lamellae.
    edits : tuple of Edit or Unreadable
        In the order in which they were asked.
    """

    grid: str
    revision: int = 0
    lamellae_approved: Mapping[int, str] | None = None
    targets_approved: Mapping[int, str] = field(default_factory=dict)
    edits: tuple[Edit | Unreadable, ...] = ()


def review_path(directory: Path, grid: str) -> Path:
    """Return the file of a grid in the directory of a session."""
    return Path(directory) / f"{grid}{REVIEW_ENDING}"


# --- reading --------------------------------------------------------------------------------------


def read_review(path: Path, grid: str) -> Review | None:
    """Read the file of a grid; None when there is none.

    Raises
    ------
    SpaceError
        When nothing in it can be used: what is wrong, and what to do.
    """
    try:
        data = read_bytes_bounded(path, _LARGEST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _broken(f"it cannot be read ({error.strerror or error})", Path(path).name) from None
    return parse_review(data, grid, Path(path).name)


def parse_review(data: bytes, grid: str, name: str = "review") -> Review:
    """Read the bytes of a file; an edit that is wrong by itself costs only itself.

    Raises
    ------
    SpaceError
        As `read_review`.
    """
    try:
        values = parse_json(data.decode("utf-8-sig"))
    except ValueError as error:
        raise _broken(f"it is no whole JSON ({error})", name) from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise _broken(f'its format is not "{FORMAT}"', name)
    if set(values) != _KEYS:
        raise _broken(f"its names must be {', '.join(sorted(_KEYS))}", name)
    if values["grid"] != grid:
        raise _broken(f"it is of grid {shown(values['grid'])}, not {grid}", name)
    revision, edits = values["revision"], values["edits"]
    if not is_whole(revision) or not 0 <= revision <= _LARGEST_REVISION:
        raise _broken(f"its revision is {shown(revision)}", name)
    if not isinstance(edits, list) or len(edits) > MOST_EDITS:
        raise _broken(f"its edits are no list of at most {MOST_EDITS}", name)
    for number, edit in enumerate(edits, 1):
        if not isinstance(edit, dict) or not is_id(edit.get("id")):
            raise _broken(f"edit {number} is no table with an id", name)
    if len({edit["id"] for edit in edits}) != len(edits):
        raise _broken("two edits have the same id", name)
    lamellae, targets = _approved(values["approved"], name)
    return Review(grid, revision, lamellae, targets, tuple(_edit(edit) for edit in edits))


def open_edits(review: Review | None, answered: Container[str]) -> tuple[Edit | Unreadable, ...]:
    """Return the edits that have no final answer yet."""
    return tuple(edit for edit in review.edits if edit.id not in answered) if review else ()


def _approved(value: Any, name: str) -> tuple[dict[int, str] | None, dict[int, str]]:
    if not isinstance(value, dict) or set(value) != {"lamellae", "targets"}:
        raise _broken('"approved" is no table of lamellae and targets', name)
    lamellae, targets = value["lamellae"], value["targets"]
    if not isinstance(lamellae, (bool, dict)):
        raise _broken(f"approved lamellae are {shown(lamellae)}, no table and not false", name)
    if isinstance(lamellae, bool):  # true: of an earlier version, without what was seen
        lamellae = {} if lamellae else None
    if isinstance(targets, list):  # of an earlier version, without what was seen
        entries = [(number, "") for number in targets]
    elif isinstance(targets, dict):
        entries = _entries(targets)
    else:
        raise _broken("approved targets are no table of numbers and stamps", name)
    seen = None if lamellae is None else _stamps(_entries(lamellae), "lamellae", name)
    return seen, _stamps(entries, "targets", name)


def _entries(table: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    return [(_number(text), stamp) for text, stamp in table.items()]


def _stamps(entries: list[tuple[Any, Any]], what: str, name: str) -> dict[int, str]:
    if len(entries) > MOST_EDITS:
        raise _broken(f"more than {MOST_EDITS} {what} are approved", name)
    if not all(is_lamella_number(number) for number, _ in entries):
        raise _broken(f"approved {what} are not all numbers of lamellae", name)
    if not all(is_stamp(stamp) for _, stamp in entries):
        raise _broken(f"approved {what} have something else than stamps", name)
    return dict(entries)


def _number(text: str) -> int:
    """Return the number of a lamella in a text as JSON's tables have it; 0 where it is none."""
    is_plain = text.isascii() and text.isdigit() and len(text) < 10 and not text.startswith("0")
    return int(text) if is_plain else 0


def _edit(values: Mapping[str, Any]) -> Edit | Unreadable:
    try:
        return read_edit(values)
    except NotAnEditError as error:
        return Unreadable(values["id"], str(error))


def _broken(what: str, name: str) -> SpaceError:
    return SpaceError(f"Nothing that was asked in the page is taken: {what}.", name, _REMEDY)


# --- writing --------------------------------------------------------------------------------------


def save_review(path: Path, review: Review) -> Review:
    """Write what is asked of a grid, whole or not at all; return it with its new revision.

    Edits that cannot be understood are left out.

    Parameters
    ----------
    path : Path
    review : Review
        With the revision of the file that it is based on; 0 where there was none.

    Raises
    ------
    StaleError
        When the file has another revision by now. Nothing is written.
    SpaceError
        When the file that is there cannot be read, what is to be written would not be read, or
        another program holds the file for too long.
    OSError
        When it cannot be written.
    """
    import filelock  # only who writes needs it

    path = Path(path)
    try:
        lock = filelock.FileLock(str(path.with_suffix(".lock")), timeout=_LOCK_S, mode=0o666)
        with lock.acquire(poll_interval=_LOCK_POLL_S):
            before = read_review(path, review.grid)
            revision = before.revision if before else 0
            if revision != review.revision:
                raise StaleError(
                    f"It was changed meanwhile (revision {revision}, not {review.revision}).",
                    path.name,
                    "Look at it again and repeat your change.",
                )
            readable = tuple(edit for edit in review.edits if isinstance(edit, Edit))
            saved = replace(review, revision=revision + 1, edits=readable)
            text = render(saved)
            if parse_review(text.encode("utf-8"), review.grid, path.name) != saved:
                raise SpaceError("This cannot be written as it is.", path.name, "Report this.")
            write_text_atomic(path, text)
            return saved
    except filelock.Timeout:
        raise SpaceError(
            f"Another program has held it for more than {_LOCK_S:.0f} s.",
            path.name,
            f"If none runs, delete {path.with_suffix('.lock').name}.",
        ) from None


def render(review: Review) -> str:
    """Return the text of a file; one line for each edit."""
    head = {
        "format": FORMAT,
        "grid": review.grid[:_LONGEST_GRID],
        "revision": review.revision,
        "approved": {
            "lamellae": False
            if review.lamellae_approved is None
            else _table(review.lamellae_approved),
            "targets": _table(review.targets_approved),
        },
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    edits = [json.dumps(edit_to_dict(edit)) for edit in review.edits if isinstance(edit, Edit)]
    body = ",\n ".join(edits)
    lines.append(f'"edits": [\n {body}\n]' if edits else '"edits": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _table(stamps: Mapping[int, str]) -> dict[str, str]:
    return {str(number): stamp for number, stamp in sorted(stamps.items())}


def undo(review: Review, ids: Iterable[str], answered: Container[str]) -> Review:
    """Return what is asked without edits that have no final answer yet.

    One that was answered stays; what it did is undone by asking for the opposite.
    """
    taken = {one for one in ids if one not in answered}
    return replace(review, edits=tuple(edit for edit in review.edits if edit.id not in taken))
