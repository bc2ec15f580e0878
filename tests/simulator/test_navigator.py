"""The Navigator's table, its commands, maps and montages, at a microscope with a cheap grid."""

from __future__ import annotations

import io
from dataclasses import replace

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from space.simulator.column import SEMerror
from space.simulator.commands import files as file_commands
from space.simulator.commands import montage as montage_commands
from space.simulator.commands import nav_changes, nav_points
from space.simulator.commands import navigator as commands
from space.simulator.formats import mrc, navfile
from space.simulator.imaging.images import Image
from space.simulator.montage.layout import Layout, Pieces
from space.simulator.program.files import read_mdoc
from space.simulator.program.nav_items import image_to_stage_um, stage_to_image_px
from space.simulator.program.navigator import Navigator, NavigatorError
from space.simulator.program.policy import Policy
from space.simulator.program.session import Session


class RoughGrid:
    """A grid with a random texture that repeats only after 51 micrometres."""

    name = "R1"
    step_um = 0.05

    def __init__(self):
        noise = np.random.default_rng(8).standard_normal((1024, 1024))
        smooth = sum(ndimage.gaussian_filter(noise, s, mode="wrap") * s for s in (2.0, 6.0))
        self.raster = np.clip(0.5 + 0.15 * smooth / smooth.std(), 0, 1).astype(np.float32)

    def transmission(self, px_to_grid, shape, pixel_um):
        rows, cols = shape
        col = np.arange(cols) + 0.5
        row = np.arange(rows)[:, None] + 0.5
        x, y = ((m[0] * col + m[1] * row + m[2]) / self.step_um for m in np.asarray(px_to_grid))
        return ndimage.map_coordinates(self.raster, [y, x], order=1, mode="grid-wrap")

    def height_um(self, x, y):
        return 0.0


@pytest.fixture(scope="module")
def grid():
    return RoughGrid()


@pytest.fixture
def session(tmp_path, grid):
    made = Session(tmp_path, seed=4, grids={1: grid}, loaded=1)
    for letter in "VRM":
        made.camera.change(letter, binning=8)
    made.navigator.open()
    return made


def example_image(**changes):
    """The image of the worked example: pixel 4 nm, rotation 30 degrees, at (100, -50)."""
    fields = dict(
        data=np.zeros((1024, 2048), np.int16),
        binning=2.0,
        pixel_um=0.004,
        mag_index=20,
        stage_um=(100.0, -50.0),
        stage_z_um=7.5,
        nav_xy_um=(100.0, -50.0),
        map_id=77,
        stage_to_px=((-216.50635, 125.0), (125.0, 216.50635)),
    )
    return Image(**(fields | changes))


def items(session):
    return session.navigator.items


# --- the table --------------------------------------------------------------------------------


def test_labels_ids_and_indexes(session):
    first = nav_points.add_stage_pos_as_nav_point(session, 1, 2, 3)
    second = nav_points.add_stage_pos_as_nav_point(session, -4, 5, 6, 12, 1)
    assert (first, second) == (1.0, 2.0)
    assert [i.label for i in items(session)] == ["1", "2"]
    assert len({i.map_id for i in items(session)} | {0}) == 3
    assert items(session)[1].values["Draw"] == "0" and items(session)[1].integer("GroupID") == 12
    assert commands.report_nav_item(session) == (2.0, -4.0, 5.0, 6.0, 0.0)
    assert commands.report_other_item(session, -2) == (1.0, 1.0, 2.0, 3.0, 0.0)
    assert session.variables.get("navindex") == 1.0 and session.variables.get("navLabel") == "1"
    for index in (0, 3, -3):
        with pytest.raises(SEMerror):
            commands.report_other_item(session, index)
    nav_changes.delete_navigator_item(session, 1)
    assert commands.report_nav_item(session)[:2] == (1.0, -4.0)
    assert nav_points.add_stage_pos_as_nav_point(session, 0, 0, 0) == 2.0
    assert items(session)[1].label == "3"


