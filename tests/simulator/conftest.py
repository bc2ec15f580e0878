"""Sessions on fake specimens; with SAVES_FRAMES in a module of tests, frames are saved."""

from __future__ import annotations

import pytest

from space.simulator import Simulation
from tests.simulator.fakes import SpotGrid, without_frame_files


@pytest.fixture
def make_session(tmp_path, request):
    """A session without noise and stage errors, low dose on, on a grid of spots."""

    def make(grid=None, low_dose=True, noise=False, stage_error_um=0.0, **options):
        simulation = Simulation(
            tmp_path,
            grids={1: grid or SpotGrid()},
            noise=noise,
            stage_error_um=stage_error_um,
            **options,
        )
        session = simulation.session
        if not getattr(request.module, "SAVES_FRAMES", False):
            without_frame_files(session)
        if low_dose:
            session.scope.set_low_dose(True)
        return session

    return make


@pytest.fixture
def make_simulation(tmp_path, request):
    """A simulation on a grid of spots."""

    def make(grid=None, **options):
        options.setdefault("noise", False)
        options.setdefault("stage_error_um", 0.0)
        options.setdefault("time_scale", 0.0)
        simulation = Simulation(tmp_path, grids={1: grid or SpotGrid()}, **options)
        if not getattr(request.module, "SAVES_FRAMES", False):
            without_frame_files(simulation.session)
        return simulation

    return make
