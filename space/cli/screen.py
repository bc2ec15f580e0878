"""What the terminal shows of a simulated session while it runs."""

from __future__ import annotations

import re
import shutil
from typing import TextIO

from space.simulation import Progress

BAR = 16
"""Width of the bar in characters."""

# Lines of the log that are not shown: frequent ones, which the progress replaces, and that nobody
# presses P (pause), for which SPACEtomo looks before each lamella.
_MANY = re.compile(
    r"^(Opened |\[file\] |Eucentricity: |Waiting for |Started a worker |Shifted |Tilt \d+ of "
    r"|Saved \S+\.png\.$)"
    r"|: moving there\.\.\.$|: collecting \d+ x \d+ pieces|is queued for segmentation\.$"
    r"|^The script has been looking for key P "
    r"|candidate places, |: The fields hold |do not count \(on_lamella_only\)"
)


class Screen:
    """Shows the important lines of a session's log, and its progress.

    On a terminal, a bar with the last line of the log stays at the bottom. Elsewhere, progress is
    one line each time something is done.

    Parameters
    ----------
    stream : text stream
    progress : Progress
        At the start.
    verbose : bool
        Show every line of the log.
    """

    def __init__(self, stream: TextIO, progress: Progress, verbose: bool = False) -> None:
        self._stream = stream
        self._progress = progress
        self._verbose = verbose
        self._has_bar = stream.isatty() and not verbose
        self._bar = ""

    def hear(self, line: str) -> None:
        """Take a line of the log."""
        before, self._progress = self._progress, self._progress.after(line)
        if self._verbose or not _MANY.search(line):
            self.show(line)
        if self._progress.level and not self._verbose:
            if self._has_bar:
                self._draw(line)
            elif self._progress.lamellae and str(self._progress) != str(before):
                self.show(str(self._progress))

    def show(self, text: str) -> None:
        """Show lines that stay."""
        self._wipe()
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        self._wipe()
        self._stream.flush()

    def _draw(self, line: str) -> None:
        self._wipe()
        filled = round(BAR * self._progress.fraction)
        bar = f"[{'#' * filled}{'.' * (BAR - filled)}] {self._progress} | {line}"
        self._bar = bar[: shutil.get_terminal_size().columns - 1]
        self._stream.write(self._bar)
        self._stream.flush()

    def _wipe(self) -> None:
        if self._bar:
            self._stream.write("\r" + " " * len(self._bar) + "\r")
            self._bar = ""