def test_notes_labels_colors(session):
    nav_points.add_stage_pos_as_nav_point(session, 0, 0, 0)
    nav_changes.change_item_note(session, 1, "Grid_tgts.txt")
    nav_changes.change_item_label(session, -1, "PL1")
    nav_changes.change_item_color(session, 1, 3)
    assert commands.nav_index_with_note(session, "grid_TGTS.txt") == 1.0
    assert commands.nav_index_with_note(session, "Grid") == 0.0
    assert commands.nav_index_with_label(session, "pl1") == 1.0
    nav_changes.change_item_note(session, 1)
    assert "Note" not in items(session)[0].values
    with pytest.raises(SEMerror):
        nav_changes.change_item_label(session, 1, "x" * 17)
    with pytest.raises(SEMerror):
        nav_changes.change_item_color(session, 1, 6)
    nav_changes.change_item_draw(session, 1)
    assert items(session)[0].values["Draw"] == "0"
    nav_changes.change_item_draw(session, 1, 1)
    assert "Draw" not in items(session)[0].values


def test_closed_navigator_refuses(session):
    session.navigator.close()
    assert commands.report_if_nav_open(session) == 0.0
    for name in (
        "ReportNavItem",
        "ReportNumTableItems",
        "SaveNavigator",
        "GetUniqueNavID",
        "CloseNavigator",
        "NewMap",
    ):
        with pytest.raises(SEMerror):
            commands.COMMANDS[name](session)
    commands.open_navigator(session, "new.nav")
    assert commands.report_if_nav_open(session) == 2.0
    with pytest.raises(SEMerror):
        commands.open_navigator(session, "other.nav")


def test_saving_reading_and_parts_of_the_name(session, tmp_path):
    with pytest.raises(SEMerror):
        commands.report_nav_file(session)
    commands.save_navigator(session, "G 1.nav")
    assert not (tmp_path / "G 1.nav").exists()  # an empty table is not written
    nav_points.add_stage_pos_as_nav_point(session, 123.456789, -0.5, 1)
    commands.save_navigator(session)
    assert "StageXYZ = 123.457 -0.5 1\n" in (tmp_path / "G 1.nav").read_text(encoding="utf-8")
    root, extension, folder, name = commands.report_nav_file(session, 1)
    assert (extension, name) == (".nav", "G 1") and root + extension == str(tmp_path / "G 1.nav")
    assert folder.rstrip("/\\") == str(tmp_path)
    nav_points.add_stage_pos_as_nav_point(session, 1, 1, 1)
    nav_changes.change_item_label(session, 2, "41-A")
    commands.save_navigator(session)
    assert len(navfile.read(tmp_path / "G 1.nav~").items) == 1
    commands.close_navigator(session)
    commands.read_nav_file(session, "G 1.nav")
    assert commands.report_num_table_items(session) == 2.0
    nav_points.add_stage_pos_as_nav_point(session, 0, 0, 0)
    assert items(session)[2].label == "42"
    with pytest.raises(SEMerror):
        commands.read_nav_file(session, "none.nav")


@pytest.mark.parametrize("answer", [True, False])
def test_closing_asks_about_changes(session, tmp_path, answer):
    session.policy = Policy(yes=answer)
    commands.save_navigator(session, "a.nav")
    nav_points.add_stage_pos_as_nav_point(session, 0, 0, 0)
    commands.close_navigator(session)
    assert (tmp_path / "a.nav").exists() is answer
    assert not session.navigator.items


def test_shift_moves_everything_of_a_registration():
    navigator = Navigator(seed=1)
    from space.simulator.program.nav_items import point_item, polygon_item

    navigator.add(polygon_item([(0, 0), (10, 0), (10, 20)], 5.0))
    navigator.add(point_item((1.0, 2.0, 3.0), registration=2))
    assert navigator.shift(1.5, -2.0, 1) == 1
    moved = navigator.item(1)
    assert moved.stage_um == pytest.approx((20 / 3 + 1.5, 20 / 3 - 2.0, 5.0))
    assert moved.points_um == ((1.5, -2.0), (11.5, -2.0), (11.5, 18.0))
    assert navigator.item(2).stage_um == (1.0, 2.0, 3.0)
    with pytest.raises(NavigatorError):
        navigator.save()


def test_shift_command_limits(session):
    nav_points.add_stage_pos_as_nav_point(session, 0, 0, 0)
    nav_changes.shift_items_by_microns(session, 12.5, -3.0)
    assert items(session)[0].stage_um == (12.5, -3.0, 0.0)
    for arguments in ((101, 0), (0, 0, 0), (0, 0, 200)):
        with pytest.raises(SEMerror):
            nav_changes.shift_items_by_microns(session, *arguments)


