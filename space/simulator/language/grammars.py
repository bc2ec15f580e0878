"""The grammars of the language, which lie beside this file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from lark import Lark

Name = Literal["statements", "text", "arithmetic"]


@lru_cache(maxsize=3)
def parser(name: Name) -> Lark:
    """Parser that a grammar describes; an optional part that is missing leaves a None."""
    grammar = Path(__file__).with_name(f"{name}.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=True)
