"""The queue in a folder that several programs on several machines share.

What waits stands in SPACE_queue.txt, what was started in SPACE_runs.txt. Both are changed under
one lock and written whole. A job belongs to the worker that managed to *create* its claim file,
which a file system grants to one only, also where locks do not reach across the network. Done
is what has a whole, fitting result on disk; the files only say what to do next. The order of
the writes leaves a job that an interruption met either waiting or claimed, never lost.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from space.errors import SpaceError
from space.files import (
    clear_remains,
    decode,
    read_bytes_bounded,
    refuse_link,
    remove_if_possible,
    says_full,
    share_as_folder,
    write_text_atomic,
)
from space.images import file_state, fingerprint, png_megapixels
from space.jobs.claims import (
    NOBODY,
    Claim,
    all_claims,
    claim_path,
    create_claim,
    read_claim,
)
from space.jobs.presence import (
    Beat,
    Patience,
    Watch,
    Worker,
    all_beats,
    beat_path,
    is_alive,
    pid_alive,
    read_beat,
    this_machine,
)
from space.jobs.records import (
    TASKS,
    Job,
    Run,
    Table,
    clean_map_name,
    format_queue,
    format_runs,
    name_problem,
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


class FolderAwayError(OSError):
    """The folder does not tell at this moment; it may be back when the next question comes."""


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
        self._watch = Watch(clock, self.patience.look_s)
        self._silence = Watch(clock, math.inf)
        self._results = Results(self.map_dir, models)
        self._told: set[str] = set()

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
        return [b.worker for b, _ in all_beats(self.map_dir) if self._alive(b.worker)]

    def hanging(self) -> dict[str, str]:
        """Return the workers that give signs of life but do not get on, with the reason."""
        found = {}
        for claim in all_claims(self.map_dir):
            reason = self._hangs(claim)
            if reason and self._alive(claim.worker):
                found[claim.worker.name] = reason
        return found

    def silent_s(self) -> float:
        """Return for how long nothing has changed in the folder's jobs and workers.

        For whoever waits for others: long silence while something waits means nobody works.
        """
        beats = tuple(sorted((b.worker.name, b.count) for b, _ in all_beats(self.map_dir)))
        texts = (self._text(QUEUE_NAME), self._text(RUNS_NAME))
        return self._silence.unchanged_s("folder", (beats, texts))

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
        problem = name_problem(job.map_name)
        if problem:
            raise SpaceError(
                f"The map {map_name!r} cannot be queued: {problem}.",
                str(self.map_dir),
                "Rename the file (or the grid).",
            )
        if task not in TASKS:
            raise SpaceError(
                f"There is no task {task!r}.", job.map_name, f"Use {' or '.join(TASKS)}."
            )
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
        """Take the next waiting job, or None if nothing waits.

        Detections come before segmentations, since a session waits for them; else the order of
        the queue counts. A worker that does not know of a claim in its own name (the folder failed
        while it was written down) is given that job again.
        """
        with self._transaction() as change:
            state = self._reaped(change.state)
            change.state = state
            for claim in all_claims(self.map_dir):
                if claim.worker.name == worker.name:
                    change.state = self._begun(state, claim)
                    return claim
            for job in sorted(state.queue.records, key=lambda job: job.task != "detect"):
                path = claim_path(self.map_dir, job)
                if os.path.lexists(path):
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
                change.state = self._begun(state, claim)
                return claim
            change.state = state
        return None

    def _begun(self, state: _State, claim: Claim) -> _State:
        started = Run(
            claim.job,
            "running",
            claim.attempt,
            claim.worker.name,
            claim.worker.device,
            datetime.now().isoformat(sep=" ", timespec="seconds"),
            fingerprint=fingerprint(self.map_dir / claim.job.map_name),
        )
        return state.ran(started).not_waiting(claim.job)

    def owns(self, claim: Claim) -> bool:
        """Tell whether a claim still stands (it does not if others took its worker for dead).

        Raises
        ------
        FolderAwayError
            If the folder does not tell at this moment.
        """
        try:
            there = read_claim(claim.path)
        except OSError as error:
            raise FolderAwayError(error.errno, error.strerror, str(claim.path)) from error
        if there is None and not (self.map_dir / RUNS_NAME).exists():
            # Beside a claim there is always this file: the folder itself must be away.
            raise FolderAwayError(errno.ENOENT, "the map folder is away", str(self.map_dir))
        if there is not None and there.worker == NOBODY:
            raise FolderAwayError(errno.EIO, "the claim cannot be read", str(claim.path))
        return there is not None and there.worker.name == claim.worker.name

    def blames_folder(self, error: OSError) -> bool:
        """Tell whether an error of the system is one of this folder, not of the job in it."""
        known = isinstance(error, FolderAwayError) or says_full(error)
        return known or not self.takes_files()

    def takes_files(self) -> bool:
        """Tell whether a file can be written here now (it is removed again)."""
        probe = self.map_dir / f".SPACE_probe.{uuid4().hex[:8]}.part"
        try:
            probe.write_bytes(bytes(65536))
            return True
        except OSError:
            return False
        finally:
            remove_if_possible(probe)

    def finish(self, claim: Claim) -> bool:
        """Note that a job is done; False if the claim was lost or no fitting result is there."""
        with self._transaction() as change:
            if not self.owns(claim):
                return False
            if not self._results.fits(claim.job):
                reason = "the result does not fit the map (did the map change meanwhile?)"
                change.state = self._retry(change.state, claim.job, claim.attempt, reason)
                remove_if_possible(claim.path)
                return False
            run = change.state.runs.find(claim.job.key) or Run(claim.job, "", claim.attempt)
            change.state = change.state.ran(replace(run, state="done", reason=""))
            remove_if_possible(claim.path)
            return True

    def fail(self, claim: Claim, reason: str) -> None:
        """Note that an attempt failed; the job waits again or, after the last one, has failed."""
        with self._transaction() as change:
            if self.owns(claim):
                change.state = self._retry(change.state, claim.job, claim.attempt, reason)
                remove_if_possible(claim.path)

    def release(self, claim: Claim, reason: str = "the worker was stopped") -> None:
        """Give a job back that was not the reason for stopping; the attempt does not count."""
        with self._transaction() as change:
            if self.owns(claim):
                change.state = self._given_back(change.state, claim.job, claim.attempt, reason)
                remove_if_possible(claim.path)

    def release_process(self, pid: int) -> None:
        """Give back the jobs of a process of this machine that was ended on purpose."""
        with self._transaction() as change:
            for claim in all_claims(self.map_dir):
                if claim.worker.is_here and claim.worker.pid == pid:
                    change.state = self._given_back(
                        change.state, claim.job, claim.attempt, "the worker was stopped"
                    )
                    remove_if_possible(claim.path)
            for beat, path in all_beats(self.map_dir):
                if beat.worker.is_here and beat.worker.pid == pid:
                    remove_if_possible(path)

    def has_worked(self, pid: int) -> bool:
        """Tell whether a process of this machine, living or not, has taken a job here."""
        start = f"{this_machine()}-{pid}-"
        workers = [claim.worker.name for claim in all_claims(self.map_dir)]
        workers += [run.worker for run in self._read().runs.records]
        return any(name.startswith(start) for name in workers)

    def give_up_waiting(self, reason: str) -> int:
        """Let all waiting jobs fail untried, because no worker can be had; return how many."""
        with self._transaction() as change:
            jobs = change.state.queue.records
            for job in jobs:
                state = self._failed(change.state, job, 0, reason)
                run = state.runs.find(job.key)
                change.state = state.ran(replace(run, given_up=True))
        return len(jobs)

    def retry(self, given_up_only: bool = False) -> int:
        """Queue jobs that have failed once more; return how many.

        Parameters
        ----------
        given_up_only : bool
            Only those that were given up because no worker could be had.
        """
        with self._transaction() as change:
            count = 0
            for run in change.state.runs.records:
                waits = change.state.queue.find(run.job.key) is not None
                if run.state == "failed" and (run.given_up or not given_up_only) and not waits:
                    if not self._results.fits(run.job):
                        change.state = change.state.waiting(run.job)
                        count += 1
        return count

    def clear_remains(self) -> int:
        """Remove temporary files of writers that died; return how many."""
        return clear_remains(self.map_dir)

    def reap(self) -> None:
        """Put jobs of dead workers back into the queue and clear away what these left."""
        with self._transaction() as change:
            change.state = self._reaped(change.state)

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

    def _status(self, key: tuple[str, str], state: _State) -> JobStatus:
        waiting, run = state.queue.find(key), state.runs.find(key)
        job = waiting or (run.job if run else Job(*key))
        if self._results.fits(job):
            return self._done(job)
        claim = read_claim(claim_path(self.map_dir, job))
        if claim is not None:
            worker = claim.worker
            if worker.is_here and not pid_alive(worker.pid):
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
        for claim in all_claims(self.map_dir):
            reason = self._lost(claim)
            if not reason:
                continue
            remove_if_possible(claim.path)
            if os.path.lexists(claim.path):  # in use (Windows): the next look will do
                continue
            run = state.runs.find(claim.job.key)
            job = run.job if run is not None and not claim.job.params else claim.job
            state = self._after_death(state, job, claim.attempt, reason)
        for run in state.runs.records:
            if run.state != "running" or os.path.lexists(claim_path(self.map_dir, run.job)):
                continue
            # Its claim is gone. A claim of another machine may show up late: look twice.
            gone_s = self._watch.unchanged_s(f"run {run.job.key}", (run.worker, run.started))
            limit_s = min(self.patience.missing_s, self.patience.stale_s)
            if self._results.fits(run.job) or gone_s >= limit_s:
                reason = f"worker {run.worker or 'unknown'} died"
                state = self._after_death(state, run.job, run.attempt, reason)
        for beat, path in all_beats(self.map_dir):
            if not self._alive(beat.worker):
                remove_if_possible(path)
        return state

    def _after_death(self, state: _State, job: Job, attempt: int, reason: str) -> _State:
        if self._results.fits(job):
            run = state.runs.find(job.key) or Run(job, "", attempt)
            return state.ran(replace(run, state="done", reason=""))
        return self._retry(state, job, attempt, reason)

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

    def _given_back(self, state: _State, job: Job, attempt: int, reason: str) -> _State:
        self.write_log(job.map_name, f"Given back: {reason}. The job waits again.")
        run = state.runs.find(job.key) or Run(job, "")
        run = replace(run, job=job, state="again", attempt=attempt - 1, reason=reason)
        newest = state.queue.find(job.key) or job
        return state.ran(run).waiting(newest, first=True)

    def _lost(self, claim: Claim) -> str:
        """Say why nobody works on a claimed job any more; empty if somebody does."""
        if claim.worker == NOBODY:
            unread_s = self._watch.unchanged_s(f"claim {claim.path.name}", file_state(claim.path))
            return "its claim is not whole" if unread_s >= self.patience.missing_s else ""
        if not self._alive(claim.worker):
            return f"worker {claim.worker.name} died"
        beat = self._beat_of(claim)
        if beat is not None and beat.job is not None and beat.job != claim.job.key:
            # It may have taken the job only now, and its sign of life comes after that.
            left_s = self._watch.unchanged_s(f"left {claim.path.name}", (claim.worker.name, True))
            if left_s >= self.patience.missing_s:
                return f"worker {claim.worker.name} has left it"
        else:
            self._watch.unchanged_s(f"left {claim.path.name}", (claim.worker.name, False))
        return self._hangs(claim)

    def _hangs(self, claim: Claim) -> str:
        """Say how a job does not get on; empty if it does, or its worker does not tell."""
        beat = self._beat_of(claim)
        if beat is None or beat.job != claim.job.key:
            return ""
        doing = (claim.worker.name, claim.attempt)
        stalled_s = self._watch.unchanged_s(f"got {claim.path.name}", (*doing, beat.progress))
        taking_s = self._watch.unchanged_s(f"took {claim.path.name}", doing)
        # The worker ends itself at these limits; others are a little more patient.
        more_s = 2 * self.patience.stale_s
        if stalled_s >= self.patience.stall_s + more_s:
            return f"worker {claim.worker.name} made no progress for {stalled_s / 60:.0f} min"
        megapixels = png_megapixels(self.map_dir / claim.job.map_name)
        if taking_s >= self.patience.longest_job_s(megapixels) + more_s:
            return f"worker {claim.worker.name} was not done after {taking_s / 60:.0f} min"
        return ""

    def _beat_of(self, claim: Claim) -> Beat | None:
        return read_beat(beat_path(self.map_dir, claim.worker.name))

    def _alive(self, worker: Worker) -> bool:
        return is_alive(self.map_dir, worker, self._watch, self.patience)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[_Change]:
        """Read both files under the lock; write what has changed."""
        with self._locked():
            before = self._read()
            change = _Change(before)
            try:
                yield change
            finally:
                self._write(before, change.state)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock; filelock makes a folder that is away anew, which is taken back here."""
        import filelock

        path = self.map_dir / _LOCK_NAME
        folder = self._folder_stat()
        refuse_link(path)
        lock = filelock.FileLock(str(path), timeout=_LOCK_SECONDS, mode=0o666)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise QueueLockedError(
                f"The queue has been locked for more than {_LOCK_SECONDS:.0f} s.",
                str(path),
                "See which program holds it; if none runs, delete the file",
            ) from None
        is_same = False
        try:
            is_same = os.path.samestat(folder, self._folder_stat())
            if not is_same:
                raise FolderAwayError(errno.ENOENT, "the map folder is away", str(self.map_dir))
            share_as_folder(path)
            yield
        finally:
            lock.release()
            if not is_same:
                _remove_empty(self.map_dir)

    def _folder_stat(self) -> os.stat_result:
        try:
            return self.map_dir.stat()
        except FileNotFoundError as error:
            raise FolderAwayError(
                errno.ENOENT, "the map folder is away", str(self.map_dir)
            ) from error

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
        state = _State(parse_queue(self._text(QUEUE_NAME)), parse_runs(self._text(RUNS_NAME)))
        for name, table in ((QUEUE_NAME, state.queue), (RUNS_NAME, state.runs)):
            for line in table.odd:
                if (key := f"{name} {line}") not in self._told:
                    self._told.add(key)
                    log.warning("%s: a line is not understood and put aside: %r", name, line[:80])
        return state

    def _text(self, name: str) -> str:
        path = self.map_dir / name
        for pause_s in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, None):
            try:
                return decode(read_bytes_bounded(path))
            except FileNotFoundError:
                return ""
            except PermissionError:  # being replaced (Windows)
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError("not reached")


def _remove_empty(folder: Path) -> None:
    """Remove a folder with nothing but the lock in it."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [_LOCK_NAME]:
            (folder / _LOCK_NAME).unlink()
            folder.rmdir()


class _Change:
    """The state that a transaction will write."""

    def __init__(self, state: _State) -> None:
        self.state = state
