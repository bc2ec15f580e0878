"""Commands for files and directories."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.formats.atomic import whole_file
from space.simulator.imaging.images import Image, buffer_letter
from space.simulator.program import files as file_table
from space.simulator.program.exposure_notes import navigator_label
from space.simulator.program.files import FileTableError, ImageFile, SaveContext
from space.simulator.program.stored_images import (
    LoadedMontage,
    StoredImageError,
    read_montage,
    read_single,
)

if TYPE_CHECKING:
    import numpy as np

    from space.simulator.montage.layout import Piece
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

COMPRESSIONS = ("NONE", "LZW", "ZIP", "JPG", "CUR", "-1")


def user_set_directory(session: Session, prompt: str | None = None) -> str:
    """Folder dialog: the policy's folder, else the present one."""
    chosen = session.policy.folder
    session.note_dialog("folder", prompt or "", chosen or str(session.directory))
    if chosen == "Cancel":
        return "Cancel"
    if chosen:
        set_directory(session, chosen)
    return report_directory(session)


def set_directory(session: Session, name: str) -> None:
    """Change the current directory."""
    path = session.resolve(name)
    if not path.is_dir():
        raise SEMerror(f"Failed to set the directory to {name}")
    session.directory = Path(os.path.abspath(path))
    # Scripts open files with relative names, so the process follows.
    os.chdir(session.directory)


def report_directory(session: Session) -> str:
    """Current directory without a separator at its end."""
    return session.shown(session.directory)


def does_file_exist(session: Session, name: str) -> float:
    """1 if the file is there."""
    return float(session.resolve(name).exists())


def allow_file_overwrite(session: Session, flag: int) -> None:
    """Let new files replace old ones until the script ends."""
    session.files.overwrite = bool(flag)


def set_new_file_type(session: Session, kind: int, montage: int | None = None) -> None:
    """Type of new files; only MRC is written."""
    if int(kind) not in range(6):
        raise SEMerror(f"{kind} is not a file type")
    session.files.file_type = int(kind)


def open_new_file(session: Session, name: str) -> None:
    """Make a new file for single images."""
    with file_errors():
        session.files.open_new(session.resolve(name))
    session.write_log(f"Opened new file {name}")


def open_old_file(session: Session, name: str) -> None:
    """Open a file to append to it."""
    with file_errors():
        session.files.open_old(session.resolve(name))
    session.write_log(f"Opened {name}")


def close_file(session: Session, need_open: str | None = None) -> None:
    """Close the current file; with any text it is an error when none is open."""
    if not session.files.close() and need_open:
        raise SEMerror("There is no open file to close")


def save_to_file(session: Session, buffer: str | None = None, number: int | None = None) -> None:
    """Append the image of a buffer to the current file or another open one."""
    letter = buffer_letter(buffer or "A")
    image = session.buffers.require(letter)
    file = session.files.current
    if number is not None and int(number) > 0:
        with file_errors():
            file = session.files.get(int(number))
    if file is None:
        raise SEMerror("There is no open file to save the image in")
    session.buffers.set(letter, store(session, image, file))


def store(
    session: Session,
    image: Image,
    file: ImageFile,
    piece: Piece | None = None,
    montage_number: int = 0,
) -> Image:
    """Append an image to a file and note where it went.

    Raises
    ------
    SEMerror
        If it does not fit.
    """
    session.faults.check_disk(file.path)
    with file_errors():
        section = file.save(image, save_context(session, image), piece, montage_number)
    session.note_saved(image, str(file.path), section)
    current = file is session.files.current
    return file_table.saved(image, file, section if piece is None else montage_number, current)


def save_context(session: Session, image: Image) -> SaveContext:
    """What the mdoc holds besides the image's own data."""
    magnification = image.magnification
    if not magnification and image.mag_index > 0:
        magnification = session.scope.magnification(image.mag_index)
    return SaveContext(
        magnification,
        session.scope.target_defocus_um,
        navigator_label(session),
        now=session.clock.now,
        voltage_kV=session.instrument.voltage_kV,
        invert_stage_x=session.instrument.stage.invert_x,
    )


def read_file(session: Session, section: int, buffer: str | None = None) -> None:
    """Read a section of the current file."""
    file = session.files.current
    if file is None:
        raise SEMerror("There is no open file to read from")
    load_into_buffer(session, file.path, int(section), buffer)


def read_other_file(session: Session, section: int, buffer: str, name: str) -> None:
    """Read a section of any file."""
    path = session.resolve(name)
    if int(section) < 0:
        raise SEMerror(f"Section {section} is negative")
    if not path.is_file():
        raise SEMerror(f"The file {name} does not exist")
    letter = None if str(buffer).strip().startswith("-") else buffer
    load_into_buffer(session, path, int(section), letter)


