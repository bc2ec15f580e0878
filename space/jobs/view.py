"""The monitor's view on a terminal: a live table of what is seen, below the lines of its log.

Where there is no terminal or no rich, the monitor says the same in plain lines, as it does in a
file. The table is drawn from what anybody sees in the folders (`looking`), never from the memory
of the monitor.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space.jobs import wording
from space.jobs.looking import Observer
from space.jobs.messages import PlainFormatter
from space.jobs.status import MapSeen, MapState, Status, Verdict, WorkerSeen, verdict

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

log = logging.getLogger("space.jobs")

#: Which maps are shown first where there are more than fit.
_ORDER: tuple[MapState, ...] = (
    "running", "failed", "broken", "copying", "waiting", "new", "done",
)  # fmt: skip
_COLOURS: dict[str, str] = {
    "running": "bold cyan", "waiting": "yellow", "new": "yellow", "copying": "yellow",
    "done": "green", "failed": "bold red", "broken": "bold red",
    "healthy": "green", "idle": "green", "alive": "green", "hanging": "bold red",
    "silent": "bold red", "dead": "bold red", "stopped": "bold red", "unknown": "bold red",
}  # fmt: skip
_SPINNER = "-\\|/"  # every console has these
#: Below these widths, the columns that tell least are left out.
_NARROW, _WIDE = 76, 100
_MOST_WORKERS, _MOST_PROBLEMS = 8, 3
_FRAMES_PER_S = 2
_LOOK_SECONDS = 1.0
#: Looking takes at most this share of the time, as with many maps or on a slow network folder.
_LOOK_SHARE = 0.03


def can_be_live(plain: bool) -> bool:
    """Whether this is a terminal on which a table can be redrawn, and rich is there."""
    if plain or not sys.stdout.isatty():
        return False
    try:
        from rich.console import Console
    except ImportError:
        return False
    return not Console().is_dumb_terminal


class LiveView:
    """Context manager that keeps a table at the bottom of the terminal, below the log.

    Parameters
    ----------
    observer : Observer
        Looks at the folders; used by this view alone.
    folders : callable, optional
        ``folders()`` returns the folders that are watched now, where they may change.
    console : Console, optional
        Of rich.
    """

    def __init__(
        self,
        observer: Observer,
        folders: Callable[[], Sequence[Path]] | None = None,
        console: Console | None = None,
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._observer = observer
        self._folders = folders
        self.console = console or Console(highlight=False)
        self._status: Status | None = None
        self._started = datetime.now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._live = Live(
            console=self.console,
            get_renderable=self._picture,
            refresh_per_second=_FRAMES_PER_S,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> LiveView:
        logger = logging.getLogger("space")
        self._handlers = list(logger.handlers)
        logger.handlers[:] = [self._log_handler()]
        self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10.0)
        self._live.stop()
        logging.getLogger("space").handlers[:] = self._handlers

    def look(self) -> None:
        """Look once; what cannot be seen is a part of the picture."""
        if self._folders is not None:
            self._observer.follow(self._folders())
        self._status = self._observer.look()

    def _run(self) -> None:
        while True:
            begun_s = time.monotonic()
            try:
                self.look()
            except (OSError, ValueError):
                log.exception("The view could not look at the folders")
            took_s = time.monotonic() - begun_s
            if self._stop.wait(max(_LOOK_SECONDS, took_s / _LOOK_SHARE)):
                return

    def _picture(self) -> Group | Text:
        from rich.text import Text

        if self._status is None:
            return Text("Looking ...")
        return picture(
            self._status, self.console.width, self.console.height, datetime.now(), self._started
        )

    def _log_handler(self) -> logging.Handler:
        handler = _ConsoleHandler(self.console)
        handler.setFormatter(PlainFormatter())
        return handler


class _ConsoleHandler(logging.Handler):
    """Prints above the table."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "red" if record.levelno >= logging.ERROR else None
        try:
            self._console.print(self.format(record), style=style, markup=False, highlight=False)
        except (OSError, ValueError):  # the terminal is gone, or cannot show it
            self.handleError(record)


# --- drawing ------------------------------------------------------------------------------------


def picture(
    status: Status, width: int, height: int, now: datetime, started: datetime | None = None
) -> Group:
    """Return what is seen as something that rich prints, within a width and a height."""
    from rich.console import Group

    judged = verdict(status)
    parts: list[Any] = [_headline(status, judged, now, started)]
    problems = _problems(judged)
    workers = _workers(status, width) if status.workers else None
    used = 4 + len(problems) + (min(len(status.workers), _MOST_WORKERS) + 3 if workers else 0)
    rows = max(3, height - used - 4)
    if status.maps:
        parts.append(_maps(status, width, rows, now))
    if workers:
        parts += ["", workers]
    return Group(*parts, *problems)


def _headline(status: Status, judged: Verdict, now: datetime, started: datetime | None) -> Text:
    from rich.text import Text

    spin = _SPINNER[int(now.timestamp() * _FRAMES_PER_S) % len(_SPINNER)]
    line = Text(f"{spin} {now:%H:%M:%S}  ", no_wrap=True, overflow="ellipsis")
    line.append(judged.word, style=_COLOURS.get(judged.word, ""))
    line.append(f"  {wording.totals(status)}")
    if status.end_s and status.of("new", "waiting", "running"):
        line.append(f" ({_clock(now, status.end_s)})")
    if judged.word == "idle" and started is not None:
        line.append(f"  watching since {started:%Y-%m-%d %H:%M}", style="dim")
    return line


