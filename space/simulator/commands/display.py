"""What only changes what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.imaging.images import buffer_letter

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def suspend_nav_redraw(session: Session, on: int | None = None) -> None:
    """Redraw the Navigator less often: nothing to see of it."""


def suppress_info_output(session: Session, on: int | None = None) -> None:
    """Print less: nothing to see of it."""


def set_debug_output(session: Session, keys: str) -> None:
    """Print more: nothing to see of it."""


def flash_display(
    session: Session,
    count: int | None = None,
    interval: float | None = None,
    option: str | None = None,
) -> None:
    """Let the screen flash: nothing to see of it."""


def close_stack_window(session: Session) -> None:
    """Close the window of AddBufToStackWindow: there is none."""


def set_buf_zoom_and_center(
    session: Session, letter: str, zoom: float, x: int | None = None, y: int | None = None
) -> None:
    """Zoom and centre of a displayed image: nothing to see of it."""
    session.buffers.require(buffer_letter(letter))
    if zoom < 0:
        raise SEMerror(f"A zoom of {zoom:g} is not possible")


COMMANDS: Commands = {
    "SuspendNavRedraw": suspend_nav_redraw,
    "SuppressInfoOutput": suppress_info_output,
    "SetDebugOutput": set_debug_output,
    "FlashDisplay": flash_display,
    "CloseStackWindow": close_stack_window,
    "SetBufZoomAndCenter": set_buf_zoom_and_center,
}
