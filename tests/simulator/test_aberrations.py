"""Astigmatism and coma: seen in pictures, found there, and taken out by the commands for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import SEMerror, load_instrument, shipped
from space.simulator.column.aberrations import (
    apparent_focus,
    astigmatism_in,
    astigmatism_tensor,
    tilt_displacement_um,
)
from space.simulator.commands import all_commands
from space.simulator.imaging import ctf
from space.simulator.imaging import electrons as imaging
from space.simulator.measuring.ctf_fit import fit_astigmatism, power_spectrum
from tests.simulator.fakes import textured, without_frame_files

CORRECTED_UM, CORRECTED_MRAD = 0.05, 0.3
# Both ways to correct each, by the seed, on a microscope of either voltage. What microscopes differ
# in, their calibrations, is held for all of them by single pictures below.
ASTIGMATIC = [("krios_k3", 2), ("talos_ceta", 1)]
COMATIC = [("jeol_cryoarm_k3", 2), ("glacios_k2", 1)]


class Amorphous:
    """Even film: nothing but the grain that all matter has."""

    name = "film"
    lamellae = ()

    def transmission(self, px_to_grid, shape, pixel_um):
        return np.full(shape, 0.5, np.float32)

    def height_um(self, x, y):
        return 0.0


class Scope:
    """A microscope on an even film, at work through commands, in the Record area."""

    def __init__(self, folder, seed=1, instrument="krios_k3", defocus_um=-3.0, grid=None) -> None:
        self.session = Simulation(
            folder, seed=seed, grids={1: grid or Amorphous()}, instrument=instrument, time_scale=0.0
        ).session
        without_frame_files(self.session)
        self("SetLowDoseMode", 1)
        self.scope = self.session.scope
        self.scope.defocus_um = self.scope.focus_zero_um + defocus_um

    def __call__(self, command, *arguments):
        return all_commands()[command](self.session, *arguments)

    def fit(self):
        self.session.take("R")
        return self("CtfFind", "A", -0.5, -8.0)


# --- formulas -----------------------------------------------------------------------------------

vectors = st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
tilts = st.tuples(st.floats(-12.0, 12.0), st.floats(-12.0, 12.0))


def wave_phase_rad(x, y, defocus_um, astigmatism_um, cs_mm, wavelength_nm):
    """Phase that the lens gives to a wave, less that of the axis."""
    k = np.array([x, y])
    underfocus_nm = 1e3 * (-defocus_um * np.eye(2) + astigmatism_tensor(astigmatism_um))
    square = float(k @ k)
    return (
        math.pi
        * wavelength_nm
        * (float(k @ underfocus_nm @ k) - 0.5e6 * cs_mm * wavelength_nm**2 * square**2)
    )


@given(astigmatism=vectors, tilt=tilts, angle=st.floats(0.0, 6.3), defocus=st.floats(-8.0, 2.0))
def test_a_tilted_beam_meets_the_lens_off_its_axis(astigmatism, tilt, angle, defocus):
    """The phase of the whole lens around the tilted beam, against its even and its odd part."""
    wavelength, cs = ctf.wavelength_nm(300.0), 2.7
    k0 = 1e-3 * np.array(tilt) / wavelength
    g = 0.7 * np.array([math.cos(angle), math.sin(angle)])
    optics = (defocus, astigmatism, cs, wavelength)
    plus, minus, zero = (wave_phase_rad(*(k0 + n * g), *optics) for n in (1, -1, 0))
    focus, apparent = apparent_focus(defocus, astigmatism, tilt, cs)
    even = wave_phase_rad(*g, focus, apparent, cs, wavelength)
    assert 0.5 * (plus + minus) - zero == pytest.approx(even, abs=1e-6)
    coma = float(ctf.coma_phase_rad(g[0], g[1], tilt, 300.0, cs))
    shift = 2e3 * math.pi * float(tilt_displacement_um(defocus, astigmatism, tilt, cs) @ g)
    assert -0.5 * (plus - minus) == pytest.approx(shift + coma, abs=1e-3)


@settings(max_examples=30)
@given(astigmatism=vectors, angle=st.floats(0.0, 6.3))
def test_astigmatism_turns_twice_with_the_axes(astigmatism, angle):
    axes = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = complex(*astigmatism_in(astigmatism, axes))
    assert turned == pytest.approx(complex(*astigmatism) * np.exp(-2j * angle), abs=1e-9)
    mirrored = astigmatism_in(astigmatism, np.diag([1.0, -1.0]))
    assert mirrored == pytest.approx((astigmatism[0], -astigmatism[1]))


def test_underfocus_is_largest_along_the_angle_of_the_astigmatism():
    """As CTFFIND4 has it: z1 along the angle, z2 across, half way between at 45 degrees."""
    angle = math.radians(25.0)
    vector = (0.4 * math.cos(2 * angle), 0.4 * math.sin(2 * angle))
    for turn_deg, underfocus_um in ((0.0, 3.2), (90.0, 2.8), (45.0, 3.0), (180.0, 3.2)):
        a = angle + math.radians(turn_deg)
        x, y = np.float32([math.cos(a)]), np.float32([math.sin(a)])
        assert ctf.defocus_along_um(-3.0, vector, x, y) == pytest.approx(-underfocus_um, abs=1e-5)


# --- pictures -----------------------------------------------------------------------------------


def white(shape, seed=1, pixel_nm=0.6):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) / pixel_nm


@pytest.mark.parametrize("astigmatism", [(0.3, -0.2), (-0.25, 0.6), (-0.9, -0.4)])
def test_the_rings_of_a_picture_are_ellipses_that_a_fit_finds(astigmatism):
    flat = np.full((1000, 1200), 0.5, np.float32)
    across = (astigmatism[0], -astigmatism[1])  # rows run downwards
    lens = imaging.Lens(-3.0, astigmatism_um=across)
    seen = imaging.phase_contrast(flat, white(flat.shape), 0.6, lens)
    fit = fit_astigmatism(power_spectrum(seen, 0.6), -8.0, -0.5)
    assert fit.astigmatism_um == pytest.approx(astigmatism, abs=0.07)
    assert fit.defocus_um == pytest.approx(-3.0, abs=0.05)
    assert fit.difference_um == pytest.approx(math.hypot(*astigmatism), abs=0.07)
    angle = 0.5 * math.degrees(math.atan2(astigmatism[1], astigmatism[0]))
    assert fit.angle_deg == pytest.approx(angle, abs=6.0)


@pytest.mark.parametrize("tilt", [(12.0, 0.0), (0.0, -12.0), (-9.0, 7.0)])
def test_coma_displaces_what_is_fine_more_than_what_is_coarse(tilt):
    """By Cs times the square of wavelength and frequency times the tilt, in nm."""
    flat, pixel_nm = np.full((800, 800), 0.5, np.float32), 0.2
    noise = white(flat.shape, 3, pixel_nm)
    with_coma, without = (
        np.fft.fft2(imaging.phase_contrast(flat, noise, pixel_nm, imaging.Lens(-1.0, tilt_mrad=t)))
        for t in (tilt, (0.0, 0.0))
    )
    ky, kx = (np.fft.fftfreq(800, pixel_nm)[s] for s in ((slice(None), None), (None, slice(None))))
    k = np.hypot(kx, ky)
    wavelength = ctf.wavelength_nm(300.0)
    expected = 2e6 * math.pi * 2.7 * wavelength**2 * k**2 * 1e-3 * (tilt[0] * kx + tilt[1] * ky)
    used = (k > 0.2) & (k < 1.0) & (np.abs(without) > np.median(np.abs(without)))
    wrong = np.angle(with_coma / np.where(used, without, 1.0) * np.exp(-1j * expected))[used]
    assert np.abs(expected[used]).max() > 0.5
    assert np.percentile(np.abs(wrong), 95) < 0.02


def test_what_a_tilted_beam_displaces_is_no_drift(tmp_path):
    """The truth about a picture keeps the two apart, and the place is displaced once."""
    work = Scope(tmp_path, 3)
    work("SetBeamTilt", 6.0, -4.0)
    work.session.take("R")
    truth, scope = work.session.exposures[-1], work.scope
    assert truth.drift_um == pytest.approx((0.0, 0.0), abs=1e-6)
    now, untilted = (
        tilt_displacement_um(truth.defocus_um, truth.astigmatism_um, tilt, 2.7)
        for tilt in (truth.coma_tilt_mrad, scope.coma_tilt_mrad((0.0, 0.0)))
    )
    expected = scope.optics.specimen_to_stage() @ (now - untilted)
    assert np.subtract(truth.center_um, truth.true_stage_um) == pytest.approx(expected, abs=1e-6)


def test_a_tilt_too_small_to_be_seen_changes_nothing():
    flat = np.full((64, 64), 0.5, np.float32)
    none, small, large = (
        imaging.phase_contrast(flat, white(flat.shape), 0.6, imaging.Lens(-3.0, tilt_mrad=tilt))
        for tilt in ((0.0, 0.0), (0.3, 0.0), (-5.0, 0.0))
    )
    assert np.array_equal(none, small)
    assert np.abs(none - large).max() > 0.003 and large.dtype == np.float32


@pytest.mark.parametrize("name", shipped())
def test_records_show_the_astigmatism_of_the_lens(name, tmp_path):
    work = Scope(tmp_path, 3, name)
    stigmator = np.linalg.solve(
        np.array(work.session.instrument.aberrations.stigmator_rows),
        np.array([0.5, 0.3]) - work.scope.astigmatism_um(),
    )
    work("SetObjectiveStigmator", *map(float, stigmator))
    assert work("ReportObjectiveStigmator") == pytest.approx(tuple(stigmator))
    defocus, difference, angle, _, _, _ = work.fit()
    truth = work.session.exposures[-1]
    assert truth.astigmatism_um == pytest.approx((0.5, 0.3))
    assert defocus == pytest.approx(truth.defocus_um, abs=0.05)
    assert difference == pytest.approx(math.hypot(0.5, 0.3), abs=0.08)
    # From the X axis of the camera to the tilt axis it is the rotation of the image.
    rotation = work.scope.rotation_deg(work.scope.mag_index)
    wrong = angle - rotation - 0.5 * math.degrees(math.atan2(0.3, 0.5))
    assert (wrong + 90.0) % 180.0 - 90.0 == pytest.approx(0.0, abs=8.0)
    assert -90.0 <= angle <= 90.0
    plotter = work("Ctfplotter", "A", -0.5, -8.0, 1, 0, 0)
    assert plotter[:3] == (defocus, difference, angle)
    assert work("Ctfplotter", "A", -0.5, -8.0, 0)[1:3] == (0.0, 0.0)


def test_tilting_the_beam_shows_as_defocus_and_astigmatism(tmp_path):
    """The rings of a tableau: less underfocus, and most so along the tilt."""
    work = Scope(tmp_path, 2)
    scope = work.scope
    scope.own_astigmatism_um = scope.own_coma_tilt_mrad = (0.0, 0.0)
    flat = work.fit()
    assert flat[1] < 0.08
    work("SetBeamTilt", 15.0, 0.0)
    defocus, difference, angle, *_ = work.fit()
    square_um = 2.7e3 * 0.015**2
    assert defocus - flat[0] == pytest.approx(2.0 * square_um, abs=0.08)
    assert difference == pytest.approx(2.0 * square_um, abs=0.12)
    along = scope.instrument.beam.tilt_direction_deg + scope.rotation_deg(scope.mag_index)
    assert (angle - along) % 180.0 == pytest.approx(90.0, abs=6.0)


# --- the instrument ------------------------------------------------------------------------------


def test_what_a_session_begins_with_is_drawn_from_its_seed(tmp_path):
    model = load_instrument().aberrations
    drawn = [Simulation(tmp_path, seed=seed, grids={}).session.scope for seed in (1, 1, 2, 3)]
    values = [(*scope.astigmatism_um(), *scope.coma_tilt_mrad()) for scope in drawn]
    assert values[0] == values[1] and len(set(values)) == 3
    for x, y, tilt_x, tilt_y in values:
        assert 0.5 <= math.hypot(x, y) / model.astigmatism_um <= 1.0
        assert 0.5 <= math.hypot(tilt_x, tilt_y) / model.coma_tilt_mrad <= 1.0


@pytest.mark.parametrize("name", shipped())
def test_image_shift_brings_coma_and_astigmatism_that_a_command_takes_out(name, tmp_path):
    work = Scope(tmp_path, 4, name)
    scope = work.scope
    before = np.array([*scope.astigmatism_um(), *scope.coma_tilt_mrad()])
    optics = (scope.beam_tilt, scope.stigmator)
    work("SetImageShift", 3.0, -4.0)
    shifted = np.array([*scope.astigmatism_um(), *scope.coma_tilt_mrad()])
    calibrated = np.any(scope.instrument.aberrations.astigmatism_rows)
    assert np.hypot(*(shifted - before)[2:]) > 0.05
    assert (np.hypot(*(shifted - before)[:2]) > 0.002) == calibrated
    work("AdjustBeamTiltforIS")
    assert [*scope.astigmatism_um(), *scope.coma_tilt_mrad()] == pytest.approx(before)
    assert (scope.stigmator != optics[1]) == calibrated
    work("AdjustBeamTiltforIS")  # not twice as much
    assert [*scope.astigmatism_um(), *scope.coma_tilt_mrad()] == pytest.approx(before)
    work("RestoreBeamTilt")
    assert (scope.beam_tilt, scope.stigmator) == optics
    with pytest.raises(SEMerror, match="no saved beam tilt"):
        work("RestoreBeamTilt")


# --- corrections --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "seed"), ASTIGMATIC)
def test_astigmatism_is_measured_and_corrected(name, seed, tmp_path):
    command = ("CorrectAstigmatism", "FixAstigmatismByCTF")[seed % 2]
    work = Scope(tmp_path, seed, name, defocus_um=-2.0 + seed)
    work("SetObjectiveStigmator", 0.11 * seed, -0.16)
    scope, defocus_um = work.scope, work.scope.defocus_um
    before = scope.astigmatism_um()
    work(command, 1)
    assert scope.stigmator == (0.11 * seed, -0.16)
    needed = np.array(work("ReportStigmatorNeeded"))
    left = before + np.array(scope.instrument.aberrations.stigmator_rows) @ needed
    assert math.hypot(*left) < CORRECTED_UM
    work(command)
    assert math.hypot(*scope.astigmatism_um()) < CORRECTED_UM < math.hypot(*before)
    assert scope.defocus_um == defocus_um
    assert work.session.exposures[-1].area == "F"


@pytest.mark.parametrize(("name", "seed"), COMATIC)
def test_coma_is_measured_and_corrected(name, seed, tmp_path):
    command = ("CorrectComa", "FixComaByCTF")[seed % 2]
    work = Scope(tmp_path, seed, name, defocus_um=-4.0 + seed)
    work("SetImageShift", 2.0, -3.0)
    work("SetBeamTilt", 2.0, -1.0 * seed)
    scope = work.scope
    before, defocus_um = scope.coma_tilt_mrad(), scope.defocus_um
    work(command, -1 if command == "CorrectComa" else 1)
    assert scope.beam_tilt == (2.0, -1.0 * seed)
    left = scope.coma_tilt_mrad(tuple(np.add(scope.beam_tilt, work("ReportComaTiltNeeded"))))
    assert math.hypot(*left) < CORRECTED_MRAD
    work(command)
    assert math.hypot(*scope.coma_tilt_mrad()) < CORRECTED_MRAD < math.hypot(*before)
    assert scope.defocus_um == defocus_um


def test_where_there_are_no_rings_nothing_is_corrected(tmp_path):
    work = Scope(tmp_path)
    work.session.camera.change("F", binning=8)
    scope = work.scope
    scope.beam_tilt, scope.stigmator = (1.0, 0.5), (0.1, 0.0)
    before = (scope.beam_tilt, scope.stigmator, scope.defocus_um)
    scope.valve_open = False
    for command in ("CorrectAstigmatism", "FixAstigmatismByCTF", "CorrectComa", "FixComaByCTF"):
        with pytest.raises(SEMerror, match="too few rings"):
            work(command)
    assert (scope.beam_tilt, scope.stigmator, scope.defocus_um) == before


def test_the_stigmator_has_a_range(tmp_path):
    work = Scope(tmp_path)
    with pytest.raises(SEMerror, match="beyond 1"):
        work("SetObjectiveStigmator", 1.2, 0.0)


@pytest.mark.parametrize("name", shipped())
def test_autofocus_is_not_misled_by_spherical_aberration(name, tmp_path):
    work = Scope(tmp_path, 1, name, grid=textured(pixel_um=0.004))
    scope = work.scope
    scope.own_astigmatism_um = scope.own_coma_tilt_mrad = (0.0, 0.0)
    work("SetUserSetting", "AutofocusBeamTilt", 10.0)
    work("G", -1)
    truth_um = work.session.exposures[-1].defocus_um
    assert work("ReportAutoFocus") == pytest.approx((truth_um, 0.0), abs=0.03)
