"""Writes the table of all settings into the documentation.

`python -m space.settings.page` renews `docs/settings.md`.
"""

from __future__ import annotations

from pathlib import Path

from space.files import write_text_atomic
from space.settings.declared import NAMES, Settings, declaration

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

_HEAD = """# Settings

<!-- Written by python -m space.settings.page from space/settings/declared.py. -->

They stand at the top of `SPACEtomo.py`. All problems with them are reported at once, before
anything moves. The last column says which result a setting changes. A result that
exists already is kept, and the log reports the value with which it was made.

| setting | default | type | unit | range | meaning | changes |
|---|---|---|---|---|---|---|
"""


def text() -> str:
    """Return the page."""
    return _HEAD + "".join(f"| {' | '.join(_row(name))} |\n" for name in NAMES)


def _row(name: str) -> tuple[str, ...]:
    declared = declaration(name)
    kind = declared.kind
    default = Settings().to_dict()[name]
    code = repr(default).replace("'", '"')
    return (
        f"`{name}`",
        f"`{code}`",
        kind.type,
        kind.unit.replace("um", "µm"),
        kind.range,
        declared.meaning,
        declared.changes.value,
    )


if __name__ == "__main__":
    write_text_atomic(PAGE, text())
