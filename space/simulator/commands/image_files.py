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

TYPES = ("MRC", "TIF", "JPG", "CUR", "-1")

PICTURE_FORMATS = {"TIF": "TIFF", "JPG": "JPEG"}


def switch_to_file(session: Session, number: int) -> None:
    """Make another open file the current one."""
    with files.file_errors():
        session.files.switch_to(number)


def report_num_open_files(session: Session) -> float:
    """Number of open image files."""
    return float(len(session.files))


def is_image_file_open(session: Session, name: str) -> float:
    """1 if a file is among the open image files, else 0."""
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
    """Save an image in a file of its own without making that the current one.

    Types are MRC, TIF with the pixels as they are, and JPG with the grey levels that are
    displayed; CUR and -1 stand for MRC. Power spectra AF to HF can be saved too.
    """
    kind, compression = kind.strip().upper(), compression.strip().upper()
    if kind not in TYPES or compression not in files.COMPRESSIONS:
        raise SEMerror(f"Unknown type {kind} or compression {compression} of a file")
    spectrum = session.workbench.fft.get(letter[:1]) if letter[1:].upper() == "F" else None
    image = session.buffers.require(letter) if spectrum is None else spectrum
    if kind in PICTURE_FORMATS:
        with files.file_errors():
            session.files.check_new(session.resolve(name))
        data = files.as_displayed(image.data) if kind == "JPG" else image.data
        files.write_picture(session, data, PICTURE_FORMATS[kind], name)
        return
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
