"""Running the models: jobs in the map folder, done by worker processes here or by a monitor."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from space import jobs, orders
from space.errors import SpaceError
from space.files import is_name, parse_json, read_json
from space.images import file_state, read_png, read_png_text
from space.jobs import JobFolder, ModelMarks, QueueLockedError
from space.lamellae import Box
from space.microscope import wait_for
from space.steps import manual, steering
from space.steps.learned import tasks_of_map
from space.steps.session import GridSession

Result = TypeVar("Result")

DETECTION_TIMEOUT_S = 30 * 60.0
"""Longest wait for one detection (the first one loads the model)."""

SEGMENTATION_TIMEOUT_S = 6 * 3600.0
"""Longest wait for the next segmentation (a large map on a processor takes hours)."""

MOST_BOXES = 5000
"""Ten times the squares of a grid; more come from no detection."""

_CHECK_WORKERS_EVERY_S = 10.0
_SILENCE_S = 15 * 60.0
_WARN_EVERY_S = 60.0
log = logging.getLogger("space.workflow")


@dataclass
class WorkerWatch:
    """Ensures, at most every few seconds, that a worker is there for the queue."""

    session: GridSession
    folder: JobFolder
    checked_s: float = float("-inf")

    def ensure_worker(self) -> None:
        """Start a worker if one is needed and this computer is to run the models."""
        now = time.monotonic()
        if self.session.own_inference and now - self.checked_s >= _CHECK_WORKERS_EVERY_S:
            self.checked_s = now
            jobs.ensure_worker(self.folder, self.session.space_dir)


def job_folder(session: GridSession) -> JobFolder:
    """Return the session's job folder (keep it while waiting: it notices silence).

    Where the models run here, results of other models than the configured ones do not count; an
    external machine has models of its own.
    """
    marks = ModelMarks(lambda: session.config) if session.own_inference else None
    return JobFolder(session.map_dir, models=marks)


def wait_for_jobs(
    session: GridSession,
    folder: JobFolder,
    poll: Callable[[], Result | None],
    what: str,
    timeout_s: float,
) -> Result:
    """Wait until `poll` returns something, keeping workers alive meanwhile.

    A map folder that is unreachable for a while only lengthens the waiting.
    """
    watch = WorkerWatch(session, folder)
    warned_s = float("-inf")

    def attended() -> Result | None:
        nonlocal warned_s
        try:
            result = poll()
            if result is None:
                watch.ensure_worker()
            return result
        except (OSError, QueueLockedError) as error:
            # A network folder that is unreachable for a while must not end a session.
            now = time.monotonic()
            if now - warned_s >= _WARN_EVERY_S:
                warned_s = now
                log.warning("%s does not answer (%s): waiting continues.", session.map_dir, error)
            return None

    def status() -> str:
        if not session.own_inference and folder.silent_s() > _SILENCE_S:
            return (
                f"nothing has happened in {session.map_dir} for a quarter of an hour: is "
                "SPACEtomo_monitor.py running?"
            )
        return ""

    # A worker notes there that it is done; looked at more often than the results themselves.
    runs = session.map_dir / jobs.RUNS_NAME
    return wait_for(
        attended,
        what,
        timeout_s,
        status,
        glance=lambda: (file_state(runs), orders.stamp(session.directory)),
        why_to_stop=lambda: steering.why_to_stop_waiting(session),
        do="See the logs of the jobs in the map folder, then run the script again to continue.",
    )


def detect(session: GridSession, picture: Path, threshold: float) -> list[Box]:
    """Have lamellae detected in a picture of the map folder, and wait for the answer.

    Raises
    ------
    SpaceError
        When the detection failed, took too long, or a person stopped it.
    """
    folder = job_folder(session)
    submitted = False

    def poll() -> Path | None:
        nonlocal submitted
        if not submitted:
            # A detection that failed in an earlier run gets another chance.
            folder.submit(picture.name, task="detect", again=True, threshold=float(threshold))
            submitted = True
        status = folder.status(picture.name, "detect")
        if status.state == "failed":
            raise SpaceError(
                f"Lamella detection failed: {status.reason}.",
                str(folder.log_path(picture.name)),
                "See this log; then run the script again.",
            )
        if status.state == "absent":  # it was removed from the queue
            folder.submit(picture.name, task="detect", threshold=float(threshold))
        return status.result if status.state == "done" else None

    result = wait_for_jobs(
        session, folder, poll, f"the detection in {picture.name}", DETECTION_TIMEOUT_S
    )
    return read_boxes(result)


def read_boxes(path: Path) -> list[Box]:
    """Read the boxes that a detection wrote, in pixels of its picture."""
    try:
        content = read_json(path)
        boxes = content.get("boxes") if isinstance(content, dict) else None
        if not isinstance(boxes, list):
            raise ValueError("it holds no list of boxes")
        if len(boxes) > MOST_BOXES:
            raise ValueError(f"it holds {len(boxes)} boxes, more than any grid has lamellae")
        return [Box.from_dict(values) for values in boxes]
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"A detection result cannot be read: {error}.",
            str(path),
            "Delete it and run the script again.",
        ) from None


def submit_segmentation(session: GridSession, picture: Path, again: bool = False) -> None:
    """Queue a lamella map, with all that has to be done with it, and ensure that a worker is there.

    Does not wait.
    """
    if session.settings.manual_selection:
        manual.ensure_labels(picture)
        return
    folder = job_folder(session)
    tasks = tasks_of_map(session.settings)
    states = [folder.submit(picture.name, task=task, again=again).state for task in tasks]
    if all(state == "done" for state in states):
        log.info("%s is segmented already: skipped.", picture.name)
        return
    log.info("%s is queued for segmentation.", picture.name)
    if session.own_inference:
        jobs.ensure_worker(folder, session.space_dir)


def read_segmentation(path: Path) -> tuple[np.ndarray, dict[str, int]]:
    """Read a finished segmentation.

    Returns
    -------
    labels : ndarray of uint8, shape (rows, columns)
    names : dict of str to int
        The classes of the model that made it, with their labels; empty if it stores none.

    Raises
    ------
    SpaceError
        If it cannot be read, or its table of classes is invalid: the labels would be taken for
        those of another model.
    """
    labels, info = read_png(path)
    return labels, _classes(info, path)


def read_classes(path: Path) -> dict[str, int]:
    """Read the classes that a finished segmentation stores, without its pixels.

    Raises
    ------
    SpaceError
        If its table of classes is invalid.
    """
    return _classes(read_png_text(path), path)


def _classes(info: Mapping[str, Any], path: Path) -> dict[str, int]:
    try:
        return _class_table(info.get("labels", "{}"))
    except ValueError as error:
        raise SpaceError(
            f"The table of classes of a segmentation cannot be read: {error}.",
            str(path),
            "Delete it and run the script again.",
        ) from None


def _class_table(text: str) -> dict[str, int]:
    names = parse_json(text)
    if not isinstance(names, dict):
        raise ValueError("it is not a table of names and labels")
    for name, label in names.items():
        if not is_name(name):
            raise ValueError(f"{name[:30]!r} is not a short name")
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 255:
            raise ValueError(f"the label of {name} is {str(label)[:30]}, not a number up to 255")
    return names
