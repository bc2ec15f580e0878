"""The queue in a folder that several programs on several machines share.

What waits is in SPACE_queue.txt, what was started in SPACE_runs.txt. Both are changed under
one lock and written whole. A job belongs to the worker that managed to *create* its claim file,
which a file system grants to one only, also where locks do not reach across the network. Done
is what has a whole, fitting result on disk; the files only say what to do next. The order of
the writes leaves a job that an interruption met either waiting or claimed, never lost.

What an event changes is decided in `machine`; this module sees what is in the folder, hands it
over as events, and carries out what follows.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from space.errors import SpaceError
from space.files import (
    clear_remains,
    refuse_link,
    remove_if_possible,
    says_full,
    share_as_folder,
)
from space.images import fingerprint
from space.jobs.claim_watch import ClaimWatch
from space.jobs.claims import NOBODY, Claim, all_claims, claim_path, create_claim, read_claim
from space.jobs.machine import (
    MAX_ATTEMPTS,
    AttemptFailed,
    DropClaim,
    Event,
    Finished,
    FoundDone,
    GivenBack,
    GivenUp,
    JobStatus,
    QueueState,
    Refused,
    Retried,
    Seen,
    Started,
    Submitted,
    WorkerLost,
    WriteLog,
    job_status,
    next_step,
)
from space.jobs.presence import Patience, Watch, Worker, all_beats, pid_alive, this_machine
from space.jobs.queue_files import (
    QUEUE_NAME,
    RUNS_NAME,
    FolderAwayError,
    QueueFiles,
    Transaction,
    folder_away,
)
from space.jobs.records import TASKS, Job, Key, clean_map_name, name_problem
from space.jobs.results import Results, result_path

STOP_NAME = "SPACE_stop.txt"


class JobFolder:
    """A shared folder with maps, their results and the queue.

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
    ) -> None:
        self.map_dir = Path(map_dir).absolute()
        if not self.map_dir.is_dir():
            raise SpaceError(
                "The map folder is missing.",
                str(self.map_dir),
                "Create it, connect the network drive, or correct external_map_dir",
            )
        self.patience = patience or Patience()
        self._max_attempts = max_attempts
        self._watch = ClaimWatch(self.map_dir, self.patience, clock)
        self._silence = Watch(clock, math.inf)
        self._results = Results(self.map_dir, models)
        self._files = QueueFiles(self.map_dir)

    # --- questions ----------------------------------------------------------------------

    def result_path(self, map_name: str, task: str = "segment") -> Path:
        """Return where the result of a job is written."""
        return result_path(self.map_dir, map_name, task)

    def log_path(self, map_name: str) -> Path:
        """Return the log of a map."""
        return self.map_dir / f"{Job(clean_map_name(map_name)).stem}_SPACE.log"

    def status(self, map_name: str, task: str | None = None) -> JobStatus:
        """Return the status of a map; without `task`, for the task that was asked of it."""
        name = clean_map_name(map_name)
        state = self._files.read()
        if task is None:
            known = [*(r.key for r in state.queue.records), *(r.key for r in state.runs.records)]
            task = next((t for n, t in known if n == name), None)
        if task is None:
            done = (t for t in TASKS if self._results.fits(Job(name, t)))
            task = next(done, None)
            if task is None:
                return JobStatus("absent")
        return self._status((name, task), state)

    def statuses(self) -> dict[str, JobStatus]:
        """Return the status of each known map by file name (waiting ones in their order)."""
        state = self._files.read()
        keys = dict.fromkeys(
            [*(r.key for r in state.runs.records), *(r.key for r in state.queue.records)]
        )
        found: dict[str, JobStatus] = {}
        for key in keys:
            status = self._status(key, state)
            # A map with two jobs shows the one that still needs something.
            if key[0] not in found or found[key[0]].state == "done":
                found[key[0]] = status
        return found

    def waiting(self) -> int:
        """Return how many jobs wait for a worker."""
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
        texts = (self._files.text(QUEUE_NAME), self._files.text(RUNS_NAME))
        return self._silence.unchanged_s("folder", (beats, texts))

    def stop_asked(self) -> bool:
        """Whether a person stopped all work by putting SPACE_stop.txt into the folder."""
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

    def blames_folder(self, error: OSError) -> bool:
        """Whether an error of the system is one of this folder, not of the job in it."""
        known = isinstance(error, FolderAwayError) or says_full(error)
        return known or not self.takes_files()

    def takes_files(self) -> bool:
        """Whether a file can be written here now (it is removed again)."""
        probe = self.map_dir / f".SPACE_probe.{uuid4().hex[:8]}.part"
        try:
            probe.write_bytes(bytes(65536))
            return True
        except OSError:
            return False
        finally:
            remove_if_possible(probe)

    def has_worked(self, pid: int) -> bool:
        """Whether a process of this machine, living or not, has taken a job here."""
        start = f"{this_machine()}-{pid}-"
        workers = [claim.worker.name for claim in all_claims(self.map_dir)]
        workers += [run.worker for run in self._files.read().runs.records]
        return any(name.startswith(start) for name in workers)

    # --- changes ------------------------------------------------------------------------

    def submit(
        self, map_name: str, task: str = "segment", again: bool = False, **params: Any
    ) -> JobStatus:
        """Queue a job unless it waits, runs, is done, or has failed with this very map.

        Parameters
        ----------
        map_name : str
            The map's file name in this folder.
        task : str
            ``segment`` or ``detect``.
        again : bool
            Also queue a job that has failed.
        **params
            Plain values for the worker, such as ``threshold``. A result that was made with
            other values does not count as done.

        Returns
        -------
        JobStatus
            After the call.
        """
        job = Job(clean_map_name(map_name), task, params)
        problem = name_problem(job.map_name)
        if problem:
            raise SpaceError(
                f"The map {map_name!r} cannot be queued: {problem}.",
                str(self.map_dir),
                "Rename the file (or the grid).",
            )
        if task not in TASKS:
            raise SpaceError(
                f"The task {task!r} is unknown.", job.map_name, f"Use {' or '.join(TASKS)}."
            )
        with self._files.transaction() as change:
            self._reap(change)
            state = self._status(job.key, change.state).state
            has_result = self._results.fits(job)
            self._take(change, Submitted(job, state, has_result, self._mark(job), again))
        return self.status(job.map_name, task)

    def claim(self, worker: Worker) -> Claim | None:
        """Take the next waiting job, or None if nothing waits.

        A worker that does not know of a claim in its own name (the folder failed while it was
        written) is given that job again.
        """
        with self._files.transaction() as change:
            self._reap(change)
            for claim in all_claims(self.map_dir):
                if claim.worker.name == worker.name:
                    self._take(change, self._started(claim))
                    return claim
            for job in change.state.claim_order():
                path = claim_path(self.map_dir, job)
                if os.path.lexists(path):
                    continue
                if job.task not in TASKS:
                    self._take(change, Refused(job, f"unknown task {job.task!r}", self._mark(job)))
                elif self._results.fits(job):
                    self._take(change, FoundDone(job))
                else:
                    claim = Claim(job, worker, change.state.next_attempt(job.key), path)
                    if create_claim(claim):
                        self._take(change, self._started(claim))
                        return claim
        return None

    def finish(self, claim: Claim) -> bool:
        """Note that a job is done; False if the claim was lost or no fitting result is there."""
        with self._files.transaction() as change:
            if not self.owns(claim):
                return False
            has_result = self._results.fits(claim.job)
            mark = self._mark(claim.job)
            self._take(change, Finished(claim.job, claim.attempt, has_result, mark))
            return has_result

    def fail(self, claim: Claim, reason: str) -> None:
        """Note that an attempt failed; the job waits again or, after the last one, has failed."""
        with self._files.transaction() as change:
            if self.owns(claim):
                mark = self._mark(claim.job)
                self._take(change, AttemptFailed(claim.job, claim.attempt, reason, mark))

    def release(self, claim: Claim, reason: str = "the worker was stopped") -> None:
        """Give a job back that was not the reason for stopping; the attempt does not count."""
        with self._files.transaction() as change:
            if self.owns(claim):
                self._take(change, GivenBack(claim.job, claim.attempt, reason))

    def release_process(self, pid: int) -> None:
        """Give back the jobs of a process of this machine that was ended on purpose."""
        with self._files.transaction() as change:
            for claim in all_claims(self.map_dir):
                if claim.worker.is_here and claim.worker.pid == pid:
                    self._take(
                        change, GivenBack(claim.job, claim.attempt, "the worker was stopped")
                    )
            for beat, path in all_beats(self.map_dir):
                if beat.worker.is_here and beat.worker.pid == pid:
                    remove_if_possible(path)

    def give_up_waiting(self, reason: str) -> int:
        """Have all waiting jobs fail without an attempt, as no worker starts; return how many."""
        with self._files.transaction() as change:
            jobs = change.state.queue.records
            for job in jobs:
                self._take(change, GivenUp(job, reason, self._mark(job)))
        return len(jobs)

    def retry(self, given_up_only: bool = False) -> int:
        """Queue jobs that have failed once more; return how many.

        Parameters
        ----------
        given_up_only : bool
            Only those that were given up because no worker could be started.
        """
        with self._files.transaction() as change:
            jobs = [
                run.job
                for run in change.state.runs.records
                if run.state == "failed"
                and (run.given_up or not given_up_only)
                and change.state.queue.find(run.key) is None
                and not self._results.fits(run.job)
            ]
            for job in jobs:
                self._take(change, Retried(job))
        return len(jobs)

    def clear_remains(self) -> int:
        """Remove temporary files of writers that died; return how many."""
        return clear_remains(self.map_dir)

    def reap(self) -> None:
        """Put jobs of dead workers back into the queue and remove what these left."""
        with self._files.transaction() as change:
            self._reap(change)

    def write_log(self, map_name: str, text: str) -> None:
        """Append a line to a map's log; a log that cannot be written stops nobody."""
        stamp = datetime.now().isoformat(sep=" ", timespec="seconds")
        with contextlib.suppress(OSError):
            path = self.log_path(map_name)
            refuse_link(path)
            with open(path, "a", encoding="utf-8", newline="\n") as stream:
                stream.write(f"{stamp}  {text}\n")
            share_as_folder(path)

    # --- inside -------------------------------------------------------------------------

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

    def _take(self, change: Transaction, event: Event) -> None:
        """Take an event into the state, and do what follows from it."""
        step = next_step(event, change.state, self._max_attempts)
        change.state = step.state
        for instruction in step.instructions:
            if isinstance(instruction, WriteLog):
                self.write_log(instruction.map_name, instruction.text)
            elif isinstance(instruction, DropClaim):
                remove_if_possible(claim_path(self.map_dir, instruction.job))

    def _reap(self, change: Transaction) -> None:
        for claim in all_claims(self.map_dir):
            reason = self._watch.loss(claim)
            if not reason:
                continue
            remove_if_possible(claim.path)
            if os.path.lexists(claim.path):  # in use (Windows): the next look removes it
                continue
            job = change.state.started_job(claim.job)
            self._take(change, self._lost(job, claim.attempt, reason))
        for run in change.state.runs.records:
            if run.state != "running" or os.path.lexists(claim_path(self.map_dir, run.job)):
                continue
            if self._watch.has_vanished(run) or self._results.fits(run.job):
                reason = f"worker {run.worker or 'unknown'} died"
                self._take(change, self._lost(run.job, run.attempt, reason))
        for beat, path in all_beats(self.map_dir):
            if not self._watch.is_alive(beat.worker):
                remove_if_possible(path)

    def _lost(self, job: Job, attempt: int, reason: str) -> WorkerLost:
        return WorkerLost(job, attempt, reason, self._results.fits(job), self._mark(job))

    def _started(self, claim: Claim) -> Started:
        return Started(
            claim.job,
            claim.attempt,
            claim.worker.name,
            claim.worker.device,
            datetime.now().isoformat(sep=" ", timespec="seconds"),
            self._mark(claim.job),
        )

    def _mark(self, job: Job) -> str:
        return fingerprint(self.map_dir / job.map_name)