def load_into_buffer(
    session: Session,
    path: Path,
    section: int,
    buffer: str | None = None,
    change: Callable[[Image], Image] | None = None,
    unbinned: bool = False,
) -> None:
    """Read an image, or a montage, into a buffer as a read or loaded one.

    A single image is put into the buffer alone. For a montage the buffers roll by two, A gets the
    centre, B the overview, and the buffer gets the overview as well.

    Parameters
    ----------
    session : Session
        The session.
    path : Path
        Image file.
    section : int
        Section, or number of the montage.
    buffer : str, optional
        Letter; the read buffer when left out.
    change : callable, optional
        Applied to each image before it is put in a buffer.
    unbinned : bool
        Whether the overview of a montage has the pixels of its pieces, however large.

    Raises
    ------
    SEMerror
        If there is no such image.
    """
    letter = buffer_letter(buffer or session.buffers.read_buffer)
    current = session.files.is_current(path)
    try:
        loaded = _read(session, path, section, unbinned)
    except StoredImageError as problem:
        raise SEMerror(str(problem)) from problem

    def noted(image: Image) -> Image:
        place = section if current else -1
        return replace(image, file=str(path), section=place, from_current_file=current)

    def changed(image: Image) -> Image:
        return noted(image) if change is None else change(noted(image))

    if isinstance(loaded, LoadedMontage):
        overview = changed(loaded.overview)
        session.buffers.roll(2)
        session.buffers.set("A", noted(loaded.center))
        session.buffers.set("B", overview)
        session.buffers.set(letter, overview)
    else:
        session.buffers.set(letter, changed(loaded))
    session.buffers.displayed = letter


def _read(
    session: Session, path: Path, section: int, unbinned: bool = False
) -> Image | LoadedMontage:
    document = file_table.read_mdoc(path)
    if document is not None and document.header.get("Montage", "0") == "1":
        return read_montage(path, section, session.scope, session.montage, unbinned)
    return read_single(path, section, session.scope)


def report_file_number(session: Session) -> float:
    """Number of the current file, -1 when none is open."""
    return float(session.files.number)


def report_file_z_size(session: Session) -> float | tuple[float, float]:
    """Sections of the current file; for a montage also the number of montages."""
    file = session.files.current
    if file is None:
        raise SEMerror("There is no open file")
    if file.montage is not None:
        return float(file.sections), float(file.montages)
    return float(file.sections)


def add_to_autodoc(session: Session, key: str, value: str) -> None:
    """Add an entry to the last section of the mdoc."""
    if not key.strip() or any(sign in key for sign in "=[]\n"):
        raise SEMerror(f"{key!r} cannot be the key of an mdoc entry")
    with file_errors():
        _current_mdoc_file(session).add_to_mdoc(key.strip(), value)


def write_autodoc(session: Session) -> None:
    """Write the mdoc of the current file."""
    with file_errors():
        _current_mdoc_file(session).write_mdoc()


def _current_mdoc_file(session: Session) -> ImageFile:
    file = session.files.current
    if file is None:
        raise SEMerror("There is no open file and so no mdoc")
    return file


def snapshot_to_file(
    session: Session, zoom: float, scaling: float, skip: int, kind: str, compression: str, name: str
) -> None:
    """Save the displayed image as a picture with 8 bits, full size for zoom <= 0."""
    formats = {"TIF": "TIFF", "JPG": "JPEG", "CUR": "TIFF"}
    if kind.upper() not in formats or compression.upper() not in COMPRESSIONS:
        raise SEMerror(f"Unknown type {kind} or compression {compression} of a snapshot")
    shown = session.buffers.require(session.buffers.displayed)
    write_picture(session, as_displayed(shown.data), formats[kind.upper()], name)


def as_displayed(data: np.ndarray) -> np.ndarray:
    """Grey levels, 8 bits, between the darkest and brightest pixels but for outliers."""
    import numpy as np

    values = data.astype(np.float32)
    low, high = np.percentile(values[::4, ::4], (0.5, 99.5))
    grey = (values - low) / max(float(high - low), 1e-6) * 255
    return np.clip(grey, 0, 255).astype(np.uint8)


def write_picture(session: Session, data: np.ndarray, file_format: str, name: str) -> None:
    """Write a picture in a format of Pillow's; a file of its name is replaced.

    Raises
    ------
    SEMerror
        If there is no such folder.
    """
    from PIL import Image as Picture

    path = session.resolve(name)
    if not path.parent.is_dir():
        raise SEMerror(f"There is no folder {path.parent}")
    session.faults.check_disk(path)
    with whole_file(path) as temporary:
        Picture.fromarray(data).save(temporary, file_format)


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn refusals of the file table into script errors."""
    try:
        yield
    except FileTableError as problem:
        raise SEMerror(str(problem)) from problem


COMMANDS: Commands = {
    "UserSetDirectory": user_set_directory,
    "SetDirectory": set_directory,
    "ReportDirectory": report_directory,
    "DoesFileExist": does_file_exist,
    "AllowFileOverwrite": allow_file_overwrite,
    "SetNewFileType": set_new_file_type,
    "OpenNewFile": open_new_file,
    "OpenOldFile": open_old_file,
    "CloseFile": close_file,
    "S": save_to_file,
    "ReadFile": read_file,
    "ReadOtherFile": read_other_file,
    "ReportFileNumber": report_file_number,
    "ReportFileZsize": report_file_z_size,
    "AddToAutodoc": add_to_autodoc,
    "WriteAutodoc": write_autodoc,
    "SnapshotToFile": snapshot_to_file,
}
