"""What a script starts with and what is undone when it ends, in whatever way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from space.simulator.program import user_settings

if TYPE_CHECKING:
    from space.simulator.program.session import Session


@contextlib.contextmanager
def script_settings(session: Session) -> Iterator[None]:
    """Surround a script, and all that it calls, by settings of its own.

    Undone are user settings that were not kept, changes of camera sets, low dose parameters
    that follow the microscope, names of frames, the beam tilt that was adjusted for image shift,
    and what holds for one script only. Properties, image shift, defocus, the type of new files
    and open files stay as the script leaves them.
    """
    options, scope = session.options, session.scope
    frames, areas = options.frames, dict(scope.areas)
    session.clock.reset()
    try:
        yield
    finally:
        user_settings.restore(session)
        if not options.keep_frame_name:
            options.frames = options.frames.named_as(frames)
        session.camera.restore()
        for letter in session.updated_areas:
            scope.areas[letter] = areas[letter]
        session.updated_areas.clear()
        session.following_areas.clear()
        scope.restore_beam_tilt()
        session.variables.clear_nonpersistent()
        session.workbench.end_script()
        _forget_modes(session)


def _forget_modes(session: Session) -> None:
    """Switch off what a script can switch on for itself."""
    options = session.options
    options.no_message_box = False
    options.try_level = 0
    options.suppress_reports = False
    options.align_limit_um = 0.0
    options.matrix_binning = 0.0
    session.measured.rough_limit_um = session.measured.focus_change_limits_um = None
    session.measured.absolute_focus_limits = None
    session.files.overwrite = False
    session.reported = ()
