"""The state machine of the queue: what an event changes, and what has to be done about it.

Nothing here touches a file, a clock or a process: an event holds everything that was seen. The
states and what leads from one to the next are described in docs/queue.md, and `JobFolder`
carries the events to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatch
from pathlib import Path
from typing import Any, Union

from space.jobs.records import Job, JobState, Key, Run, Table

MAX_ATTEMPTS = 3


# --- states -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class QueueState:
    """What waits (SPACE_queue.txt) and what was started (SPACE_runs.txt)."""

    queue: Table[Job] = field(default_factory=Table)
    runs: Table[Run] = field(default_factory=Table)

    def with_waiting(self, job: Job, first: bool = False) -> QueueState:
        """Return the state with a job in the queue, at its old place if it was there."""
        return replace(self, queue=self.queue.with_record(job, first))

    def without_waiting(self, job: Job) -> QueueState:
        """Return the state with a job taken out of the queue."""
        return replace(self, queue=self.queue.without(job.key))

    def with_run(self, job: Job, state: JobState, **changes: Any) -> QueueState:
        """Return the state with the run of a job changed, or begun."""
        run = self.runs.find(job.key) or Run(job, state)
        return replace(
            self, runs=self.runs.with_record(replace(run, job=job, state=state, **changes))
        )

    def job(self, key: Key) -> Job:
        """Return a job as it waits, else as it was started last."""
        run = self.runs.find(key)
        return self.queue.find(key) or (run.job if run is not None else Job(*key))

    def started_job(self, job: Job) -> Job:
        """Return a job with the parameters that it was started with, if it has none itself."""
        run = self.runs.find(job.key)
        return run.job if run is not None and not job.params else job

    def next_attempt(self, key: Key) -> int:
        """Return the number of the attempt that would follow now."""
        run = self.runs.find(key)
        return run.attempt + 1 if run is not None and run.state == "queued" else 1

    def claim_order(self) -> list[Job]:
        """Return the queue with detections first: a session waits for them."""
        return sorted(self.queue.records, key=lambda job: job.task != "detect")


@dataclass(frozen=True)
class Seen:
    """What the map folder shows of a job.

    Attributes
    ----------
    has_result : bool
        A whole result that fits is there.
    worker : str
        Who holds its claim; empty if there is no claim.
    worker_died : bool
        The process of that worker is gone.
    """

    has_result: bool = False
    worker: str = ""
    worker_died: bool = False


@dataclass(frozen=True)
class JobStatus:
    """The state of a job, with its reason, its result and its worker."""

    state: JobState
    reason: str = ""
    result: Path | None = None
    task: str = ""
    worker: str = ""
    attempt: int = 0


def job_status(state: QueueState, key: Key, seen: Seen) -> JobStatus:
    """Return the status of a job, without the path of its result.

    The folder (results, claims) has priority over the two files.
    """
    task, run = key[1], state.runs.find(key)
    if seen.has_result:
        return JobStatus("done", task=task)
    if seen.worker and seen.worker_died:
        return JobStatus("queued", f"worker {seen.worker} died", task=task)
    if seen.worker:
        attempt = run.attempt if run is not None else 1
        return JobStatus("running", task=task, worker=seen.worker, attempt=attempt)
    if state.queue.find(key) is not None:
        reason = run.reason if run is not None and run.state == "queued" else ""
        return JobStatus("queued", reason, task=task)
    if run is None or run.state in ("done", "queued"):
        return JobStatus("absent", task=task)  # a person removed its line or its result
    reason = run.reason if run.state == "failed" else ""
    return JobStatus(run.state, reason, task=task, worker=run.worker, attempt=run.attempt)


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Submitted:
    """A session or a monitor wants a job done.

    `state` is the state of the job now, `has_result` whether a fitting result is there, and
    `fingerprint` the mark of the map now. `again` asks for the job even if it has failed.
    """

    job: Job
    state: JobState
    has_result: bool = False
    fingerprint: str = ""
    again: bool = False


@dataclass(frozen=True)
class Started:
    """A worker has created the claim of a job."""

    job: Job
    attempt: int
    worker: str
    device: str
    time: str
    fingerprint: str = ""


@dataclass(frozen=True)
class Refused:
    """The queue holds a job that no worker can do."""

    job: Job
    reason: str
    fingerprint: str = ""


@dataclass(frozen=True)
class FoundDone:
    """A job that waits has a fitting result."""

    job: Job


@dataclass(frozen=True)
class Finished:
    """The worker of a job reports that it is done; `has_result` is whether its result fits."""

    job: Job
    attempt: int
    has_result: bool
    fingerprint: str = ""


@dataclass(frozen=True)
class AttemptFailed:
    """The worker of a job could not do it."""

    job: Job
    attempt: int
    reason: str
    fingerprint: str = ""


@dataclass(frozen=True)
class GivenBack:
    """The worker of a job was stopped, or its folder failed: the attempt does not count."""

    job: Job
    attempt: int
    reason: str


@dataclass(frozen=True)
class WorkerLost:
    """The worker of a job died, hangs or has left it, and its claim is gone."""

    job: Job
    attempt: int
    reason: str
    has_result: bool = False
    fingerprint: str = ""


@dataclass(frozen=True)
class GivenUp:
    """No worker can be started for a job that waits."""

    job: Job
    reason: str
    fingerprint: str = ""


@dataclass(frozen=True)
class Retried:
    """A person asks for a job that has failed."""

    job: Job


Event = Union[
    Submitted,
    Started,
    Refused,
    FoundDone,
    Finished,
    AttemptFailed,
    GivenBack,
    WorkerLost,
    GivenUp,
    Retried,
]


# --- instructions -------------------------------------------------------------------------------


@dataclass(frozen=True)
class WriteLog:
    """Append a line to the log of a map."""

    map_name: str
    text: str


@dataclass(frozen=True)
class DropClaim:
    """Remove the claim file of a job."""

    job: Job


Instruction = Union[WriteLog, DropClaim]


@dataclass(frozen=True)
class Step:
    """The state after an event, and what has to be done in this order."""

    state: QueueState
    instructions: tuple[Instruction, ...] = ()


# --- transitions --------------------------------------------------------------------------------


@singledispatch
def next_step(event: Event, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    """Return what an event makes of a state.

    Parameters
    ----------
    event : Event
    state : QueueState
    max_attempts : int
        A job that failed so often has failed.
    """
    raise TypeError(f"not an event of the queue: {event!r}")


@next_step.register(Submitted)
def _submitted(event: Submitted, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    run = state.runs.find(event.job.key)
    same = run is not None and dict(run.job.params) == dict(event.job.params)
    new_map = run is not None and run.fingerprint != event.fingerprint
    is_running = event.state == "running" and same
    has_failed = event.state == "failed" and same and not (new_map or event.again)
    if event.has_result or is_running or has_failed:
        return Step(state)
    return Step(state.with_waiting(event.job))  # with the newest parameters


@next_step.register(Started)
def _started(event: Started, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    run = Run(
        event.job,
        "running",
        event.attempt,
        event.worker,
        event.device,
        event.time,
        fingerprint=event.fingerprint,
    )
    return Step(replace(state.without_waiting(event.job), runs=state.runs.with_record(run)))


@next_step.register(Refused)
def _refused(event: Refused, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    return _failed(state, event.job, 1, event.reason, event.fingerprint)


@next_step.register(FoundDone)
def _found_done(event: FoundDone, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    return Step(_done(state, event.job, 0).without_waiting(event.job))


@next_step.register(Finished)
def _finished(event: Finished, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    drop = DropClaim(event.job)
    if event.has_result:
        return Step(_done(state, event.job, event.attempt), (drop,))
    reason = "the result does not fit the map (did the map change meanwhile?)"
    step = _tried(state, event.job, event.attempt, reason, event.fingerprint, max_attempts)
    return Step(step.state, (*step.instructions, drop))


@next_step.register(AttemptFailed)
def _attempt_failed(
    event: AttemptFailed, state: QueueState, max_attempts: int = MAX_ATTEMPTS
) -> Step:
    step = _tried(state, event.job, event.attempt, event.reason, event.fingerprint, max_attempts)
    return Step(step.state, (*step.instructions, DropClaim(event.job)))


@next_step.register(GivenBack)
def _given_back(event: GivenBack, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    after = state.with_run(
        event.job, "queued", attempt=event.attempt - 1, reason=event.reason
    ).with_waiting(state.queue.find(event.job.key) or event.job, first=True)
    text = f"Given back: {event.reason}. The job waits again."
    return Step(after, (WriteLog(event.job.map_name, text), DropClaim(event.job)))


@next_step.register(WorkerLost)
def _worker_lost(event: WorkerLost, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    if event.has_result:
        return Step(_done(state, event.job, event.attempt))
    return _tried(state, event.job, event.attempt, event.reason, event.fingerprint, max_attempts)


@next_step.register(GivenUp)
def _given_up(event: GivenUp, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    return _failed(state, event.job, 0, event.reason, event.fingerprint, given_up=True)


@next_step.register(Retried)
def _retried(event: Retried, state: QueueState, max_attempts: int = MAX_ATTEMPTS) -> Step:
    return Step(state.with_waiting(event.job))


def _done(state: QueueState, job: Job, attempt: int) -> QueueState:
    """Note that a job is done; a run that is known keeps the number of its attempt."""
    run = state.runs.find(job.key)
    return state.with_run(job, "done", reason="", attempt=run.attempt if run else attempt)


def _tried(
    state: QueueState, job: Job, attempt: int, reason: str, fingerprint: str, max_attempts: int
) -> Step:
    """Have a job wait for another attempt, or fail after the last one."""
    if attempt >= max_attempts:
        return _failed(state, job, attempt, reason, fingerprint)
    after = state.with_run(job, "queued", attempt=attempt, reason=reason)
    after = after.with_waiting(state.queue.find(job.key) or job)
    text = f"Attempt {attempt} failed: {reason}. It will run again."
    return Step(after, (WriteLog(job.map_name, text),))


def _failed(
    state: QueueState,
    job: Job,
    attempt: int,
    reason: str,
    fingerprint: str,
    given_up: bool = False,
) -> Step:
    after = state.with_run(
        job,
        "failed",
        attempt=attempt,
        reason=reason,
        fingerprint=fingerprint,
        given_up=given_up,
    ).without_waiting(job)
    tried = f"after {attempt} attempts" if attempt else "without an attempt"
    return Step(after, (WriteLog(job.map_name, f"FAILED {tried}: {reason}"),))
