"""More about image files: several open ones, saving elsewhere, names."""

from __future__ import annotations

import os
from pathlib import Path

from space.simulator.commands import files, montage
from space.simulator.errors import SEMerror
from space.simulator.files import FileTableError

TYPES = ("MRC", "-1")


def _guard(function, *arguments):
    """Call a function of the file table; its refusals become script errors."""
    try:
        return function(*arguments)
    except FileTableError as problem:
        raise SEMerror(str(problem)) from problem


def switch_to_file(session, number):
    """Make another open file the current one."""
    _guard(session.files.switch_to, number)


def report_num_open_files(session):
    """Number of open image files."""
    return float(len(session.files))


def report_current_filename(session, parts=None):
    """Path of the current file; with 1 path without extension, extension, folder and name."""
    file = session.files.current
    if file is None:
        raise SEMerror("There is no open file")
    full = os.path.abspath(file.path)
    if not parts:
        return full
    root, extension = os.path.splitext(full)
    return (root, extension, str(Path(full).parent) + os.sep, Path(root).name)


def save_to_other_file(session, letter, kind, compression, name):
    """Save an image in a file of its own without making that the current one (MRC only)."""
    if kind.strip().upper() not in TYPES:
        raise SEMerror(f"Files of type {kind} are not simulated, only MRC")
    image = session.buffers.require(letter)
    table = session.files
    before = table.number
    _guard(table.open_new, session.resolve(name))
    try:
        files.store(session, image, table.current)
    finally:
        table.close()
        if before > 0:
            table.switch_to(before)


COMMANDS = {
    "Save": files.save_to_file,
    "Montage": montage.acquire_montage,
    "SwitchToFile": switch_to_file,
    "ReportNumOpenFiles": report_num_open_files,
    "ReportCurrentFilename": report_current_filename,
    "SaveToOtherFile": save_to_other_file,
}
