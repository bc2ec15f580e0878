"""Examples of property tests, and the choice for the oldest Python.

A change must not pass or fail by luck, so the examples follow from the test alone. `make fuzz`
draws new ones, again and again, and more of them; what it finds belongs into a test of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests import oldest

# A busy machine is no error: no deadlines.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, max_examples=30)
settings.register_profile(
    "random", derandomize=False, deadline=None, print_blob=True, max_examples=200
)
# pytest --hypothesis-profile=random comes after this line and wins.
settings.load_profile("ci")

TESTS = Path(__file__).resolve().parent


def pytest_addoption(parser):
    parser.addoption("--oldest", action="store_true", help="only what tests/oldest.py chooses")


def pytest_ignore_collect(collection_path, config):
    """Do not even import a file that is left out on the oldest Python."""
    if config.getoption("--oldest") and collection_path.suffix == ".py":
        if oldest.left_out(collection_path.relative_to(TESTS)) is not None:
            return True
    return None


@pytest.hookimpl(trylast=True)  # property tests have got their mark by then
def pytest_collection_modifyitems(config, items):
    """Choose the tests for the oldest Python."""
    if config.getoption("--oldest"):
        items[:], others = oldest.chosen(items)
        config.hook.pytest_deselected(items=others)
