"""Constants from a Python file, read as data: nothing in the file is run.

A file consists of lines ``name = value`` with numbers, strings, lists, tables, True, False and
None, of comments, and of strings that stand alone (docstrings). Anything else is reported with its
line and with what to write instead.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from space.errors import shown
from space.files import decode, read_bytes_bounded

LARGEST_BYTES = 200_000
"""A larger file is not a file of constants."""

_LONGEST_RANGE = 100


def read_constants(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the constants of a file.

    Returns
    -------
    values : dict
        Name → value; where a name is given twice, the later one, as Python has it.
    problems : list of str
        A sentence, with the line, for everything that is not a constant.

    Raises
    ------
    OSError
        If the file cannot be read, is not a file, or is too large.
    """
    return parse_constants(decode(read_bytes_bounded(path, LARGEST_BYTES, follow_links=True)))


def parse_constants(text: str) -> tuple[dict[str, Any], list[str]]:
    """Read constants from the text of a file (see `read_constants`)."""
    odd = text.find("\ufffd")
    if odd >= 0:
        line = text.count("\n", 0, odd) + 1
        return {}, [f"Line {line} contains a character that is not UTF-8. Save the file as UTF-8."]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes in Windows paths
            body = ast.parse(text).body
    except SyntaxError as error:
        return {}, [_syntax(error)]
    except ValueError as error:
        return {}, [f"It is not Python text: {error}. Copy the file again."]
    except (RecursionError, MemoryError):
        return {}, ["It is nested too deeply to be read. Copy the file again."]
    values: dict[str, Any] = {}
    problems: list[str] = []
    for part in body:
        value: ast.expr | None = getattr(part, "value", None)
        if isinstance(part, ast.Expr) and _is_text(part.value):
            continue
        name = assigned_name(part)
        if name is None or value is None:
            problems.append(f"Line {part.lineno}: {_instead_of_line(part)}")
            continue
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            remedy = _instead_of_value(value, values)
            problems.append(f"Line {part.lineno}: {name} must be a plain value. {remedy}")
    return values, problems


def _syntax(error: SyntaxError) -> str:
    where = f"Line {error.lineno}" if error.lineno else "The file"
    if "unicodeescape" in str(error.msg):
        return f"{where}: this string contains a backslash. Write paths with forward slashes."
    return f"{where} is not valid Python: {error.msg}. Correct it."


def assigned_name(line: ast.stmt) -> str | None:
    """Return the name that a line assigns a value to; None if it does anything else."""
    if isinstance(line, ast.Assign) and len(line.targets) == 1:
        target = line.targets[0]
    elif isinstance(line, ast.AnnAssign):
        target = line.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _instead_of_line(line: ast.stmt) -> str:
    if isinstance(line, (ast.Import, ast.ImportFrom)):
        return "import has no effect, because the file is read and not run. Remove it."
    if isinstance(line, ast.Assign):
        target = line.targets[0]
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            return f"write this entry into {target.value.id} = ... itself."
        return "assign one name per line."
    if isinstance(line, ast.AugAssign):
        return "write the whole value, as name = value."
    return "only lines such as name = value are read. Rewrite or remove it."


def _instead_of_value(value: ast.expr, known: Mapping[str, Any]) -> str:
    """Say what to write instead of a value that would have to be computed."""
    odd = _first_odd(value)
    if odd is value:
        numbers = _range(value)
        if numbers is not None:
            return f"Write {shown(numbers)}."
    if isinstance(odd, ast.Name):
        if odd.id in known:
            return f"Write {shown(known[odd.id])} instead of {odd.id}."
        if odd.id.lower() in ("true", "false", "none"):
            return f"Write {odd.id.capitalize()} instead of {odd.id}."
        return f"Write {odd.id!r} in quotes if it is a string, or else its value."
    if isinstance(odd, ast.JoinedStr):
        return "Write the whole string in plain quotes, without f."
    if isinstance(odd, ast.BinOp):
        return "Write the result instead of computing it (for paths: the whole path)."
    if isinstance(odd, ast.Call):
        called = odd.func.attr if isinstance(odd.func, ast.Attribute) else odd.func
        called = called.id if isinstance(called, ast.Name) else called
        if called in _OF_PATHS:
            return "Write the path as a string in quotes."
        call = f"{called}(...)" if isinstance(called, str) else "this"
        return f"Write the value that {call} would give."
    return "Write only numbers, strings in quotes, lists [...] and tables {...}."


_OF_PATHS = ("Path", "join", "expanduser", "resolve", "home", "PureWindowsPath", "WindowsPath")


def _first_odd(value: ast.expr) -> ast.expr:
    """Return the innermost part that keeps an expression from being a constant."""
    parts: list[ast.expr | None] = []
    if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
        parts = list(value.elts)
    elif isinstance(value, ast.Dict):
        parts = [*value.keys, *value.values]
    for part in parts:
        if part is not None and not isinstance(part, ast.Constant):
            odd = _first_odd(part)
            if not isinstance(odd, (ast.Constant, ast.List, ast.Tuple, ast.Dict)):
                return odd
    return value


def _range(value: ast.expr) -> list[int] | None:
    """Return the numbers that ``range(...)`` or a list or tuple made of it stands for."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name) or value.keywords:
        return None
    if value.func.id in ("list", "tuple", "sorted") and len(value.args) == 1:
        return _range(value.args[0])
    if value.func.id != "range":
        return None
    make: Callable[..., range] = range
    try:
        numbers = make(*(ast.literal_eval(part) for part in value.args))
        return list(numbers) if len(numbers) <= _LONGEST_RANGE else None
    except (ValueError, TypeError, OverflowError):
        return None
