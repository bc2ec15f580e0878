"""Navigator items beyond the basic commands: groups, registrations, outlines, maps' states."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import (
    alignment,
    files,
    nav_changes,
    nav_items,
    nav_maps,
    nav_points,
    navigator,
)
from tests.simulator.fakes import SpotGrid, textured


@pytest.fixture
def session(make_session):
    session = make_session(SpotGrid(spots_um=((1.0, 0.5),)), time_scale=0.0)
    session.navigator.open()
    return session


def points(session, *places, group=0):
    return [
        int(nav_points.add_stage_pos_as_nav_point(session, x, y, 0.0, group)) for x, y in places
    ]


def test_selection_and_registration(session):
    points(session, (1, 2), (3, 4), (5, 6))
    nav_items.set_selected_nav_item(session, 2)
    assert navigator.report_nav_item(session)[:3] == (2.0, 3.0, 4.0)
    nav_items.set_selected_nav_item(session, -1)
    assert navigator.report_nav_item(session)[0] == 3.0
    nav_items.set_nav_registration(session, 4)
    points(session, (7, 8))
    assert session.navigator.items[-1].registration == 4
    nav_items.change_item_registration(session, 1, 4)
    assert session.navigator.items[0].registration == 4
    for bad in (0, 200):
        with pytest.raises(SEMerror):
            nav_items.set_nav_registration(session, bad)
    with pytest.raises(SEMerror):
        nav_items.set_selected_nav_item(session, 9)


def test_groups(session):
    points(session, (1, 2), (3, 4), group=7)
    points(session, (5, 6))
    session.scope.stage.move_to(0, 0, 12.5)
    nav_items.update_group_z(session, 1)
    assert [item.stage_um[2] for item in session.navigator.items] == [12.5, 12.5, 0.0]
    nav_items.change_item_group_id(session, 3, 7)
    nav_items.update_group_z(session, 3)
    assert session.navigator.items[2].stage_um[2] == 12.5
    nav_items.change_item_group_id(session, 1, 0)
    assert "GroupID" not in session.navigator.items[0].values


def test_what_an_item_is_acquired_with(session):
    points(session, (1, 2))
    nav_items.set_item_target_defocus(session, 1, -3.5)
    nav_items.set_item_series_angles(session, 1, -60, 60, 0)
    values = session.navigator.items[0].values
    assert values["TargetDefocus"] == "-3.5"
    assert values["TSstartEndAngles"] == "-60 60" and values["TSbidirAngle"] == "0"
    with pytest.raises(SEMerror):
        nav_items.set_item_target_defocus(session, 1, -500.0)
    with pytest.raises(SEMerror):
        nav_items.set_item_series_angles(session, 1, -88, 60)


def test_next_item_to_acquire(session):
    points(session, (1, 2), (3, 4), (5, 6))
    assert nav_items.report_next_nav_acq_item(session)[0] == 0.0
    for index in (2, 3):
        nav_changes.set_item_acquire(session, index)
    assert nav_items.report_next_nav_acq_item(session)[:3] == (2.0, 3.0, 4.0)
    session.acquire.acquiring, session.acquire.item_index = True, 2
    assert nav_items.report_next_nav_acq_item(session)[0] == 3.0


def test_polygon_drawn_on_an_image(session):
    session.take("V", frame_px=(200, 100), binning=8)
    session.variables.set("x", "10\n150\n150")
    session.variables.set("y", "10\n10\n90")
    index = nav_items.add_image_points_as_polygon(session, "A", "x", "y", -1000.0)
    assert nav_items.get_item_point_array(session, int(index), "px", "py") == 3.0
    corners = np.array([str(session.variables.get(n)).split("\n") for n in ("px", "py")], float).T
    image = session.buffers.get("A")
    from space.simulator.program.nav_items import stage_to_image_px

    assert stage_to_image_px(image, corners) == pytest.approx(
        np.array([(10, 10), (150, 10), (150, 90)]), abs=0.05
    )
    session.variables.set("y", "10")
    with pytest.raises(SEMerror):
        nav_items.add_image_points_as_polygon(session, "A", "x", "y", 0.0)


def test_merging_files(session, tmp_path):
    points(session, (1, 2), (3, 4))
    navigator.save_navigator(session, "a.nav")
    nav_changes.delete_navigator_item(session, 2)
    nav_items.merge_nav_file(session, "a.nav")
    assert [item.label for item in session.navigator.items] == ["1", "2"]
    nav_items.merge_nav_file(session, "a.nav")
    assert len(session.navigator.items) == 2
    with pytest.raises(SEMerror):
        nav_items.merge_nav_file(session, "missing.nav")


def test_items_shifted_by_the_alignment_follow_what_is_seen(make_session):
    session = make_session(textured(pixel_um=0.01, size=1600), time_scale=0.0)
    session.navigator.open()
    session.take("V", binning=8)
    points(session, (1.5, -1.0))
    first = session.buffers.get("A")
    # A grid put back a little elsewhere looks as if the stage were read wrongly.
    session.scope.stage.true_xy_um = session.scope.stage.true_xy_um + np.array([0.8, -0.5])
    session.take("V", binning=8)
    assert alignment.align_to(session, "B", 1) == 0.0
    nav_items.shift_items_by_alignment(session)
    x, y, _ = session.navigator.items[0].stage_um
    assert (x, y) == pytest.approx((0.7, -0.5), abs=0.05)
    assert first is session.buffers.get("B")


def test_state_of_a_map_and_back(session, tmp_path):
    files.open_new_file(session, "m.mrc")
    session.take("V", frame_px=(200, 100), binning=8)
    files.save_to_file(session)
    nav_maps.new_map(session)
    session.scope.set_low_dose(False)
    session.scope.set_mag_index(12)
    nav_items.set_map_acquire_state(session, 1)
    assert session.scope.low_dose and session.scope.area == "V"
    nav_items.restore_state(session)
    assert not session.scope.low_dose and session.scope.mag_index == 12
    with pytest.raises(SEMerror):
        nav_items.restore_state(session)
    nav_items.set_map_acquire_state(session, 1)
    nav_items.forget_prior_state(session)
    with pytest.raises(SEMerror):
        nav_items.restore_state(session)
    points(session, (1, 2))
    with pytest.raises(SEMerror):
        nav_items.set_map_acquire_state(session, 2)


def test_the_map_under_an_item_is_found_again(make_session, tmp_path):
    session = make_session(
        textured(pixel_um=0.01, size=2600), stage_error_um=0.4, time_scale=0.0, noise=True
    )
    session.navigator.open()
    files.open_new_file(session, "m.mrc")
    session.take("V", binning=8)
    files.save_to_file(session)
    nav_maps.new_map(session)
    index = nav_points.add_image_pos_as_nav_point(session, "A", 300, 200)
    true = session.exposures[-1].center_um
    session.scope.stage.move_to(40, 40)
    nav_items.realign_to_map_drawn_on(session, int(index), 0)
    session.take("V", binning=8)
    assert np.hypot(*np.subtract(session.exposures[-1].center_um, true)) < 0.1
    nav_items.set_selected_nav_item(session, 1)
    nav_items.load_nav_map(session, "K")
    assert session.buffers.get("K").map_id == session.navigator.items[0].map_id
    nav_items.realign_to_nav_item(session, 0)
    session.take("V", binning=8)
    assert np.hypot(*np.subtract(session.exposures[-1].center_um, true)) < 0.1
    points(session, (3, 3))
    with pytest.raises(SEMerror):
        nav_items.realign_to_map_drawn_on(session, 3, 0)


def test_items_follow_the_stage_to_where_the_user_moved_it(session):
    points(session, (10, 20), (30, 40))
    nav_items.set_selected_nav_item(session, 1)
    session.scope.stage.move_to(12.0, 19.0)
    nav_items.shift_items_by_current_diff(session, 1.0)
    assert session.navigator.items[0].stage_um[:2] == (10.0, 20.0)
    nav_items.shift_items_by_current_diff(session, 5.0)
    assert session.navigator.items[0].stage_um[:2] == pytest.approx((12.0, 19.0))
    assert session.navigator.items[1].stage_um[:2] == pytest.approx((32.0, 39.0))
