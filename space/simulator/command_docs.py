"""Writes tables of commands, settings, faults and the script language into the documentation.

`python -m space.simulator.command_docs` renews the parts of `docs/simulator.md` and
`docs/script_language.md` that lie between marks; with a FILE, those of a page like the first.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from space.simulator.column.faults import FAULT_KINDS
from space.simulator.column.parameters import Parameter, Parameters
from space.simulator.column.properties import EFFECTS, property_table
from space.simulator.commands import command_groups
from space.simulator.formats.atomic import write_text_atomic
from space.simulator.language import supported
from space.simulator.program import user_settings
from space.simulator.python.argkeys import command_table
from space.simulator.python.module import MODULE_COMMANDS
from space.simulator.python.not_simulated import OTHERS, SUBJECTS

BEGIN = "<!-- {name}: written by python -m space.simulator.command_docs -->"
END = "<!-- end of {name} -->"
DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "simulator.md"
LANGUAGE_PAGE = DOCS / "script_language.md"
SCRIPT_END = "Ending a script"
SCRIPT_END_TEXTS = {
    "Exit": "End the script, with a text for the log; negative numbers count as a failure.",
    "Return": "End the script; a script that called it continues.",
}


def first_line(thing: Callable[..., object] | ModuleType) -> str:
    """First line of what is written about a function or module, ready for a table.

    Raises
    ------
    ValueError
        If nothing is written about it.
    """
    text = inspect.getdoc(thing)
    if not text:
        raise ValueError(f"{thing.__name__} needs a docstring")
    return text.splitlines()[0].replace("|", "\\|")


def _signature(name: str) -> str:
    return f"`{name}({command_table()[name].keys})`"


def simulated() -> dict[str, dict[str, str]]:
    """Title of a group → command → what it does, for all that is simulated."""
    groups = {SCRIPT_END: {name: SCRIPT_END_TEXTS[name] for name in MODULE_COMMANDS}}
    for module in command_groups():
        title = first_line(module).split(". ")[0].rstrip(".")
        lines = {name: first_line(function) for name, function in module.COMMANDS.items()}
        groups[title] = dict(sorted(lines.items()))
    return groups


def not_simulated() -> dict[str, list[str]]:
    """Subject → commands, for all that is not simulated."""
    known = {name for group in simulated().values() for name in group}
    missing = [name for name in command_table() if name not in known]
    found: dict[str, list[str]] = {}
    for name in sorted(missing):
        title = next((s.title for s in SUBJECTS if name in s.names), OTHERS)
        found.setdefault(title, []).append(name)
    order = [*(subject.title for subject in SUBJECTS), OTHERS]
    return {title: found[title] for title in order if title in found}


def command_tables() -> str:
    """Tables of all commands, in Markdown."""
    works, missing = simulated(), not_simulated()
    count = sum(len(group) for group in works.values())
    lines = [
        f"Of {len(command_table())} commands, {count} are simulated. The others check their "
        "arguments too, and then raise `SEMerror` with their name and `not simulated`.",
        "",
        "Arguments: `S` text, `D` number, `I` integer; a small letter may be left out.",
        "",
        "### Simulated",
    ]
    for title, group in works.items():
        lines += ["", f"#### {title}", "", "| command | what it does |", "|---|---|"]
        lines += [f"| {_signature(name)} | {text} |" for name, text in group.items()]
    lines += ["", "### Not simulated", "", "| subject | commands |", "|---|---|"]
    for title, names in missing.items():
        lines.append(f"| {title} | {', '.join(_signature(name) for name in names)} |")
    return "\n".join(lines)


def fault_table() -> str:
    """Table of the faults on demand, in Markdown."""
    lines = ["| fault | is counted by | scripts see | people see |", "|---|---|---|---|"]
    for name, kind in FAULT_KINDS.items():
        lines.append(f"| `{name}` | {kind.occasion} | {kind.scripts} | {kind.operator} |")
    return "\n".join(lines)


def _rows(heads: tuple[str, str], rows: Mapping[str, str]) -> list[str]:
    """Table of two columns, the first of them code."""
    lines = [f"| {heads[0]} | {heads[1]} |", "|---|---|"]
    return [*lines, *(f"| `{one}` | {other} |" for one, other in rows.items()), ""]


def language_tables() -> str:
    """Tables of what of SerialEM's own language can be used, in Markdown."""
    groups = {
        "Blocks": supported.BLOCKS,
        "Assignments": supported.ASSIGNMENTS,
        "Variables in a line": supported.SUBSTITUTIONS,
        "Other statements": tuple(supported.OWN_COMMANDS.values()),
    }
    lines: list[str] = []
    for title, forms in groups.items():
        rows = {form.form: form.meaning for form in forms}
        lines += [f"### {title}", "", *_rows(("statement", "what it does"), rows)]
    lines += ["### Functions in arithmetic", ""]
    functions = supported.ONE_VALUE | supported.TWO_VALUES
    lines += _rows(("function", "what it gives"), {k.lower(): v for k, v in functions.items()})
    lines += ["### Commands that take the rest of the line as text", ""]
    lines.append(", ".join(f"`{name}`" for name in sorted(supported.TEXT_COMMANDS)))
    return "\n".join(lines)


ORIGINS = {
    "SerialEM": "SerialEM's",
    "simulator": "the simulator's start",
    "instrument": "the instrument file",
    "session": "the present state",
    "": "zero of its type",
}
"""Where a default comes from (`Parameter.source`), in words."""


def _parameter_tables(table: Parameters, effects: Mapping[str, str]) -> str:
    """Table of the parameters that do something, and the names of the others, in Markdown."""
    lines = ["| name | type | default | what it does |", "|---|---|---|---|"]
    others = []
    for row in table:
        if row.name not in effects:
            default = "" if not row.source else f" ({_default(row)})"
            others.append(f"`{row.name}`{default}")
            continue
        lines.append(f"| `{row.name}` | {row.kind} | {_default(row)} | {effects[row.name]} |")
    return "\n".join([*lines, "", f"Only kept and reported: {', '.join(others)}."])


def _default(row: Parameter) -> str:
    origin = ORIGINS[row.source]
    return origin if row.source in ("instrument", "session") else f"{row.default:g}, {origin}"


def setting_tables() -> str:
    """Tables of the user settings, in Markdown."""
    return _parameter_tables(user_settings.setting_table(), user_settings.EFFECTS)


def property_tables() -> str:
    """Tables of the properties, in Markdown."""
    return _parameter_tables(property_table(), EFFECTS)


PARTS = {
    "commands": command_tables,
    "faults": fault_table,
    "properties": property_tables,
    "settings": setting_tables,
}
LANGUAGE_PARTS = {"language": language_tables}
"""What stands between marks on a page."""


def renewed(page: str, parts: Mapping[str, Callable[[], str]] = PARTS) -> str:
    """Give the text of a page with the present tables between its marks.

    Raises
    ------
    ValueError
        If marks are missing.
    """
    for name, render in parts.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"The page needs the lines {begin!r} and {end!r}")
        page = f"{before}{begin}\n\n{render()}\n\n{end}{after}"
    return page


def main(arguments: list[str] | None = None) -> int:
    """Renew the tables in a file."""
    given = sys.argv[1:] if arguments is None else arguments
    pages = {Path(given[0]): PARTS} if given else {PAGE: PARTS, LANGUAGE_PAGE: LANGUAGE_PARTS}
    for path, parts in pages.items():
        write_text_atomic(path, renewed(path.read_text(encoding="utf-8"), parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
