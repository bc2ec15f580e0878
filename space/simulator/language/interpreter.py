"""Carries out a script in SerialEM's own language."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from space.simulator.column.errors import SEMerror, SEMexited
from space.simulator.language import arguments, arithmetic, library
from space.simulator.language.syntax import (
    Assignment,
    Block,
    Command,
    Function,
    If,
    Label,
    Line,
    Loop,
    Program,
    Reference,
    Rest,
    Template,
    Try,
)
from space.simulator.language.templates import filled, whole_number
from space.simulator.language.values import (
    ValueProblem,
    as_text,
    as_value,
    joined,
    joined_rows,
    shown,
    with_element,
)
from space.simulator.program.variables import REPORT
from space.simulator.python.argkeys import command_table
from space.simulator.python.module import MOST_VALUES, Connection, raise_error

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Reply

DEEPEST_CALL = 40


@dataclass(frozen=True)
class Jump:
    """Where to go on, other than at the next statement."""

    kind: str
    label: str = ""


BREAK, CONTINUE, RETURN, REPEAT = (Jump(kind) for kind in ("break", "continue", "return", "repeat"))


class Interpreter:
    """One script that runs.

    Parameters
    ----------
    session : Session
        What the commands act on.
    module : module
        The commands, as scripts in Python call them, too.
    connection : Connection
        The line to the program on which the commands of `module` go.

    Attributes
    ----------
    line : Line
        The line that is carried out, or at which an error came up.
    """

    def __init__(
        self, session: Session, module: types.ModuleType, connection: Connection, name: str
    ) -> None:
        self._session = session
        self._variables = session.variables
        self._module = module
        self._connection = connection
        self._depth = 0
        self._local_indexes = False
        self._returned: Reply = None
        self._own: dict[str, Callable[[Command], Jump | None]] = {
            "Break": lambda command: BREAK,
            "Continue": lambda command: CONTINUE,
            "Repeat": lambda command: REPEAT,
            "SkipTo": lambda command: Jump("skip", self._text(command.rest.words[0]).upper()),
            "KeyBreak": self._key_break,
            "Return": self._return,
            "DoScript": self._do_script,
            "DoMacro": self._do_script,
            "CallFunction": self._call_function,
            "LocalVar": self._local_variables,
            "LocalLoopIndexes": self._local_loop_indexes,
            "EchoEval": self._echo_evaluated,
            "Throw": self._throw,
        }
        self.program = Program(Block((), {}), {})
        self.name = name
        self.line = Line(0, "")

    # --- scripts, functions and blocks ----------------------------------------------------------

    def run(self, program: Program) -> None:
        """Carry out a script.

        Raises
        ------
        SEMerror
            For an error that the script does not catch; `line` says where.
        SEMexited
            When the script has ended by Exit.
        ScriptStopped
            When the user has pressed STOP, or a task failed.
        """
        self.program = program
        while self._block(program.body) is REPEAT:
            self._clear_reported()

    def call(self, name: str, values: Sequence[str], text: str) -> Reply:
        """Run a function, and give what it returns.

        Parameters
        ----------
        name : str
            The function, with ``script::`` in front where it is in another script.
        values : sequence of str
            Its values, the text not among them.
        text : str
            The text, for a function that takes one.

        Raises
        ------
        SEMerror
            If there is no such function, it needs more values, or for an error in it.
        """
        found = library.find_function(name, self.name, self.program, self._session.scripts)
        if found is None:
            self._refuse(f"there is no function {name}")
        function = found.function
        if len(values) < function.count:
            self._refuse(f"{name} needs {function.count} values, {len(values)} are given")
        if self._depth >= DEEPEST_CALL:
            self._refuse(f"{name}: functions call one another too deeply")
        given = [*values[: function.count], text] if function.takes_text else [*values]
        before = self.name, self.program, self._local_indexes, self.line
        self._returned = None
        self.name, self.program, self._local_indexes = found.script, found.program, False
        self._depth += 1
        with self._variables.level():
            self._take_values(function, given)
            jump = self._block(function.body)
        # Not where an error leaves the function: it says where it came up.
        self._depth -= 1
        self.name, self.program, self._local_indexes, self.line = before
        if jump is REPEAT:
            self._refuse("Repeat cannot stand in a function")
        returned, self._returned = self._returned, None
        return returned

    def _take_values(self, function: Function, given: Sequence[str]) -> None:
        for place, value in enumerate(given, start=1):
            self._variables.make_local(f"argVal{place}", as_value(value))
        for name, value in zip(function.arguments, given):
            self._variables.make_local(name, as_value(value))

    def _block(self, block: Block) -> Jump | None:
        place, statements = 0, block.statements
        while place < len(statements):
            statement = statements[place]
            place += 1
            if isinstance(statement, Command):
                jump = self._command(statement)
            elif isinstance(statement, Assignment):
                jump = self._assign(statement)
            elif isinstance(statement, Label):
                continue
            elif isinstance(statement, If):
                jump = self._if(statement)
            elif isinstance(statement, Loop):
                jump = self._loop(statement)
            else:
                jump = self._try(statement)
            if jump is None:
                continue
            if jump.label not in block.labels:
                return jump
            place = block.labels[jump.label]
        return None

    def _if(self, statement: If) -> Jump | None:
        for branch in statement.branches:
            self._begin(branch.line, "If")
            if branch.condition is None or self._number(branch.condition):
                return self._block(branch.body)
        return None

    def _loop(self, statement: Loop) -> Jump | None:
        self._begin(statement.line, "Loop")
        count, index = whole_number(self._number(statement.count)), statement.index
        variables = self._variables
        taken = variables.is_local if self._local_indexes else variables.defined
        if index and taken(index):
            self._refuse(f"{index} is a variable already; the variable of a loop must be new")
        try:
            for round_number in range(1, count + 1):
                if index and self._local_indexes:
                    variables.make_local(index, float(round_number))
                elif index:
                    variables.set(index, float(round_number))
                self._begin(statement.line, "Loop")
                jump = self._block(statement.body)
                if jump is BREAK:
                    break
                if jump is not None and jump is not CONTINUE:
                    return jump
        finally:
            if index:
                variables.forget(index)
        return None

    def _try(self, statement: Try) -> Jump | None:
        self._begin(statement.line, "Try")
        options, before = self._session.options, self._session.options.no_message_box
        where = self.name, self.program, self._local_indexes, self._depth
        options.no_message_box = True
        try:
            return self._block(statement.body)
        except SEMerror:
            self.name, self.program, self._local_indexes, self._depth = where
        finally:
            options.no_message_box = before
        return self._block(statement.caught)

    # --- texts and numbers ----------------------------------------------------------------------

    def _begin(self, line: Line, name: str) -> None:
        """Note where the script is, and let happen what can happen at every statement."""
        self.line = line
        if not self._session.faults:
            return
        try:
            self._session.faults.command_begins(name, self._session.acquire.script_running)
        except SEMerror as error:
            self._refuse(str(error))

    def _refuse(self, text: str) -> NoReturn:
        self._connection.refused = True
        raise_error(self._session, text)

    @contextmanager
    def _values_needed(self) -> Iterator[None]:
        """Let a value that is not what is needed be an error of the script."""
        try:
            yield
        except ValueProblem as problem:
            self._refuse(str(problem))

    def _text(self, text: Template) -> str:
        with self._values_needed():
            return filled(text, self._variables, self._calculated)

    def _calculated(self, text: Template) -> float:
        """Number of an index."""
        inner = filled(text, self._variables, self._calculated)
        return arithmetic.calculated(arithmetic.apart(inner))

    def _number(self, rest: Rest) -> float:
        with self._values_needed():
            return arithmetic.calculated(self._filled(rest.tokens))

    def _filled(self, texts: Sequence[Template]) -> list[str]:
        return [filled(text, self._variables, self._calculated) for text in texts]

    def _evaluated(self, tokens: Sequence[Template]) -> list[str]:
        """Values of expressions one behind another, as texts."""
        with self._values_needed():
            return [as_text(value) for value in arithmetic.evaluated(self._filled(tokens))]

    # --- assignments ----------------------------------------------------------------------------

    def _assign(self, statement: Assignment) -> Jump | None:
        self._begin(statement.line, "Assignment")
        name, operator = statement.name, statement.operator
        if "@" in operator:
            value = self._text(statement.value.text)
        else:
            value = self._value(statement)
        with self._values_needed():
            if statement.indexes:
                places = [whole_number(self._calculated(index)) for index in statement.indexes]
                value = with_element(as_text(self._variables.get(name)), places, value)
            persistent = ":" in operator
            self._variables.set(name, as_value(value), persistent=persistent)
        return None

    def _value(self, statement: Assignment) -> str:
        value, operator = statement.value, statement.operator
        first = value.words[0].parts[0] if value.words else ""
        if isinstance(first, str) and first.startswith("{"):
            return self._array(value)
        if len(value.tokens) == 1:
            text = self._text(value.tokens[0])
        else:
            text = " ".join(self._evaluated(value.tokens))
        if operator in ("=", ":="):
            return text
        with self._values_needed():
            present = filled(_present(statement), self._variables, self._calculated)
            return shown(arithmetic.calculated([present, operator[0], text]))

    def _array(self, value: Rest) -> str:
        """Elements within braces; braces within the braces hold rows."""
        words = [word for text in self._filled_words(value) for word in _braces_apart(text)]
        inner = words[1:-1]
        if len(words) < 2 or words[0] != "{" or words[-1] != "}":
            self._refuse("an array stands between { and }")
        if "{" not in inner:
            with self._values_needed():
                return joined(as_text(part) for part in arithmetic.evaluated(inner))
        rows: list[list[str]] = []
        for word in inner:
            if word == "{":
                rows.append([])
            elif word != "}" and rows:
                rows[-1].append(word)
            elif word != "}":
                self._refuse(f"{word} stands outside of the rows of the array")
        with self._values_needed():
            return joined_rows(
                joined(as_text(part) for part in arithmetic.evaluated(row)) for row in rows
            )

    def _filled_words(self, value: Rest) -> list[str]:
        with self._values_needed():
            return self._filled(value.tokens)

    # --- commands -------------------------------------------------------------------------------

    def _command(self, command: Command) -> Jump | None:
        own = self._own.get(command.name)
        if own is not None:
            self._begin(command.line, command.name)
            return own(command)
        row = command_table().get(command.name)
        if row is None:
            return None  # what only declares something
        self.line = command.line
        with self._values_needed():
            given, receivers = arguments.of(row, command.rest, self._filled)
        self._take(getattr(self._module, row.name)(*given), receivers)
        if self._connection.ended:
            # Exit with a number other than 0 raises nothing.
            raise SEMexited("Normal exit")
        return None

    def _take(self, reply: Reply, receivers: Sequence[str] = ()) -> None:
        """Put what a command has reported into variables."""
        if reply is None:
            return
        values = reply if isinstance(reply, tuple) else (reply,)
        self._clear_reported()
        for place, value in enumerate(values, start=1):
            for name in (f"reportedValue{place}", f"repVal{place}"):
                self._variables.set(name, value, kind=REPORT)
        for name, value in zip(receivers, values):
            self._variables.set(name, value)

    def _clear_reported(self) -> None:
        for place in range(1, MOST_VALUES + 1):
            self._variables.forget(f"reportedValue{place}")
            self._variables.forget(f"repVal{place}")

    def _key_break(self, command: Command) -> Jump | None:
        pressed = self._module.KeyBreak(*self._filled_words(command.rest)[:1])
        return BREAK if pressed else None

    def _return(self, command: Command) -> Jump:
        if command.rest.words:
            values = [as_value(value) for value in self._filled_words(command.rest)]
            self._returned = tuple(values[:MOST_VALUES])
            self._take(self._returned)
        return RETURN

    def _do_script(self, command: Command) -> Jump:
        self._module.CallScript(whole_number(self._number(command.rest)))
        raise SEMexited("Normal exit")

    def _call_function(self, command: Command) -> None:
        name, *values = command.rest.words
        function = self._text(name)
        found = library.find_function(function, self.name, self.program, self._session.scripts)
        if found is None or not found.function.takes_text:
            self.call(function, self._evaluated(command.rest.tokens[1:]), "")
            return
        count = found.function.count
        words = self._filled_words(Rest((), tuple(values), Template(())))
        self.call(function, words[:count], " ".join(words[count:]))

    def _local_variables(self, command: Command) -> None:
        for name in self._filled_words(command.rest):
            self._variables.make_local(name)

    def _local_loop_indexes(self, command: Command) -> None:
        self._local_indexes = True

    def _echo_evaluated(self, command: Command) -> None:
        self._module.Echo(" ".join(self._evaluated(command.rest.tokens)))

    def _throw(self, command: Command) -> None:
        self._refuse(self._text(command.rest.text) or "Throw")


def _present(statement: Assignment) -> Template:
    """Text with the value that an assignment changes."""
    return Template((Reference(statement.name, False, True, statement.indexes),))


def _braces_apart(word: str) -> list[str]:
    parts = word.replace("{", " { ").replace("}", " } ").split(" ")
    return [part for part in parts if part]
