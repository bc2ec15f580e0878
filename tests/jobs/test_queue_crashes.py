"""A sample of the schedules of trouble that the benchmark runs by the hundred."""

import sys

import pytest

from benchmarks.queue_crashes import run_schedule


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("seed", [900_000, 900_003])
def test_no_trouble_loses_a_map_or_does_one_twice(seed):
    outcome = run_schedule(seed)
    assert outcome.trouble and outcome.is_good, outcome
