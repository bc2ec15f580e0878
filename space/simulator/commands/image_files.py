"""More about image files: several open ones, saving elsewhere, names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.commands import files, montage

if TYPE_CHECKING:
    from space.simulator.program.files import ImageFile
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

TYPES = ("MRC", "-1")


def switch_to_file(session: Session, number: int) -> None:
    """Make another open file the current one."""
    with files.file_errors():
        session.files.switch_to(number)


def report_num_open_files(session: Session) -> float:
    """Number of open image files."""
    return float(len(session.files))


def is_image_file_open(session: Session, name: str) -> float:
    """Whether a file is among the open image files."""
    return float(session.files.find(session.resolve(name)) is not None)


def report_open_image_file(
    session: Session, number: int, parts: int | None = None
) -> str | tuple[str, ...]:
    """Path of the open file of a number from 1; with 1 its parts, as ReportCurrentFilename."""
    with files.file_errors():
        return _path_or_parts(session.files.get(number), parts)


def report_current_filename(session: Session, parts: int | None = None) -> str | tuple[str, ...]:
    """Path of the current file; with 1 path without extension, extension, folder and name."""
    file = session.files.current
    if file is None:
        raise SEMerror("There is no open file")
    return _path_or_parts(file, parts)


def _path_or_parts(file: ImageFile, parts: int | None) -> str | tuple[str, ...]:
    full = os.path.abspath(file.path)
    if not parts:
        return full
    root, extension = os.path.splitext(full)
    return (root, extension, str(Path(full).parent) + os.sep, Path(root).name)


def save_to_other_file(
    session: Session, letter: str, kind: str, compression: str, name: str
) -> None:
    """Save an image in a file of its own without making that the current one (MRC only)."""
    if kind.strip().upper() not in TYPES:
        raise SEMerror(f"Files of type {kind} are not simulated, only MRC")
    image = session.buffers.require(letter)
    table = session.files
    before = table.number
    with files.file_errors():
        file = table.open_new(session.resolve(name))
    try:
        files.store(session, image, file)
    finally:
        table.close()
        if before > 0:
            table.switch_to(before)


COMMANDS: Commands = {
    "Save": files.save_to_file,
    "Montage": montage.acquire_montage,
    "SwitchToFile": switch_to_file,
    "ReportNumOpenFiles": report_num_open_files,
    "IsImageFileOpen": is_image_file_open,
    "ReportOpenImageFile": report_open_image_file,
    "ReportCurrentFilename": report_current_filename,
    "SaveToOtherFile": save_to_other_file,
}
