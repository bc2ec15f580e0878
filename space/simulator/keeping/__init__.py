"""Sessions of the simulator that are kept on disk."""

from space.simulator.keeping.layout import LOCK, SESSION_FOLDER, SETUP, SessionError
from space.simulator.keeping.session_folder import (
    is_session,
    open_session,
    pictures,
    stored_setup,
)
from space.simulator.keeping.setup import GridPlan, Setup

__all__ = [
    "LOCK",
    "SESSION_FOLDER",
    "SETUP",
    "GridPlan",
    "SessionError",
    "Setup",
    "is_session",
    "open_session",
    "pictures",
    "stored_setup",
]
