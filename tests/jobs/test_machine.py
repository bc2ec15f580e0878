"""The state machine of the queue: every transition, without a file, a clock or a process."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.jobs.machine import (
    MAX_ATTEMPTS,
    AttemptFailed,
    DropClaim,
    Finished,
    FoundDone,
    GivenBack,
    GivenUp,
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
from space.jobs.records import Job, Run, Table

MAP = "G1_L03.png"
JOB = Job(MAP, "segment", {"threshold": 0.2})
OTHER = Job("G1_L04.png")
NOTHING = QueueState()
WAITING = NOTHING.with_waiting(JOB)


def run_in(state: str, **values: object) -> QueueState:
    """The state with the job in one file or both, as a session leaves it."""
    known = QueueState(runs=Table((Run(JOB, state, worker="pc-1", **values),)))
    return known.with_waiting(JOB) if state == "queued" else known


def status(state: QueueState, **seen: object):
    return job_status(state, JOB.key, Seen(**seen))


# --- the state of a job -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "seen", "expected"),
    [
        (NOTHING, {}, "absent"),
        (WAITING, {}, "queued"),
        (WAITING, {"worker": "far"}, "running"),
        (WAITING, {"worker": "far", "worker_died": True}, "queued"),
        (WAITING, {"has_result": True}, "done"),
        (run_in("queued", attempt=2), {}, "queued"),
        (run_in("running"), {}, "running"),
        (run_in("running"), {"worker": "far"}, "running"),
        (run_in("running"), {"has_result": True, "worker": "far"}, "done"),
        (run_in("failed", reason="ink"), {}, "failed"),
        (run_in("failed", reason="ink"), {"has_result": True}, "done"),
        (run_in("done"), {}, "absent"),  # its result was removed
        (run_in("done"), {"has_result": True}, "done"),
        (run_in("queued").without_waiting(JOB), {}, "absent"),  # its line was removed
    ],
)
def test_what_is_on_disk_comes_before_what_the_files_say(state, seen, expected):
    assert status(state, **seen).state == expected


def test_a_status_names_the_worker_and_the_reason():
    assert status(run_in("queued", reason="ink")).reason == "ink"
    assert status(run_in("failed", reason="ink", attempt=3)).attempt == 3
    assert status(WAITING, worker="far", worker_died=True).reason == "worker far died"
    running = status(run_in("running", attempt=2), worker="far")
    assert (running.worker, running.attempt, running.task) == ("far", 2, "segment")
    assert status(WAITING, worker="far").attempt == 1
    assert status(run_in("running", reason="of an earlier attempt")).reason == ""


# --- transitions --------------------------------------------------------------------------------

SUBMISSIONS = [
    (NOTHING, Submitted(JOB, "absent"), True),
    (NOTHING, Submitted(JOB, "done", has_result=True), False),
    (run_in("running"), Submitted(JOB, "running"), False),
    (run_in("running"), Submitted(replace(JOB, params={}), "running"), True),
    (run_in("failed", fingerprint="a"), Submitted(JOB, "failed", fingerprint="a"), False),
    (run_in("failed", fingerprint="a"), Submitted(JOB, "failed", fingerprint="b"), True),
    (run_in("failed", fingerprint="a"), Submitted(JOB, "failed", False, "a", again=True), True),
    (run_in("failed"), Submitted(replace(JOB, params={}), "failed"), True),
    (run_in("done"), Submitted(JOB, "absent"), True),
]


@pytest.mark.parametrize(("state", "event", "is_queued"), SUBMISSIONS)
def test_a_submission_queues_what_is_to_be_done(state, event, is_queued):
    step = next_step(event, state)
    assert (step.state.queue.find(JOB.key) is not None) == is_queued
    assert step.state.runs == state.runs and step.instructions == ()


def test_a_job_that_waits_keeps_its_place_and_gets_the_newest_parameters():
    newer = replace(JOB, params={"threshold": 0.5})
    step = next_step(Submitted(newer, "queued"), WAITING.with_waiting(OTHER))
    assert step.state.queue.records == (newer, OTHER)


def test_a_job_that_starts_leaves_the_queue():
    step = next_step(Started(JOB, 2, "pc-1", "0", "today", "mark"), WAITING)
    assert step.state.queue.records == ()
    assert step.state.runs.records == (
        Run(JOB, "running", 2, "pc-1", "0", "today", fingerprint="mark"),
    )


def test_a_job_that_is_done_keeps_newer_work_in_the_queue():
    """It was submitted with other parameters meanwhile."""
    newer = replace(JOB, params={})
    state = run_in("running", attempt=2).with_waiting(newer)
    step = next_step(Finished(JOB, 2, has_result=True), state)
    assert step.state.runs.find(JOB.key).state == "done"
    assert step.state.queue.records == (newer,)
    assert step.instructions == (DropClaim(JOB),)


def test_a_job_that_was_found_done_leaves_the_queue():
    step = next_step(FoundDone(JOB), WAITING)
    assert step.state.queue.records == ()
    assert step.state.runs.find(JOB.key).state == "done"


def test_a_result_that_does_not_fit_costs_an_attempt():
    step = next_step(Finished(JOB, 1, has_result=False), run_in("running"))
    run = step.state.runs.find(JOB.key)
    assert (run.state, run.attempt) == ("queued", 1) and "does not fit" in run.reason
    assert step.state.queue.records == (JOB,)
    assert step.instructions[-1] == DropClaim(JOB)


@pytest.mark.parametrize("event", [AttemptFailed, WorkerLost])
def test_an_attempt_that_fails_is_repeated_until_the_last(event):
    state = run_in("running")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert status(state).state == "running"
        step = next_step(event(JOB, attempt, "ink", fingerprint="mark"), state)
        run = step.state.runs.find(JOB.key)
        is_last = attempt == MAX_ATTEMPTS
        assert (run.state, run.reason) == ("failed" if is_last else "queued", "ink")
        assert (step.state.queue.find(JOB.key) is None) == is_last
        (text,) = (i.text for i in step.instructions if isinstance(i, WriteLog))
        assert text == (
            "FAILED after 3 attempts: ink"
            if is_last
            else f"Attempt {attempt} failed: ink. It will run again."
        )
        number = step.state.next_attempt(JOB.key)
        assert number == (1 if is_last else attempt + 1)
        state = next_step(Started(JOB, number, "pc-2", "cpu", "now"), step.state).state
    assert run.fingerprint == "mark", "a new map has another mark and is done anew"


def test_only_the_worker_itself_drops_its_claim():
    """That of a dead worker was removed before; a new one at its place is somebody else's."""
    failed = next_step(AttemptFailed(JOB, 1, "ink"), run_in("running"))
    lost = next_step(WorkerLost(JOB, 1, "worker pc-1 died"), run_in("running"))
    assert failed.state == replace(
        lost.state, runs=lost.state.runs.with_record(failed.state.runs.find(JOB.key))
    )
    assert DropClaim(JOB) in failed.instructions and DropClaim(JOB) not in lost.instructions