def test_acquire_flags(session):
    for _ in range(4):
        nav_points.add_stage_pos_as_nav_point(session, 0, 0, 0)
    nav_changes.set_item_acquire(session)
    assert [nav_changes.report_item_acquire(session, n) for n in (1, 4)] == [0.0, 1.0]
    session.acquire.acquiring = True
    session.acquire.item_index, session.acquire.last_index = 2, 3
    assert commands.report_nav_item(session)[0] == 2.0
    with pytest.raises(SEMerror):
        nav_changes.set_item_acquire(session, 3)
    nav_changes.set_item_acquire(session, 3, 0)
    nav_changes.set_item_acquire(session, 1, 1)
    assert items(session)[0].acquire and not items(session)[2].acquire


def test_groups(session):
    for x in (1, 2):
        nav_points.add_stage_pos_as_nav_point(session, x, -x, 0, 9)
    assert nav_points.get_nav_group_stage_coords(session, 9, "gx", "gy") == 2.0
    assert session.variables.get("GX") == "1\n2" and session.variables.get("gy") == "-1\n-2"
    session.buffers.set("A", example_image(nav_xy_um=(1.0, -1.0)))
    assert nav_points.get_nav_group_image_coords(session, 9, "A", "px", "py") == 2.0
    assert [float(v) for v in session.variables.get("px").split()] == pytest.approx(
        [1024, 1024 - 216.50635 - 125], abs=0.01
    )
    with pytest.raises(SEMerror):
        nav_points.get_nav_group_stage_coords(session, 8, "gx", "gy")
    assert nav_points.report_group_status(session) == (-1.0, 9.0, 2.0, 0.0)


def test_polygon(session):
    session.variables.set("px", "0\n10\n10")
    session.variables.set("py", "0\n0\n4")
    assert nav_points.add_stage_points_as_polygon(session, "px", "py", 2.0) == 1.0
    item = items(session)[0]
    assert item.kind == 1 and item.integer("NumPts") == 3
    assert item.stage_um == pytest.approx((20 / 3, 4 / 3, 2.0))  # the mean of the corners


# --- points on images -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pixel, expected",
    [
        ((940.7468, 617.8013), (100.5, -49.8)),
        ((1324, 412), (98.76077, -49.74641)),
    ],
)
def test_image_positions_of_the_worked_example(session, pixel, expected):
    session.buffers.set("C", example_image())
    nav_points.add_image_pos_as_nav_point(session, "C", *pixel)
    item = items(session)[0]
    assert item.stage_um == pytest.approx((*expected, 7.5), abs=2e-5)
    assert item.integer("DrawnID") == 77
    nav_points.add_image_pos_as_nav_point(session, "c", *pixel, 0.0)
    assert items(session)[1].stage_um[2] == 0.0


def test_positions_that_cannot_be(session):
    session.buffers.set("A", example_image())
    for pixel in ((-1, 5), (2049, 5), (5, 1025)):
        with pytest.raises(SEMerror):
            nav_points.add_image_pos_as_nav_point(session, "A", *pixel)
    for lack in ({"stage_um": None}, {"mag_index": 0}, {"binning": 0.0}):
        session.buffers.set("A", example_image(**lack))
        with pytest.raises(SEMerror):
            nav_points.add_image_pos_as_nav_point(session, "A", 5, 5)


def test_points_on_a_montage_follow_their_piece(session):
    layout = Layout((2, 1), (1200, 1024), (352, 100))
    pieces = Pieces(layout, {(1, 0): (10.0, -4.0)})
    session.buffers.set("A", example_image(pieces=pieces))
    nav_points.add_image_pos_as_nav_point(session, "A", 1500, 500)
    item = items(session)[0]
    plain = image_to_stage_um(example_image(), np.array([[1490.0, 504.0]]))[0]
    assert item.stage_um[:2] == pytest.approx(plain, abs=1e-4)
    assert item.integer("PieceOn") == 1
    assert item.floats("XYinPc") == (1500 - 848 - 10, 1024 - 500 - 4)


