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
import os
from collections.abc import Callable
from datetime import datetime
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
from space.jobs.claims import Claim, all_claims, claim_path, create_claim
from space.jobs.folder_view import FolderView
from space.jobs.machine import (
    AttemptFailed,
    DropClaim,
    Event,
    Finished,
    FoundDone,
    GivenBack,
    GivenUp,
    JobStatus,
    Refused,
    Retried,
    Started,
    Submitted,
    WorkerLost,
    WriteLog,
    next_step,
)
from space.jobs.presence import all_beats
from space.jobs.queue_files import FolderAwayError, Transaction
from space.jobs.records import EVERY_TASK, Job, clean_map_name, name_problem
from space.jobs.workers import Worker


class JobFolder(FolderView):
    """A shared folder with maps, their results and the queue: what is seen there and changed.

    Keep one instance while waiting (see `FolderView`).
    """

    def submit(
        self, map_name: str, task: str = "segment", again: bool = False, **params: Any
    ) -> JobStatus:
        """Queue a job unless it waits, runs, is done, or has failed with this very map.

        Parameters
        ----------
        map_name : str
            The map's file name in this folder.
        task : str
            ``segment``, ``detect`` or ``heat``.
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
        if task not in EVERY_TASK:
            raise SpaceError(
                f"The task {task!r} is unknown.", job.map_name, f"Use {' or '.join(EVERY_TASK)}."
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
                if job.task not in EVERY_TASK:
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

    def release_workers(self, owns: Callable[[Worker], bool]) -> None:
        """Give back the jobs of workers that were ended on purpose."""
        with self._files.transaction() as change:
            for claim in all_claims(self.map_dir):
                if owns(claim.worker):
                    self._take(
                        change, GivenBack(claim.job, claim.attempt, "the worker was stopped")
                    )
            for beat, path in all_beats(self.map_dir):
                if owns(beat.worker):
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

    def blames_folder(self, error: OSError) -> bool:
        """Whether an error of the system is the fault of this folder, not of the job."""
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

    # --- inside -------------------------------------------------------------------------

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
