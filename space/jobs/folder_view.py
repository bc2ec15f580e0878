"""What a folder with a queue shows: questions, none of which changes anything."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from space.errors import SpaceError
from space.images import fingerprint
from space.jobs.claim_watch import ClaimWatch
from space.jobs.claims import NOBODY, Claim, all_claims, claim_path, read_claim
from space.jobs.machine import (
    MAX_ATTEMPTS,
    JobStatus,
    QueueState,
    Seen,
    job_status,
)
from space.jobs.presence import Patience, Watch, all_beats
from space.jobs.queue_files import (
    QUEUE_NAME,
    RUNS_NAME,
    FolderAwayError,
    QueueFiles,
    folder_away,
)
from space.jobs.records import EVERY_TASK, Job, Key, clean_map_name
from space.jobs.results import Results, result_path
from space.jobs.workers import Worker, pid_alive

STOP_NAME = "SPACE_stop.txt"


class FolderView:
    """A shared folder with maps, their results and the queue, as it is seen from here.

    Keep one instance while waiting: what it has seen shows which workers have died.

    Parameters
    ----------
    map_dir : Path
    patience : Patience, optional
        How long others are waited for.
    max_attempts : int
        A job that failed so often has failed.
    clock : callable
        Seconds, never going back.
    models : callable, optional
        ``models(task)`` is the mark of the model that is to be used: a result of another one is
        not done. Left out where it is not known, as on a microscope whose maps go to a monitor.
    sources : Path, optional
        Where the maps (or tilt series) are, if not in `map_dir` beside their results.

    Raises
    ------
    SpaceError
        If there is no such folder.
    """

    def __init__(
        self,
        map_dir: Path,
        patience: Patience | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
        models: Callable[[str], str] | None = None,
        sources: Path | None = None,
    ) -> None:
        self.map_dir = Path(map_dir).absolute()
        if not self.map_dir.is_dir():
            raise SpaceError(
                "The map folder is missing.",
                str(self.map_dir),
                "Create it, connect the network drive, or correct external_map_dir",
            )
        self.sources = Path(sources).absolute() if sources else self.map_dir
        self.patience = patience or Patience()
        self._max_attempts = max_attempts
        self._watch = ClaimWatch(self.map_dir, self.patience, clock)
        self._silence = Watch(clock, math.inf)
        self._results = Results(self.map_dir, models, self.sources)
        self._files = QueueFiles(self.map_dir)

    def result_path(self, map_name: str, task: str = "segment") -> Path:
        """Return where the result of a job is written."""
        return result_path(self.map_dir, map_name, task)

    def log_path(self, map_name: str) -> Path:
        """Return the log of a map."""
        return self.map_dir / f"{Job(clean_map_name(map_name)).stem}_SPACE.log"

    def status(self, map_name: str, task: str | None = None) -> JobStatus:
        """Return the status of a map; without `task`, for the task that was asked of it."""
        return self.statuses_of([map_name], task)[map_name]

    def statuses_of(self, names: Iterable[str], task: str | None = None) -> dict[str, JobStatus]:
        """Return the status of each of some maps as `status` does, in one look at the files."""
        state = self._files.read()
        runs = (record.key for record in reversed(state.runs.records))
        asked = dict([*runs, *(record.key for record in reversed(state.queue.records))])
        found = {}
        with self._results.one_look():
            for given in names:
                name = clean_map_name(given)
                wanted = task or asked.get(name)
                if wanted is None:
                    wanted = next((t for t in EVERY_TASK if self._results.fits(Job(name, t))), None)
                found[given] = (
                    self._status((name, wanted), state) if wanted else JobStatus("absent")
                )
        return found

    def statuses(self) -> dict[str, JobStatus]:
        """Return the status of each known map by file name (waiting ones in their order)."""
        state = self._files.read()
        keys = dict.fromkeys(
            [*(r.key for r in state.runs.records), *(r.key for r in state.queue.records)]
        )
        found: dict[str, JobStatus] = {}
        with self._results.one_look():
            for key in keys:
                status = self._status(key, state)
                # A map with two jobs shows the one that still needs something.
                if key[0] not in found or found[key[0]].state == "done":
                    found[key[0]] = status
        return found

    def has_open_jobs(self) -> bool:
        """Whether a job waits or runs; the results of those that have ended are not looked at."""
        state = self._files.read()
        runs = (r.key for r in state.runs.records if r.state not in ("done", "failed"))
        claimed = (claim.job.key for claim in all_claims(self.map_dir))
        keys = dict.fromkeys([*(r.key for r in state.queue.records), *runs, *claimed])
        with self._results.one_look():
            return any(self._status(key, state).state in ("queued", "running") for key in keys)

    def waiting(self) -> int:
        """Return how many jobs wait for a worker."""
        with self._results.one_look():
            return sum(
                not claim_path(self.map_dir, job).exists() and not self._results.fits(job)
                for job in self._files.read().queue.records
            )

    def workers(self) -> list[Worker]:
        """Return the workers that live, as far as can be seen from here."""
        return [b.worker for b, _ in all_beats(self.map_dir) if self._watch.is_alive(b.worker)]

    def hanging(self) -> dict[str, str]:
        """Return the workers that live but make no progress, with the reason."""
        found = {}
        for claim in all_claims(self.map_dir):
            reason = self._watch.hang(claim)
            if reason and self._watch.is_alive(claim.worker):
                found[claim.worker.name] = reason
        return found

    def silent_s(self) -> float:
        """Return for how long nothing has changed in the folder's jobs and workers.

        For a program that waits for others: long silence while something waits means that
        nobody works.
        """
        beats = tuple(sorted((b.worker.name, b.count) for b, _ in all_beats(self.map_dir)))
        return self._silence.unchanged_s("folder", (beats, self.version()))

    def version(self) -> object:
        """Return something that differs when what the two files say has changed."""
        return (self._files.text(QUEUE_NAME), self._files.text(RUNS_NAME))

    def stop_asked(self) -> bool:
        """Whether a person has put SPACE_stop.txt into the folder, which ends all work there."""
        return (self.map_dir / STOP_NAME).exists()

    def owns(self, claim: Claim) -> bool:
        """Whether a claim is still valid (it is not if others took its worker for dead).

        Raises
        ------
        FolderAwayError
            If the folder cannot be read at this moment.
        """
        try:
            there = read_claim(claim.path)
        except OSError as error:
            raise FolderAwayError(error.errno, error.strerror, str(claim.path)) from error
        if there is None and not (self.map_dir / RUNS_NAME).exists():
            # Beside a claim there is always this file: the folder itself must be away.
            raise folder_away(self.map_dir)
        if there is not None and there.worker == NOBODY:
            raise FolderAwayError(errno.EIO, "the claim cannot be read", str(claim.path))
        return there is not None and there.worker.name == claim.worker.name

    def has_worked(self, is_named: Callable[[str], bool]) -> bool:
        """Whether a worker with such a name, living or not, has taken a job here."""
        workers = [claim.worker.name for claim in all_claims(self.map_dir)]
        workers += [run.worker for run in self._files.read().runs.records]
        return any(map(is_named, workers))

    def _status(self, key: Key, state: QueueState) -> JobStatus:
        status = job_status(state, key, self._seen(state.job(key)))
        if status.state == "done":
            return replace(status, result=self.result_path(*key))
        return status

    def _seen(self, job: Job) -> Seen:
        if self._results.fits(job):
            return Seen(has_result=True)
        claim = read_claim(claim_path(self.map_dir, job))
        if claim is None:
            return Seen()
        worker = claim.worker
        return Seen(False, worker.name, worker.is_here and not pid_alive(worker.pid))

    def _mark(self, job: Job) -> str:
        return fingerprint(self.sources / job.map_name)
