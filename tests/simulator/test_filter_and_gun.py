"""The slit of the energy filter, the zero-loss peak that wanders, and the gun that decays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import SEMerror, load_instrument, shipped
from space.simulator.column.energy_filter import Passed, drift_ev, through_slit
from space.simulator.commands import all_commands
from space.simulator.imaging.electrons import INELASTIC, filtered

HOUR_S = 3600.0
WITH_FILTER = [name for name in shipped() if load_instrument(name).energy_filter is not None]


class Film:
    """Even matter of one thickness; 1 is none."""

    name = "film"
    lamellae = ()

    def __init__(self, transmission=1.0) -> None:
        self.value = transmission

    def transmission(self, px_to_grid, shape, pixel_um):
        return np.full(shape, self.value, np.float32)

    def height_um(self, x, y):
        return 0.0


class Scope:
    """A microscope at work through commands, in View."""

    def __init__(self, folder, film=1.0, instrument="krios_k3", seed=1, noise=False) -> None:
        self.session = Simulation(
            folder,
            seed=seed,
            grids={1: Film(film)},
            instrument=instrument,
            noise=noise,
            time_scale=0.0,
        ).session
        self.scope = self.session.scope
        self("SetLowDoseMode", 1)

    def __call__(self, command, *arguments):
        return all_commands()[command](self.session, *arguments)

    def counts(self):
        """Mean of a View picture in electrons per dose, so that the gun does not matter."""
        image = self.session.take("V")
        return float(image.data.mean()) / image.dose_e_A2


# --- filter -------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(transmission=st.floats(0.05, 1.0), seen=st.floats(0.9, 1.1))
def test_all_energies_together_are_what_passes_without_a_slit(transmission, seen):
    """Zero loss and all losses add up to what the large angles leave."""
    flat = np.full((4, 5), transmission, np.float32)
    with_slit = filtered(seen * flat, flat, through_slit(-2000.0, 2000.0))
    without = filtered(seen * flat, flat, Passed(losses=None))
    assert with_slit == pytest.approx(without, rel=0.02)
    expected = transmission ** (1.0 - INELASTIC) + (seen - 1.0) * transmission
    assert without == pytest.approx(expected, rel=1e-4)


def test_a_usual_slit_passes_zero_loss_and_nothing_else():
    flat = np.full((4, 5), 0.3, np.float32)
    assert filtered(flat, flat, through_slit(-10.0, 10.0)) is flat
    assert filtered(flat, flat, Passed()) is flat


def test_thick_matter_is_darker_with_the_slit(tmp_path):
    work, empty = Scope(tmp_path, 0.3), Scope(tmp_path, 1.0)
    with_slit, bright = work.counts(), empty.counts()
    work("SetSlitIn", 0)
    assert with_slit / bright == pytest.approx(0.3, rel=0.05)
    assert work.counts() / bright == pytest.approx(0.3**0.4, rel=0.05)
    work("SetSlitIn")
    assert work.counts() == pytest.approx(with_slit, rel=0.01)


def test_loss_electrons_come_from_matter_only(tmp_path):
    counts = {}
    for film in (1.0, 0.6):
        work = Scope(tmp_path, film)
        work("SetSlitWidth", 10.0)
        work("SetEnergyLoss", 22.0)
        assert work("ReportEnergyFilter") == (10.0, 22.0, 1.0)
        assert work("ReportUserSetting", "FilterEnergyLoss") == 22.0
        counts[film] = work.counts()
        work("ChangeEnergyLoss", -22.0)
        assert work("ReportEnergyFilter") == (10.0, 0.0, 1.0)
        assert work("ReportUserSetting", "FilterZeroLoss") == 1.0
    assert counts[0.6] > 20.0 * max(counts[1.0], 0.1)


@pytest.mark.parametrize("name", WITH_FILTER)
@pytest.mark.parametrize("noise", [False, True])
def test_a_slit_off_the_peak_darkens_and_the_peak_is_found(name, noise, tmp_path):
    work = Scope(tmp_path, 0.5, name, noise=noise)
    scope = work.scope
    good = work.counts()
    for wrong_ev in (7.0, -12.0):
        scope.filter_offset_ev += scope.zero_loss_ev() - wrong_ev
        work("SetSlitWidth", 10.0)
        dark = work.counts()
        assert dark < 0.05 * good or wrong_ev < 0.0  # losses pass on the other side
        work("SetSlitIn", 0)
        assert work("RefineZLP") == 0.0
        assert scope.slit_in and scope.slit_width_ev == 10.0 and scope.energy_loss_ev == 0.0
        assert scope.zero_loss_ev() == pytest.approx(0.0, abs=0.3)
        assert work.counts() == pytest.approx(good, rel=0.03)
    assert len(work.session.exposures) == 5  # refining is not an exposure


def test_the_interval_is_kept_and_failures_are_told(tmp_path):
    work = Scope(tmp_path)
    assert work("RefineZLP", 30.0) == 0.0
    assert work("RefineZLP", 30.0) is None
    work("SetColumnOrGunValve", 0)
    with pytest.raises(SEMerror, match="no zero-loss peak"):
        work("RefineZLP")
    work("SetColumnOrGunValve", 1)
    work.scope.filter_offset_ev += 60.0
    with pytest.raises(SEMerror, match="no zero-loss peak"):
        work("RefineZLP")


@pytest.mark.parametrize("name", WITH_FILTER)
@pytest.mark.parametrize("seed", range(4))
def test_a_night_does_not_take_the_peak_out_of_a_wide_slit(name, seed, tmp_path):
    work = Scope(tmp_path, 1.0, name, seed)
    drift = [drift_ev(seed, work.scope.instrument.energy_filter.drift_eV, h * HOUR_S)
             for h in np.arange(0.0, 12.0, 0.25)]  # fmt: skip
    assert drift[0] == 0.0 and 0.1 < np.abs(drift).max() < 8.0
    assert np.abs(np.diff(drift)).max() < 2.0
    good = work.counts()
    work.session.clock.advance(12.0 * HOUR_S)
    assert work.counts() == pytest.approx(good, rel=0.01)


def test_limits_and_microscopes_without_a_filter(tmp_path):
    work = Scope(tmp_path)
    for command, value in (("SetSlitWidth", 0.0), ("SetSlitWidth", 200.0), ("SetEnergyLoss", 4e3)):
        with pytest.raises(SEMerror, match="out of range"):
            work(command, value)
    without = Scope(tmp_path, instrument="talos_ceta")
    for command, *arguments in (("SetEnergyLoss", 5.0), ("ChangeEnergyLoss", 5.0), ("RefineZLP",)):
        with pytest.raises(SEMerror, match="no energy filter"):
            without(command, *arguments)


# --- gun ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_the_gun_loses_current_until_it_is_flashed(name, tmp_path):
    work = Scope(tmp_path, instrument=name)
    work("GoToLowDoseArea", "V")
    gun = work.scope.instrument.gun
    rate, mean = work.scope.dose_rate_e_A2_s(), float(work.session.take("V").data.mean())
    work("ScreenDown")
    current = work("ReportScreenCurrent")
    work.session.clock.advance(10.0 * HOUR_S)
    left = np.exp(-10.0 * gun.current_loss_per_h)
    assert work.scope.dose_rate_e_A2_s() / rate == pytest.approx(left, rel=1e-3)
    assert work("ReportScreenCurrent") / current == pytest.approx(left, rel=1e-3)
    dimmed = work.session.take("V")
    assert float(dimmed.data.mean()) / mean == pytest.approx(left, rel=0.01)
    work("LongOperation", "FF", "0")
    assert work.scope.dose_rate_e_A2_s() == pytest.approx(rate, rel=1e-3)


def test_flashing_is_advised_when_enough_is_lost(tmp_path):
    work = Scope(tmp_path, instrument="jeol_cryoarm_k3")
    advised = [(work("IsFEGFlashingAdvised", 0), work("IsFEGFlashingAdvised", 1))]
    for _ in range(3):
        work.session.clock.advance(14.0 * HOUR_S)
        advised.append((work("IsFEGFlashingAdvised", 0), work("IsFEGFlashingAdvised", 1)))
    assert advised == [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, 1.0)]
    work("NextFEGFlashHighTemp", 1)
    work("LongOperation", "FF", "2")
    assert (work("IsFEGFlashingAdvised", 0), work("IsFEGFlashingAdvised", 1)) == (0.0, 0.0)
    schottky = Scope(tmp_path)
    schottky.session.clock.advance(500.0 * HOUR_S)
    assert schottky("IsFEGFlashingAdvised", 0) == schottky("IsFEGFlashingAdvised", 1) == 0.0


def test_storing_the_beam_of_an_area_does_not_store_the_age_of_the_tip(tmp_path):
    work = Scope(tmp_path, instrument="jeol_cryoarm_k3")
    work("GoToLowDoseArea", "R")
    fresh = work.scope.dose_rate_e_A2_s()
    work.session.clock.advance(20.0 * HOUR_S)
    before = work.scope.dose_rate_e_A2_s()
    work.scope.store_present("R")
    assert work.scope.dose_rate_e_A2_s() == pytest.approx(before, rel=1e-3)
    work("LongOperation", "FF", "0")
    assert work.scope.dose_rate_e_A2_s() == pytest.approx(fresh, rel=1e-3)


@pytest.mark.parametrize(
    "there, back",
    [
        (("SetSlitIn", 0), ("SetSlitIn", 1)),
        (("SetSlitWidth", 10.0), ("SetSlitWidth", 20.0)),
        (("SetSpotSize", 3), ("SetSpotSize", 7)),
    ],
)
def test_slit_and_spot_size_take_their_time_when_they_change(there, back, tmp_path):
    work = Scope(tmp_path)

    def seconds(name, value):
        work("ResetClock")
        work(name, value)
        return work("ReportClock")

    work(*back)
    assert seconds(*back) == 0.0
    assert seconds(*there) == seconds(*back) > 0.0
