"""The text of a script, turned into what SerialEM hands to Python."""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from space.simulator.program.session import Script

INDENT = "   "
HEADER = ("if True:", f"{INDENT}pass")
DEEPEST_INCLUDE = 10
_FIRST_LINE = re.compile(r"^#!\s*Python\s*(?P<version>\d+\.\d+)?", re.IGNORECASE)
_NAME_LINE = re.compile(r"^#\s*ScriptName\s+(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_NAME_STATEMENT = re.compile(
    r"^[ \t]*(?:Script|Macro)Name[ \t]+(.+?)\s*$", re.IGNORECASE | re.MULTILINE
)
_INCLUDE = re.compile(r"^#include(?P<file>File)?\s+(?P<name>.+?)\s*$")
_PRINT = re.compile(r"(^|(?<=\s))print\(")
_NEWLINE_LITERALS = ("'\\n'", '"\\n"', "'\\r\\n'", '"\\r\\n"')


class IncludeError(ValueError):
    """A script or file that another one includes cannot be had; the message says which."""


def is_python_script(text: str) -> bool:
    """Whether the first significant line starts with #!Python."""
    return _first_line(text) is not None


def python_version(text: str) -> str:
    """Return the version that the first significant line names, as ``#!Python3.11``, else ""."""
    found = _first_line(text)
    return (found["version"] or "") if found else ""


def _first_line(text: str) -> re.Match[str] | None:
    for line in text.lstrip("\ufeff").splitlines():
        stripped = line.strip()
        if stripped not in ("", "#"):
            return _FIRST_LINE.match(stripped)
    return None


def script_name(script: Script) -> str:
    """Name by which other scripts call or include a script: its own `ScriptName` line counts.

    In Python this line is a comment.
    """
    return own_name(script.text) or script.name


def own_name(text: str) -> str | None:
    """Name that a script gives itself by its `ScriptName` line, if it has one."""
    pattern = _NAME_LINE if is_python_script(text) else _NAME_STATEMENT
    found = pattern.search(text)
    return found[1] if found else None


def script_named(scripts: Mapping[int, Script], name: str) -> Script | None:
    """The first script of a name, whatever its case; None if there is none."""
    for _, script in sorted(scripts.items()):
        if script_name(script).lower() == name.lower():
            return script
    return None


def transform_line(line: str) -> str:
    r"""Substitutions that SerialEM makes in a line of a script.

    Backslashes are doubled unless written `|\\` or inside a literal that is nothing but a
    line end; a bare `print(` becomes the flushing print.
    """
    kept: list[str] = []

    def keep(text: str) -> str:
        kept.append(text)
        return f"\0{len(kept) - 1}\0"

    for literal in _NEWLINE_LITERALS:
        if literal in line:
            line = line.replace(literal, keep(literal))
    line = line.replace("|\\", keep("\\"))
    line = line.replace("\\", "\\\\")
    line = re.sub("\0(\\d+)\0", lambda match: kept[int(match.group(1))], line)
    return _PRINT.sub(lambda match: match.group(1) + "SEMprint(", line)


def _read_included(name: str, folders: tuple[Path, ...]) -> str:
    for folder in folders:
        path = Path(folder) / name
        if path.is_file():
            return path.read_text(encoding="utf-8-sig")
    searched = "; ".join(str(folder) for folder in folders) or "no folder is set"
    raise IncludeError(f"#includeFile {name}: not found in PythonIncludePath ({searched})")


def _numbered_lines(
    text: str, scripts: Mapping[int, Script], folders: tuple[Path, ...], depth: int = 0
) -> Iterator[tuple[int, str]]:
    """Lines with those of included texts in place of the line that includes them."""
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        include = _INCLUDE.match(line)
        if include is None:
            yield number, line
            continue
        if depth >= DEEPEST_INCLUDE:
            raise IncludeError(f"{line.strip()}: scripts include one another too deeply")
        if include["file"]:
            included = _read_included(include["name"], folders)
        else:
            script = script_named(scripts, include["name"])
            if script is None:
                raise IncludeError(f"{line.strip()}: there is no script of this name")
            included = script.text
        for _, inner in _numbered_lines(included, scripts, folders, depth + 1):
            yield number, inner


def compile_script(
    text: str,
    name: str,
    scripts: Mapping[int, Script] | None = None,
    include_folders: tuple[Path, ...] = (),
) -> types.CodeType:
    """Compile a script indented into a block, as SerialEM's wrapper holds it.

    Every line is indented, so those inside a text in triple quotes are too. Line numbers are
    those of the script; what it includes counts as the line of the `#include`.

    Parameters
    ----------
    text : str
        The script.
    name : str
        File name in tracebacks.
    scripts : mapping, optional
        Script number → script, for `#include`.
    include_folders : tuple of Path
        PythonIncludePath, for `#includeFile`.

    Raises
    ------
    SyntaxError
        For text that the wrapper makes invalid too, such as `from __future__`.
    IncludeError
        If something to include is missing.
    """
    lines = list(_numbered_lines(text, scripts or {}, tuple(include_folders)))
    source = [*HEADER, *(INDENT + transform_line(line) for _, line in lines)]
    numbers = [1] * (len(HEADER) + 1) + [number for number, _ in lines]

    def in_script(number: int | None) -> int:
        return numbers[min(max(number or 1, 1), len(numbers) - 1)]

    try:
        tree = ast.parse("\n".join(source) + "\n", filename=name)
        for node in ast.walk(tree):
            if hasattr(node, "lineno") and hasattr(node, "end_lineno"):
                node.lineno = in_script(node.lineno)
                node.end_lineno = in_script(node.end_lineno)
        # What the simulator's own modules import from __future__ is not the script's.
        return compile(tree, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SyntaxError(error.msg, (name, in_script(error.lineno), error.offset, None)) from None
