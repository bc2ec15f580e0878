"""What one control does to the picture is what the matrices that scripts see say, on both scopes.

A spot is looked for in real pictures, before and after; the expectation is worked out from the
reports of commands and from the formulas of SerialEM's conventions.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator import Simulation
from space.simulator.column import load_instrument, shipped
from space.simulator.commands import all_commands
from space.simulator.imaging.pictures import Darkroom
from tests.simulator.fakes import SpotGrid, brightest, without_frame_files

START_UM = (60.0, -35.0)
FRAME_PX = (240, 180)
BINNING = 8
EXAMPLES = settings(max_examples=6)  # on each microscope

near_um = st.floats(-1.0, 1.0)
sizeable_um = st.floats(0.3, 2.0)


class Scope:
    """A microscope at work on one spot, through commands."""

    def __init__(self, name: str, folder) -> None:
        self.instrument = load_instrument(name)
        simulation = Simulation(
            folder,
            grids={1: SpotGrid()},
            noise=False,
            stage_error_um=0.0,
            time_scale=0.0,
            instrument=name,
        )
        self.session = without_frame_files(simulation.session)
        self._commands = all_commands()
        # Matrices of a K2 or K3 count half pixels.
        self.halves = 2 if self("ReportCameraProperty", 0, "K2Type") > 0 else 1

    def __call__(self, command, *arguments):
        return self._commands[command](self.session, *arguments)

    def matrix(self, command, mag_index=0):
        return np.reshape(self(command, mag_index), (2, 2))

    def reset(self, area="V"):
        """Start position, no image shift, no tilt, in a low dose area."""
        self("SetLowDoseMode", 1)
        self("GoToLowDoseArea", area)
        self("SetImageShift", 0.0, 0.0)
        self("TiltTo", 0.0)
        self("MoveStageTo", *START_UM, 0.0)

    def put_spot(self, specimen_um, sigma_um=0.12, height_um=0.0):
        """Spot at a place of the specimen, from what stands at the start position."""
        place = np.add(START_UM, self.matrix("SpecimenToStageMatrix") @ specimen_um)
        self.session.grids[1] = SpotGrid((tuple(place),), sigma_um, height_um)

    def counted_px(self, image, point_px):
        """Camera position of a point of an image: unbinned pixels as matrices count them, Y up."""
        rows, cols = image.data.shape
        from_centre = np.array([point_px[0] - cols / 2.0, rows / 2.0 - point_px[1]])
        return from_centre * image.binning * self.halves

    def spot(self, letter="V", binning=BINNING, frame_px=FRAME_PX):
        """Camera position of the spot in a picture taken now, as `counted_px`."""
        # The dose of earlier pictures would leave traces on the specimen.
        self.session.exposures.clear()
        self.session.darkroom = Darkroom()
        image = self.session.take(letter, binning=binning, frame_px=frame_px)
        return self.counted_px(image, brightest(image.data))

    def close(self, found, expected, binned_px=0.3):
        """Whether camera positions are the same to a part of a binned pixel."""
        return found == pytest.approx(tuple(expected), abs=binned_px * BINNING * self.halves)

    def own_um(self, area="V"):
        """Place of the specimen that stands in the centre of an area without image shift."""
        stored = next(one for one in self.instrument.areas if one.letter == area)
        x, y = self.instrument.magnifications[stored.mag_index - 1].center_um
        return (
            x + stored.image_shift_um[0] + stored.axis_um,
            y + stored.image_shift_um[1],
        )


@pytest.fixture(scope="module", params=shipped())
def scope(request, tmp_path_factory):
    return Scope(request.param, tmp_path_factory.mktemp("scope"))


@EXAMPLES
@given(x=near_um, y=near_um)
def test_a_spot_is_where_the_calibrated_matrix_says(scope, x, y):
    scope.reset()
    scope.put_spot((x, y))
    expected = scope.matrix("SpecimenToCameraMatrix") @ np.subtract((x, y), scope.own_um())
    assert scope.close(scope.spot(), expected)


@EXAMPLES
@given(x=near_um, y=near_um)
def test_the_stage_moves_the_picture(scope, x, y):
    scope.reset()
    scope.put_spot((0.0, 0.0))
    before = scope.spot()
    scope("MoveStage", x, y)
    assert scope.close(scope.spot() - before, -scope.matrix("StageToCameraMatrix") @ (x, y))


@EXAMPLES
@given(x=near_um, y=near_um)
def test_the_image_shift_moves_the_picture_as_it_reports(scope, x, y):
    scope.reset()
    scope.put_spot((0.0, 0.0))
    before = scope.spot()
    assert scope("ImageShiftByMicrons", x, y) == 0.0
    moved = scope.spot() - before
    assert scope.close(moved, -scope.matrix("SpecimenToCameraMatrix") @ (x, y))
    units_x, units_y, *rest = scope("ReportImageShift")
    assert scope.close(moved, rest[:2])
    in_pixels = -scope.matrix("ISToCameraMatrix") @ (units_x, units_y)
    assert scope.close(moved, in_pixels)
    scope("SetImageShift", 0.0, 0.0)
    scope("MoveStage", *rest[2:])
    assert scope.close(scope.spot() - before, moved)


@EXAMPLES
@given(x=near_um, y=near_um)
def test_shifting_to_a_spot_centres_it(scope, x, y):
    scope.reset()
    scope.put_spot((x, y))
    seen = scope.spot()
    scope("ImageShiftByPixels", *map(float, seen))
    assert scope.close(scope.spot(), (0.0, 0.0))
    seen_um = scope.session.exposures[-1].center_um
    assert seen_um == pytest.approx(scope.session.grids[1].spots_um[0], abs=0.08)


@EXAMPLES
@given(y=st.floats(-1.5, 1.5), z=near_um, tilt=st.floats(-65.0, 65.0))
def test_tilting_moves_a_spot_as_its_distance_and_height_say(scope, y, z, tilt):
    scope.reset()
    scope.put_spot((0.0, y), height_um=z)
    before = scope.spot()
    scope("TiltTo", float(np.clip(tilt, *scope.instrument.stage.tilt_range_deg)))
    angle = math.radians(scope("ReportTiltAngle"))
    from_axis = y - scope("ReportTiltAxisOffset")[0]
    change = from_axis * (math.cos(angle) - 1.0) - z * math.sin(angle)
    scope("ImageShiftByMicrons", 0.0, change)
    assert scope.close(scope.spot(), before)
    scope("ImageShiftByMicrons", 0.0, -change)
    expected = scope.matrix("SpecimenToCameraMatrix") @ (0.0, change)
    if np.abs(before + expected).max() < 600 * scope.halves:
        assert scope.close(scope.spot() - before, expected)


@EXAMPLES
@given(x=near_um, y=near_um, tilt=st.floats(-65.0, 65.0))
def test_a_stage_move_at_a_tilt_is_foreshortened_across_the_axis(scope, x, y, tilt):
    scope.reset()
    scope("TiltTo", float(np.clip(tilt, *scope.instrument.stage.tilt_range_deg)))
    scope.put_spot((0.0, 0.0))
    axis = scope("ReportTiltAxisOffset")[0]
    cosine = math.cos(math.radians(scope("ReportTiltAngle")))
    scope("ImageShiftByMicrons", 0.0, axis * (1.0 - cosine))
    before = scope.spot()
    scope("MoveStage", x, y)
    expected = -scope.matrix("StageToCameraMatrix") @ (x, y * cosine)
    assert scope.close(scope.spot() - before, expected)
    # The image shift that replaces the move of the stage.
    scope("MoveStage", -x, -y)
    scope("ImageShiftByStageDiff", x, y)
    assert scope.close(scope.spot() - before, expected)


@pytest.mark.parametrize("binning", [2, 4])
@EXAMPLES
@given(x=near_um, y=near_um)
def test_binning_leaves_the_place_on_the_chip(scope, binning, x, y):
    scope.reset()
    scope.put_spot((x, y))
    expected = scope.spot()
    frame = tuple(size * BINNING // binning for size in FRAME_PX)
    assert scope.close(scope.spot(binning=binning, frame_px=frame), expected)


@EXAMPLES
@given(x=st.floats(-0.2, 0.2), y=st.floats(-0.2, 0.2), data=st.data())
def test_magnification_and_rotation_follow_the_matrices(scope, x, y, data):
    table = [mag for mag in scope.instrument.magnifications if not mag.low_mag]
    mag = data.draw(st.sampled_from([one for one in table if 1.2e-3 < one.pixel_um < 12e-3]))
    scope.reset()
    scope("SetLowDoseMode", 0)
    scope("SetMagIndex", mag.index)
    # Field from a tenth to a half of the frame away from the centre, whatever the magnification.
    field_um = mag.pixel_um * BINNING * FRAME_PX[1]
    place = np.add((x * field_um, y * field_um), mag.center_um)
    scope.put_spot(place, sigma_um=0.04 * field_um)
    found = scope.matrix("CameraToSpecimenMatrix") @ scope.spot("R")
    assert found == pytest.approx((x * field_um, y * field_um), abs=0.004 * field_um)
    step = 0.1 * field_um
    before = scope.spot("R")
    scope("ImageShiftByMicrons", step, 0.0)
    along_axis = before - scope.spot("R")
    a = math.degrees(math.atan2(along_axis[1], along_axis[0]))
    assert math.cos(math.radians(a - mag.rotation_deg)) > math.cos(math.radians(2.0))


def test_the_stage_axes_lie_as_the_instrument_says(scope):
    scope.reset()
    scope.put_spot((0.0, 0.0))
    before = scope.spot()
    rotation = scope.session.scope.rotation_deg(scope.session.scope.mag_index)
    turn_of_x = 180.0 if scope.instrument.stage.invert_x else 0.0
    for step, turn in (((1.0, 0.0), turn_of_x), ((0.0, 1.0), 90.0)):
        scope("MoveStage", *step)
        moved = scope.spot() - before
        scope("MoveStage", -step[0], -step[1])
        angle = math.degrees(math.atan2(moved[1], moved[0]))
        assert abs((angle - rotation - turn + 180.0) % 360.0 - 180.0) < 1.5


@EXAMPLES
@given(x=st.floats(-0.15, 0.15), y=st.floats(-0.15, 0.15), area=st.sampled_from("RFT"))
def test_low_dose_areas_look_where_they_are_said_to(scope, x, y, area):
    scope.reset(area)
    own = scope.own_um(area)
    assert scope("ReportSpecimenShift") == (0.0, 0.0)
    scope.put_spot(np.add((x, y), own), sigma_um=0.04)
    found = scope.spot(area, frame_px=(440, 440))
    pixel_um = scope.session.scope.pixel_um(scope.session.scope.mag_index)
    in_um = scope.matrix("CameraToSpecimenMatrix") @ found
    assert in_um == pytest.approx((x, y), abs=BINNING * pixel_um)
    if area in "FT":
        distance, angle, *offset = scope("ReportAxisPosition", area)
        counted = np.multiply(offset, scope.halves)  # they are told in real pixels
        assert scope.matrix("CameraToSpecimenMatrix") @ counted == pytest.approx((distance, 0.0))
        assert own == (distance, 0.0)


@EXAMPLES
@given(x=near_um, y=near_um)
def test_image_shift_keeps_its_place_from_area_to_area(scope, x, y):
    scope.reset("R")
    scope("ImageShiftByMicrons", x, y)
    units = scope("ReportImageShift")[:2]
    scope("GoToLowDoseArea", "V")
    assert scope("ReportImageShift")[:2] == pytest.approx(units)
    assert scope("ReportSpecimenShift") == pytest.approx((x, y))
    scope.put_spot((x, y))
    off = scope.matrix("CameraToSpecimenMatrix") @ scope.spot()
    assert off == pytest.approx(np.negative(scope.own_um()), abs=0.02)


@EXAMPLES
@given(x=st.floats(-20.0, 20.0), y=st.floats(-20.0, 20.0))
def test_image_shift_keeps_its_place_across_the_low_mag_boundary(scope, x, y):
    scope.reset()
    scope("SetLowDoseMode", 0)
    scope("SetMagIndex", 4)
    assert scope("ImageShiftByMicrons", x, y) == 0.0
    low = scope("ReportImageShift")[:2]
    place = scope("AdjustStagePosForNav", *START_UM, *low)
    scope("SetMagIndex", 20)
    assert scope("ReportSpecimenShift") == pytest.approx((x, y))
    high = scope("ReportImageShift")[:2]
    assert high == pytest.approx(tuple(scope.matrix("SpecimenToISMatrix", 20) @ (x, y)))
    assert scope("AdjustStagePosForNav", *START_UM, *high) == pytest.approx(place)


def test_view_is_aligned_with_record_but_for_a_known_residue(scope):
    residue = math.hypot(*scope.own_um("V"))
    assert residue == pytest.approx(0.15 if scope.instrument.stage.invert_x else 0.0, abs=1e-6)
