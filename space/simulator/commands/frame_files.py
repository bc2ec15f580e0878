"""Frames that were saved, how they are named, and mdoc files about them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.formats import autodoc
from space.simulator.formats.autodoc import one_line
from space.simulator.program import frame_notes
from space.simulator.program.frames import BASE, FOLDER_BASE

if TYPE_CHECKING:
    from space.simulator.program.frame_notes import FrameMdoc
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def report_num_frames_saved(session: Session) -> float:
    """Number of frames in the latest file of them, 0 before the first."""
    return float(session.options.frames.last_count)


def report_frame_base_name(session: Session) -> float | tuple[float, str]:
    """1 and the base name where names of files or folders are made of it, else 0."""
    naming = session.options.frames
    if naming.base_name and naming.bits & (BASE | FOLDER_BASE):
        return (1.0, naming.base_name)
    return 0.0


def report_frame_name_format(session: Session) -> float:
    """Sum of the bits for the parts of frame names, as SetFrameNameFormat takes them."""
    return float(session.options.frames.bits)


def open_frame_mdoc(session: Session, name: str) -> None:
    """Open an mdoc file that gets a section for each stack of frames to come."""
    if session.workbench.frame_mdoc is not None:
        raise SEMerror("There is a frame mdoc file open already")
    path = session.resolve(name)
    if not path.parent.is_dir():
        raise SEMerror(f"There is no folder {path.parent}")
    try:
        session.workbench.frame_mdoc = frame_notes.opened(session, path)
    except OSError as problem:
        raise SEMerror(f"The frame mdoc {name} cannot be opened: {problem}") from problem


def report_frame_mdoc_open(session: Session) -> float:
    """Whether a frame mdoc file is open."""
    return float(session.workbench.frame_mdoc is not None)


def add_to_frame_mdoc(session: Session, key: str, value: str) -> None:
    """Add an entry to the last section of the open frame mdoc; it is not written yet."""
    session.workbench.frame_mdoc = _open_mdoc(session).with_entry(_key(key), one_line(value))


def write_frame_mdoc(session: Session) -> None:
    """Write the open frame mdoc."""
    _write(_open_mdoc(session))


def defer_writing_frame_mdoc(session: Session) -> None:
    """Write the open frame mdoc no more after each stack, only when asked and when it is closed."""
    session.workbench.frame_mdoc = replace(_open_mdoc(session), deferred=True)


def close_frame_mdoc(session: Session, silent: int | None = None) -> None:
    """Write and close the frame mdoc; that none is open is an error unless told otherwise (1)."""
    if session.workbench.frame_mdoc is None and silent:
        return
    _write(_open_mdoc(session))
    session.workbench.frame_mdoc = None


def start_next_frame_stack_mdoc(session: Session, key: str, value: str) -> None:
    """First entry that the mdoc beside the next stack gets; those given before are dropped."""
    session.workbench.next_stack_entries = {_key(key): one_line(value)}


def add_to_next_frame_stack_mdoc(session: Session, key: str, value: str) -> None:
    """Further entry that the mdoc beside the next stack gets."""
    session.workbench.next_stack_entries[_key(key)] = one_line(value)


def _open_mdoc(session: Session) -> FrameMdoc:
    if session.workbench.frame_mdoc is None:
        raise SEMerror("There is no frame mdoc file open")
    return session.workbench.frame_mdoc


def _write(notes: FrameMdoc) -> None:
    try:
        autodoc.write(notes.path, notes.document)
    except OSError as problem:
        raise SEMerror(f"The frame mdoc {notes.path} cannot be written: {problem}") from problem


def _key(key: str) -> str:
    name = key.strip()
    if not name or "=" in name or one_line(name) != name:
        raise SEMerror(f"{key!r} cannot be the key of an mdoc entry")
    return name


COMMANDS: Commands = {
    "ReportNumFramesSaved": report_num_frames_saved,
    "ReportFrameBaseName": report_frame_base_name,
    "ReportFrameNameFormat": report_frame_name_format,
    "OpenFrameMdoc": open_frame_mdoc,
    "ReportFrameMdocOpen": report_frame_mdoc_open,
    "AddToFrameMdoc": add_to_frame_mdoc,
    "WriteFrameMdoc": write_frame_mdoc,
    "DeferWritingFrameMdoc": defer_writing_frame_mdoc,
    "CloseFrameMdoc": close_frame_mdoc,
    "StartNextFrameStackMdoc": start_next_frame_stack_mdoc,
    "AddToNextFrameStackMdoc": add_to_next_frame_stack_mdoc,
}
