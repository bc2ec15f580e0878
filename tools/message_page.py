"""All messages of SPACEtomo as a page: what was said, and what to do.

mkdocs calls `on_page_markdown` while it builds the site, so that the page is never older than the
code. ``python -m tools.message_page`` prints it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.messages import sentences

ROOT = Path(__file__).resolve().parent.parent
PLACE = "<!-- all messages -->"
#: What is not given by name: the simulator has messages of its own kind (docs/simulator.md).
_LEFT_OUT = ("simulator", "simulation")
_VARIABLE = "…"
_LOGGED = {"warning": "warning", "error": "error"}
_FEWEST_WORDS = 3
#: Rooms whose names say little to users.
_HEADINGS = {
    "cli": "Commands (`spacetomo ...`)",
    "config": "SPACEtomo_config.py",
    "jobs": "Queue, workers and monitor",
    "lamellae": "Detection of lamellae",
    "models": "Files of models",
    "pacetomo": "Targets files",
    "review": "Corrections in the page",
    "steps": "Steps of a session",
    "targeting": "Choice of targets",
    "workflow": "A session as a whole",
}


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes
    ----------
    room : str
        Of the code that it comes from, such as `microscope`.
    kind : str
        stop: it ends the step, the grid or the script; warning, error: a line of the log;
        text: another line, or part of a list of problems.
    text, remedy : str
        As written in the code, with … where something is filled in.
    """

    room: str
    kind: str
    text: str
    remedy: str = ""


def messages(root: Path = ROOT) -> list[Message]:
    """Return all messages of the product, sorted by room and text."""
    found: set[Message] = set()
    for path in sorted((root / "space").rglob("*.py")):
        parts = path.relative_to(root / "space").parts
        if parts[0] in _LEFT_OUT:
            continue
        room = parts[0] if len(parts) > 1 else path.stem
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {Message(room, *facts) for facts in _in_module(tree)}
        known = " ".join(" ".join(f"{m.text} {m.remedy}".split()) for m in called)
        found |= called
        found |= {Message(room, "text", t) for t in _other_sentences(tree) if t not in known}
    return sorted(
        found,
        key=lambda message: (message.room, message.kind, message.text.lower(), message.remedy),
    )


def _in_module(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    known = _constants(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            arguments = dict(zip(("what", "where", "do"), node.args))
            arguments.update({word.arg: word.value for word in node.keywords if word.arg})
            kind = "stop"
            text, remedy = _text(arguments.get("what"), known), _text(arguments.get("do"), known)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _LOGGED and node.args:
            kind, text, remedy = _LOGGED[node.func.attr], _text(node.args[0], known), ""
        else:
            continue
        if len(re.findall(r"[A-Za-z]{2,}", text)) >= _FEWEST_WORDS:
            yield kind, text, remedy


def _other_sentences(tree: ast.Module) -> Iterator[str]:
    """Yield whole sentences that reach the log or a list of problems in another way."""
    for _, text in sentences(tree):
        plain = re.sub(r"%[-+0-9.]*[sdgifr]|{[^{}]*}", _VARIABLE, text)
        if re.match(r"[A-Z…]", plain) and re.search(r"[\w)…]\.$", plain):
            yield plain


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return what is given a name once and for all at the top of a module."""
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _text(node: ast.expr | None, known: Mapping[str, ast.expr]) -> str:
    """Return the words of a text, with … for what is filled in."""
    if node is None:
        return ""
    if isinstance(node, ast.Constant):
        text = node.value if isinstance(node.value, str) else ""
        return re.sub(r"%[-+0-9.]*[sdgifr]", _VARIABLE, text)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        named = isinstance(node.value, ast.Name) and node.value.id in known
        return _text(node.value, known) if named else _VARIABLE
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, known) + _text(node.right, known)
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body, known)} / {_text(node.orelse, known)}"
    if isinstance(node, ast.Name) and node.id in known:
        inner = {name: value for name, value in known.items() if name != node.id}
        return _text(known[node.id], inner) or _VARIABLE
    return _VARIABLE


def page(found: list[Message]) -> str:
    """Return the tables of a list of messages, by room."""
    parts = []
    for room in dict.fromkeys(message.room for message in found):
        own = [message for message in found if message.room == room]
        heading = _HEADINGS.get(room, room.replace("_", " ").capitalize())
        parts += [f"## {heading}", "", "| | message | what to do |", "|---|---|---|"]
        parts += [f"| {m.kind} | {_cell(m.text)} | {_cell(m.remedy)} |" for m in own]
        parts.append("")
    return "\n".join(parts)


def _cell(text: str) -> str:
    text = " ".join(text.split())
    for sign in "\\`*_{}[]<>|":
        text = text.replace(sign, f"&#{ord(sign)};")
    return text


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the messages into the page that has a place for them (a hook of mkdocs)."""
    return markdown.replace(PLACE, page(messages())) if PLACE in markdown else markdown


if __name__ == "__main__":
    print(page(messages()))
