"""The text format of SerialEM's .mdoc and .nav files ("autodoc"), read without loss.

`Key = value` lines, first those of the whole file, then sections that start with a line
`[Kind = name]`. Files of other programs keep to it more or less; their lines stay as they stand,
so that a file that is written again is the same to the byte.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SECTION = re.compile(r"\s*\[\s*(\w+)\s*(?:=(.*?))?\]?\s*")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_MARK = "\ufeff"
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers of a value: none if any word of it is no finite number."""
    parts = text.split()
    values = [float(part) for part in parts if _NUMBER.fullmatch(part)]
    return tuple(values) if len(values) == len(parts) and all(map(math.isfinite, values)) else ()


@dataclass(frozen=True)
class Section:
    """One section of a file, or with an empty kind what stands before the first one.

    Attributes
    ----------
    kind, name : str
        Of the line `[kind = name]` with which it starts.
    lines : tuple of str
        Its lines with their ends, the first one included.
    """

    kind: str
    name: str
    lines: tuple[str, ...]

    @property
    def values(self) -> dict[str, str]:
        """Entries without the blanks around them; of repeated ones the last counts."""
        found = {}
        for line in self.lines[1 if self.kind else 0 :]:
            key, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith("#"):
                found[key.strip(f" \t{_MARK}")] = value.strip()
        return found

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return the numbers of an entry; none when it is missing or holds anything else."""
        return numbers(self.values.get(key, ""))

    def number(self, key: str) -> float | None:
        """Return the first number of an entry; None when it has none."""
        found = self.numbers(key)
        return found[0] if found else None


@dataclass(frozen=True)
class Document:
    """A whole file.

    Attributes
    ----------
    sections : tuple of Section
        In file order; the first one holds what stands before any section.
    encoding : str
        Encoding of the file.
    """

    sections: tuple[Section, ...]
    encoding: str = "utf-8"

    @property
    def header(self) -> Section:
        """Entries of the whole file."""
        return self.sections[0]

    def of_kind(self, kind: str) -> tuple[Section, ...]:
        """Return the sections of one kind."""
        return tuple(section for section in self.sections if section.kind == kind)

    def to_bytes(self) -> bytes:
        """Return the file as it was read."""
        text = "".join(line for section in self.sections for line in section.lines)
        return text.encode(self.encoding)


def parse(data: bytes) -> Document:
    """Read a file's bytes; any will do, what is neither section nor entry has no meaning."""
    text, encoding = decoded(data)
    kind = name = ""
    lines: list[str] = []
    sections: list[Section] = []
    for line in _LINE.findall(text):
        started = _SECTION.fullmatch(line)
        if started:
            sections.append(Section(kind, name, tuple(lines)))
            kind, name, lines = started[1], (started[2] or "").strip(), []
        lines.append(line)
    return Document((*sections, Section(kind, name, tuple(lines))), encoding)


def decoded(data: bytes) -> tuple[str, str]:
    """Return the text of a file and the encoding that it really has.

    Windows programs write their own code page, now and then into files that say UTF-8.
    """
    encodings = [encoding for mark, encoding in _MARKS if data.startswith(mark)] or ["utf-8"]
    for encoding in (*encodings, "cp1252"):
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "latin-1"  # has a character for every byte
