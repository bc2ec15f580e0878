"""The text format that .mdoc and .nav files share ("autodoc").

`Key = value` lines, first the global ones, then sections that start with a line
`[Kind = name]` after a blank line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from space.simulator.atomic import write_text_atomic

_SECTION = re.compile(r"^\[(\w+) = ?(.*)\]\s*$")
_ENTRY = re.compile(r"^(\S+) *= ?(.*)$")


@dataclass(frozen=True)
class Section:
    """One section: `[kind = name]` and its entries in file order."""

    kind: str
    name: str
    values: Mapping[str, str] = field(default_factory=dict)

    def updated(self, values: Mapping[str, str | None]) -> Section:
        """Give a copy with entries replaced or appended; None removes an entry."""
        merged = {**self.values, **values}
        return replace(self, values={k: v for k, v in merged.items() if v is not None})

    def floats(self, key: str) -> tuple[float, ...]:
        """Give the numbers of an entry; an empty tuple when it is absent."""
        return tuple(float(v) for v in self.values.get(key, "").split())

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
        Line ending, kept when the file is written again.
    """

    header: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    newline: str = "\n"

    def of_kind(self, kind: str) -> tuple[Section, ...]:
        """Give the sections of one kind."""
        return tuple(s for s in self.sections if s.kind == kind)


def parse(text: str) -> Autodoc:
    """Read an autodoc text.

    A line that is neither an entry nor a section start goes on with the value of the
    entry before it, as in multi-line values; before the first entry it is ignored.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    header: dict[str, str] = {}
    sections: list[Section] = []
    values = header
    last = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            continue
        started = _SECTION.match(line)
        if started:
            values = {}
            last = ""
            sections.append(Section(started[1], started[2], values))
            continue
        entry = _ENTRY.match(line)
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
    return "".join(f"{key} = {value}\n" for key, value in values.items())


def read(path: Path) -> Autodoc:
    """Read an autodoc file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        return parse(data.decode("utf-8"))
    except UnicodeDecodeError:
        # Windows programs write their own 8-bit code page; latin-1 accepts any byte.
        return parse(data.decode("latin-1"))


def write(path: Path, document: Autodoc) -> None:
    """Write an autodoc file whole, with the line ends of the document."""
    write_text_atomic(Path(path), render(document), document.newline)


def number_text(values: float | Iterable[float], digits: int = 6) -> str:
    """Give numbers as SerialEM prints them: `%g`, separated by single blanks."""
    if isinstance(values, (int, float)):
        values = (values,)
    texts = (str(v) if isinstance(v, int) else f"{float(v):.{digits}g}" for v in values)
    return " ".join("0" if text == "-0" else text for text in texts)
