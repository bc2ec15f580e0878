"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def replace_patiently(source: Path, target: Path, seconds: float = 5.0) -> None:
    """Rename `source` over `target`, waiting for readers that hold it open.

    Windows refuses to replace a file while another process has it open; on network
    folders such a moment is common and short.

    Raises
    ------
    OSError
        If the file is still refused after `seconds`.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.05)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that replaces it when the block succeeds.

    The temporary name keeps the suffix, because many writers choose the format by it.
    """
    target = Path(target)
    temporary = target.with_name(f".{target.stem}.{uuid4().hex[:8]}.part{target.suffix}")
    try:
        yield temporary
        replace_patiently(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes_atomic(target: Path, data: bytes) -> None:
    """Write `data` to `target`; readers see the old file or the new one, never a part."""
    with atomic_path(target) as temporary:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())


def write_text_atomic(target: Path, text: str, newline: str = "\n") -> None:
    """Write `text` as UTF-8 with the given line ending, whole or not at all."""
    body = text.replace("\r\n", "\n").replace("\n", newline)
    write_bytes_atomic(target, body.encode("utf-8"))


def move_aside(path: Path) -> Path:
    """Rename a file to `<stem>_earlier<suffix>`, with a number when there is one; return it."""
    path = Path(path)
    number, free = 1, path.with_name(f"{path.stem}_earlier{path.suffix}")
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}_earlier_{number}{path.suffix}")
    replace_patiently(path, free)
    return free
