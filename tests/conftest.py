"""Examples of property tests, and the choice for the oldest Python.

A change must not pass or fail by luck, so the examples follow from the test alone. `make fuzz`
draws new ones, again and again, and more of them; what it finds belongs into a test of its own.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests import oldest

# Tests run side by side, so that threads of one process would only wait for those of another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no error: no deadlines.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, max_examples=30)
settings.register_profile(
    "random", derandomize=False, deadline=None, print_blob=True, max_examples=200
)
# pytest --hypothesis-profile=random comes after this line and wins.
settings.load_profile("ci")

TESTS = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def what_is_logged_stays_as_it_was():
    """Take back what a command did to the log of this process: a later test must not depend on it.

    Commands run in a process of their own, where nothing has to be taken back.
    """
    logger = logging.getLogger("space")
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
    logger.propagate = propagate


@pytest.fixture(scope="session", autouse=True)
def pictures_are_drawn_at_once():
    """Draw pictures for people in this process: another one would cost a start of Python each.

    Returns what a session does instead.
    """
    from space.drawing import __main__ as process
    from space.drawing import beside

    with pytest.MonkeyPatch.context() as patch:
        start = beside.start_drawing
        patch.setattr(beside, "start_drawing", lambda folder: process.main(folder.parent))
        yield start


@pytest.fixture(autouse=True)
def pictures_are_drawn_beside(request, monkeypatch, pictures_are_drawn_at_once):
    """Have the pictures of a test with the mark `beside` drawn as a session does."""
    if request.node.get_closest_marker("beside"):
        from space.drawing import beside

        monkeypatch.setattr(beside, "start_drawing", pictures_are_drawn_at_once)


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
    """Choose the tests for the oldest Python, and begin with the files that take longest.

    Processes that share the tests take the next file when they are done with one: a long one at
    the end would leave the others idle.
    """
    if config.getoption("--oldest"):
        items[:], others = oldest.chosen(items)
        config.hook.pytest_deselected(items=others)
    sessions = {item.path for item in items if item.get_closest_marker("session")}
    items.sort(key=lambda item: _rank(item.path, sessions))


def _rank(path, sessions):
    """Whole sessions come first, then what drives the workflow, then all others."""
    rooms = path.relative_to(TESTS).parts[:-1] if path.is_relative_to(TESTS) else ()
    if path in sessions:
        return 0
    return 1 if rooms[:1] in (("session",), ("workflow",)) else 2
