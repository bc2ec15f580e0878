"""Print all messages of SPACEtomo, so that they can be read in one list.

python -m tools.messages [FOLDER ...]

Messages are strings of at least three words, except docstrings. The expressions of an f-string are
shown in braces. Default: the product without the simulator, and the scripts for SerialEM.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of every message in a module."""
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))  # a docstring
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(map(_shown, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if len(re.findall(r"[A-Za-z]{2,}", text)) > 2 and " " in text.strip():
            yield node.lineno, " ".join(text.split())


def _shown(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return "{" + ast.unparse(part.value) + "}"
    return str(part.value) if isinstance(part, ast.Constant) else ""


def main(folders: list[str]) -> None:
    """Command line."""
    paths = [path for name in folders for path in sorted(Path(name).rglob("*.py"))]
    if not folders:
        paths = [p for p in sorted(ROOT.glob("space/**/*.py")) if "simulator" not in p.parts]
        paths += sorted(ROOT.glob("SPACEtomo*.py"))
    for path in paths:
        found = sorted(set(sentences(ast.parse(path.read_text(encoding="utf-8")))))
        if found:
            print(f"\n{path.resolve().relative_to(ROOT)}")
        for line, text in found:
            print(f"  {line:4d}  {text}")


if __name__ == "__main__":
    main(sys.argv[1:])
