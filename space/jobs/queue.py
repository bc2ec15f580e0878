"""The queue in a folder that several programs on several machines share.

What waits stands in SPACE_queue.txt, what was started in SPACE_runs.txt. Both are changed under
one lock and written whole. A job belongs to the worker that managed to *create* its claim file,
which a file system grants to one only, also where locks do not reach across the network. Done
is what has a whole, fitting result on disk; the files only say what to do next. The order of
the writes leaves a job that an interruption met either waiting or claimed, never lost.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import write_text_atomic
from space.images import file_state, fingerprint
from space.jobs.claims import (
    NOBODY,
    Claim,
    all_claims,
    claim_path,
    create_claim,
    read_claim,
    remove,
)
from space.jobs.presence import (
    MISSING_SECONDS,
    STALE_SECONDS,
    Watch,
    Worker,
    all_workers,
    is_alive,
    pid_alive,
    this_host,
)
from space.jobs.records import (
    TASKS,
    Job,
    Run,
    Table,
    clean_map_name,
    format_queue,
    format_runs,
    parse_queue,
    parse_runs,
)
from space.jobs.results import Results, result_path

log = logging.getLogger("space.jobs")

QUEUE_NAME = "SPACE_queue.txt"
RUNS_NAME = "SPACE_runs.txt"
STOP_NAME = "SPACE_stop.txt"
MAX_ATTEMPTS = 3
_LOCK_NAME = "SPACE_queue.lock"
_LOCK_SECONDS = 30.0


class QueueLockedError(SpaceError):
    """Another program has held the queue's lock for too long."""


@dataclass(frozen=True)
class JobStatus:
    """How a map stands. `state`: ``absent queued running done failed``."""

    state: str
    reason: str = ""
    result: Path | None = None
    task: str = ""
    worker: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class _State:
    queue: Table
    runs: Table

    def waiting(self, job: Job, first: bool = False) -> _State:
        return replace(self, queue=self.queue.with_record(job, first))

    def not_waiting(self, job: Job) -> _State:
        return replace(self, queue=self.queue.without(job.key))

    def ran(self, run: Run) -> _State:
        return replace(self, runs=self.runs.with_record(run))


