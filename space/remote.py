"""A session from outside of SerialEM: what `spacetomo run` does.

The same workflow that SPACEtomo.py starts runs here, and its commands go to SerialEM through a line
(`space.microscope.external`). When the line is lost for good, or nobody knows whether an order was
carried out, the workflow begins anew, as after the end of SerialEM. Acquire at Items runs in
SerialEM; after each item, the post action runs here, through a small script there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from space import workflow
from space.errors import SpaceError
from space.microscope import (
    LineLostError,
    external,
    failure_text,
    log_to_serialem,
    navigator,
    scope,
)
from space.microscope.external import Line

log = logging.getLogger("space.workflow")

_MOST_NEW_RUNS = 20


@dataclass(frozen=True)
class Rhythm:
    """How often is looked at what, in seconds.

    Attributes
    ----------
    signal_s : float
        Between two looks for a script after an item.
    end_s : float
        Between two looks whether the acquisition has ended.
    """

    signal_s: float = 0.2
    end_s: float = 60.0


@dataclass
class Remote:
    """A session from outside of SerialEM.

    Parameters
    ----------
    line : Line
    settings : mapping
        Those of SPACEtomo.py.
    show : callable
        Gets what is said to whoever has started this program.
    rhythm : Rhythm
    """

    line: Line
    settings: Mapping[str, Any]
    show: Callable[[str], None] = print
    rhythm: Rhythm = Rhythm()

    def run(self, acquiring: Path | None = None) -> bool:
        """Run the session to its end; return whether nothing was left undone.

        Parameters
        ----------
        acquiring : Path, optional
            Folder of a session whose items SerialEM acquires already: begin with waiting for them.

        Raises
        ------
        SpaceError
            For a problem that the user can fix.
        """
        while True:
            try:
                if acquiring is None:
                    started, directory = self._run_workflow()
                else:
                    started, directory, acquiring = True, acquiring, None
            except self.line.module.SEMexited:
                self.show("Stopped in SerialEM. Start this program again to go on.")
                return False
            if not started:
                return True
            left = self._acquire(directory)
            if left < 0:
                self.show(
                    "The Navigator is closed: SerialEM was started anew. Start this program again; "
                    "what is done is skipped."
                )
                return False
            if left:
                self.show(
                    f"The acquisition ended with {left} item(s) left. Look at SerialEM's log, then "
                    "start this program again; what is done is skipped."
                )
                return False
            if not self.settings.get("script_numbers"):
                return True

    def _run_workflow(self) -> tuple[bool, Path]:
        """Run the workflow once; return whether an acquisition starts, and the session's folder."""
        losses = 0
        while True:
            try:
                with external.controlled(self.line):
                    external.check_shared_folder(self.line)
                    self._end_with_what_is_wrong()
                    directory = navigator.open_folder() or scope.working_directory()
                    started = self.line.starts_acquisition
                    if started:
                        external.prepare_relay(directory)
                return started, directory
            except LineLostError as lost:
                losses += 1
                if losses > _MOST_NEW_RUNS:
                    raise SpaceError(
                        f"The line was lost too often: {lost}.",
                        str(self.line.address),
                        "See to the network, then start this program again; what is done is "
                        "skipped.",
                    ) from None
                self.show(f"{lost}. The run begins anew; what is done is skipped.")

    def _end_with_what_is_wrong(self) -> None:
        """Run the workflow; what ends it is in SerialEM's log, too."""
        try:
            workflow.run(self.settings)
        except (SpaceError, OSError) as error:
            with log_to_serialem():
                log.error("SPACEtomo stopped: %s", failure_text(error))
            raise

    # --- while items are acquired -----------------------------------------------------------------

    def _acquire(self, directory: Path) -> int:
        """Do the post action after each item; return how many items are left at the end, or -1."""
        folder = directory / external.RELAY
        if not folder.is_dir():
            external.prepare_relay(directory)
        self.show("Acquire at Items runs in SerialEM. This program waits for its items.")
        looked, done = time.monotonic(), ""
        while True:
            token = external.waiting_item(folder)
            if token and token != done:
                done = token
                self._post_action(folder, token)
                looked = time.monotonic()
            elif time.monotonic() - looked > self.rhythm.end_s:
                left = self.line.left_after_acquisition()
                if left is not None:
                    return left
                looked = time.monotonic()
            time.sleep(self.rhythm.signal_s)

    def _post_action(self, folder: Path, token: str) -> None:
        try:
            with external.after_item(self.line, folder, token):
                workflow.run_post_action_script(str(self.settings["SPACE_DIR"]))
        except LineLostError as lost:
            self.show(f"{lost}. The acquisition goes on.")
