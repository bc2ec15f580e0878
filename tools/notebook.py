"""Runs a script in cells, as editors know them, and writes a page of what it says and shows.

Cells begin with ``# %%``; those that begin with ``# %% [markdown]`` are text. What a cell prints
stands below it, and so do the figures of matplotlib that are open at its end.

    python -m tools.notebook docs/notebooks/sections.py
"""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any

_NOTE = "<!-- Made by python -m tools.notebook from {0}: change that one. -->\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("script", type=Path)
    args = parser.parse_args()
    page = args.script.with_suffix(".md")
    page.write_text(executed(args.script), encoding="utf-8")
    print(page)


def cells(text: str) -> list[tuple[bool, str]]:
    """Return the cells of a script: whether each is text, and what it holds."""
    found = []
    for cell in text.split("\n# %%")[1:]:
        head, _, body = cell.partition("\n")
        is_text = head.strip() == "[markdown]"
        if is_text:
            lines = [line[2:] if line.startswith("# ") else line[1:] for line in body.splitlines()]
            body = "\n".join(lines)
        found.append((is_text, body.strip("\n")))
    return found


def executed(script: Path) -> str:
    """Run all cells; figures are written beside the script. Return the page."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parts, names, number = [_NOTE.format(script.name)], {"__name__": "notebook"}, 0
    for is_text, body in cells("\n" + script.read_text(encoding="utf-8")):
        if is_text:
            parts.append(body)
            continue
        printed = _run(body, names)
        parts.append(f"```python\n{body}\n```")
        if printed.strip():
            parts.append(f"```text\n{printed.rstrip()}\n```")
        for figure in map(pyplot.figure, pyplot.get_fignums()):
            number += 1
            picture = script.with_name(f"{script.stem}_{number}.png")
            figure.savefig(picture, dpi=80)
            parts.append(f"![What this cell shows]({picture.name})")
        pyplot.close("all")
    return "\n\n".join(parts) + "\n"


def _run(body: str, names: dict[str, Any]) -> str:
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(body, "cell", "exec"), names)
    return stream.getvalue()


if __name__ == "__main__":
    main()
