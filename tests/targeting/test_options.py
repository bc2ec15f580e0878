"""What the settings and the options of target selection have in common is one fact."""

from __future__ import annotations

import pytest

from space.errors import SpaceError
from space.settings import Settings, check, parse
from space.targeting import ExposureOptics, TargetingOptions

OPTICS = {"pixel_nm": 16, "field_um": (0.86, 0.61), "beam_diameter_um": 1.6, "tilt_axis_deg": 85}


def refused_by_settings(name: str, value: float) -> bool:
    return any(problem.startswith(name) for problem in check(parse({name: value}), None))


def test_defaults_are_those_of_the_settings():
    settings, optics = Settings(), ExposureOptics(**OPTICS)
    assert TargetingOptions() == TargetingOptions.of_session(settings)
    assert optics.beam_margin_um == settings.beam_margin
    assert optics.image_shift_limit_um == settings.image_shift_limit
    assert (optics.max_tilt_deg, optics.pretilt_deg) == (settings.max_tilt, settings.pretilt)


@pytest.mark.parametrize(
    ("rounds", "allowed"), [(-1, False), (0, True), (1000, True), (1001, False)]
)
def test_rounds_of_refinement_have_one_range(rounds, allowed):
    assert refused_by_settings("max_iterations", rounds) != allowed
    if allowed:
        assert TargetingOptions(max_iterations=rounds).max_iterations == rounds
    else:
        with pytest.raises(
            SpaceError, match=f"max_iterations = {rounds} .* at least 0 and at most 1000"
        ):
            TargetingOptions(max_iterations=rounds)


@pytest.mark.parametrize(("tilt_deg", "allowed"), [(80, True), (80.5, False), (85, False)])
def test_the_steepest_tilt_is_one_angle(tilt_deg, allowed):
    assert refused_by_settings("max_tilt", tilt_deg) != allowed
    if allowed:
        assert ExposureOptics(**OPTICS, max_tilt_deg=tilt_deg).steepest_tilt_deg == tilt_deg
    else:
        with pytest.raises(SpaceError, match="max_tilt must be an angle up to 80 degrees"):
            ExposureOptics(**OPTICS, max_tilt_deg=tilt_deg)


def test_a_session_without_a_limit_of_targets_has_none():
    assert TargetingOptions.of_session(Settings(max_targets=0)).max_targets == 0
    assert TargetingOptions.of_session(Settings(max_targets=4)).max_targets == 4
    many = {"mitos": 1.0, "vesicles": 0.5}
    assert TargetingOptions.of_session(Settings(target_list=many)).priorities == many
    holes = TargetingOptions.of_session(Settings(hole_pattern=True))
    assert not holes.on_lamella_only and holes.off_lamella == TargetingOptions.off_lamella
    assert TargetingOptions.of_session(Settings(), ("ice",)).off_lamella == ("ice",)
