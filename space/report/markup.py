"""HTML from parts, of which everything that is not markup already is escaped."""

from __future__ import annotations

import html
import re
from typing import Union

_BROKEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
"""What no page may hold, or what turns the direction of the text around it."""

_EMPTY = frozenset(("br", "img", "meta", "path", "line", "rect", "circle", "polyline"))
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
LONGEST_TEXT = 2000
"""Of one piece of text; the page says with dots that there was more."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Part = Union[str, float, int, None, "Markup"]


def text(value: object) -> Markup:
    """Return text from anywhere as it is shown: nothing in it is markup."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup("")
    plain = _BROKEN.sub("\ufffd", str(value))
    if len(plain) > LONGEST_TEXT:
        plain = plain[: LONGEST_TEXT - 1] + "…"
    return Markup(html.escape(plain, quote=True))


def join(*parts: Part) -> Markup:
    """Put parts one behind the other."""
    return Markup("".join(map(text, parts)))


def tag(name: str, *parts: Part, **attributes: Part) -> Markup:
    """Return an element with what is in it.

    Attributes without a value (None) are left out; `class_` is `class`, `data_of` is `data-of`.
    """
    given = "".join(
        f' {_attribute(key)}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY and not parts:
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{join(*parts)}</{name}>")


def _attribute(key: str) -> str:
    name = key.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{key} is no attribute")
    return {"viewbox": "viewBox"}.get(name, name)


def table(head: tuple[str, ...], rows: list[tuple[Part, ...]], class_: str = "") -> Markup:
    """Return a table; nothing without rows."""
    if not rows:
        return Markup("")
    return tag(
        "table",
        tag("thead", tag("tr", *(tag("th", name) for name in head))),
        tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)),
        class_=class_ or None,
    )