def _clock(now: datetime, seconds: float) -> str:
    """Return the time of the day after so many seconds, with the day if it is another one."""
    try:
        then = now + timedelta(seconds=seconds)
    except OverflowError:
        return "never"
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%a %d %b %H:%M}"


def _problems(judged: Verdict) -> list[Text]:
    from rich.text import Text

    found = []
    for problem in judged.problems[:_MOST_PROBLEMS]:
        # The maps and their reasons are in the table.
        what = problem.what.split(" (")[0] if problem.word == "failed" else problem.what
        line = Text("! ", no_wrap=True, overflow="ellipsis", style="red")
        line.append(wording.plain(what).rstrip(".") + ".")
        if problem.do:
            line.append(f" {wording.plain(problem.do)}.")
        found.append(line)
    return found


def _new_table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, show_edge=False)


def _maps(status: Status, width: int, rows: int, now: datetime) -> Table:
    from rich.text import Text

    table = _new_table()
    table.show_header = False
    longest = max(len(wording.shown_name(seen, status)) for seen in status.maps)
    table.add_column("state", no_wrap=True, width=8)
    table.add_column("map", no_wrap=True, overflow="ellipsis", width=min(longest, width // 3))
    table.add_column("more", no_wrap=True, overflow="ellipsis", ratio=1)
    ordered = sorted(_newest_first(status.maps), key=lambda seen: _ORDER.index(seen.state))
    shown = ordered[: rows - 1] if len(ordered) > rows else ordered
    for seen in shown:
        more = Text(_more(seen, status), no_wrap=True, overflow="ellipsis")
        table.add_row(
            Text(_state_word(seen), style=_COLOURS[seen.state]),
            Text(wording.shown_name(seen, status)),
            _with_bar(seen, status, more, now) if seen.state == "running" else more,
        )
    if len(shown) < len(ordered):
        table.add_row("", Text(f"and {len(ordered) - len(shown)} more", style="dim"), "")
    return table


def _newest_first(maps: tuple[MapSeen, ...]) -> list[MapSeen]:
    """Return the maps in their order, but what is done with the last one first."""
    done = [seen for seen in maps if seen.state == "done"]
    return [seen for seen in maps if seen.state != "done"] + done[::-1]


def _state_word(seen: MapSeen) -> str:
    return {"new": "found"}.get(seen.state, seen.state)


def _with_bar(seen: MapSeen, status: Status, more: Text, now: datetime) -> Table:
    """Return what is said of a running map, behind a bar; the bar moves if no share is known."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    share = status.share_of(seen)
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=2)
    row.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
    row.add_row(
        ProgressBar(
            total=100,
            completed=100 * (share or 0.0),
            pulse=share is None,
            animation_time=now.timestamp(),
            complete_style="cyan",
            finished_style="cyan",
            pulse_style="cyan",
        ),
        more,
    )
    return row


def _more(seen: MapSeen, status: Status) -> str:
    """Return the reason of a state, or how far a running map is."""
    if seen.state != "running":
        task = "whole grid" if seen.task == "detect" else ""
        size = f"{seen.megapixels:.3g} Mpx" if seen.megapixels else ""
        return wording.plain(seen.reason) or ", ".join(part for part in (task, size) if part)
    share, worker = status.share_of(seen), status.worker_of(seen)
    parts = [f"{share:4.0%}" if share is not None else ""]
    left = wording.span(status.end_of_map_s(seen))
    parts.append(f"{left} left" if left else "")
    if worker is not None:
        parts.append("GPU " + worker.device if worker.device.isdigit() else worker.device)
        if worker.life != "alive":
            parts.append(wording.plain(wording.doing(worker)))
    if seen.attempt > 1:
        parts.append(f"attempt {seen.attempt}")
    return ", ".join(part for part in parts if part)


def _workers(status: Status, width: int) -> Table:
    from rich.text import Text

    columns: list[tuple[str, int, Callable[[WorkerSeen], str]]] = [
        ("device", 12, wording.device),
        ("speed", 9, lambda one: wording.pace(one.vitals.mpx_per_s) or "-"),
        ("state", 7, _worker_state),
    ]
    if width >= _NARROW:
        columns.insert(2, ("memory", 18, lambda one: wording.memory(one) or "-"))
    if width >= _WIDE:
        columns.insert(3, ("worker", 16, lambda one: f"{wording.plain(one.machine)} {one.pid}"))
    table = _new_table()
    for name, least, _ in columns:
        table.add_column(
            name, no_wrap=True, overflow="ellipsis", header_style="dim", min_width=least
        )
    living_first = sorted(status.workers, key=lambda one: one.life == "dead")
    for worker in living_first[:_MOST_WORKERS]:
        style = _COLOURS[worker.life] if worker.life != "alive" else ""
        table.add_row(*[Text(tell(worker), style=style) for *_, tell in columns])
    return table


def _worker_state(worker: WorkerSeen) -> str:
    is_usual = worker.life == "alive" and worker.map_name and not worker.vitals.waits_for
    return "works" if is_usual else wording.doing(worker)
