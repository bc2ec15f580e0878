"""What a script in SerialEM's own language consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True)
class Reference:
    """The value of a variable within a text: ``$name``.

    Attributes
    ----------
    name : str
        As far as letters go; only the first of them may be the name, when no brace ends it.
    count : bool
        Written ``$#name``: the number of elements.
    braced : bool
        Written ``${name}``.
    indexes : tuple of Template
        What stands in brackets behind it.
    """

    name: str
    count: bool
    braced: bool
    indexes: tuple[Template, ...]

    def __str__(self) -> str:
        sign = "$#" if self.count else "$"
        name = f"{{{self.name}}}" if self.braced else self.name
        return sign + name + "".join(f"[{index}]" for index in self.indexes)


@dataclass(frozen=True)
class Template:
    """A text with variables in it, which is known when the line is carried out."""

    parts: tuple[str | Reference, ...]

    @property
    def fixed(self) -> str | None:
        """The text itself when there are no variables in it, otherwise None."""
        texts = [part for part in self.parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(self.parts) else None

    def __str__(self) -> str:
        return "".join(str(part) for part in self.parts)


@dataclass(frozen=True)
class Rest:
    """What stands on a line behind its first word.

    Attributes
    ----------
    words : tuple of Template
        Its words; of a command that takes text, those in front of the text.
    tokens : tuple of Template
        The same with parentheses apart, as arithmetic takes them.
    text : Template
        The whole as it stands; of a command that takes text, the text.
    """

    words: tuple[Template, ...]
    tokens: tuple[Template, ...]
    text: Template


@dataclass(frozen=True)
class Line:
    """A line of a script."""

    number: int
    text: str

    def __str__(self) -> str:
        return f"line {self.number}"


@dataclass(frozen=True)
class Block:
    """Statements one after the other, and where among them the labels stand."""

    statements: tuple[Statement, ...]
    labels: Mapping[str, int]


@dataclass(frozen=True)
class Assignment:
    """A variable, or an element of an array, gets a value."""

    line: Line
    name: str
    indexes: tuple[Template, ...]
    operator: str
    value: Rest


@dataclass(frozen=True)
class Command:
    """A command of the program, or one that the language itself has."""

    line: Line
    name: str
    rest: Rest


@dataclass(frozen=True)
class Label:
    """A place to skip to; names of labels are in upper case."""

    line: Line
    name: str


@dataclass(frozen=True)
class Branch:
    """Statements below If, ElseIf or Else; the last of these has no condition."""

    line: Line
    condition: Rest | None
    body: Block


@dataclass(frozen=True)
class If:
    """The first branch of which the condition holds."""

    line: Line
    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Loop:
    """Statements that are repeated, and the variable that counts, if there is one."""

    line: Line
    count: Rest
    index: str
    body: Block


@dataclass(frozen=True)
class Try:
    """Statements, and what is done instead after an error in them."""

    line: Line
    body: Block
    caught: Block


@dataclass(frozen=True)
class Function:
    """Statements that are called by a name.

    Attributes
    ----------
    count : int
        How many values it needs, the text not counted.
    takes_text : bool
        Whether the last value is text, to the end of the line.
    arguments : tuple of str
        Variables that receive the values.
    """

    line: Line
    name: str
    count: int
    takes_text: bool
    arguments: tuple[str, ...]
    body: Block


Statement = Union[Assignment, Command, Label, If, Loop, Try]


@dataclass(frozen=True)
class Program:
    """A whole script; names of functions are in upper case, `name` is that of `ScriptName`."""

    body: Block
    functions: Mapping[str, Function]
    name: str | None = None
