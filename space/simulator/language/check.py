"""Looks through a whole script before it runs, as SerialEM does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from space.simulator.language import arguments, arithmetic, library
from space.simulator.language.parse import NAME, LanguageError, parse
from space.simulator.language.supported import OWN_COMMANDS, PYTHON_ONLY, TEXT_COMMANDS
from space.simulator.language.syntax import (
    Assignment,
    Block,
    Command,
    If,
    Label,
    Line,
    Loop,
    Program,
    Rest,
    Statement,
    Try,
)
from space.simulator.python.argkeys import command_table
from space.simulator.python.module import MODULE_COMMANDS
from space.simulator.python.wrapper import is_python_script, script_name, script_named

if TYPE_CHECKING:
    from space.simulator.column.installation import Installation
    from space.simulator.program.session import Script
    from space.simulator.python.command_types import Commands

_PYTHON_ONLY = {name.upper(): name for name in PYTHON_ONLY}
_CALLS_BY_NUMBER = ("CallScript", "CallMacro", "DoScript", "DoMacro")
_ASSIGNS = re.compile(r"[:@+*/-]*=")
_BLANKS = "{!r}: there must be blanks on both sides of ="
_IN_LOOPS = frozenset({"Break", "Continue", "KeyBreak"})
_LEAVE_SCRIPT = frozenset({"Exit", "Return", "SkipTo", "DoScript", "DoMacro"})


@dataclass(frozen=True)
class Surroundings:
    """What a script is run in.

    Attributes
    ----------
    commands : mapping
        The commands that are simulated.
    installation : Installation
        Which SerialEM it is.
    scripts : mapping
        Number → script.
    """

    commands: Commands
    installation: Installation
    scripts: Mapping[int, Script]


@dataclass(frozen=True)
class Findings:
    """What is wrong with a script.

    Attributes
    ----------
    problems : list of str
        Why it is refused.
    warnings : list of str
        What will be an error if the script gets there.
    """

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """Where a statement stands: in which script, in which blocks, and behind which labels.

    Attributes
    ----------
    prefix : str
        Name of the script in messages, "" for the one that is run.
    certain : bool
        Whether the script gets there, as far as that can be told.
    in_loop : bool
        Whether a loop is around it.
    labels : frozenset of str
        Labels further down.
    """

    prefix: str
    script: str
    program: Program
    certain: bool = True
    in_loop: bool = False
    labels: frozenset[str] = frozenset()


class _Check:
    """One look through a script and all that it calls."""

    def __init__(self, around: Surroundings) -> None:
        self.findings = Findings()
        self._around = around
        self._seen: set[tuple[str, str, bool]] = set()

    def script(self, program: Program, name: str, prefix: str = "", certain: bool = True) -> None:
        """Look through a script, also at functions that nothing calls."""
        if (name, "", certain) in self._seen:
            return
        self._seen.add((name, "", certain))
        place = _Place(prefix, name, program, certain)
        self._block(program.body, place)
        for function in program.functions.values():
            self._function(library.FoundFunction(name, program, function), prefix, False)

    def _function(self, found: library.FoundFunction, prefix: str, certain: bool) -> None:
        key = found.function.name.upper()
        if {(found.script, key, certain), (found.script, key, True)} & self._seen:
            return
        self._seen.add((found.script, key, certain))
        self._block(found.function.body, _Place(prefix, found.script, found.program, certain))

    def _block(self, block: Block, around: _Place) -> None:
        certain = around.certain
        for number, statement in enumerate(block.statements):
            below = {name for name, place in block.labels.items() if place > number}
            place = _Place(
                around.prefix,
                around.script,
                around.program,
                certain,
                around.in_loop,
                around.labels | below,
            )
            self._statement(statement, place)
            certain = certain and not _leaves(statement)

    def _statement(self, statement: Statement, place: _Place) -> None:
        if isinstance(statement, Command):
            self._command(statement, place)
        elif isinstance(statement, Assignment):
            if len(statement.value.tokens) > 1:
                self._arithmetic(statement.line, statement.value, place)
            elif "@" not in statement.operator and not statement.value.words:
                self._problem(place, statement.line, f"{statement.name} gets no value")
        elif isinstance(statement, If):
            for branch in statement.branches:
                if branch.condition is not None:
                    self._condition(branch.line, branch.condition, place)
                self._block(branch.body, _inside(place, certain=False))
        elif isinstance(statement, Loop):
            self._condition(statement.line, statement.count, place)
            self._block(statement.body, _inside(place, certain=place.certain, in_loop=True))
        elif isinstance(statement, Try):
            self._block(statement.body, _inside(place, certain=False))
            self._block(statement.caught, _inside(place, certain=False))
        elif not isinstance(statement, Label):
            raise TypeError(f"{statement!r} is no statement")

    # --- commands -------------------------------------------------------------------------------

    def _command(self, command: Command, place: _Place) -> None:
        name, line = command.name, command.line
        if name in OWN_COMMANDS:
            if len(_values(command)) < OWN_COMMANDS[name].least:
                self._problem(place, line, f"write {OWN_COMMANDS[name].form}")
            else:
                self._own(command, place)
            return
        row = command_table().get(name)
        if row is None or name in PYTHON_ONLY:
            self._problem(place, line, _unknown(name, line))
            return
        if name not in TEXT_COMMANDS and _ASSIGNS.match(_first(command)):
            self._problem(place, line, _BLANKS.format(line.text))
        elif not self._around.installation.is_at_least(*row.since):
            self._problem(place, line, f"{name} came with a later version of SerialEM")
        elif len(_values(command)) < row.fewest:
            self._problem(place, line, f"{name} must be followed by {row.fewest} or more values")
        elif name not in self._around.commands and name not in MODULE_COMMANDS:
            self._missing(place, line, f"{name}: not simulated")
        elif name not in TEXT_COMMANDS and arguments.uses_arithmetic(row, command.rest):
            first = arguments.first_number(row)
            numbers = Rest((), command.rest.tokens[first:], command.rest.text)
            self._arithmetic(line, numbers, place)
        self._called_script(command, place)

    def _own(self, command: Command, place: _Place) -> None:
        name, line = command.name, command.line
        first = _first(command)
        if name in _IN_LOOPS and not place.in_loop:
            self._problem(place, line, f"{name} stands in no Loop")
        elif name == "SkipTo" and first and first.upper() not in place.labels:
            self._problem(place, line, f"there is no line {first}: further down in the same block "
                          "or in one around it")  # fmt: skip
        elif name == "CallFunction" and first:
            found = library.find_function(first, place.script, place.program, self._around.scripts)
            if found is None:
                self._problem(place, line, f"there is no function {first}")
            else:
                prefix = place.prefix if found.script == place.script else f"{found.script}: "
                self._function(found, prefix, place.certain)
        else:
            self._called_script(command, place)

    def _called_script(self, command: Command, place: _Place) -> None:
        """Look through a script that is called by a name or number that is known now."""
        scripts, text = self._around.scripts, command.rest.text.fixed
        called = None
        if text is not None and command.name in _CALLS_BY_NUMBER and text.isdigit():
            called = scripts.get(int(text))
        elif text is not None and command.name == "Call":
            called = script_named(scripts, text)
        if called is None or is_python_script(called.text):
            return
        name = script_name(called)
        try:
            self.script(parse(called.text), name, f"{name}: ", place.certain)
        except LanguageError as error:
            self.findings.problems.append(f"{name}: {error}")

    # --- arithmetic -----------------------------------------------------------------------------

    def _condition(self, line: Line, rest: Rest, place: _Place) -> None:
        if rest.tokens:
            self._arithmetic(line, rest, place, one_value=True)
        else:
            self._problem(place, line, f"{line.text.split()[0]} must be followed by a value")

    def _arithmetic(self, line: Line, rest: Rest, place: _Place, one_value: bool = False) -> None:
        """Look at an expression, as far as it shows before the variables are known."""
        fixed = [token.fixed for token in rest.tokens]
        for word, behind in zip(fixed, fixed[1:]):
            if behind == "(" and word and NAME.fullmatch(word) and not arithmetic.is_function(word):
                self._problem(place, line, f"{word} is no function of the simulated language")
                return
        if fixed.count("(") != fixed.count(")"):
            self._problem(place, line, "the parentheses are not in pairs")
            return
        if _may_be_operator(fixed):
            return
        # What a variable holds is a value, whichever.
        words = ["0" if word is None else word for word in fixed]
        broken, values = arithmetic.outline(words)
        if "{" in "".join(words):
            return
        if broken is not None:
            self._problem(place, line, f"the arithmetic breaks off at {str(rest.tokens[broken])!r}")
        elif one_value and values != 1:
            self._problem(place, line, f"{str(rest.text)!r} is not one value")

    # --- what was found -------------------------------------------------------------------------

    def _problem(self, place: _Place, line: Line, message: str) -> None:
        _add(self.findings.problems, f"{place.prefix}{line}: {message}")

    def _missing(self, place: _Place, line: Line, message: str) -> None:
        found = self.findings.problems if place.certain else self.findings.warnings
        _add(found, f"{place.prefix}{line}: {message}")


def _add(found: list[str], message: str) -> None:
    if message not in found:
        found.append(message)


def _may_be_operator(words: Sequence[str | None]) -> bool:
    """Whether a variable, None, stands between two values and so may hold an operator."""
    for before, word, behind in zip(words, words[1:], words[2:]):
        if word is None and before not in arithmetic.SIGNS and behind not in arithmetic.SIGNS:
            return True
    return False


def _inside(place: _Place, certain: bool, in_loop: bool = False) -> _Place:
    return _Place(
        place.prefix,
        place.script,
        place.program,
        certain,
        place.in_loop or in_loop,
        place.labels,
    )


def _leaves(statement: Statement, names: frozenset[str] = _LEAVE_SCRIPT | _IN_LOOPS) -> bool:
    """Whether what follows may not be reached because of a statement with one of some names."""
    if isinstance(statement, Command):
        return statement.name in names
    if isinstance(statement, Loop):
        names = names - _IN_LOOPS
    return any(_leaves(inner, names) for inner in _within(statement))


def _within(statement: Statement) -> Iterator[Statement]:
    """Statements of the blocks of a statement."""
    if isinstance(statement, If):
        for branch in statement.branches:
            yield from branch.body.statements
    elif isinstance(statement, Loop):
        yield from statement.body.statements
    elif isinstance(statement, Try):
        yield from statement.body.statements
        yield from statement.caught.statements


def _first(command: Command) -> str:
    """First word of a command, as far as it is no variable."""
    return (command.rest.words[0].fixed or "") if command.rest.words else ""


def _values(command: Command) -> list[object]:
    """Words of a command, its text being one of them."""
    takes_text = command.name in TEXT_COMMANDS or (
        command.name in OWN_COMMANDS and OWN_COMMANDS[command.name].takes_text
    )
    text = [command.rest.text] if takes_text and command.rest.text.parts else []
    return [*command.rest.words, *text]


def _unknown(name: str, line: Line) -> str:
    if name.upper() in _PYTHON_ONLY:
        return f"{_PYTHON_ONLY[name.upper()]}: only scripts in Python have this command"
    if any(_ASSIGNS.search(word) for word in line.text.split()[:2]):
        return _BLANKS.format(line.text)
    return f"{name}: unknown command, or one of the language that is not supported"


def look_through(program: Program, name: str, around: Surroundings) -> Findings:
    """Look for what is wrong with a script and with all that it calls.

    A command that is not simulated is a problem where the script gets to for certain, and a
    warning in a branch or function to which it may not get.
    """
    check = _Check(around)
    check.script(program, name)
    return check.findings
