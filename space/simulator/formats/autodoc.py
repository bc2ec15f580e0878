"""The text format that .mdoc and .nav files share ("autodoc").

`Key = value` lines, first the global ones, then sections that start with a line
`[Kind = name]` after a blank line. Lines that begin with `#` are comments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from space.simulator.formats.atomic import write_text_atomic

WINDOWS = "\r\n"
COMMENT = "#"

_SECTION = re.compile(r"^\s*\[\s*(\w+)\s*(?:= ?(.*))?\]\s*$")
_ENTRY = re.compile(r"^\s*([^=\s][^=]*?)\s*=[ \t]?(.*)$")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


class AutodocError(ValueError):
    """The text does not follow the format; the message names the line."""


@dataclass(frozen=True)
class Section:
    """One section: `[kind = name]` and its entries in file order.

    Comments are entries whose key is the whole comment line.
    """

    kind: str
    name: str
    values: Mapping[str, str] = field(default_factory=dict)

    def updated(self, values: Mapping[str, str | None]) -> Section:
        """Give a copy with entries replaced or appended; None removes an entry."""
        merged = {**self.values, **values}
        return replace(self, values={k: v for k, v in merged.items() if v is not None})

    def floats(self, key: str) -> tuple[float, ...]:
        """Give the numbers of an entry; empty when it is absent or holds anything else."""
        try:
            numbers = tuple(float(word) for word in self.values.get(key, "").split())
        except ValueError:
            return ()
        return numbers if all(map(math.isfinite, numbers)) else ()

    def pair(self, key: str) -> tuple[float, float]:
        """Give the first two numbers of an entry, 0 for those that are absent."""
        first, second = (*self.floats(key), 0.0, 0.0)[:2]
        return first, second

    def number(self, key: str, default: float = 0.0) -> float:
        """Give the first number of an entry, or `default` when it is absent."""
        numbers = self.floats(key)
        return numbers[0] if numbers else default

    def integer(self, key: str, default: int = 0) -> int:
        """Give the first number of an entry as an integer."""
        return round(self.number(key, default))


@dataclass(frozen=True)
class Autodoc:
    """A whole file.

    Parameters
    ----------
    header : mapping
        Global entries.
    sections : tuple of Section
        In file order.
    newline : str
        Line ending, kept when the file is written again; new files get that of Windows.
    encoding : str
        Encoding, kept as well.
    """

    header: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    newline: str = WINDOWS
    encoding: str = "utf-8"

    def of_kind(self, kind: str) -> tuple[Section, ...]:
        """Give the sections of one kind."""
        return tuple(s for s in self.sections if s.kind == kind)


def parse(text: str, strict: bool = False) -> Autodoc:
    """Read an autodoc text.

    A line that is neither an entry nor a section start continues the value of the
    entry before it, as in multi-line values; before the first entry it is ignored. Of
    entries that are repeated in a section the last one counts.

    Parameters
    ----------
    text : str
        The text with any line ends.
    strict : bool
        Whether such lines, and repeated entries, are refused.

    Raises
    ------
    AutodocError
        If `strict` and the text is not as SerialEM writes it.
    """
    newline = WINDOWS if WINDOWS in text else "\n"
    header: dict[str, str] = {}
    sections: list[Section] = []
    values = header
    last = ""
    lines = text.lstrip("\ufeff").replace(WINDOWS, "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if line.lstrip().startswith(COMMENT):
            values[line] = ""
            continue
        started = _SECTION.match(line)
        if started:
            values = {}
            last = ""
            sections.append(Section(started[1], started[2] or "", values))
            continue
        entry = _ENTRY.match(line)
        if strict and (entry is None or entry[1] in values):
            problem = "neither an entry nor a section" if entry is None else "a repeated entry"
            raise AutodocError(f"line {number} is {problem}: {line[:60]!r}")
        if entry:
            last = entry[1]
            values[last] = entry[2]
        elif last:
            values[last] += "\n" + line
    return Autodoc(header, tuple(sections), newline)


def render(document: Autodoc) -> str:
    """Give the text of the file, with LF line ends."""
    blocks = [_entries(document.header)] if document.header else []
    for section in document.sections:
        blocks.append(f"[{section.kind} = {section.name}]\n" + _entries(section.values))
    return "\n".join(blocks)


def _entries(values: Mapping[str, str]) -> str:
    return "".join(
        f"{key}\n" if key.lstrip().startswith(COMMENT) else f"{key} = {value}\n"
        for key, value in values.items()
    )


def read(path: Path, strict: bool = False) -> Autodoc:
    """Read an autodoc file.

    Raises
    ------
    OSError
        If the file cannot be read.
    AutodocError
        If `strict` and it is not as SerialEM writes it.
    """
    text, encoding = decoded(Path(path).read_bytes())
    return replace(parse(text, strict), encoding=encoding)


def decoded(data: bytes) -> tuple[str, str]:
    """Give the text of a file and the encoding it is in.

    Windows programs write their own 8-bit code page, also into XML files that say UTF-8: what is
    not UTF-8 is read as that, or with a byte that it lacks as latin-1, which accepts any.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "latin-1"


def write(path: Path, document: Autodoc) -> None:
    """Write an autodoc file whole, with the line ends and encoding of the document."""
    write_encoded(Path(path), render(document), document.newline, document.encoding)


def write_encoded(path: Path, text: str, newline: str, encoding: str) -> None:
    """Write a text whole, as UTF-8 when it has characters that its encoding lacks."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        encoding = "utf-8"
    write_text_atomic(path, text, newline, encoding)


def one_line(text: str) -> str:
    """Give a text without line ends, which would end an entry of the file."""
    return " ".join(text.splitlines())


def number_text(values: float | Iterable[float], digits: int = 6) -> str:
    """Give numbers as SerialEM prints them: `%g`, separated by single blanks."""
    if isinstance(values, (int, float)):
        values = (values,)
    texts = (str(v) if isinstance(v, int) else f"{float(v):.{digits}g}" for v in values)
    return " ".join("0" if text == "-0" else text for text in texts)
