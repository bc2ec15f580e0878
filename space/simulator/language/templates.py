"""Texts with variables in them: read when the script is read, filled in when it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from lark import Token, Transformer
from lark.exceptions import UnexpectedInput

from space.simulator.language.grammars import parser
from space.simulator.language.syntax import Reference, Rest, Template
from space.simulator.language.values import ValueProblem, as_text, element, elements, shown

_APART = re.compile(r"\s+|[()]")
_BLANKS = re.compile(r"\s+")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.DOTALL)
_CONTINUED = re.compile(r"[ \t]*\\[ \t]*\r?\n[ \t]*")


class TemplateError(ValueError):
    """A text in which a variable is written wrongly."""


class Lookup(Protocol):
    """Where values come from."""

    def defined(self, name: str) -> bool:
        """Whether there is a variable of a name."""

    def get(self, name: str) -> float | str:
        """Value of a variable."""


class _Tree(Transformer[Token, Template]):
    """Makes templates of what the grammar has found."""

    def start(self, children: list[str | Reference]) -> Template:
        return _template(children)

    def index(self, children: list[str | Reference]) -> Template:
        return _template(children[1:-1])

    def plain(self, children: list[Token | Template | None]) -> Reference:
        return _reference(children, braced=False)

    def braced(self, children: list[Token | Template | None]) -> Reference:
        return _reference(children, braced=True)


def _reference(children: list[Token | Template | None], braced: bool) -> Reference:
    count, name, *indexes = children
    found = tuple(index for index in indexes if isinstance(index, Template))
    return Reference(str(name), count is not None, braced, found)


def _template(children: list[str | Reference]) -> Template:
    parts: list[str | Reference] = []
    for child in children:
        if isinstance(child, Reference):
            parts.append(child)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += str(child)
        else:
            parts.append(str(child))
    return Template(tuple(parts))


def template(text: str) -> Template:
    """Read a text.

    Raises
    ------
    TemplateError
        If a variable in it is written wrongly.
    """
    if "$" not in text:
        return Template((text,) if text else ())
    try:
        tree = parser("text").parse(text)
    except UnexpectedInput as error:
        place = error.pos_in_stream
        shown_from = text if place is None or place < 0 else text[max(place - 1, 0) :]
        raise TemplateError(
            f"at {shown_from.strip()!r}: write a variable as $name, ${{name}}, $name[index] or "
            "$#name"
        ) from None
    return _Tree().transform(tree)


def joined_lines(text: str) -> str:
    """Text of a statement that is continued over several lines as one line."""
    return _CONTINUED.sub(" ", text).strip()


def rest(text: str, before_text: int | None = None) -> Rest:
    """Read what stands behind the first word of a line.

    Parameters
    ----------
    text : str
        As it stands in the script, over several lines where it is continued.
    before_text : int, optional
        How many words stand in front of a text that goes to the end of the line, as it is, also
        with what would be a comment elsewhere; None when all are words.

    Raises
    ------
    TemplateError
        If a variable is written wrongly.
    """
    line = joined_lines(text)
    if before_text is None:
        line = _COMMENT.sub("", line).strip()
    whole = template(line)
    words = tuple(_pieces(whole, _BLANKS))
    if before_text is None:
        return Rest(words, tuple(_pieces(whole, _APART)), whole)
    return Rest(words[:before_text], (), _behind(whole, before_text))


def _pieces(whole: Template, border: re.Pattern[str]) -> Iterator[Template]:
    """Parts of a text between borders; a border that is no blank is a part itself."""
    piece: list[str | Reference] = []
    for part in whole.parts:
        if isinstance(part, Reference):
            piece.append(part)
            continue
        place = 0
        for found in border.finditer(part):
            if part[place : found.start()]:
                piece.append(part[place : found.start()])
            if piece:
                yield Template(tuple(piece))
                piece = []
            if found[0].strip():
                yield Template((found[0],))
            place = found.end()
        if part[place:]:
            piece.append(part[place:])
    if piece:
        yield Template(tuple(piece))


def _behind(whole: Template, count: int) -> Template:
    """What stands behind a number of words."""
    parts = list(whole.parts)
    for _ in range(count):
        while parts and (isinstance(parts[0], Reference) or not _BLANKS.search(parts[0])):
            parts.pop(0)
        if parts:
            parts[0] = _BLANKS.split(str(parts[0]), maxsplit=1)[1]
            if not parts[0]:
                parts.pop(0)
    return Template(tuple(parts))


Calculate = Callable[[Template], float]
"""Value of a text in which arithmetic stands."""


def filled(text: Template, variables: Lookup, calculate: Calculate) -> str:
    """Text with the values in it.

    Parameters
    ----------
    text : Template
        The text.
    variables : Lookup
        Where the values come from.
    calculate : callable
        Gives the number that stands in an index.

    Raises
    ------
    ValueProblem
        If a variable is not defined or an element does not exist.
    """
    parts = text.parts
    if len(parts) == 1:
        return parts[0] if isinstance(parts[0], str) else _value(parts[0], variables, calculate)
    return "".join(
        part if isinstance(part, str) else _value(part, variables, calculate) for part in parts
    )


def _value(part: Reference, variables: Lookup, calculate: Calculate) -> str:
    if variables.defined(part.name):
        text = as_text(variables.get(part.name))
        if part.indexes:
            places = [whole_number(calculate(index)) for index in part.indexes]
            try:
                text = element(text, places)
            except ValueProblem as problem:
                raise ValueProblem(f"${part.name}: {problem}") from None
        return shown(len(elements(text))) if part.count else text
    shorter = [part.name[:length] for length in range(len(part.name) - 1, 0, -1)]
    name = "" if part.braced else next((n for n in shorter if variables.defined(n)), "")
    if not name:
        raise ValueProblem(f"variable {part.name} is not defined")
    text = as_text(variables.get(name))
    behind = "".join(f"[{filled(index, variables, calculate)}]" for index in part.indexes)
    return (shown(len(elements(text))) if part.count else text) + part.name[len(name) :] + behind


def whole_number(value: float) -> int:
    """Nearest integer; halves go away from zero."""
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)
