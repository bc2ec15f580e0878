"""Names of frame files."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import PurePath

import pytest

from space.simulator.commands import camera as commands
from space.simulator.commands import files as file_commands
from space.simulator.program.files import read_mdoc
from space.simulator.program.frames import FrameContext, FrameNaming, file_name

SAVES_FRAMES = True

CONTEXT = FrameContext("ts_001", "12-A", -30.04, datetime(2026, 3, 5, 4, 3, 2))


@pytest.mark.parametrize(
    "bits, expected",
    [
        (0x8 | 0x40, ("base_0007.tif",)),
        (0x8 | 0x400, ("base_-30.0.tif",)),
        (0x10 | 0x20 | 0x40, ("ts_001_12-A_0007.tif",)),
        (0x800 | 0x8, ("20260305_040302_base.tif",)),
        (0x8 | 0x80 | 0x100, ("base_Mar05_04.03.02.tif",)),
        (0x1 | 0x4 | 0x40, ("base_12-A", "0007.tif")),
        (0x2 | 0x40, ("ts_001", "0007.tif")),
        (0, ("0007.tif",)),
    ],
)
def test_name_is_made_of_the_chosen_parts(bits, expected):
    assert file_name(FrameNaming("base", bits, number=7), CONTEXT) == PurePath(*expected)


def test_name_is_one_on_windows_too():
    name = file_name(FrameNaming('a b/c\\d:e*?"', 0x8), CONTEXT)
    assert len(name.parts) == 1 and not set(str(name)) & set(' \\/:*?"<>|')


def test_bits_are_set_cleared_and_replaced():
    naming = FrameNaming(bits=0x8 | 0x40)
    assert naming.with_format(1, 0x400).bits == 0x448
    assert naming.with_format(0, 0x40).bits == 0x8
    assert naming.with_format(-1, 0x20).bits == 0x20
    assert naming.with_base("x", 0, 1).bits == 0x41
    assert naming.with_base("x", -1, -1).bits == naming.bits


def test_mdoc_names_the_frames_of_records(make_session, tmp_path):
    session = make_session(time_scale=0.0)
    for letter in "RV":
        session.camera.change(letter, binning=8)
    commands.set_frame_base_name(session, 0, 1, 0, "target_1")
    commands.set_frame_name_format(session, 0, 0, 0x40)
    commands.set_frame_name_format(session, 0, 1, 0x400)
    file_commands.open_new_file(session, "a.mrc")
    for letter in "RV":
        session.take(letter)
        file_commands.save_to_file(session)
    record, view = read_mdoc(tmp_path / "a.mrc").images
    path = record.values["SubFramePath"]
    name = f"target_1_{record.number('TiltAngle'):.1f}.tif"
    assert path == str(tmp_path / "frames" / name)
    assert record.integer("NumSubFrames") >= 1
    dose, count = record.floats("FrameDosesAndNumber")
    assert count == record.integer("NumSubFrames")
    assert dose * count == pytest.approx(record.number("ExposureDose"), rel=1e-3)
    assert "SubFramePath" not in view.values
    assert commands.report_last_frame_file(session) == (
        path,
        str(tmp_path / "frames") + os.sep,
        name,
    )
