"""Signs of life of monitors: who watches a folder, with what, and when it last looked.

As with workers, others see by a changing file that a monitor lives. It is there while the monitor
has nothing to do as well, and removed at its end: one that stays behind tells that its monitor
did not end in an orderly way. Nothing is decided by it; the queue knows no monitors.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from space.files import read_json, remove_if_possible, write_text_atomic
from space.jobs.presence import LARGEST_BEAT_BYTES, Patience, Watch, shows_life
from space.jobs.vitals import plain_words
from space.jobs.workers import Worker
from space.predicates import is_number, is_whole

log = logging.getLogger("space.jobs")

_PREFIX = ".SPACE_monitor_"
_MOST_FOLDERS, _MOST_DEVICES, _MOST_BROKEN = 20, 50, 20
_LONGEST_TEXT = 250
_LARGEST_NUMBER = 1e12


@dataclass(frozen=True)
class Look:
    """What a monitor saw when it last looked.

    Attributes
    ----------
    time_s : float
        By the monitor's own clock.
    workers : int
        Workers of its own that run.
    broken : mapping of Path to mapping of str to str
        For each folder, the files that will never be maps, with the reason.
    """

    time_s: float
    workers: int = 0
    broken: Mapping[Path, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class MonitorBeat:
    """A sign of life of a monitor.

    Attributes
    ----------
    who : Worker
        Its name, machine and process.
    count : int
        Grows with each sign.
    folders, devices : tuple of str
    workers : int
        Workers of its own that run.
    looked : str
        When it last looked, by its own clock, for people; empty before the first time.
    looked_s : float
        How long ago that was.
    broken : mapping of str to str
        Files of this folder that will never be maps, with the reason.
    clock_s : float
        As in `Vitals`.
    """

    who: Worker
    count: int = 0
    folders: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    workers: int = 0
    looked: str = ""
    looked_s: float = 0.0
    broken: Mapping[str, str] = field(default_factory=dict)
    clock_s: float = -1.0

    @classmethod
    def from_dict(cls, values: Any) -> MonitorBeat:
        """Read a sign of life; ValueError if it names no monitor, odd details are left out."""
        who = Worker.from_dict(values)
        broken = values.get("broken")
        pairs = list(broken.items())[:_MOST_BROKEN] if isinstance(broken, dict) else []
        return cls(
            who,
            int(_number(values.get("beat"))),
            _texts(values.get("folders"), _MOST_FOLDERS),
            _texts(values.get("devices"), _MOST_DEVICES),
            int(_number(values.get("workers"))),
            plain_words(values["looked"]) if isinstance(values.get("looked"), str) else "",
            _number(values.get("looked_s")),
            {_line(name): _line(why) for name, why in pairs if isinstance(why, str)},
            _number(values.get("clock_s"), -1.0),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **asdict(self.who),
            "beat": self.count,
            "folders": [_line(text) for text in self.folders[:_MOST_FOLDERS]],
            "devices": list(self.devices[:_MOST_DEVICES]),
            "workers": self.workers,
            "looked": self.looked,
            "looked_s": round(self.looked_s, 3),
            "broken": {_line(k): _line(v) for k, v in list(self.broken.items())[:_MOST_BROKEN]},
            "clock_s": round(self.clock_s, 3),
        }


def monitor_path(map_dir: Path, name: str) -> Path:
    """Return the file that a monitor keeps rewriting."""
    return Path(map_dir) / f"{_PREFIX}{name}.txt"


def read_monitor(path: Path) -> MonitorBeat | None:
    """Return a sign of life; None if the file is gone, in use or not understood."""
    with contextlib.suppress(OSError, ValueError):
        return MonitorBeat.from_dict(read_json(path, LARGEST_BEAT_BYTES))
    return None


def all_monitors(map_dir: Path) -> list[tuple[MonitorBeat, Path]]:
    """Return all signs of life in the folder, of living monitors and of dead ones."""
    found = []
    for path in sorted(Path(map_dir).glob(f"{_PREFIX}*.txt")):
        beat = read_monitor(path)
        if beat is not None and monitor_path(map_dir, beat.who.name) == path:
            found.append((beat, path))
    return found


class MonitorSign:
    """Context manager: a thread that gives a monitor's signs of life while the block runs.

    Parameters
    ----------
    folders : callable
        ``folders()`` returns the folders that are watched now.
    devices : sequence of str
    looked : callable
        ``looked()`` returns the last look, None before the first.
    patience : Patience, optional
    """

    def __init__(
        self,
        folders: Callable[[], Sequence[Path]],
        devices: Sequence[str],
        looked: Callable[[], Look | None],
        patience: Patience | None = None,
    ) -> None:
        self._who = Worker.this_process("")
        self._folders = folders
        self._devices = tuple(devices)
        self._looked = looked
        self._patience = patience or Patience()
        self._watch = Watch(look_s=self._patience.look_s)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sign of life", daemon=True)
        self._count = 0
        self._written: set[Path] = set()
        self._troubles: set[Path] = set()

    def __enter__(self) -> MonitorSign:
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30.0)
        for path in self._written:
            remove_if_possible(path)

    def beat(self) -> None:
        """Give one sign of life in each folder, and remove those of monitors that died."""
        self._count += 1
        folders = list(self._folders())
        for map_dir in folders:
            path = monitor_path(map_dir, self._who.name)
            try:
                text = json.dumps(self._sign(map_dir, folders).to_dict(), ensure_ascii=False) + "\n"
                write_text_atomic(path, text)
                self._written.add(path)
                self._troubles.discard(map_dir)
                self._clear_dead(map_dir)
            except OSError as error:
                if map_dir not in self._troubles:  # a folder may be away for hours
                    self._troubles.add(map_dir)
                    log.warning("%s: no sign of life could be written: %s", map_dir, error)

    def _sign(self, map_dir: Path, folders: Sequence[Path]) -> MonitorBeat:
        look, now_s = self._looked(), time.monotonic()
        ago_s = max(0.0, now_s - look.time_s) if look else 0.0
        when = datetime.fromtimestamp(time.time() - ago_s)
        return MonitorBeat(
            self._who,
            self._count,
            tuple(str(folder) for folder in folders),
            self._devices,
            look.workers if look else 0,
            when.isoformat(sep=" ", timespec="seconds") if look else "",
            ago_s,
            look.broken.get(map_dir, {}) if look else {},
            now_s,
        )

    def _clear_dead(self, map_dir: Path) -> None:
        for beat, path in all_monitors(map_dir):
            if not shows_life(path, beat.who, self._watch, self._patience):
                remove_if_possible(path)

    def _run(self) -> None:
        while not self._stop.wait(self._patience.beat_s):
            self.beat()


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text)[:_LONGEST_TEXT])


def _texts(values: Any, most: int) -> tuple[str, ...]:
    if not isinstance(values, list):
        return ()
    return tuple(_line(text) for text in values[:most] if isinstance(text, str))


def _number(value: Any, default: float = 0.0) -> float:
    good = is_number(value) or is_whole(value)
    return float(value) if good and 0 <= value < _LARGEST_NUMBER else default