def test_a_worker_that_died_after_its_result_has_done_the_job():
    step = next_step(WorkerLost(JOB, 3, "died", has_result=True), run_in("running", attempt=3))
    assert step.state.runs.find(JOB.key).state == "done" and step.instructions == ()


def test_a_job_given_back_is_first_and_its_attempt_does_not_count():
    state = run_in("running", attempt=2).with_waiting(OTHER)
    step = next_step(GivenBack(JOB, 2, "the worker was stopped"), state)
    assert step.state.queue.records == (JOB, OTHER)
    assert step.state.next_attempt(JOB.key) == 2
    assert step.instructions[-1] == DropClaim(JOB)


def test_a_job_that_cannot_be_done_fails_at_once():
    step = next_step(Refused(JOB, "unknown task 'dance'"), WAITING)
    assert status(step.state).state == "failed" and step.state.queue.records == ()


def test_a_job_given_up_fails_without_an_attempt_and_can_be_retried():
    step = next_step(GivenUp(JOB, "no worker starts", "mark"), WAITING)
    run = step.state.runs.find(JOB.key)
    assert (run.state, run.attempt, run.given_up) == ("failed", 0, True)
    assert step.instructions == (WriteLog(MAP, "FAILED without an attempt: no worker starts"),)
    again = next_step(Retried(JOB), step.state).state
    assert status(again).state == "queued" and again.next_attempt(JOB.key) == 1
    started = next_step(Started(JOB, 1, "pc-1", "0", "now"), again).state
    assert not started.runs.find(JOB.key).given_up


def test_something_else_is_no_event():
    with pytest.raises(TypeError, match="not an event"):
        next_step("done", NOTHING)


def test_parameters_of_a_claim_that_lost_them_are_those_of_its_run():
    assert run_in("running").started_job(Job(MAP)) == JOB
    newer = replace(JOB, params={"threshold": 0.9})
    assert run_in("running").started_job(newer) == newer
    assert NOTHING.started_job(Job(MAP)) == Job(MAP)


def test_detections_are_claimed_first_then_the_order_of_the_queue():
    detection = Job("G1.png", "detect")
    state = QueueState(Table((OTHER, JOB, detection)))
    assert state.claim_order() == [detection, OTHER, JOB]


# --- any order of events ------------------------------------------------------------------------

JOBS = st.sampled_from([JOB, OTHER, Job("G1.png", "detect")])
ATTEMPTS = st.integers(1, MAX_ATTEMPTS)
EVENTS = st.one_of(
    st.builds(Started, JOBS, ATTEMPTS, st.just("pc-1"), st.just("0"), st.just("now")),
    st.builds(Finished, JOBS, ATTEMPTS, st.booleans()),
    st.builds(AttemptFailed, JOBS, ATTEMPTS, st.just("ink")),
    st.builds(GivenBack, JOBS, ATTEMPTS, st.just("stopped")),
    st.builds(WorkerLost, JOBS, ATTEMPTS, st.just("died"), st.booleans()),
    st.builds(GivenUp, JOBS, st.just("no worker")),
    st.builds(FoundDone, JOBS),
    st.builds(Refused, JOBS, st.just("unknown")),
    st.builds(Retried, JOBS),
)


@given(st.lists(EVENTS, max_size=20))
def test_no_order_of_events_loses_a_job_that_was_submitted(events):
    """It is queued, running, done or failed with a reason, whatever happens to it."""
    state = WAITING
    for event in events:
        state = next_step(event, state).state
        run = state.runs.find(JOB.key)
        waits = state.queue.find(JOB.key) is not None
        assert waits or (run is not None and run.state in ("running", "done", "failed"))
        if run is not None and run.state == "failed":
            assert run.reason
        keys = [job.key for job in state.queue.records]
        assert len(set(keys)) == len(keys)
