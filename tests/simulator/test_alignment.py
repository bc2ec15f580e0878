"""Alignments by real correlation move the microscope the right way."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import alignment as commands
from space.simulator.commands import buffers, camera, image_shift
from space.simulator.measuring import alignment
from tests.simulator.fakes import textured


def test_correlate_finds_a_known_shift():
    rng = np.random.default_rng(1)
    scene = rng.normal(size=(300, 400))
    from scipy.ndimage import gaussian_filter

    scene = gaussian_filter(scene, 3)
    image, reference = scene[40:240, 50:350], scene[33:233, 62:362]
    found = alignment.correlate(image, reference)
    assert (found.x_px, found.y_px) == pytest.approx((-12.0, 7.0), abs=0.3)
    smaller = reference[11:190, 21:280]
    moved = alignment.correlate(image, smaller)
    # the centre of the smaller one lies at (150.5, 100.5) instead of (150, 100)
    assert (moved.x_px, moved.y_px) == pytest.approx((-12.5, 6.5), abs=0.5)


def test_limit_returns_none_beyond():
    rng = np.random.default_rng(2)
    from scipy.ndimage import gaussian_filter

    scene = gaussian_filter(rng.normal(size=(300, 300)), 4)
    assert alignment.correlate(scene[:200, :200], scene[50:250, :200], limit_px=60) is not None
    found = alignment.correlate(scene[:200, :200], scene[50:250, :200], limit_px=20)
    assert found is None or abs(found.y_px + 50) > 20


@pytest.fixture
def session(make_session):
    return make_session(textured(), noise=True)


@pytest.mark.parametrize("shift_um", [(0.6, -0.3), (-0.4, 0.8)])
def test_align_to_takes_an_image_shift_back(session, shift_um):
    camera.view(session)
    buffers.copy(session, "A", "O")
    image_shift.image_shift_by_microns(session, *shift_um)
    camera.view(session)
    before = session.scope.image_shift
    assert commands.align_to(session, "O") == 0.0
    assert session.scope.specimen_shift_um() == pytest.approx((0.0, 0.0), abs=0.01)
    applied = image_shift.report_is_for_buffer_shift(session)
    after = session.scope.image_shift
    assert applied == pytest.approx(np.subtract(after, before))
    report = commands.report_align_shift(session)
    assert report[4:6] == pytest.approx(1000 * np.array(shift_um), abs=10)
    camera.view(session)
    assert image_shift.report_is_for_buffer_shift(session) == (0.0, 0.0)


def test_align_to_follows_the_stage(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    center = session.exposures[-1].center_um
    session.scope.stage.move_to(0.7, -0.9)
    camera.view(session)
    commands.align_to(session, "O")
    camera.view(session)
    assert session.exposures[-1].center_um == pytest.approx(center, abs=0.02)


def test_worked_example_signs(session):
    image = session.take("V")
    # content to the right and up by (83.25, 105.8) px lays it on the reference
    commands.impose_shift(session, image, (83.2532, -105.8013))
    camera_px = np.array([4 * 83.2532, 4 * 105.8013])
    optics = session.scope.optics
    expected = -(optics.camera_to_is(17) @ camera_px)
    assert session.scope.image_shift == pytest.approx(tuple(expected))
    report = commands.report_align_shift(session)
    # The standard microscope's K3 counts half pixels.
    assert report[:2] == pytest.approx((2 * 333.0128, 2 * 423.2052), abs=0.01)
    assert report[4:] == pytest.approx(1000 * optics.camera_to_specimen(17) @ camera_px)


def test_align_to_raises_at_the_limit_and_shifts_nothing(session):
    session.scope.properties["ImageShiftLimit"] = 0.5
    camera.view(session)
    buffers.copy(session, "A", "O")
    session.scope.stage.move_to(1.0, 0.0)
    camera.view(session)
    with pytest.raises(SEMerror, match="limit"):
        commands.align_to(session, "O")
    assert session.scope.image_shift == (0.0, 0.0)


def test_no_scope_shift_when_asked_or_processed(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    session.scope.stage.move_to(0.5, 0.0)
    camera.view(session)
    commands.align_to(session, "O", 1)
    assert session.scope.image_shift == (0.0, 0.0)
    assert abs(session.buffers.get("A").align_shift_px[1]) > 30
    buffers.reduce_image(session, "A", 2.0)
    commands.align_to(session, "O")
    assert session.scope.image_shift == (0.0, 0.0)


def test_the_shift_that_an_alignment_asks_for_is_told_without_making_it(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    assert image_shift.report_is_for_buffer_shift(session) == (0.0, 0.0)
    session.scope.stage.move_to(0.5, 0.2)
    camera.view(session)
    commands.align_to(session, "O", 1)
    asked = image_shift.report_is_for_buffer_shift(session)
    assert session.scope.image_shift == (0.0, 0.0) and np.hypot(*asked) > 0.3
    assert image_shift.image_shift_by_units(session, *asked) == 0.0
    camera.view(session)
    commands.align_to(session, "O")
    assert np.hypot(*session.buffers.get("A").align_shift_px) < 0.1


def test_the_correlation_is_shown_and_nothing_is_shifted(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    session.scope.stage.move_to(0.5, -0.3)
    camera.view(session)
    picture, older = session.buffers.get("A"), session.buffers.get("B")
    assert commands.align_to(session, "O", 1, 0, 0, 1) == 0.0
    shown = session.buffers.get("A")
    assert session.buffers.get("B") is picture and session.buffers.get("C") is older
    assert session.scope.image_shift == (0.0, 0.0)
    assert picture.align_shift_px == (0.0, 0.0) == shown.align_shift_px
    assert shown.data.dtype == np.float32 and shown.processed
    assert image_shift.report_is_for_buffer_shift(session) == (0.0, 0.0)
    # Its peak lies where AlignTo finds it.
    rows, columns = shown.data.shape
    row, column = np.unravel_index(int(np.argmax(shown.data)), shown.data.shape)
    factor = shown.pixel_um / picture.pixel_um
    peak = ((column - columns // 2) * factor, (row - rows // 2) * factor)
    session.buffers.set("A", picture)
    commands.align_to(session, "O", 1)
    assert session.buffers.get("A").align_shift_px == pytest.approx(peak, abs=1.5 * factor)


def test_limit_next_auto_align(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    session.scope.stage.move_to(1.5, 0.0)
    camera.view(session)
    commands.limit_next_auto_align(session, 0.3)
    assert commands.align_to(session, "O") == -1.0
    assert session.scope.image_shift == (0.0, 0.0)
    assert session.buffers.get("A").align_shift_px == (0.0, 0.0)
    # The limit was for one alignment; a larger one lets the shift pass.
    for limit_um in (0.0, 2.0):
        session.scope.set_image_shift(0.0, 0.0)
        camera.view(session)
        commands.limit_next_auto_align(session, limit_um)
        assert commands.align_to(session, "O") == 0.0
        assert np.hypot(*session.scope.specimen_shift_um()) == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize("tilts", [(35.0, 58.0), (58.0, 35.0), (-20.0, -60.0)])
def test_pictures_of_different_tilts(session, tilts):
    session.scope.tilt_to(tilts[0])
    camera.view(session)
    buffers.copy(session, "A", "O")
    center = session.exposures[-1].center_um
    session.scope.tilt_to(tilts[1])
    session.scope.stage.move_to(0.9, -1.1)
    camera.view(session)
    assert commands.align_to(session, "O") == 0.0
    camera.view(session)
    assert session.exposures[-1].center_um == pytest.approx(center, abs=0.01)


def test_reference_of_another_binning(session):
    session.camera.change("V", binning=8)
    camera.view(session)
    buffers.copy(session, "A", "O")
    session.camera.restore("V")
    center = session.exposures[-1].center_um
    session.scope.stage.move_to(-0.8, 0.5)
    camera.view(session)
    commands.align_to(session, "O")
    camera.view(session)
    assert session.exposures[-1].center_um == pytest.approx(center, abs=0.02)


def test_shift_of_the_reference_counts(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    center = session.exposures[-1].center_um
    image_shift.image_shift_by_microns(session, 0.3, 0.2)
    camera.view(session)
    commands.align_to(session, "O", 1)  # this picture is off, and knows by how much
    buffers.copy(session, "A", "P")
    image_shift.image_shift_by_microns(session, -0.5, 0.4)
    camera.view(session)
    commands.align_to(session, "P")
    camera.view(session)
    assert session.exposures[-1].center_um == pytest.approx(center, abs=0.01)


def test_clear_alignment_takes_the_shift_back_or_leaves_it(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    session.scope.stage.move_to(0.4, 0.4)
    for keep in (None, 1):
        session.scope.set_image_shift(0.0, 0.0)
        camera.view(session)
        commands.align_to(session, "O")
        found = session.scope.image_shift
        assert found != (0.0, 0.0)
        commands.clear_alignment(session, keep)
        assert session.scope.image_shift == pytest.approx(found if keep else (0.0, 0.0), abs=1e-9)
        assert image_shift.report_is_for_buffer_shift(session) == (0.0, 0.0)


def test_peaks_count_less_with_their_distance_from_the_expected_one():
    from scipy.ndimage import gaussian_filter

    scene = gaussian_filter(np.random.default_rng(4).normal(size=(200, 300)), 3)
    two = np.roll(scene, 40, 1) + 0.6 * np.roll(scene, -30, 1)
    assert alignment.correlate(scene, two).x_px == pytest.approx(40.0, abs=0.5)
    near = alignment.correlate(scene, two, expected_px=(-30.0, 0.0), sigma_px=20.0)
    assert near.x_px == pytest.approx(-30.0, abs=0.5)


@pytest.mark.parametrize("shift", [(61, -38), (-90, 12), (3, 2)])
def test_smooth_pictures_are_not_drawn_towards_no_shift(shift):
    from scipy.ndimage import gaussian_filter

    scene = gaussian_filter(np.random.default_rng(7).normal(size=(700, 800)), 14)
    x, y = shift
    image, reference = scene[150:550, 150:650], scene[150 - y : 550 - y, 150 - x : 650 - x]
    found = alignment.correlate(image, reference)
    assert (found.x_px, found.y_px) == pytest.approx(shift, abs=0.15)


def test_noise_has_no_prominent_peak():
    rng = np.random.default_rng(3)
    for _ in range(5):
        found = alignment.correlate(rng.normal(size=(511, 720)), rng.normal(size=(511, 720)))
        assert found.prominence < 6.5
    scene = rng.normal(size=(530, 740))
    found = alignment.correlate(scene[:511, :720], scene[19:, 20:])
    assert found.prominence > 20.0


def test_alignment_is_quick(session):
    import time

    camera.view(session)
    buffers.copy(session, "A", "O")
    session.scope.stage.move_to(0.4, -0.4)
    camera.view(session)
    assert session.buffers.get("A").data.shape == (1023, 1440)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        commands.align_to(session, "O")
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.15
