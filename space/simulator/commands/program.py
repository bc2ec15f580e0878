"""Variables, other scripts and version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import ScriptStopped, SEMerror, SEMexited
from space.simulator.commands import all_commands
from space.simulator.program.session import Script
from space.simulator.program.variables import PERSISTENT
from space.simulator.python import wrapper
from space.simulator.scripts import run_function, run_process

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.program.variables import Kind
    from space.simulator.python.command_types import Commands, Reply
    from space.simulator.python.host import ScriptResult

DEEPEST_CALL = 10


def is_variable_defined(session: Session, name: str) -> float:
    """1 if it is."""
    return float(session.variables.defined(name))


def get_variable(session: Session, name: str) -> float | str:
    """Value of a variable, or of reportedValue1-6 of the command before."""
    key = name.lower()
    if key.startswith("reportedvalue") and key[13:].isdigit():
        number = int(key[13:])
        if 1 <= number <= len(session.reported):
            return session.reported[number - 1]
    return session.variables.get(name)


def set_variable(session: Session, name: str, value: str) -> None:
    """Text in a regular variable."""
    session.variables.set(name, value)


def set_persistent_var(session: Session, name: str, value: str) -> None:
    """Text in a persistent variable."""
    session.variables.set(name, value, persistent=True)


def set_float_variable(
    session: Session, name: str, value: float, persistent: int | None = None
) -> None:
    """Number in a variable."""
    session.variables.set(name, float(value), persistent=bool(persistent))


def clear_persistent_vars(session: Session) -> None:
    """Forget persistent variables."""
    session.variables.clear_persistent()


def clear_nonpersistent_vars(session: Session) -> None:
    """Forget all other variables."""
    session.variables.clear_nonpersistent()


def make_var_persistent(session: Session, name: str, flag: int | None = None) -> None:
    """Let a variable outlive the script, or with 0 not."""
    session.variables.make_persistent(name, flag is None or bool(flag))


def list_vars(session: Session, kind: Kind | None = None) -> None:
    """Print variables and their values."""
    for name in session.variables.names(kind):
        session.write_log(f"{name} = {session.variables.get(name)}")


def list_persistent_vars(session: Session) -> None:
    """Print the persistent variables and their values."""
    list_vars(session, PERSISTENT)


# --- other scripts ------------------------------------------------------------------------------


def call(session: Session, name: str) -> None:
    """Run the script of a name, then go on."""
    script = wrapper.script_named(session.scripts, name)
    if script is None:
        raise SEMerror(f"There is no script named {name}")
    _run(session, script.text, wrapper.script_name(script))


def call_script(session: Session, number: int) -> None:
    """Run the script of a number, then go on."""
    script = session.scripts.get(number)
    if script is None:
        raise SEMerror(f"There is no script number {number}")
    _run(session, script.text, wrapper.script_name(script))


def call_function(
    session: Session, name: str, text: str | None = None, *values: float | None
) -> Reply:
    """Run a function of a script in SerialEM's own language; what it returns is reported."""
    given = [0.0 if value is None else value for value in values]
    with session.variables.level():
        reply, result = run_function(session, name, given, text or "", all_commands())
    _check(result)
    return reply


def call_string_array(session: Session, variable: str, flag: int | None = None) -> None:
    """Run the lines in a variable as a script, then go on."""
    _run(session, str(session.variables.get(variable)), variable)


def string_array_to_script(session: Session, variable: str, number: int) -> None:
    """Make the lines in a variable the script of a number."""
    if number < 1:
        raise SEMerror(f"{number} is not the number of a script")
    session.scripts[number] = Script(variable, str(session.variables.get(variable)))


def _run(session: Session, text: str, name: str) -> None:
    """Run a script in its own process; its Exit or error also ends the script that called it."""
    if session.call_depth >= DEEPEST_CALL:
        raise SEMerror(f"{name}: scripts call one another too deeply")
    session.call_depth += 1
    try:
        with session.variables.level():
            result = run_process(session, text, name, all_commands())
    finally:
        session.call_depth -= 1
    _check(result)


def _check(result: ScriptResult) -> None:
    """Let a script that was called end the script that called it, but by its end or Return."""
    if result.stopped:
        raise ScriptStopped(result.error)
    if not result.ok:
        raise SEMerror(result.error)
    if result.exited and not result.returned:
        raise SEMexited("Normal exit")


# --- version ------------------------------------------------------------------------------------


def is_version_at_least(session: Session, version: str, date: str | None = None) -> float:
    """1 if the program is of this version and date or later."""
    try:
        wanted, day = int(version), int(date or 0)
    except ValueError as error:
        raise SEMerror("The version must be a number") from error
    return float(session.installation.is_at_least(wanted, day))


COMMANDS: Commands = {
    "IsVariableDefined": is_variable_defined,
    "GetVariable": get_variable,
    "SetVariable": set_variable,
    "SetPersistentVar": set_persistent_var,
    "SetFloatVariable": set_float_variable,
    "ClearPersistentVars": clear_persistent_vars,
    "ClearNonPersistentVars": clear_nonpersistent_vars,
    "MakeVarPersistent": make_var_persistent,
    "ListVars": list_vars,
    "ListPersistentVars": list_persistent_vars,
    "Call": call,
    "CallScript": call_script,
    "CallMacro": call_script,
    "CallFunction": call_function,
    "CallStringArray": call_string_array,
    "StringArrayToScript": string_array_to_script,
    "IsVersionAtLeast": is_version_at_least,
}