def test_moves_zero_image_shift_and_undo_the_axis_offset(session):
    session.scope.shift_to_tilt_axis = True
    session.scope.set_image_shift(0.5, 0.5)
    nav_points.add_stage_pos_as_nav_point(session, 100.5, -49.8, 12.0)
    commands.move_to_nav_item(session)
    x, y, z = session.scope.stage.position_um
    assert session.scope.image_shift == (0.0, 0.0)
    assert commands.adjust_stage_pos_for_nav(session, x, y) == pytest.approx(
        (100.5, -49.8), abs=0.05
    )
    assert abs(y + 49.8) > 1.0 and z == 12.0
    nav_points.add_stage_pos_as_nav_point(session, 2000, 0, 0)
    with pytest.raises(SEMerror):
        commands.move_to_nav_item(session, 2)
    with pytest.raises(SEMerror):
        commands.move_to_nav_item(session, 0)
    session.scope.stage.move_to(0, 0, 3.25)
    nav_changes.update_item_z(session, 1)
    assert items(session)[0].stage_um == pytest.approx((100.5, -49.8, 3.25), abs=1e-4)


# --- maps -------------------------------------------------------------------------------------


def test_single_map_survives_saving_and_loading(session, tmp_path):
    session.scope.set_low_dose(True)
    session.scope.stage.move_to(40, -30, 2)
    session.scope.set_image_shift(0.4, -0.2)
    session.scope.go_to_area("V")
    file_commands.open_new_file(session, "map.mrc")
    taken = session.take("V")
    with pytest.raises(SEMerror):
        commands.COMMANDS["NewMap"](session, 1)
    assert commands.COMMANDS["NewMap"](session, 0, "view") == 1.0
    item = items(session)[0]
    assert item.note == "view" and item.kind == 2 and item.values["Color"] == "2"
    assert item.integer("MapLDConSet") == 0 and item.values["DefocusOffset"] == "-60"
    assert item.floats("MapFramesXY") == (0, 0) and item.values["MontUseStage"] == "-1"
    assert session.buffers.get("A").map_id == item.map_id
    rows, cols = taken.data.shape
    corners = stage_to_image_px(taken, np.array(item.points_um))
    assert corners == pytest.approx(
        np.array([(0, 0), (cols, 0), (cols, rows), (0, rows), (0, 0)]), abs=0.02
    )
    file_commands.close_file(session)
    commands.save_navigator(session, "a.nav")
    commands.read_nav_file(session, "a.nav")
    session.take("V")
    before = session.buffers.get("A")
    commands.COMMANDS["LoadOtherMap"](session, 1, "O")
    loaded = session.buffers.get("O")
    assert session.buffers.get("A") is before and session.buffers.displayed == "O"
    np.testing.assert_array_equal(loaded.data, taken.data)
    assert loaded.nav_xy_um == pytest.approx(taken.nav_xy_um, abs=1e-3)
    assert np.array(loaded.stage_to_px) == pytest.approx(np.array(taken.stage_to_px), rel=1e-5)
    assert (loaded.camera_set, loaded.low_dose, loaded.binning) == (0, True, 8.0)
    assert loaded.section == -1 and loaded.map_id == item.map_id
    nav_points.add_stage_pos_as_nav_point(session, 0, 0, 0)
    with pytest.raises(SEMerror):
        commands.COMMANDS["LoadOtherMap"](session, 2)
    (tmp_path / "map.mrc").unlink()
    commands.COMMANDS["LoadOtherMap"](session, 1)  # a message, no error
    assert session.dialogs[-1].kind == "message"


def test_new_map_needs_a_saved_plain_image(session):
    with pytest.raises(SEMerror):
        commands.COMMANDS["NewMap"](session)
    file_commands.open_new_file(session, "map.mrc")
    session.scope.set_low_dose(True)
    image = session.take("V")
    session.buffers.set("A", replace(image, processed=True))
    with pytest.raises(SEMerror):
        commands.COMMANDS["NewMap"](session)
    session.buffers.set("A", image)
    session.policy = Policy(yes=False)
    with pytest.raises(SEMerror):
        commands.COMMANDS["NewMap"](session)
    file_commands.save_to_file(session)
    assert session.exposures[-1].section == 0
    commands.COMMANDS["NewMap"](session, 1, "more")
    assert items(session)[0].note == "Sec 0 - map.mrc more"


