"""``python -m space.drawing SESSION``: draw the pictures that wait in the folder of a session."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from space.drawing.beside import FAILURE, FOLDER, LOCK, REQUEST
from space.files import read_bytes_bounded, write_text_atomic

_LARGEST_REQUEST_BYTES = 10_000_000
_LONGEST_WAIT_S = 600.0
_NICE = 5


def main(directory: Path) -> int:
    """Draw all that waits, also what comes meanwhile; return the exit code."""
    import filelock

    directory = directory.absolute()
    folder = directory / FOLDER
    if not folder.is_dir():
        return 0
    tried: set[tuple[str, bytes]] = set()
    with filelock.FileLock(str(folder / LOCK), timeout=_LONGEST_WAIT_S, mode=0o666):
        while True:
            found = [(path, _content(path)) for path in sorted(folder.glob(f"*{REQUEST}"))]
            new = [(path, data) for path, data in found if (path.name, data) not in tried]
            if not new:
                return 0
            for path, data in new:
                tried.add((path.name, data))
                _serve(directory, path, data)


def _content(path: Path) -> bytes:
    try:
        return read_bytes_bounded(path, _LARGEST_REQUEST_BYTES)
    except OSError:
        return b""


def _serve(directory: Path, path: Path, data: bytes) -> None:
    """Draw what a file requests, and take the file away, unless there is a newer request by now."""
    note = path.with_name(path.name[: -len(REQUEST)] + FAILURE)
    try:
        _draw(directory, data)
        note.unlink(missing_ok=True)
    except Exception as error:  # whatever a package raises; the next picture is drawn all the same
        print(f"{path.name}: {error!r}", flush=True)
        write_text_atomic(note, f"{error} ({type(error).__name__})"[:1000])
    if _content(path) == data:
        path.unlink(missing_ok=True)


def _draw(directory: Path, data: bytes) -> None:
    # Only now: whoever finds nothing to do is gone before matplotlib is loaded.
    from space.drawing.pictures import draw
    from space.drawing.requests import of_text

    request = of_text(data.decode("utf-8"))
    if request.path.parent != directory or request.path.suffix != ".png":
        raise ValueError(f"the picture {request.path} would not be in the folder of the session")
    draw(request)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(_NICE)  # SerialEM comes first
    sys.exit(main(Path(sys.argv[1])))
