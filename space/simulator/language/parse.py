"""Reads the text of a script in SerialEM's own language."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from lark import Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from space.simulator.language.grammars import parser
from space.simulator.language.supported import canonical_names, words_before_text
from space.simulator.language.syntax import (
    Assignment,
    Block,
    Branch,
    Command,
    Function,
    If,
    Label,
    Line,
    Loop,
    Program,
    Rest,
    Statement,
    Template,
    Try,
)
from space.simulator.language.templates import TemplateError, joined_lines, rest, template
from space.simulator.python.wrapper import own_name

OPENED_BY = {
    "ELSEIF": "IF",
    "ELSE": "IF",
    "ENDIF": "IF",
    "ENDLOOP": "LOOP",
    "CATCH": "TRY",
    "ENDTRY": "TRY",
    "ENDFUNCTION": "FUNCTION",
}
KEYWORDS = {
    "IF": "If",
    "ELSEIF": "ElseIf",
    "ELSE": "Else",
    "ENDIF": "EndIf",
    "LOOP": "Loop",
    "ENDLOOP": "EndLoop",
    "TRY": "Try",
    "CATCH": "Catch",
    "ENDTRY": "EndTry",
    "FUNCTION": "Function",
    "ENDFUNCTION": "EndFunction",
}
BETWEEN = "::"
"""What stands between the name of a script and that of its function."""
_INDEX = re.compile(r"\[(.*?)\](?=\[|$)")
NAME = re.compile(r"[a-z_]\w*", re.IGNORECASE)
"""What the name of a variable looks like."""


class LanguageError(ValueError):
    """A script that cannot be read; the message says where and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")


@lru_cache(maxsize=64)
def parse(text: str) -> Program:
    """Read a script.

    Raises
    ------
    LanguageError
        If blocks do not fit together, or a line is not written as the language has it.
    """
    whole = text.lstrip("\ufeff") + "\n"
    try:
        tree = parser("statements").parse(whole)
    except UnexpectedToken as error:
        raise _misplaced(error) from None
    except UnexpectedInput as error:
        raise LanguageError(error.line, "this is no statement") from None
    try:
        return replace(_Reader().transform(tree), name=own_name(text))
    except VisitError as error:
        if isinstance(error.orig_exc, LanguageError):
            raise error.orig_exc from None
        raise


def _misplaced(error: UnexpectedToken) -> LanguageError:
    """Say which block a word does not fit into."""
    stack = error.interactive_parser.parser_state.value_stack
    opened = [
        token
        for token in stack
        if isinstance(token, Token) and token.type in set(OPENED_BY.values())
    ]
    inner = opened[-1] if opened else None
    found = KEYWORDS.get(error.token.type)
    if found is None:
        if inner is None:
            return LanguageError(error.line, f"{str(error.token)!r} cannot stand here")
        return LanguageError(
            inner.line or 0, f"{KEYWORDS[inner.type]} has no End{KEYWORDS[inner.type]}"
        )
    if inner is None:
        opener = OPENED_BY.get(error.token.type, "IF")
        return LanguageError(error.line, f"{found} without {KEYWORDS[opener]}")
    where = f"{KEYWORDS[inner.type]} of line {inner.line}"
    return LanguageError(error.line, f"{found} cannot stand in the {where}")


# --- from the tree to statements ------------------------------------------------------------------


def _line(*tokens: Token | None) -> Line:
    found = [token for token in tokens if token is not None]
    return Line(found[0].line or 0, joined_lines(" ".join(map(str, found))))


def _rest(line: Line, token: Token | None, before_text: int | None = None) -> Rest:
    try:
        return rest(str(token or ""), before_text)
    except TemplateError as problem:
        raise LanguageError(line.number, str(problem)) from None


@v_args(inline=True)
class _Reader(Transformer[Token, Program]):
    """Makes statements of what the grammar has found."""

    def start(self, *parts: Statement | Function) -> Program:
        functions: dict[str, Function] = {}
        for part in parts:
            if isinstance(part, Function):
                name = part.name
                if name.upper() in functions:
                    raise LanguageError(part.line.number, f"there is a function {name} already")
                functions[name.upper()] = part
        body = [part for part in parts if not isinstance(part, Function)]
        return Program(self.block(*body), functions)

    def block(self, *statements: Statement) -> Block:
        labels = {
            statement.name: place
            for place, statement in enumerate(statements)
            if isinstance(statement, Label)
        }
        return Block(statements, labels)

    def assignment(self, target: Token, sign: Token, value: Token | None) -> Assignment:
        line = _line(target, sign, value)
        name, bracket, index = str(target).partition("[")
        try:
            indexes = tuple(template(found[1]) for found in _INDEX.finditer(bracket + index))
        except TemplateError as problem:
            raise LanguageError(line.number, str(problem)) from None
        operator = str(sign)
        content = _rest(line, value, 0 if "@" in operator else None)
        return Assignment(line, name, indexes, operator, content)

    def label(self, word: Token) -> Label:
        return Label(_line(word), str(word).rstrip(":").upper())

    def command(self, word: Token, more: Token | None) -> Command:
        line = _line(word, more)
        name = canonical_names().get(str(word).upper())
        if name is None:
            return Command(line, str(word), Rest((), (), Template(())))
        return Command(line, name, _rest(line, more, words_before_text(name)))

    def if_block(
        self, word: Token, condition: Token | None, body: Block, *others: Branch | Token | None
    ) -> If:
        first = self.elseif_part(word, condition, body)
        more = [branch for branch in others if isinstance(branch, Branch)]
        return If(first.line, (first, *more))

    def elseif_part(self, word: Token, condition: Token | None, body: Block) -> Branch:
        line = _line(word, condition)
        return Branch(line, _rest(line, condition), body)

    def else_part(self, word: Token, more: Token | None, body: Block) -> Branch:
        return Branch(_line(word, more), None, body)

    def loop(self, word: Token, how_often: Token | None, body: Block, *end: Token | None) -> Loop:
        line = _line(word, how_often)
        count = _rest(line, how_often)
        index = count.words[-1].fixed if len(count.words) > 1 else None
        if index is None or NAME.fullmatch(index) is None:
            return Loop(line, count, "", body)
        return Loop(line, Rest(count.words[:-1], count.tokens[:-1], count.text), index, body)

    def try_block(
        self,
        word: Token,
        level: Token | None,
        body: Block,
        caught: Block | None,
        *end: Token | None,
    ) -> Try:
        return Try(_line(word, level), body, caught or Block((), {}))

    def catch_part(self, word: Token, level: Token | None, body: Block) -> Block:
        return body

    def function(
        self, word: Token, declared: Token | None, body: Block, *end: Token | None
    ) -> Function:
        line = _line(word, declared)
        words = [part.fixed or "" for part in _rest(line, declared).words]
        numbers: list[int] = []
        while len(numbers) < 2 and words[1:] and words[1].isdigit():
            numbers.append(int(words.pop(1)))
        named = words and not words[0].isdigit() and BETWEEN not in words[0]
        if not named or not all(NAME.fullmatch(name) for name in words[1:]):
            raise LanguageError(
                line.number,
                "write Function name [number of values] [1 if text follows] [variables]",
            )
        count, text = [*numbers, 0, 0][:2]
        return Function(line, words[0], count, bool(text), tuple(words[1:]), body)
