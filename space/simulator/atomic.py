"""Small text files that appear whole or not at all.

The simulator shares no code with the product, so it has this helper of its own.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import uuid4

PATIENCE_S = 5.0


def write_text_atomic(target: Path, text: str, newline: str = "\n") -> None:
    """Write `text` as UTF-8 with the given line ending, whole or not at all.

    Parameters
    ----------
    target : Path
        File to write or replace.
    text : str
        Text with LF line ends.
    newline : str
        Line ending of the file.
    """
    target = Path(target)
    temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        with open(temporary, "w", encoding="utf-8", newline=newline) as stream:
            stream.write(text)
        replace_patiently(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def replace_patiently(source: Path, target: Path) -> None:
    """Rename over `target`; Windows refuses as long as a reader holds the old file open.

    Raises
    ------
    OSError
        If the file stays locked.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.05)


def keep_backup(path: Path) -> None:
    """Rename an existing file to its backup name (`name~`), as SerialEM does."""
    path = Path(path)
    if path.exists():
        replace_patiently(path, path.with_name(path.name + "~"))