def test_montage_from_the_stage_to_a_loaded_map(session, tmp_path):
    scope = session.scope
    scope.set_low_dose(True)
    scope.go_to_area("V")
    scope.stage.move_to(50, 20, 1)
    start = scope.stage.position_um
    montage_commands.param_set_to_use_for_montage(session, 2)
    montage_commands.open_new_montage(session, 3, 2, "m.mrc")
    with pytest.raises(SEMerror):
        montage_commands.param_set_to_use_for_montage(session, 3)
    with pytest.raises(SEMerror):
        file_commands.save_to_file(session)
    montage_commands.set_montage_params(session, 1, 180, 128, -1, -1)
    layout = session.files.current.montage.layout
    assert layout.frame_px == (720, 511) and layout.overlap_px == (180, 128)
    montage_commands.acquire_montage(session)
    overview = session.buffers.get("B")
    assert session.buffers.get("A").data.shape == (511, 720)
    assert overview.data.shape == layout.size_px[::-1] and session.buffers.displayed == "B"
    assert overview.stage_um == pytest.approx(start[:2]) and overview.binning == 8
    assert scope.stage.position_um == pytest.approx(start, abs=0.05)
    assert file_commands.report_file_z_size(session) == (6.0, 1.0)
    assert [e.section for e in session.exposures] == [0, 1, 2, 3, 4, 5]

    # The shifts are the true errors of the stage, but for their mean.
    matrix = np.array(overview.stage_to_px)
    errors = {}
    for piece, exposure in zip(layout.order, session.exposures):
        wanted = layout.stage_um(piece, overview.nav_xy_um, scope.stage_to_camera(17), 8)
        errors[piece] = matrix @ (np.array(exposure.center_um) - wanted)
    mean = np.mean(list(errors.values()), axis=0)
    assert np.abs(list(errors.values()) - mean).max() > 3
    for piece, error in errors.items():
        assert overview.pieces.shifts_px[piece] == pytest.approx(error - mean, abs=1.0)

    assert commands.COMMANDS["NewMap"](session, 0, "m.mrc") == 1.0
    item = items(session)[0]
    assert item.integer("MapMontage") == 1 and item.floats("MapFramesXY") == (3, 2)
    assert item.floats("MapWidthHeight") == layout.size_px and item.integer("MapLDConSet") == 0
    document = read_mdoc(tmp_path / "m.mrc")
    assert len(document.images) == 6 and document.header["Montage"] == "1"
    assert document.montage(0).values["ConSetUsed"] == "0 1"
    assert mrcfile.validate(tmp_path / "m.mrc", print_file=io.StringIO())
    assert mrc.read_info(tmp_path / "m.mrc", 2).piece == (540, 383, 0)
    file_commands.close_file(session)

    old_a = session.take("V")
    commands.COMMANDS["LoadOtherMap"](session, 1, "O")
    loaded = session.buffers.get("O")
    np.testing.assert_array_equal(loaded.data, overview.data)
    assert session.buffers.get("C") is old_a
    assert session.buffers.get("B") is loaded
    np.testing.assert_array_equal(session.buffers.get("A").data.shape, (511, 720))
    assert loaded.nav_xy_um == pytest.approx(overview.nav_xy_um, abs=1e-3)
    assert loaded.map_id == item.map_id and loaded.pieces is not None


def test_montage_commands_refuse_nonsense(session):
    with pytest.raises(SEMerror):
        montage_commands.acquire_montage(session)
    with pytest.raises(SEMerror):
        montage_commands.setup_full_montage(session, 0.5, "x.mrc")
    montage_commands.open_new_montage(session, 2, 2, "x.mrc")
    for arguments in (
        (1, 8, 64),
        (1, 400, 64),
        (1, -1, -1, 100, 511),
        (1, -1, -1, 721, 511),
        (1, -1, -1, -1, -1, -1, 3),
    ):
        with pytest.raises(SEMerror):
            montage_commands.set_montage_params(session, *arguments)
    montage_commands.set_montage_params(session, -1, -1, -1, -1, -1, -1, 4)
    assert session.files.current.montage.layout.frame_px == (1440, 1022)
    with pytest.raises(SEMerror):
        montage_commands.open_new_montage(session, 2, 2, "x.mrc")


