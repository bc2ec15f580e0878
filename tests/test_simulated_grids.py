"""Which grids a simulated session is told to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.errors import SpaceError
from space.settings import Settings
from space.simulation import Plan, grids_of, setup_of
from tests.side_entry import side_entry_microscope


def plan(**changes) -> Plan:
    return Plan(Path("out"), Path("."), **changes)


def test_grids_are_in_the_autoloader():
    assert grids_of(plan(grids=2, level=4)) == {"grid_list": [1, 2]}


def test_several_grids_are_acquired_without_a_person():
    assert "script_numbers" not in grids_of(plan(grids=1))
    numbers = grids_of(plan(grids=2))["script_numbers"]
    assert Settings(script_numbers=numbers).script_numbers["PACEtomo"] == 2


def test_without_an_autoloader_the_grid_is_on_the_stage_and_has_its_name(tmp_path):
    made = plan(instrument=str(side_entry_microscope(tmp_path)))
    told = grids_of(made)
    assert told["grid_list"] == ["stage"]
    assert told["grid_default_name"] == setup_of(made).grids[0].name


def test_several_grids_need_an_autoloader(tmp_path):
    with pytest.raises(SpaceError, match=r"side_entry\.toml has no autoloader for 2 grids"):
        grids_of(plan(instrument=str(side_entry_microscope(tmp_path)), grids=2))
