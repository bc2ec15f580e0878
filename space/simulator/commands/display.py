"""What only changes what is shown."""

from __future__ import annotations

from space.simulator.errors import SEMerror
from space.simulator.images import buffer_letter


def suspend_nav_redraw(session, on=None):
    """Redraw the Navigator less often: nothing to see of it."""


def suppress_info_output(session, on=None):
    """Print less: nothing to see of it."""


def set_debug_output(session, keys):
    """Print more: nothing to see of it."""


def flash_display(session, count=None, interval=None, option=None):
    """Let the screen flash: nothing to see of it."""


def close_stack_window(session):
    """Close the window of AddBufToStackWindow: there is none."""


def set_buf_zoom_and_center(session, letter, zoom, x=None, y=None):
    """Zoom and centre of a displayed image: nothing to see of it."""
    session.buffers.require(buffer_letter(letter))
    if zoom < 0:
        raise SEMerror(f"A zoom of {zoom:g} is not possible")


COMMANDS = {
    "SuspendNavRedraw": suspend_nav_redraw,
    "SuppressInfoOutput": suppress_info_output,
    "SetDebugOutput": set_debug_output,
    "FlashDisplay": flash_display,
    "CloseStackWindow": close_stack_window,
    "SetBufZoomAndCenter": set_buf_zoom_and_center,
}
