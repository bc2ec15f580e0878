"""A beam that the microscope does not tell, an intermediate magnification that is too low."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from pytest import approx

from space.config import load_config
from space.microscope import scope
from space.settings import Settings, check, parse
from space.simulator import Simulation
from space.simulator.commands import all_commands
from space.simulator.external import external_python
from space.simulator.specimen import Grid
from space.steps import refind
from tests.workflow.bench import ROOT

TALOS_BEAM_UM = 1.8
TALOS_DIAGONAL_UM = 4096 * 0.193e-3 * 2**0.5


@pytest.fixture
def microscope(tmp_path, monkeypatch):
    """Return a function that connects the module `serialem` to a microscope in low dose."""
    with ExitStack() as stack:

        def connect(name: str):
            simulation = Simulation(tmp_path, grids={1: Grid.make(1, 0)}, instrument=name)
            monkeypatch.chdir(tmp_path)
            sem, _ = stack.enter_context(external_python(simulation.session, all_commands()))
            monkeypatch.setitem(sys.modules, "serialem", sem)
            sem.GoToImagingState("2")
            return sem, simulation.session.scope

        yield connect


def test_a_beam_that_is_not_told_is_the_diagonal_and_the_warning_names_the_setting(
    microscope, caplog
):
    microscope("talos_ceta")
    assert scope.go_to_record().beam_diameter_um == approx(TALOS_DIAGONAL_UM, abs=0.01)
    assert "camera's diagonal, 1.12 um" in caplog.text and "beam_diameter" in caplog.text


def test_the_beam_that_the_user_knows_is_used_without_a_word(microscope, caplog):
    _, truth = microscope("talos_ceta")
    assert scope.go_to_record(TALOS_BEAM_UM).beam_diameter_um == TALOS_BEAM_UM
    assert caplog.text == ""
    assert truth.beam_diameter_um == approx(TALOS_BEAM_UM, rel=0.01)


def test_the_users_beam_goes_before_that_of_the_microscope(microscope, caplog):
    microscope("krios_k3")
    told_um = scope.go_to_record().beam_diameter_um
    assert told_um == approx(1.6, rel=0.01)
    assert scope.go_to_record(2.0).beam_diameter_um == 2.0
    assert caplog.text == ""
    assert scope.go_to_record(1.0).beam_diameter_um == 1.0
    assert "1.60 um, beam_diameter is 1 um" in caplog.text


def test_a_microscope_that_fails_to_tell_its_beam_gets_the_diagonal(
    microscope, caplog, monkeypatch
):
    sem, _ = microscope("krios_k3")

    def refuse():
        raise sem.SEMerror("there is no illuminated area")

    monkeypatch.setattr(sem, "ReportIlluminatedArea", refuse)
    assert scope.go_to_record().beam_diameter_um == approx(1.06, abs=0.01)
    assert "beam_diameter" in caplog.text


@pytest.mark.parametrize(
    ("value", "word"),
    [(-1, "at least 0"), (1600, "at most 100"), ("1.6", "not a number"), (True, "not a number")],
)
def test_a_wrong_beam_diameter_is_told(space_dir, value, word):
    good = {"SPACE_DIR": str(ROOT), "automation_level": 1, "beam_diameter": 1.6}
    config = load_config(space_dir)
    assert check(parse(good), config) == []
    (problem,) = check(parse({**good, "beam_diameter": value}), config)
    assert "beam_diameter" in problem and word in problem


@pytest.mark.parametrize(("index", "warned"), [(10, True), (14, True), (15, False), (1300, False)])
def test_an_intermediate_magnification_in_the_low_range_is_told(microscope, caplog, index, warned):
    microscope("talos_ceta")
    settings = Settings(IM_mag_index=index, WG_image_state=1)
    refind.go_to_intermediate(SimpleNamespace(settings=settings))
    assert ("low range (LM)" in caplog.text) is warned
    assert (f"IM_mag_index {index}" in caplog.text) is warned
