"""The guide says how long each wait lasts at most."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from space.microscope import attempts, column
from space.steps import collect, inference, steering, telling

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "night.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## What is waited for, and how long")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \| (\d+) (h|min|s) \| .+ \|$", SECTION, re.MULTILINE)
SECONDS = {"h": 3600.0, "min": 60.0, "s": 1.0}


@pytest.mark.parametrize(
    ("what", "limit_s"),
    [
        ("detection", inference.DETECTION_TIMEOUT_S),
        ("next segmentation", inference.SEGMENTATION_TIMEOUT_S),
        ("dewars", attempts.DEWARS_TIMEOUT_S),
        ("pause", steering.LONGEST_PAUSE_S),
        ("into view", collect.CENTRE_BY_HAND_TIMEOUT_S),
        ("valves", column._POLLS * column._POLL_EVERY_S),
        ("SPACE_control.txt", steering._MOST_LOOKS * steering._SETTLED_S),
        ("message", telling.LONGEST_FINISH_S),
    ],
)
def test_the_limit_of_a_wait_is_that_of_the_code(what, limit_s):
    (told,) = [float(number) * SECONDS[unit] for row, number, unit in ROWS if what in row]
    assert told == limit_s


def test_every_limit_on_the_page_is_held():
    assert len(ROWS) == 8 + 2  # those of the queue: tests/jobs
