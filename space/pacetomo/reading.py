"""Reading targets files, also those that others wrote, as PACEtomo reads them.

PACEtomo splits each line at single spaces and takes the first field as the key and the third as
its value; it ignores blank lines and lines that begin with a space. What it can use is read without
loss. What it cannot use is an error that names the line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from space.errors import SpaceError
from space.files import read_bytes_bounded
from space.pacetomo.content import (
    BLOCKS,
    BRANCHES,
    POSITION,
    SETTINGS,
    GeoPoint,
    Keys,
    Point,
    Target,
    TargetsFile,
)

_SHIFT = ("SSX", "SSY")
_STAGE = ("stageX", "stageY")
_FILES = ("tsfile", "viewfile", "tgtfile")
_SCORE = "SPACEscore"
_LONGEST_NAME = 240  # bytes; file systems take 255, and temporary names are longer


@dataclass(frozen=True)
class _Entry:
    """A line ``key = value``; PACEtomo takes the first word of the value."""

    key: str
    value: str
    where: str

    @property
    def word(self) -> str:
        return self.value.split(" ")[0]


@dataclass
class _Block:
    """A target or geometry point while its lines are being read."""

    kind: str
    where: str
    entries: list[_Entry] = field(default_factory=list)
    branches: list[tuple[str, list[_Entry]]] = field(default_factory=list)

    def last(self) -> Mapping[str, _Entry]:
        """Entries by key; of several with one key, PACEtomo knows the last."""
        return {entry.key: entry for entry in self.entries}


def read(path: Path) -> TargetsFile:
    """Read a targets file or a run file.

    Raises
    ------
    SpaceError
        When it cannot be read, or with the line for something that PACEtomo cannot use.
    """
    path = Path(path)
    try:
        data = read_bytes_bounded(path)
    except OSError as error:
        raise SpaceError(f"The targets file cannot be read ({error}).", str(path)) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:  # written by a Windows program in its own code page
        text = data.decode("cp1252", errors="replace")
    return parse(text, path.name)


def parse(text: str, name: str = "targets file") -> TargetsFile:
    """Read the text of a targets file; nothing that is in it is lost.

    Numbers of targets and geometry points are not kept, their order is.

    Parameters
    ----------
    text : str
        The whole text.
    name : str
        Of the file, for messages.

    Raises
    ------
    SpaceError
        With the line, for something that PACEtomo cannot use either.
    """
    head: list[tuple[str, str, str]] = []
    blocks: list[_Block] = []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if line and not line.startswith(" "):
            _read_line(line, f"{name}, line {number}", head, blocks)
    targets = [block for block in blocks if block.kind == "_tgt"]
    if not targets and (blocks or head):
        raise SpaceError("There is no target in it.", name, "Add one, or empty the file.")
    return TargetsFile(
        tuple(_target(block, first=block is targets[0]) for block in targets),
        tuple(_geo_point(block) for block in blocks if block.kind == "_geo"),
        tuple(head),
    )


def _read_line(
    line: str, where: str, head: list[tuple[str, str, str]], blocks: list[_Block]
) -> None:
    """Add what a line says to the head, to the list of blocks, or to the last block."""
    fields = line.split(" ")
    word = fields[0]
    if word in SETTINGS:
        head.append(_setting(fields, line, where))
    elif word == POSITION:
        head.append((POSITION, "", _position(fields, line, where)))
    elif word in BLOCKS:
        blocks.append(_Block(word, where))
    elif blocks:
        _add_to(blocks[-1], line, where)
    else:
        raise SpaceError(f"{line!r} stands before the first target.", where, "Remove it.")


def _add_to(block: _Block, line: str, where: str) -> None:
    """Add a line to a target or geometry point: a branch, or an entry of the last branch."""
    word, *rest = line.split(" ")
    if word in BRANCHES:
        if block.kind != "_tgt":
            raise SpaceError(f"{line!r} belongs to no target.", where, "Remove it.")
        block.branches.append((line, []))
    elif len(rest) < 2:
        raise SpaceError(
            f"{line!r} has no value: a line is 'key = value', with single spaces.",
            where,
            "Correct the line, or remove it.",
        )
    else:
        entries = block.branches[-1][1] if block.branches else block.entries
        entries.append(_Entry(word, " ".join(rest[1:]), where))


def _setting(fields: list[str], line: str, where: str) -> tuple[str, str, str]:
    if len(fields) != 4 or not fields[1]:
        raise SpaceError(f"{line!r} is not '{fields[0]} NAME = VALUE'.", where, "Correct the line.")
    word, name, _, value = fields
    if word == "_set":
        _number(_Entry(name, value, where))
    return word, name, value


def _position(fields: list[str], line: str, where: str) -> str:
    """SEC,POS at which a run was cut off."""
    value = fields[2] if len(fields) > 2 else ""
    try:
        _, _ = (int(part) for part in value.split(","))
    except ValueError:
        raise SpaceError(
            f"{line!r} is not '{POSITION} = SECTION,POSITION'.", where, "Correct the line."
        ) from None
    return value


def _target(block: _Block, first: bool) -> Target:
    keys = block.last()
    files = _file_names(keys)
    if "tsfile" not in keys:
        raise SpaceError("A target has no tsfile.", block.where, "Add its line.")
    shift, stage = _places(block)
    if first and stage is None:
        raise SpaceError(
            "The first target has no stage position.",
            block.where,
            "Add stageX and stageY: PACEtomo drives there.",
        )
    score = _finite(keys[_SCORE].word) if _SCORE in keys else None
    known = (*_FILES, "skip", *_SHIFT, *(_STAGE if stage else ()))
    known = (*known, _SCORE) if score is not None else known
    return Target(
        tsfile=files["tsfile"],
        shift_um=shift,
        stage_um=stage,
        viewfile=files["viewfile"],
        tgtfile=files["tgtfile"],
        skip="skip" in keys and keys["skip"].word == "True",
        score=score,
        other=_others(block.entries, known),
        branches=tuple((line, _others(entries)) for line, entries in block.branches),
    )


def _file_names(keys: Mapping[str, _Entry]) -> dict[str, str]:
    """Names of the files of a target; "" for one that it does not name."""
    for entry in (keys[name] for name in _FILES if name in keys):
        if not entry.word:
            raise SpaceError(f"{entry.key} is empty.", entry.where, "Give a file name.")
        if not _can_be_a_name(entry.word):
            raise SpaceError(
                f"{entry.key} is {entry.word[:30]!r}..., which cannot be a file name.",
                entry.where,
                f"Give a file name of at most {_LONGEST_NAME} characters.",
            )
    return {name: keys[name].word if name in keys else "" for name in _FILES}


def _can_be_a_name(word: str) -> bool:
    short = len(word.encode("utf-8", "replace")) <= _LONGEST_NAME
    return short and not any(ord(letter) < 32 for letter in word)


def _geo_point(block: _Block) -> GeoPoint:
    shift, stage = _places(block)
    known = (*_SHIFT, *(_STAGE if stage else ()))
    return GeoPoint(shift, _others(block.entries, known), stage)


def _places(block: _Block) -> tuple[Point | None, Point | None]:
    keys = block.last()
    shift, stage = _pair(keys, _SHIFT), _pair(keys, _STAGE)
    half = next((keys[name] for name in _SHIFT if name in keys), None)
    if shift is None and half is not None:
        missing = next(name for name in _SHIFT if name not in keys)
        raise SpaceError(f"{missing} is missing.", half.where, "Add its line.")
    if shift is None and stage is None:
        raise SpaceError(
            f"{' and '.join(_SHIFT)} are missing, and there is no stage position instead.",
            block.where,
            f"Add {' and '.join(_SHIFT)}, or {' and '.join(_STAGE)}.",
        )
    return shift, stage


def _pair(keys: Mapping[str, _Entry], names: tuple[str, str]) -> Point | None:
    """Two numbers; None when one of them is missing."""
    if not all(name in keys for name in names):
        return None
    return _number(keys[names[0]]), _number(keys[names[1]])


def _others(entries: list[_Entry], known: tuple[str, ...] = ()) -> Keys:
    return tuple((entry.key, entry.value) for entry in entries if entry.key not in known)


def _number(entry: _Entry) -> float:
    value = _finite(entry.word)
    if value is None:
        raise SpaceError(
            f"{entry.key} is {entry.word or 'empty'}, not a number.",
            entry.where,
            "Correct the line.",
        )
    return value


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
