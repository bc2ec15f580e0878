"""The targets file that PACEtomo runs tilt series from, and the names of the files around it.

A targets file is a list of ``key = value`` lines with exactly one space on either side of the
equals sign and no space in a value. ``_tgt = 001`` begins a target; the first one is the tracking
target. ``_geo = 1`` begins a geometry point. ``_set NAME = NUMBER`` and ``_bset NAME = WORD``
before the first target override PACEtomo's settings. ``_pbr`` and ``_nbr`` inside a target begin
the saved state of its plus and minus branch, which only files of started runs hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from space.errors import SpaceError

Keys = tuple[tuple[str, str], ...]

_HEAD = ("_set", "_bset", "_spos")
_BRANCHES = ("_pbr", "_nbr")


@dataclass(frozen=True)
class Target:
    """One tilt series.

    Parameters
    ----------
    tsfile : str
        File name of the tilt series, without folder.
    shift_um : (float, float)
        SSX, SSY: specimen offset from the tracking target at zero tilt.
    stage_um : (float, float)
        Raw stage position; PACEtomo drives there for the tracking target.
    viewfile, tgtfile : str
        View and Preview image to realign to; "" for none.
    skip : bool
        Whether PACEtomo leaves the target out.
    score : float or None
        SPACEscore, for the reader.
    other : tuple of (key, value)
        Keys that this class does not know, as they are in the file.
    branches : tuple of (name, ((key, value), ...))
        ``_pbr`` and ``_nbr`` blocks of a started run.
    """

    tsfile: str
    shift_um: tuple[float, float]
    stage_um: tuple[float, float] | None
    viewfile: str = ""
    tgtfile: str = ""
    skip: bool = False
    score: float | None = None
    other: Keys = ()
    branches: tuple[tuple[str, Keys], ...] = ()


@dataclass(frozen=True)
class GeoPoint:
    """A point to measure the lamella's geometry at: SSX, SSY from the tracking target."""

    shift_um: tuple[float, float]
    other: Keys = ()


@dataclass(frozen=True)
class TargetsFile:
    """The content of a targets file.

    Parameters
    ----------
    targets : tuple of Target
        The first is the tracking target and must have shift (0, 0). Empty: an empty file.
    geo_points : tuple of GeoPoint
        PACEtomo needs none or at least three.
    head : tuple of (word, name, value)
        ``_set`` and ``_bset`` overrides with their name, ``_spos`` with the name "".
    """

    targets: tuple[Target, ...] = ()
    geo_points: tuple[GeoPoint, ...] = ()
    head: tuple[tuple[str, str, str], ...] = field(default=())


def render(targets_file: TargetsFile) -> str:
    """Text of a targets file, lines ending in a line feed; "" when there is no target.

    Raises
    ------
    SpaceError
        For a value PACEtomo could not read: a space in a name, a number that is not finite, or
        a tracking target that is not its own origin.
    """
    if not targets_file.targets:
        return ""
    if targets_file.targets[0].shift_um != (0, 0):
        raise SpaceError(
            "The tracking target must have the offset (0, 0).",
            "targets file",
            "Give all offsets from the first target.",
        )
    lines = []
    for word, name, value in targets_file.head:
        lines.append(_line(f"{word} {name}" if name else word, value))
    if lines:
        lines.append("")
    for number, target in enumerate(targets_file.targets, 1):
        lines.append(_line("_tgt", f"{number:03d}"))
        lines += _target_lines(target)
        lines.append("")
    for number, point in enumerate(targets_file.geo_points, 1):
        lines.append(_line("_geo", str(number)))
        lines += _shift_lines(point.shift_um)
        lines += [_line(key, value) for key, value in point.other]
        lines.append("")
    return "\n".join(lines)


def parse(text: str) -> TargetsFile:
    """Read a targets file; nothing that is in it is lost.

    Numbers of targets and geometry points are not kept, their order is. Blank lines and lines
    that begin with a space are ignored, as PACEtomo does.

    Raises
    ------
    SpaceError
        With the line, for something PACEtomo would stumble over too.
    """
    head: list[tuple[str, str, str]] = []
    targets: list[Target] = []
    points: list[GeoPoint] = []
    block: list[tuple[str, str]] | None = None
    branches: list[tuple[str, list[tuple[str, str]]]] = []
    kind = ""

    def close() -> None:
        if block is not None and kind == "_tgt":
            targets.append(_target(block, branches))
        elif block is not None:
            points.append(_geo_point(block))

    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip() or raw.startswith(" "):
            continue
        fields = raw.strip().split(" ")
        where = f"targets file, line {number}"
        word = fields[0]
        if word in ("_tgt", "_geo"):
            close()
            block, branches, kind = [], [], word
        elif word in _BRANCHES and kind == "_tgt":
            branches.append((word, []))
        elif word in _HEAD and block is None:
            head.append(_head(fields, raw, where))
        elif block is None:
            raise SpaceError(f"'{raw}' stands before the first target.", where, "Remove it.")
        elif len(fields) != 3 or fields[1] != "=":
            raise SpaceError(f"'{raw}' is not 'key = value'.", where, "Mend the line.")
        else:
            (branches[-1][1] if branches else block).append((word, fields[2]))
    close()
    return TargetsFile(tuple(targets), tuple(points), tuple(head))


