"""Files that appear whole or not at all.

The simulator shares no code with the product, so it has this helper of its own.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

PATIENCE_S = 5.0


def write_text_atomic(
    target: Path, text: str, newline: str = "\n", encoding: str = "utf-8"
) -> None:
    """Write `text` with the given line ending, whole or not at all.

    Parameters
    ----------
    target : Path
        File to write or replace.
    text : str
        Text with LF line ends.
    newline : str
        Line ending of the file.
    encoding : str
        Encoding of the file.
    """
    with whole_file(target) as temporary:
        with open(temporary, "w", encoding=encoding, newline=newline) as stream:
            stream.write(text)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that takes its place when the block ends well.

    Readers see the old file until the new one is complete; after an error the old one stays.
    """
    target = Path(target)
    temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        yield temporary
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
        replace_patiently(path, backup_of(path))


def copy_backup(path: Path) -> None:
    """Copy an existing file to its backup name; the file itself is there all the time."""
    path = Path(path)
    if path.exists():
        with whole_file(backup_of(path)) as temporary:
            shutil.copyfile(path, temporary)


def backup_of(path: Path) -> Path:
    """Give the name of the backup of a file."""
    path = Path(path)
    return path.with_name(path.name + "~")