def test_full_montage_covers_the_stage(session):
    session.scope.set_mag_index(4)
    montage_commands.setup_full_montage(session, 0.15, "full.mrc")
    params = session.files.current.montage
    assert params.move_stage and params.center_um == pytest.approx((0, 0), abs=1e-6)
    width, height = params.layout.size_px
    pixel_um = 8 * session.scope.pixel_um(4)
    assert width * pixel_um > 1980 and height * pixel_um > 1980
    assert session.scope.stage.position_um[:2] == pytest.approx((0, 0), abs=0.05)


def test_realign_brings_the_item_to_the_centre(session):
    scope = session.scope
    scope.set_low_dose(True)
    scope.go_to_area("V")
    scope.stage.move_to(30, 10, 0)
    file_commands.open_new_file(session, "map.mrc")
    image = session.take("V")
    commands.COMMANDS["NewMap"](session, 0, "map")
    truth = np.array(session.exposures[-1].center_um)
    pixel = np.array([460.0, 200.0])
    nav_points.add_image_pos_as_nav_point(session, "A", *pixel)
    away = np.linalg.solve(np.array(image.stage_to_px), pixel - (360, 255.5))
    scope.stage.move_to(200, 100)
    scope.go_to_area("R")
    commands.COMMANDS["RealignToOtherItem"](session, 2, 1)
    assert scope.area == "R"
    session.take("V")
    assert np.array(session.exposures[-1].center_um) == pytest.approx(truth + away, abs=0.05)
    nav_points.add_stage_pos_as_nav_point(session, 500, 500, 0)
    with pytest.raises(SEMerror):
        commands.COMMANDS["RealignToOtherItem"](session, 3, 1)


# --- files through the commands ----------------------------------------------------------------


def test_reading_files(session, tmp_path):
    session.scope.set_low_dose(True)
    for call in (
        lambda: file_commands.save_to_file(session),
        lambda: file_commands.read_file(session, 0),
        lambda: file_commands.report_file_z_size(session),
        lambda: file_commands.add_to_autodoc(session, "a", "b"),
    ):
        with pytest.raises(SEMerror):
            call()
    file_commands.close_file(session)
    assert file_commands.report_file_number(session) == -1.0
    file_commands.open_new_file(session, "ts.mrc")
    taken = [session.take("R")]
    file_commands.save_to_file(session)
    taken.append(session.take("R"))
    file_commands.save_to_file(session)
    assert file_commands.report_file_z_size(session) == 2.0
    assert session.buffers.get("A").section == 1
    file_commands.add_to_autodoc(session, "CtfFind", "-4.2")
    file_commands.write_autodoc(session)
    assert read_mdoc(tmp_path / "ts.mrc").image(1).values["CtfFind"] == "-4.2"
    file_commands.read_file(session, 0, "Q")
    assert session.buffers.get("Q").section == 0
    np.testing.assert_array_equal(session.buffers.get("Q").data, taken[0].data)
    with pytest.raises(SEMerror):
        file_commands.read_file(session, 2)
    file_commands.close_file(session)
    file_commands.read_other_file(session, 1, "O", "ts.mrc")
    other = session.buffers.get("O")
    np.testing.assert_array_equal(other.data, taken[1].data)
    assert (other.section, other.camera_set, other.binning) == (-1, 3, 8.0)
    assert other.nav_xy_um == pytest.approx(taken[1].nav_xy_um, abs=1e-3)
    file_commands.read_other_file(session, 0, "-1", "ts.mrc")
    assert session.buffers.get(session.buffers.read_buffer) is not None
    with pytest.raises(SEMerror):
        file_commands.read_other_file(session, 0, "O", "none.mrc")


def test_directories_and_snapshot(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    file_commands.set_directory(session, "sub")
    assert file_commands.report_directory(session) == str(tmp_path / "sub")
    with pytest.raises(SEMerror):
        file_commands.set_directory(session, "missing")
    session.scope.set_low_dose(True)
    session.take("R")
    file_commands.snapshot_to_file(session, 0, 0, 0, "JPG", "JPG", "a.jpg")
    assert file_commands.does_file_exist(session, "a.jpg") == 1.0
    file_commands.allow_file_overwrite(session, 1)
    assert session.files.overwrite