def area_root(root: str, area: int) -> str:
    """Root of the file names of an area of a lamella; the first area has the lamella's own."""
    return root if area == 1 else f"{root}_area{area}"


def targets_file_name(root: str) -> str:
    """Name of the targets file; the navigator note of its map item is exactly this."""
    return f"{root}_tgts.txt"


def tilt_series_name(root: str, number: int) -> str:
    """Name of the tilt series of target `number` (from 1)."""
    return f"{root}_ts_{number:03d}.mrc"


def view_file_name(root: str, number: int) -> str:
    """Name of the virtual View map of target `number` (from 1)."""
    return f"{root}_tgt_{number:03d}_view.mrc"


def plot_name(root: str, target_list: tuple[str, ...]) -> str:
    """Name of the picture of the targets on a map."""
    return f"{root}_{'_'.join(target_list)}_targets.png"


def _target_lines(target: Target) -> list[str]:
    lines = [_line("tsfile", target.tsfile)]
    if target.viewfile:
        lines.append(_line("viewfile", target.viewfile))
    if target.tgtfile:
        lines.append(_line("tgtfile", target.tgtfile))
    lines += _shift_lines(target.shift_um)
    if target.stage_um is not None:
        lines.append(_line("stageX", _number(target.stage_um[0])))
        lines.append(_line("stageY", _number(target.stage_um[1])))
    lines.append(_line("skip", str(bool(target.skip))))
    if target.score is not None:
        lines.append(_line("SPACEscore", _number(target.score)))
    lines += [_line(key, value) for key, value in target.other]
    for name, keys in target.branches:
        lines.append(name)
        lines += [_line(key, value) for key, value in keys]
    return lines


def _shift_lines(shift_um: tuple[float, float]) -> list[str]:
    return [_line("SSX", _number(shift_um[0])), _line("SSY", _number(shift_um[1]))]


def _line(key: str, value: str) -> str:
    if not value or any(char.isspace() for char in value):
        raise SpaceError(
            f"{key.split(' ')[0]} cannot be '{value}'.",
            "targets file",
            "PACEtomo reads no value that is empty or has a space in it: choose another name.",
        )
    return f"{key} = {value}"


def _number(value: float) -> str:
    """A plain decimal that reads back as the same number; never an exponent."""
    if not math.isfinite(value):
        raise SpaceError(f"A coordinate or score is {value}.", "targets file")
    return np.format_float_positional(float(value), unique=True, trim="0")


def _head(fields: list[str], raw: str, where: str) -> tuple[str, str, str]:
    if fields[0] == "_spos" and len(fields) == 3:
        return "_spos", "", fields[2]
    if len(fields) != 4:
        raise SpaceError(f"'{raw}' is not '{fields[0]} NAME = VALUE'.", where, "Mend the line.")
    return fields[0], fields[1], fields[3]


def _target(block: list[tuple[str, str]], branches) -> Target:
    keys = dict(block)
    if "tsfile" not in keys:
        raise SpaceError("A target has no tsfile.", "targets file", "Add its line.")
    stage = None
    if "stageX" in keys and "stageY" in keys:
        stage = (_float(keys, "stageX"), _float(keys, "stageY"))
    known = {"tsfile", "viewfile", "tgtfile", "SSX", "SSY", "stageX", "stageY", "skip"}
    known.add("SPACEscore")
    return Target(
        tsfile=keys["tsfile"],
        shift_um=(_float(keys, "SSX"), _float(keys, "SSY")),
        stage_um=stage,
        viewfile=keys.get("viewfile", ""),
        tgtfile=keys.get("tgtfile", ""),
        skip=keys.get("skip", "False") == "True",
        score=_float(keys, "SPACEscore") if "SPACEscore" in keys else None,
        other=tuple(pair for pair in block if pair[0] not in known),
        branches=tuple((name, tuple(pairs)) for name, pairs in branches),
    )


def _geo_point(block: list[tuple[str, str]]) -> GeoPoint:
    keys = dict(block)
    other = tuple(pair for pair in block if pair[0] not in ("SSX", "SSY"))
    return GeoPoint((_float(keys, "SSX"), _float(keys, "SSY")), other)


def _float(keys: dict[str, str], key: str) -> float:
    try:
        return float(keys[key])
    except (KeyError, ValueError):
        raise SpaceError(
            f"{key} is {keys.get(key, 'missing')}, not a number.", "targets file"
        ) from None
