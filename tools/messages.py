"""Print every sentence that SPACEtomo can say to a person, to be read in one go.

python -m tools.messages [FOLDER ...]

Sentences are string constants and f-strings with at least three words that are no docstrings; of
an f-string the expressions stand in braces. By default the product without the simulator, and the
pasted scripts.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give line and text of every sentence in a module."""
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
            text = "".join(
                str(part.value)
                if isinstance(part, ast.Constant)
                else "{" + ast.unparse(part.value) + "}"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if len(re.findall(r"[A-Za-z]{2,}", text)) > 2 and " " in text.strip():
            yield node.lineno, " ".join(text.split())


def _plain(part: ast.expr) -> str:
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