class JobFolder:
    """A shared folder with maps, their results and the queue.

    Keep one instance while waiting: what it has seen tells it which workers have died.

    Parameters
    ----------
    map_dir : Path
    stale_s : float
        A worker on another machine without a sign of life for so long is dead.
    max_attempts : int
        A job that failed so often has failed.
    clock : callable
        Seconds, never going back.

    Raises
    ------
    SpaceError
        If there is no such folder.
    """

    def __init__(
        self,
        map_dir: Path,
        stale_s: float = STALE_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.map_dir = Path(map_dir)
        if not self.map_dir.is_dir():
            raise SpaceError(
                "The map folder is missing.",
                str(self.map_dir),
                "Create it, connect the network drive, or correct external_map_dir",
            )
        self._stale_s = stale_s
        self._max_attempts = max_attempts
        self._clock = clock
        self._watch = Watch(clock)
        self._results = Results(self.map_dir)

    # --- what is asked ------------------------------------------------------------------

    def result_path(self, map_name: str, task: str = "segment") -> Path:
        """Return where the result of a job is written."""
        return result_path(self.map_dir, map_name, task)

    def log_path(self, map_name: str) -> Path:
        """Return the log of a map."""
        return self.map_dir / f"{Job(clean_map_name(map_name)).stem}_SPACE.log"

    def status(self, map_name: str, task: str | None = None) -> JobStatus:
        """Say how a map stands; without `task`, in the task that was asked of it."""
        name = clean_map_name(map_name)
        state = self._read()
        if task is None:
            known = [r.key for r in state.queue.records] + [r.job.key for r in state.runs.records]
            task = next((t for n, t in known if n == name), None)
        if task is None:
            for candidate in TASKS:
                if self._results.fits(Job(name, candidate)):
                    return self._done(Job(name, candidate))
            return JobStatus("absent")
        return self._status((name, task), state)

    def statuses(self) -> dict[str, JobStatus]:
        """Return how each known map stands, by file name (waiting ones in their order)."""
        state = self._read()
        keys = dict.fromkeys(
            [r.job.key for r in state.runs.records] + [r.key for r in state.queue.records]
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
        state = self._read()
        return sum(
            not claim_path(self.map_dir, job).exists() and not self._results.fits(job)
            for job in state.queue.records
        )

    def workers(self) -> list[Worker]:
        """Return the workers that live, as far as can be seen from here."""
        return [w for w, _ in all_workers(self.map_dir) if self._alive(w)]

    def silent_s(self) -> float:
        """Return for how long nothing has changed in the folder's jobs and workers.

        For whoever waits for others: long silence while something waits means nobody works.
        """
        beats = tuple(sorted((w.name, file_state(p)) for w, p in all_workers(self.map_dir)))
        texts = (self._text(QUEUE_NAME), self._text(RUNS_NAME))
        return self._watch.unchanged_s("folder", (beats, texts))

    def stop_asked(self) -> bool:
        """Tell whether a person stopped all work by putting SPACE_stop.txt into the folder."""
        return (self.map_dir / STOP_NAME).exists()

    # --- what is changed ----------------------------------------------------------------

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
        if not job.map_name or "\t" in job.map_name or task not in TASKS:
            raise SpaceError(f"Job {task!r} for {map_name!r} is not possible.", str(self.map_dir))
        with self._transaction() as change:
            state = self._reaped(change.state)
            status = self._status(job.key, state)
            run = state.runs.find(job.key)
            if not self._results.fits(job):
                same = run is not None and dict(run.job.params) == params
                renewed = run is not None and run.fingerprint != fingerprint(
                    self.map_dir / job.map_name
                )
                if status.state == "queued":
                    state = state.waiting(job)  # with the newest parameters
                elif status.state == "running" and same:
                    pass
                elif status.state != "failed" or again or renewed or not same:
                    state = state.waiting(job)
            change.state = state
        return self.status(job.map_name, task)

    def claim(self, worker: Worker) -> Claim | None:
        """Take the next waiting job, or None if nothing waits."""
        with self._transaction() as change:
            state = self._reaped(change.state)
            change.state = state
            for job in state.queue.records:
                path = claim_path(self.map_dir, job)
                if path.exists():
                    continue
                run = state.runs.find(job.key) or Run(job, "", 0)
                if job.task not in TASKS:
                    state = self._failed(state, job, 1, f"unknown task {job.task!r}")
                    continue
                if self._results.fits(job):
                    done = replace(run, job=job, state="done", reason="")
                    state = state.ran(done).not_waiting(job)
                    continue
                attempt = run.attempt + 1 if run.state == "again" else 1
                claim = Claim(job, worker, attempt, path)
                if not create_claim(claim):
                    continue
                started = Run(
                    job,
                    "running",
                    attempt,
                    worker.name,
                    worker.device,
                    datetime.now().isoformat(sep=" ", timespec="seconds"),
                    fingerprint=fingerprint(self.map_dir / job.map_name),
                )
                change.state = state.ran(started).not_waiting(job)
                return claim
            change.state = state
        return None

    def owns(self, claim: Claim) -> bool:
        """Tell whether a claim still stands (it does not if others took its worker for dead)."""
        there = read_claim(claim.path)
        return there is not None and there.worker.name == claim.worker.name

    def finish(self, claim: Claim) -> bool:
        """Note that a job is done; False if the claim was lost or no fitting result is there."""
        with self._transaction() as change:
            if not self.owns(claim):
                return False
            if not self._results.fits(claim.job):
                reason = "the result does not fit the map (did the map change meanwhile?)"
                change.state = self._retry(change.state, claim.job, claim.attempt, reason)
                remove(claim.path)
                return False
            run = change.state.runs.find(claim.job.key) or Run(claim.job, "", claim.attempt)
            change.state = change.state.ran(replace(run, state="done", reason=""))
            remove(claim.path)
            return True

    def fail(self, claim: Claim, reason: str) -> None:
        """Note that an attempt failed; the job waits again or, after the last one, has failed."""
        with self._transaction() as change:
            if self.owns(claim):
                change.state = self._retry(change.state, claim.job, claim.attempt, reason)
                remove(claim.path)

    def release(self, claim: Claim) -> None:
        """Give a job back that was not the reason for stopping; the attempt does not count."""
        with self._transaction() as change:
            if self.owns(claim):
                change.state = self._given_back(change.state, claim.job, claim.attempt)
                remove(claim.path)

    def release_process(self, pid: int) -> None:
        """Give back the jobs of a process of this machine that was ended on purpose."""
        with self._transaction() as change:
            for claim in all_claims(self.map_dir):
                if claim.worker.host == this_host() and claim.worker.pid == pid:
                    change.state = self._given_back(change.state, claim.job, claim.attempt)
                    remove(claim.path)
            for worker, path in all_workers(self.map_dir):
                if worker.host == this_host() and worker.pid == pid:
                    remove(path)

    def fail_waiting(self, reason: str) -> int:
        """Let all waiting jobs fail, because no worker can be had; return how many."""
        with self._transaction() as change:
            jobs = change.state.queue.records
            for job in jobs:
                change.state = self._failed(change.state, job, self._max_attempts, reason)
        return len(jobs)

    def reap(self) -> None:
        """Put jobs of dead workers back into the queue and clear away what these left."""
        with self._transaction() as change:
            change.state = self._reaped(change.state)

    def write_log(self, map_name: str, text: str) -> None:
        """Append a line to a map's log; a log that cannot be written stops nobody."""
        stamp = datetime.now().isoformat(sep=" ", timespec="seconds")
        with contextlib.suppress(OSError):
            with open(self.log_path(map_name), "a", encoding="utf-8", newline="\n") as stream:
                stream.write(f"{stamp}  {text}\n")

    # --- inside -------------------------------------------------------------------------

    def _status(self, key: tuple[str, str], state: _State) -> JobStatus:
        waiting, run = state.queue.find(key), state.runs.find(key)
        job = waiting or (run.job if run else Job(*key))
        if self._results.fits(job):
            return self._done(job)
        claim = read_claim(claim_path(self.map_dir, job))
        if claim is not None:
            worker = claim.worker
            if worker.host == this_host() and not pid_alive(worker.pid):
                return JobStatus("queued", f"worker {worker.name} died", None, key[1])
            attempt = run.attempt if run else 1
            return JobStatus("running", "", None, key[1], worker.name, attempt)
        if waiting is not None:
            reason = run.reason if run is not None and run.state == "again" else ""
            return JobStatus("queued", reason, None, key[1])
        if run is None or run.state in ("done", "again"):
            return JobStatus("absent", "", None, key[1])
        if run.state == "failed":
            return JobStatus("failed", run.reason, None, key[1], run.worker, run.attempt)
        return JobStatus("running", "", None, key[1], run.worker, run.attempt)

    def _done(self, job: Job) -> JobStatus:
        return JobStatus("done", "", self.result_path(job.map_name, job.task), job.task)

    def _reaped(self, state: _State) -> _State:
        claimed = set()
        for claim in all_claims(self.map_dir):
            claimed.add(claim.job.key)
            if self._holds(claim):
                continue
            remove(claim.path)
            if claim.path.exists():  # in use (Windows): the next look will do
                continue
            run = state.runs.find(claim.job.key)
            job = run.job if run is not None and not claim.job.params else claim.job
            state = self._after_death(state, job, claim.attempt, claim.worker.name)
        for run in state.runs.records:
            if run.state != "running" or run.job.key in claimed:
                continue
            # Its claim is gone. A claim of another machine may show up late: look twice.
            mine = run.worker.startswith(f"{this_host()}-")
            gone_s = self._watch.unchanged_s(f"run {run.job.key}", (run.worker, run.started))
            if self._results.fits(run.job) or mine or gone_s >= min(MISSING_SECONDS, self._stale_s):
                state = self._after_death(state, run.job, run.attempt, run.worker)
        for worker, path in all_workers(self.map_dir):
            if not self._alive(worker):
                remove(path)
        return state

    def _after_death(self, state: _State, job: Job, attempt: int, worker_name: str) -> _State:
        if self._results.fits(job):
            run = state.runs.find(job.key) or Run(job, "", attempt, worker_name)
            return state.ran(replace(run, state="done", reason=""))
        return self._retry(state, job, attempt, f"worker {worker_name or 'unknown'} died")

    def _retry(self, state: _State, job: Job, attempt: int, reason: str) -> _State:
        if attempt >= self._max_attempts:
            return self._failed(state, job, attempt, reason)
        self.write_log(job.map_name, f"Attempt {attempt} failed: {reason}. It will run again.")
        run = state.runs.find(job.key) or Run(job, "")
        run = replace(run, job=job, state="again", attempt=attempt, reason=reason)
        newest = state.queue.find(job.key) or job
        return state.ran(run).waiting(newest)

    def _failed(self, state: _State, job: Job, attempt: int, reason: str) -> _State:
        self.write_log(job.map_name, f"FAILED after {attempt} attempts: {reason}")
        run = state.runs.find(job.key) or Run(job, "")
        mark = fingerprint(self.map_dir / job.map_name)
        run = replace(
            run, job=job, state="failed", attempt=attempt, reason=reason, fingerprint=mark
        )
        return state.ran(run).not_waiting(job)

    def _given_back(self, state: _State, job: Job, attempt: int) -> _State:
        self.write_log(job.map_name, "The worker was stopped. The job waits again.")
        run = state.runs.find(job.key) or Run(job, "")
        run = replace(run, job=job, state="again", attempt=attempt - 1, reason="worker stopped")
        newest = state.queue.find(job.key) or job
        return state.ran(run).waiting(newest, first=True)

    def _holds(self, claim: Claim) -> bool:
        if claim.worker == NOBODY:
            look = file_state(claim.path)
            return self._watch.unchanged_s(f"claim {claim.path.name}", look) < MISSING_SECONDS
        return self._alive(claim.worker)

    def _alive(self, worker: Worker) -> bool:
        return is_alive(self.map_dir, worker, self._watch, self._stale_s)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[_Change]:
        """Read both files under the lock; write what has changed."""
        import filelock

        lock = filelock.FileLock(str(self.map_dir / _LOCK_NAME), timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise QueueLockedError(
                f"The queue has been locked for more than {_LOCK_SECONDS:.0f} s.",
                str(self.map_dir / _LOCK_NAME),
                "See which program holds it; if none runs, delete the file",
            ) from None
        try:
            before = self._read()
            change = _Change(before)
            try:
                yield change
            finally:
                self._write(before, change.state)
        finally:
            lock.release()

    def _write(self, before: _State, after: _State) -> None:
        # A job that comes into the queue is written there first, one that leaves it last: an
        # interruption in between leaves it in both, which the next look sorts out.
        old_keys = {job.key for job in before.queue.records}
        grows = any(job.key not in old_keys for job in after.queue.records)
        texts = [
            (QUEUE_NAME, format_queue(before.queue), format_queue(after.queue)),
            (RUNS_NAME, format_runs(before.runs), format_runs(after.runs)),
        ]
        for name, old, new in texts if grows else reversed(texts):
            if old != new:
                write_text_atomic(self.map_dir / name, new)

    def _read(self) -> _State:
        return _State(parse_queue(self._text(QUEUE_NAME)), parse_runs(self._text(RUNS_NAME)))

    def _text(self, name: str) -> str:
        for pause in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
            try:
                return (self.map_dir / name).read_text(encoding="utf-8-sig", errors="replace")
            except FileNotFoundError:
                return ""
            except PermissionError:  # being replaced (Windows)
                time.sleep(pause)
        return (self.map_dir / name).read_text(encoding="utf-8-sig", errors="replace")


class _Change:
    """The state that a transaction will write."""

    def __init__(self, state: _State) -> None:
        self.state = state
