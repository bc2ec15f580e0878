"""Alignment between pictures of different magnification, or of the same and different size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import alignment as commands
from space.simulator.commands import buffers, camera, image_shift
from space.simulator.measuring import between_mags
from tests.simulator.fakes import textured

NOWHERE = (-1.0, -1.0, -1.0)  # the middle of the reference, within a field


@pytest.fixture
def session(make_session):
    return make_session(textured(pixel_um=0.012), noise=True)


def seen(session) -> np.ndarray:
    return np.array(session.exposures[-1].center_um)


def likeness(one, other) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("options", [(), (0.0, 0.0), (-1.0, -1.0)])
def test_a_picture_is_found_in_one_of_lower_magnification(session, options):
    camera.view(session)
    buffers.copy(session, "A", "O")
    wanted = seen(session)
    image_shift.image_shift_by_microns(session, 0.35, -0.25)
    camera.preview(session)
    scaling, rotation = commands.align_between_mags(session, "O", *NOWHERE, *options)
    # Pixel sizes and rotations of the two magnifications are known: nothing else is found.
    assert scaling == pytest.approx(1.0, abs=0.003)
    assert rotation == pytest.approx(0.0, abs=0.1)
    camera.preview(session)
    assert seen(session) == pytest.approx(wanted, abs=0.01)


def test_a_picture_of_lower_magnification_is_aligned_to_one_of_higher(session):
    camera.preview(session)
    buffers.copy(session, "A", "O")
    wanted = seen(session)
    image_shift.image_shift_by_microns(session, 0.5, 0.8)
    camera.view(session)
    commands.align_between_mags(session, "O", -1.0, -1.0, -2.0)
    camera.view(session)
    assert seen(session) == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("whole_in", ["O", "A"])
def test_of_equal_magnifications_one_must_show_more(session, whole_in):
    def take(whole: bool) -> None:
        camera.set_camera_area(session, "V", "F" if whole else "H")
        camera.view(session)

    take(whole_in == "O")
    buffers.copy(session, "A", "O")
    wanted = seen(session)
    image_shift.image_shift_by_microns(session, -0.9, 0.6)
    take(whole_in == "A")
    commands.align_between_mags(session, "O", *NOWHERE)
    take(True)
    assert seen(session) == pytest.approx(wanted, abs=0.02)
    for letter in "AP":
        buffers.copy(session, "A", "P")
        with pytest.raises(SEMerror, match="must show more"):
            commands.align_between_mags(session, letter, *NOWHERE)


@pytest.mark.parametrize(("reference_set", "image_set"), [("V", "P"), ("P", "V")])
def test_a_place_beside_the_middle_of_the_reference_is_wanted(session, reference_set, image_set):
    session.take(reference_set)
    buffers.copy(session, "A", "O")
    reference = session.buffers.get("O")
    rows, columns = reference.data.shape
    away_um = np.linalg.solve(np.array(reference.stage_to_px), [100.0, -60.0])
    wanted = seen(session) + away_um
    session.take(image_set)
    x, y = columns / 2.0 + 100.0, rows / 2.0 - 60.0
    commands.align_between_mags(session, "O", x, y, 3.0)
    session.take(image_set)
    assert seen(session) == pytest.approx(wanted, abs=0.02)


def test_the_reference_as_a_would_show_it_is_left_in_b_and_pictures_roll(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    image_shift.image_shift_by_microns(session, 0.1, -0.05)
    camera.preview(session)
    before = session.buffers.get("A"), session.buffers.get("B"), session.buffers.get("C")
    commands.align_between_mags(session, "O", *NOWHERE)
    image, scaled = session.buffers.get("A"), session.buffers.get("B")
    assert np.array_equal(image.data, before[0].data)
    assert session.buffers.get("C") is before[1] and session.buffers.get("D") is before[2]
    assert scaled.data.shape == image.data.shape and scaled.pixel_um == image.pixel_um
    x, y = (round(value) for value in image.align_shift_px)
    assert max(abs(x), abs(y)) > 50
    moved = np.roll(image.data, (y, x), (0, 1))
    inside = np.s_[abs(y) : -abs(y), abs(x) : -abs(x)]
    assert likeness(moved[inside], scaled.data[inside]) > 0.8
    assert likeness(image.data, scaled.data) < 0.6


def turned_reference(session, letter: str, scaling: float, angle_deg: float):
    """Put a picture into O as if it were not quite of the known size and rotation."""
    session.take(letter)
    image = session.buffers.get("A")
    rows, columns = image.data.shape
    data = between_mags.resampled(
        image.data, (columns / 2.0, rows / 2.0), scaling, -angle_deg, image.data.shape
    )
    session.buffers.set("O", replace(image, data=np.rint(data).astype(np.int16)))


@pytest.mark.parametrize(("reference_set", "image_set", "scaling", "angle"), [
    ("V", "P", 0.966, 2.7), ("V", "P", 1.034, -1.9), ("V", "P", 1.0, -2.9),
    ("V", "V", 1.034, -1.9), ("P", "V", 0.966, 2.7),  # slow, with more pixels in common
])  # fmt: skip
def test_scaling_and_rotation_are_searched_when_asked(
    session, reference_set, image_set, scaling, angle
):
    turned_reference(session, reference_set, scaling, angle)
    if reference_set == "V":
        camera.set_camera_area(session, image_set, "H")
    session.take(image_set)
    found = commands.align_between_mags(session, "O", *NOWHERE, -1.0, -1.0)
    assert found == pytest.approx((scaling, angle), abs=0.15)
    assert found[0] == pytest.approx(scaling, abs=0.004)
    assert session.buffers.get("A").align_shift_px == pytest.approx((0.0, 0.0), abs=4.0)
    # Without being asked nothing is searched, and the given limits hold.
    assert commands.align_between_mags(session, "O", *NOWHERE) == (1.0, 0.0)
    within = commands.align_between_mags(session, "O", *NOWHERE, 0.0, 1.0)
    assert within[0] == 1.0 and abs(within[1]) <= 1.0 + 1.5


def test_the_scope_stays_when_asked_and_no_place_beyond_the_limit_is_taken(session):
    camera.view(session)
    buffers.copy(session, "A", "O")
    image_shift.image_shift_by_microns(session, 0.5, 0.0)
    before = session.scope.image_shift
    camera.preview(session)
    commands.align_between_mags(session, "O", *NOWHERE, 0.0, 0.0, 1)
    assert session.scope.image_shift == before
    assert np.hypot(*session.buffers.get("A").align_shift_px) > 100
    commands.align_between_mags(session, "O", -1.0, -1.0, 0.2)
    shift_um = np.hypot(*session.buffers.get("A").align_shift_px) * 0.0006
    assert shift_um <= 0.21
