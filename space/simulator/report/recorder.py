"""Notes what happens in a session while it runs."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage

from space.simulator.column.errors import SEMexited
from space.simulator.report.record import CommandUse, Outcome, Picture, Record, ScriptEnd

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image
    from space.simulator.imaging.pictures import Exposure
    from space.simulator.program.session import Session
    from space.simulator.python.host import ScriptResult

MOST_PICTURES = 12
MOST_LINES = 2000
THUMBNAIL_PX = 192
_GREYS = 16  # four bits a pixel: noise does not get smaller by compression


class Recorder:
    """Notes what happens in a session; `Session.watcher` while it does.

    Parameters
    ----------
    session : Session
        Lines of the log and dialogs that are there already do not count.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._since = time.perf_counter()
        self._since_scope_s = session.clock.seconds
        self._log_start, self._dialogs_start = len(session.log), len(session.dialogs)
        self._commands: dict[str, CommandUse] = {}
        self._scripts: list[ScriptEnd] = []
        self._pictures: list[Picture] = []
        self._taken = 0
        self._every = 1  # pictures from one that is kept to the next

    # --- what the session tells --------------------------------------------------------------

    @contextmanager
    def command(self, name: str, simulated: bool) -> Iterator[None]:
        """Note a command while it is carried out."""
        clock = self._session.clock
        began, began_scope_s = time.perf_counter(), clock.seconds
        failures = 1
        try:
            yield
            failures = 0
        except SEMexited:
            failures = 0
            raise
        finally:
            use = self._commands.get(name, CommandUse(name, simulated))
            self._commands[name] = replace(
                use,
                calls=use.calls + 1,
                failures=use.failures + failures,
                scope_s=use.scope_s + clock.seconds - began_scope_s,
                real_s=use.real_s + time.perf_counter() - began,
            )

    def picture(self, image: Image, exposure: Exposure) -> None:
        """Note a picture; of many, every second, fourth and so on is kept."""
        self._taken += 1
        if (self._taken - 1) % self._every:
            return
        self._pictures.append(Picture(thumbnail(image.data), self._taken, _words(image, exposure)))
        if len(self._pictures) > MOST_PICTURES:
            self._pictures = self._pictures[::2]
            self._every *= 2

    def script(self, name: str, result: ScriptResult) -> None:
        """Note how a script has ended."""
        self._scripts.append(ScriptEnd(name, result.ok, _how(result), result.error))

    # --- what it was -------------------------------------------------------------------------

    def record(self, title: str, outcome: Outcome) -> Record:
        """Give what has been noted."""
        session = self._session
        log = session.log[self._log_start :]
        if len(log) > MOST_LINES:
            left_out = len(log) - MOST_LINES
            log = [f"... ({left_out} lines are left out here)", *log[left_out:]]
        dialogs = session.dialogs[self._dialogs_start :]
        return Record(
            title,
            outcome,
            microscope=_microscope(session),
            seconds=time.perf_counter() - self._since,
            scope_s=session.clock.seconds - self._since_scope_s,
            scripts=tuple(self._scripts),
            commands=tuple(sorted(self._commands.values(), key=lambda use: use.name.lower())),
            dialogs=tuple((d.kind, d.text, d.answer, d.foreseen) for d in dialogs),
            pictures=tuple(self._pictures),
            pictures_taken=self._taken,
            faults=tuple(session.faults.report()),
            log=tuple(log),
        )


def thumbnail(data: np.ndarray) -> str:
    """Give a picture in few pixels and greys, as PNG in base64.

    Parameters
    ----------
    data : (rows, columns) array
    """
    step = max(1, -(-max(data.shape) // THUMBNAIL_PX))
    rows, columns = (max(1, size // step) for size in data.shape)
    cut = np.asarray(data[: rows * step, : columns * step], dtype=np.float32)
    height, width = min(step, data.shape[0]), min(step, data.shape[1])
    small = cut.reshape(rows, height, columns, width).mean(axis=(1, 3))
    low, high = np.percentile(small, (0.5, 99.5))
    levels = (small - low) / max(float(high - low), 1e-6) * (_GREYS - 1)
    image = PillowImage.fromarray(np.clip(levels.round(), 0, _GREYS - 1).astype(np.uint8), "P")
    image.putpalette([level * 255 // (_GREYS - 1) for level in range(_GREYS) for _ in range(3)])
    stream = io.BytesIO()
    image.save(stream, "PNG", bits=4, optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _words(image: Image, exposure: Exposure) -> tuple[str, ...]:
    nm = 1e3 * image.pixel_um
    return (
        f"{exposure.grid or 'no grid'}, {exposure.area}",
        f"{nm:.3g} nm/px" if nm < 1000 else f"{image.pixel_um:.3g} µm/px",
        f"tilt {_rounded(exposure.tilt_deg)}°",
        f"true defocus {_rounded(exposure.defocus_um)} µm",
        f"{exposure.dose_e_A2:.3g} e/Å²",
    )


def _rounded(value: float) -> str:
    """One digit behind the point, and no minus in front of zero."""
    return f"{round(value, 1) + 0.0:.1f}"


def _how(result: ScriptResult) -> str:
    if result.stopped:
        return "stopped"
    if not result.ok:
        return "failed"
    return "exited" if result.exited else "completed"


def _microscope(session: Session) -> str:
    installation = session.installation
    version = installation.version
    number = ".".join(str(part) for part in (version // 10000, version // 100 % 100, version % 100))
    return f"{session.instrument.name}, SerialEM {number.removesuffix('.0')}, seed {session.seed}"
