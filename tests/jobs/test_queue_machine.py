"""No sequence of submissions, deaths and failures loses a job or gives it to two."""

import tempfile
from pathlib import Path

from helpers import Clock, beat, make_map, watch_for, write_result
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from space.jobs import JobFolder, Worker

NAMES = ("a_L01.png", "b_L01.png", "c_L02.png")


class Queue(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.path = Path(self.temporary.name)
        for name in NAMES:
            make_map(self.path, name)
        self.clock = Clock()
        self.folder = JobFolder(self.path, clock=self.clock)
        self.submitted = set()
        self.living = {}
        self.claims = {}
        self.count = 0

    def teardown(self):
        self.temporary.cleanup()

    @rule(name=st.sampled_from(NAMES))
    def submit(self, name):
        self.folder.submit(name)
        self.submitted.add(name)

    @rule()
    def claim(self):
        self.count += 1
        worker = Worker(f"far-{self.count}", "far", self.count)
        beat(self.path, worker, 0)
        claim = self.folder.claim(worker)
        if claim is not None:
            assert claim.job.map_name not in {c.job.map_name for c in self.claims.values()}
            self.living[worker.name] = worker
            self.claims[worker.name] = claim

    @rule(how=st.sampled_from(["done", "fail", "release", "die"]), which=st.integers(0, 2))
    def end(self, how, which):
        if not self.claims:
            return
        name = sorted(self.claims)[which % len(self.claims)]
        claim = self.claims.pop(name)
        self.living.pop(name)
        if how == "done":
            write_result(self.path, claim.job.map_name)
            assert self.folder.finish(claim)
        elif how == "fail":
            self.folder.fail(claim, "x")
        elif how == "release":
            self.folder.release(claim)
        else:  # silence, until everybody has noticed
            watch_for(self.folder, self.clock, 120, self._all_beat)

    @rule()
    def edit_runs_by_hand(self):
        path = self.path / "SPACE_runs.txt"
        if path.exists() and not self.claims:
            path.write_text("# nothing but this\n", encoding="utf-8")
            states = {n: self.folder.status(n).state for n in self.submitted}
            self.submitted = {n for n in self.submitted if states[n] != "absent"}

    def _all_beat(self):
        for worker in self.living.values():
            self.count += 1
            beat(self.path, worker, self.count)

    @invariant()
    def nothing_is_lost(self):
        running = {c.job.map_name for c in self.claims.values()}
        for name in self.submitted:
            state = self.folder.status(name).state
            assert (
                state == "running" if name in running else state in ("queued", "done", "failed")
            ), (name, state)
        for claim in self.claims.values():
            assert self.folder.owns(claim)


Queue.TestCase.settings = settings(max_examples=20, stateful_step_count=15)
TestQueue = Queue.TestCase
