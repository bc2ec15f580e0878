"""What montages leave in image files and mdocs, and what is read back from them."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator.column import SEMerror, shipped
from space.simulator.commands import files as file_commands
from space.simulator.commands import montage as commands
from space.simulator.commands import nav_montage, nav_points
from space.simulator.commands import navigator as nav_commands
from space.simulator.program.files import read_mdoc
from tests.simulator.test_navigator import RoughGrid


@pytest.fixture(scope="module")
def grid():
    return RoughGrid()


@pytest.fixture
def session(make_session, grid):
    """A session in the View area, with small pictures."""
    made = make_session(grid, stage_error_um=0.3, time_scale=0.0)
    made.camera.change("V", binning=8)
    made.navigator.open()
    made.scope.go_to_area("V")
    made.scope.stage.move_to(50, 20, 1)
    commands.param_set_to_use_for_montage(made, 2)
    return made


def take(session, name, counts=(3, 2), stage=1, block_um=None, sloppy=0):
    """Take a montage; its layout and mdoc."""
    commands.open_new_montage(session, *counts, name)
    commands.set_montage_params(session, stage, 180, 128, -1, -1, -1, -1, block_um)
    commands.set_mont_panel_params(session, sloppy)
    commands.acquire_montage(session)
    file = session.files.current
    return file.montage.layout, read_mdoc(file.path)


@pytest.mark.parametrize("sloppy", [0, 1])
def test_edges_tell_what_the_aligned_pieces_are_off(session, sloppy):
    layout, document = take(session, "m.mrc", sloppy=sloppy)
    suffix = "VS" if sloppy else ""
    notes = {piece: document.image(number) for number, piece in enumerate(layout.order)}
    places = {
        piece: np.array(s.floats(f"AlignedPieceCoords{suffix}")) for piece, s in notes.items()
    }
    off = {piece: place[:2] - layout.coordinates_px(piece) for piece, place in places.items()}
    assert np.ptp([*off.values()], axis=0).max() > 3
    for (ix, iy), section in notes.items():
        assert places[ix, iy][2] == 0
        for axis, neighbour in (("X", (ix + 1, iy)), ("Y", (ix, iy + 1))):
            edge = section.floats(f"{axis}edgeDxy{suffix}")
            assert len(edge) == (0 if neighbour not in notes else 3 if sloppy else 2)
            if edge:  # as in files of SerialEM: with the sign of what has to be taken off
                assert edge[:2] == pytest.approx(-(off[neighbour] - off[ix, iy]), abs=2.0)
        assert not any(key.endswith("VS") is not bool(sloppy) for key in section.values
                       if key.startswith(("Aligned", "Xedge", "Yedge")))  # fmt: skip


def test_section_of_the_whole_montage(session):
    session.scope.set_image_shift(0.3, -0.2)
    layout, document = take(session, "m.mrc")
    piece, whole = document.image(1), document.montage(0)
    assert len(piece.floats("NominalStageXY")) == 2 and "NominalStageXY" not in whole.values
    assert not any(key.startswith(("PieceC", "Aligned", "Xedge")) for key in whole.values)
    assert whole.floats("StagePosition") == pytest.approx((50, 20), abs=0.5)
    assert whole.floats("ImageShift") == pytest.approx((0.3, -0.2))
    assert whole.floats("FullMontSize") == layout.size_px
    assert whole.floats("FullMontNumFrames") == (3, 2)
    assert whole.number("FocusOffset") == session.scope.areas["V"].defocus_offset_um
    keys = list(whole.values)
    expected = [
        "FullMontSize", "BufISXY", "ProbeMode", "MoveStage", "ConSetUsed", "MontBacklash",
        "ValidBacklash", "DriftSettling", "CameraModes", "FocusOffset", "NetViewShifts",
        "ViewBeamShifts", "ViewBeamTilts", "ViewDefocus", "Alpha", "FilterState", "FitToPolyID",
        "FullMontNumFrames",
    ]  # fmt: skip
    assert [key for key in keys if key in expected and key != "ProbeMode"] == [
        key for key in expected if key != "ProbeMode"
    ]


@pytest.mark.parametrize("stage, block_um", [(0, None), (1, None), (2, 3.0)])
def test_what_is_read_is_what_was_taken(session, stage, block_um):
    session.scope.set_image_shift(0.3, -0.2)
    take(session, "m.mrc", (2, 2), stage, block_um)
    overview = session.buffers.get("B")
    file_commands.close_file(session)
    session.scope.set_image_shift(0.0, 0.0)
    session.scope.stage.move_to(-100, 3)
    file_commands.read_other_file(session, 0, "O", "m.mrc")
    loaded = session.buffers.get("O")
    np.testing.assert_array_equal(loaded.data, overview.data)
    assert loaded.nav_xy_um == pytest.approx(overview.nav_xy_um, abs=2e-3)
    assert loaded.image_shift == pytest.approx(overview.image_shift)
    assert loaded.pieces.move_stage == (stage > 0)
    assert loaded.pieces.shifts_px == pytest.approx(
        {piece: pytest.approx(shift, abs=0.5) for piece, shift in overview.pieces.shifts_px.items()}
    )


def test_stage_moves_once_for_a_block(session):
    layout, document = take(session, "b.mrc", (4, 2), 2, 3.0)
    stops_um = np.array([section.floats("StagePosition") for section in document.images])
    moves_um = np.linalg.norm(np.diff(stops_um, axis=0), axis=1)
    # Blocks of two pieces on top of each other; in between the stage only drifts.
    assert (moves_um > 1.0).tolist() == [False, True, False, True, False, True, False]
    assert moves_um[::2].max() < 0.1
    assert session.scope.image_shift == (0.0, 0.0)
    centers_um = np.array([e.center_um for e in session.exposures[-8:]])
    matrix = np.array(session.buffers.get("B").stage_to_px) * [[1.0], [-1.0]]
    binning = session.buffers.get("B").pieces.overview_binning
    found_px = (centers_um - centers_um.mean(axis=0)) @ matrix.T * binning
    places = [section.floats("PieceCoordinates")[:2] for section in document.images]
    found_px = dict(zip(places, found_px))
    pixel_um = session.buffers.get("A").pixel_um
    for piece in layout.order:
        away_px = found_px[layout.coordinates_px(piece)] - layout.offset_px(piece)
        assert np.linalg.norm(away_px) * pixel_um < 1.2  # the errors of a few stage moves


def test_blocks_cannot_be_changed_once_pieces_are_there(session):
    take(session, "m.mrc", (2, 1))
    for arguments in ((2,), (1, -1, -1, -1, -1, -1, -1, 5.0)):
        with pytest.raises(SEMerror):
            commands.set_montage_params(session, *arguments)
    commands.set_montage_params(session, -1, -1, -1, -1, -1, 1)
    assert not session.files.current.montage.correlate


def test_map_of_a_montage_names_its_polygon(session):
    session.variables.set("x", "40\n55\n40")
    session.variables.set("y", "10\n10\n22")
    nav_points.add_stage_points_as_polygon(session, "x", "y", 0.0)
    nav_montage.setup_polygon_montage(session, 1, 0.1, "p.mrc")
    commands.acquire_montage(session)
    nav_commands.COMMANDS["NewMap"](session)
    polygon, made = session.navigator.items
    assert made.integer("FitToPolygonID") == polygon.map_id != 0
    document = read_mdoc(session.files.current.path)
    assert document.montage(0).integer("FitToPolyID") == polygon.map_id


@pytest.mark.parametrize("name", shipped())
def test_axis_in_the_title_turns_with_the_stage(make_session, tmp_path, grid, name):
    session = make_session(grid, instrument=name)
    turned_deg = 180.0 if name == "talos_ceta" else 0.0
    session.camera.change("V", binning=8)
    file_commands.open_new_file(session, "a.mrc")
    session.take("V")
    file_commands.save_to_file(session)
    document = read_mdoc(tmp_path / "a.mrc")
    title = next(t for t in document.titles if "Tilt axis" in t)
    angle_deg = float(title.split("=")[1].split(",")[0])
    wanted_deg = document.image(0).number("RotationAngle") - 90.0 + turned_deg
    assert (angle_deg - wanted_deg + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=0.06)
    assert -180.0 <= angle_deg <= 180.0
    assert document.header["Voltage"] == f"{session.instrument.voltage_kV:g}"
