"""Image files that the user names in a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.commands.files import open_new_file, open_old_file
from space.simulator.program.policy import ask_text

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

OLD_FILE_DIALOG = "Open existing image file"
NEW_FILE_DIALOG = "Enter a name for the new file"


def _chosen(session: Session, prompt: str) -> str:
    name = ask_text(session, prompt, "", "file")
    if not name:
        raise SEMerror(f"{prompt}: the user chose no file")
    return name


def user_open_old_file(session: Session) -> None:
    """Open the image file that the user chooses, to append to it; without one it is an error.

    The dialog has the text "Open existing image file".
    """
    open_old_file(session, _chosen(session, OLD_FILE_DIALOG))


def enter_name_open_file(session: Session, prompt: str | None = None) -> None:
    """Make a new file for single images of the name that the user enters."""
    open_new_file(session, _chosen(session, prompt or NEW_FILE_DIALOG))


def open_chooser_in_current_dir(session: Session) -> None:
    """Let dialogs start in the current directory, as they always do here."""


COMMANDS: Commands = {
    "UserOpenOldFile": user_open_old_file,
    "EnterNameOpenFile": enter_name_open_file,
    "OpenChooserInCurrentDir": open_chooser_in_current_dir,
}
