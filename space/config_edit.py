r"""Values of a file of constants, changed as text: all else stays as its author wrote it.

Only the value changes, in place. A value that is the same already is left in the author's words.
Comments inside a value that is replaced move above its line. A name that is not there yet gets a
line of its own, after the one that it belongs to. Line ends, order and encoding stay.

>>> changed("a = 1  # one\nb = 2\n", {"a": 3})
'a = 3  # one\nb = 2\n'
"""

from __future__ import annotations

import ast
import codecs
import io
import math
import re
import tokenize
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from space.constants import assigned_name, parse_constants

_LINE_END = re.compile(r"\r\n|\r|\n")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def changed_bytes(data: bytes, values: Mapping[str, object], order: Sequence[str] = ()) -> bytes:
    """Change values in a file as it is on the disk (see `changed`), in the encoding it has.

    Raises
    ------
    ValueError
        If it is not text in UTF-8 or UTF-16, or as for `changed`.
    """
    mark, encoding = next(
        ((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8")
    )
    try:
        text = data[len(mark) :].decode(encoding)
        return mark + changed(text, values, order).encode(encoding)
    except UnicodeError as error:
        raise ValueError(f"it is not text in UTF-8 ({error})") from None


def changed(text: str, values: Mapping[str, object], order: Sequence[str] = ()) -> str:
    """Return a text of constants with other values.

    Parameters
    ----------
    text : str
        Lines ``name = value``, comments and docstrings.
    values : mapping of str to object
        Name → new value: numbers, strings, lists, tuples, tables, True, False, None.
    order : sequence of str
        Names in the order in which they should stand; a name that is not there yet is put after
        the nearest one before it in this list, else at the end.

    Raises
    ------
    ValueError
        If the text is not Python, gives a name in a way that cannot be changed, or a value cannot
        be written.
    """
    for name, value in values.items():
        if not name.isidentifier():
            raise ValueError(f"{name!r} is not a name")
        text = _with(text, name, value, order)
    found, problems = parse_constants(text)
    wrong = [name for name in values if name not in found or not same(found[name], values[name])]
    if wrong:
        raise ValueError(f"{wrong[0]} cannot be changed in it. {' '.join(problems[:2])}".rstrip())
    return text


def same(one: object, other: object) -> bool:
    """Whether two values are the same for a configuration: 12 and 12.0 are, 1 and True not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other


def written(value: object) -> str:
    """Return a value as a person would write it.

    Raises
    ------
    ValueError
        If it is none that a file of constants can hold.
    """
    if value is None or isinstance(value, (bool, int)):
        return repr(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return f'"{"".join(map(_character, value))}"'
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(written, value))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written(k)}: {written(v)}' for k, v in value.items())}}}"
    raise ValueError(f"{value!r} cannot be written as a constant")


def _character(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    if one.isprintable() and one != "\ufffd":  # the latter is read as a sign of damage
        return one
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x100 else f"\\U{code:08x}"


@dataclass(frozen=True)
class _Place:
    """Where an assignment is, in characters from the start."""

    name: str
    start: int
    value_start: int
    value_end: int
    value: ast.expr


def _with(text: str, name: str, value: object, order: Sequence[str]) -> str:
    places = _places(text)
    place = next((p for p in reversed(places) if p.name == name), None)  # the later one counts
    if place is None:
        return _with_line(text, f"{name} = {written(value)}", _after(text, name, places, order))
    try:
        if same(ast.literal_eval(place.value), value):
            return text
    except (ValueError, TypeError, SyntaxError):
        pass  # an expression, which is no constant: replaced
    comments = _comments(text, place.value_start, place.value_end)
    line_start = _line_start(text, place.start)
    end = _ending(text)
    above = "".join(f"{comment}{end}" for comment in comments)
    return (
        text[:line_start]
        + above
        + text[line_start : place.value_start]
        + written(value)
        + text[place.value_end :]
    )


def _places(text: str) -> list[_Place]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes in Windows paths
            body = ast.parse(text).body
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno} is not valid Python: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise ValueError("it is nested too deeply to be read") from None
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def at(line: int, column: int) -> int:
        start = starts[line - 1]
        stop = starts[line] if line < len(starts) else len(text)
        return start + len(text[start:stop].encode("utf-8")[:column].decode("utf-8"))

    places = []
    for part in body:
        target = assigned_name(part)
        value = getattr(part, "value", None)
        if target is None or not isinstance(value, ast.expr):
            continue
        places.append(
            _Place(
                target,
                at(part.lineno, part.col_offset),
                at(value.lineno, value.col_offset),
                at(value.end_lineno or value.lineno, value.end_col_offset or 0),
                value,
            )
        )
    return places


def _after(text: str, name: str, places: Sequence[_Place], order: Sequence[str]) -> int:
    """Return where the line of a new name begins: after its neighbour, else at the end."""
    before = order[: order.index(name)] if name in order else ()
    for neighbour in reversed(before):
        place = next((p for p in reversed(places) if p.name == neighbour), None)
        if place is not None:
            return _logical_end(text, place.value_end)
    return len(text)


def _logical_end(text: str, start: int) -> int:
    """Return where the line after a statement begins (brackets around its value may go on)."""
    stops = [match.end() for match in _LINE_END.finditer(text)]
    stops = [stop for stop in stops if stop > start]
    for stop in stops:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(text[:stop])
        except SyntaxError:
            continue
        return stop
    return len(text)


def _with_line(text: str, line: str, at: int) -> str:
    end = _ending(text)
    before = text[:at]
    gap = end if before and not _LINE_END.fullmatch(before[-1]) else ""
    return f"{before}{gap}{line}{end}{text[at:]}"


def _line_start(text: str, at: int) -> int:
    return max((match.end() for match in _LINE_END.finditer(text, 0, at)), default=0)


def _ending(text: str) -> str:
    match = _LINE_END.search(text)
    return match[0] if match else "\n"


def _comments(text: str, start: int, end: int) -> list[str]:
    """Return the comments within a value."""
    lines = [f"{line}\n" for line in _LINE_END.split(text[start:end])]
    lines[0] = f"({lines[0]}"  # as within brackets, lest the depth of lines matters
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO("".join(lines)[:-1] + ")\n").readline):
            if token.type == tokenize.COMMENT:
                found.append(token.string.rstrip())
    except (tokenize.TokenError, SyntaxError):
        pass
    return found
