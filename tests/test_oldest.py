"""What runs on the oldest Python."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from tests import oldest

TESTS = Path(__file__).resolve().parent


def files() -> list[PurePosixPath]:
    return [PurePosixPath(p.relative_to(TESTS).as_posix()) for p in TESTS.rglob("test_*.py")]


@pytest.mark.parametrize("pattern", [one for group in oldest.LEFT_OUT.values() for one in group])
def test_what_is_left_out_is_there(pattern):
    assert any(oldest.matches(path, pattern) for path in files())


@pytest.mark.parametrize("name", [
    "session/test_faults.py", "test_imports.py", "workflow/test_steps_find.py",
    "microscope/test_hands.py", "jobs/test_launch.py", "jobs/test_worker.py", "test_pacetomo.py",
    "targeting/test_select_targets.py", "lamellae/test_boxes.py", "test_plots.py",
    "simulator/test_host.py", "test_config.py", "test_settings.py", "segmentation/test_plain.py",
])  # fmt: skip
def test_each_room_that_serialem_loads_is_driven(name):
    path = PurePosixPath(name)
    assert path in files() and oldest.left_out(path) is None


def test_a_test_runs_with_its_first_case():
    def item(name, *marks):
        return SimpleNamespace(nodeid=name, get_closest_marker=lambda mark: mark in marks)

    items = [item("a::t[1]", "models"), item("a::t[2]"), item("a::t[3]"), item("a::u"),
             item("a::p", "hypothesis"), item("a::s", "session"), item("b::t[x[y]]")]  # fmt: skip
    run, others = oldest.chosen(items)
    assert [one.nodeid for one in run] == ["a::t[2]", "a::u", "b::t[x[y]]"]
    assert len(run) + len(others) == len(items)


@pytest.mark.parametrize(("name", "found"), [("test_house.py", True), ("test_make.py", None)])
def test_a_file_that_is_left_out_is_not_even_imported(pytestconfig, name, found):
    config = SimpleNamespace(getoption=lambda option: option == "--oldest")
    (conftest,) = (
        one
        for one in pytestconfig.pluginmanager.get_plugins()
        if getattr(one, "__file__", None) == str(TESTS / "conftest.py")
    )
    assert conftest.pytest_ignore_collect(TESTS / name, config) is found
