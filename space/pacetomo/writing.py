"""Writing targets files."""

from __future__ import annotations

import math

import numpy as np

from space.errors import SpaceError
from space.pacetomo.content import BRANCHES, POSITION, WORDS, Keys, Point, Target, TargetsFile

END = " SPACEtomo: end of the file\n"
"""Last line of a whole file; PACEtomo passes over lines that begin with a space."""

_SEPARATORS = " \n\r"
_WHERE = "targets file"


def render(targets_file: TargetsFile) -> str:
    """Text of a targets file, lines ending in a line feed; "" when there is no target.

    Raises
    ------
    SpaceError
        For what PACEtomo could not read: a space in a name, a number that is not finite, a
        missing position.
    """
    if not targets_file.targets:
        return ""
    lines = []
    for word, name, value in targets_file.head:
        lines.append(_head_line(word, name, value))
    if lines:
        lines.append("")
    for number, target in enumerate(targets_file.targets, 1):
        lines.append(_line("_tgt", f"{number:03d}"))
        lines += _target_lines(target)
        lines.append("")
    for number, point in enumerate(targets_file.geo_points, 1):
        lines.append(_line("_geo", str(number)))
        lines += _place_lines(point.shift_um, point.stage_um)
        lines += _other_lines(point.other)
        lines.append("")
    return "\n".join(lines)


def _head_line(word: str, name: str, value: str) -> str:
    if any(char in _SEPARATORS for char in name + value) or bool(name) is (word == POSITION):
        raise SpaceError(f"'{word} {name} = {value}' cannot be written to the file.", _WHERE)
    return f"{word} {name} = {value}" if name else f"{word} = {value}"


def _target_lines(target: Target) -> list[str]:
    lines = [_line("tsfile", target.tsfile)]
    if target.viewfile:
        lines.append(_line("viewfile", target.viewfile))
    if target.tgtfile:
        lines.append(_line("tgtfile", target.tgtfile))
    lines += _place_lines(target.shift_um, target.stage_um)
    lines.append(_line("skip", str(bool(target.skip))))
    if target.score is not None:
        lines.append(_line("SPACEscore", _number(target.score)))
    lines += _other_lines(target.other)
    for name, keys in target.branches:
        if name.split(" ")[0] not in BRANCHES or "\n" in name or "\r" in name:
            raise SpaceError(f"'{name}' does not begin a branch.", _WHERE)
        lines.append(name)
        lines += _other_lines(keys)
    return lines


def _place_lines(shift_um: Point | None, stage_um: Point | None) -> list[str]:
    if shift_um is None and stage_um is None:
        raise SpaceError("A target or point has neither an offset nor a stage position.", _WHERE)
    lines = []
    for names, values in ((("SSX", "SSY"), shift_um), (("stageX", "stageY"), stage_um)):
        if values is not None:
            lines += [_line(name, _number(values[axis])) for axis, name in enumerate(names)]
    return lines


def _line(key: str, value: str) -> str:
    if not value or any(char in _SEPARATORS for char in value):
        raise SpaceError(
            f"{key.split(' ', maxsplit=1)[0]} cannot be '{value}'.",
            _WHERE,
            "PACEtomo reads no value that is empty or has a space in it: choose another name.",
        )
    return f"{key} = {value}"


def _other_lines(keys: Keys) -> list[str]:
    """Lines of keys as they were read; their values may be empty or of several words."""
    for key, value in keys:
        if not key or " " in key or key in WORDS or "\n" in key + value or "\r" in key + value:
            raise SpaceError(f"'{key} = {value}' cannot be written to the file.", _WHERE)
    return [f"{key} = {value}" for key, value in keys]


def _number(value: float) -> str:
    """A plain decimal that reads back as the same number; never an exponent."""
    if not math.isfinite(value):
        raise SpaceError(f"A coordinate or score is {value}.", _WHERE)
    return np.format_float_positional(float(value), unique=True, trim="0")
