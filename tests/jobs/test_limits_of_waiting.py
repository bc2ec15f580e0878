"""The guide says how long the queue and the search for packages are waited for."""

from __future__ import annotations

from pathlib import Path

from space.jobs import needs, queue_files

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "night.md").read_text(encoding="utf-8")


def test_the_limits_of_the_guide_are_those_of_the_code():
    assert f"that writes into the queue | {queue_files.LOCK_SECONDS:.0f} s |" in PAGE
    assert f"which packages it has | {needs._PATIENCE_S:.0f} s |" in PAGE
