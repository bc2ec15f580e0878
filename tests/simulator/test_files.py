"""The table of open files: what may be opened, where images go, what the mdoc says."""

from __future__ import annotations

import io
from dataclasses import replace

import mrcfile
import numpy as np
import pytest

from space.simulator.formats import mdoc, mrc
from space.simulator.formats.autodoc import Section
from space.simulator.imaging.images import Image
from space.simulator.montage.layout import Layout
from space.simulator.montage.settings import MontageParams
from space.simulator.program.files import (
    FileTable,
    FileTableError,
    SaveContext,
    montage_of,
    read_mdoc,
)

CONTEXT = SaveContext(53000.0, -4.0)


def image(value=5, shape=(6, 8), dtype=np.int16, **changes):
    data = np.full(shape, value, dtype)
    data[0, 0] = value + 1
    fields = dict(
        data=data,
        binning=4.0,
        pixel_um=0.0006,
        mag_index=26,
        camera_set=3,
        low_dose=True,
        exposure_s=1.0,
        stage_um=(12.5, -7.25),
        tilt_deg=3.0,
        rotation_deg=-4.0,
        time="03-Mar-25  09:00:00",
    )
    return Image(**(fields | changes))


def test_new_file_append_reopen(tmp_path):
    table = FileTable()
    path = tmp_path / "ts.mrc"
    assert table.number == -1 and table.current is None
    file = table.open_new(path)
    assert path.exists() and table.number == 1 and file.empty
    assert [file.save(image(n), CONTEXT) for n in range(2)] == [0, 1]
    assert table.close() and not table.close()
    again = table.open_old(path)
    assert again.save(image(9), CONTEXT) == 2 and again.sections == 3
    document = read_mdoc(path)
    assert [s.name for s in document.images] == ["0", "1", "2"]
    assert document.titles[1] == "    Tilt axis angle = -94.0, binning = 4  spot = 0  camera = 0"
    assert document.header["ImageSize"] == "8 6" and "Montage" not in document.header
    np.testing.assert_array_equal(mrc.read_section(path, 2), image(9).data)
    assert mrcfile.validate(path, print_file=io.StringIO())


def test_overwriting_needs_leave_and_keeps_a_backup(tmp_path):
    table = FileTable()
    path = tmp_path / "a.mrc"
    table.open_new(path).save(image(1), CONTEXT)
    with pytest.raises(FileTableError, match="already open"):
        table.open_new(path)
    table.close()
    with pytest.raises(FileTableError, match="overwriting"):
        table.open_new(path)
    table.overwrite = True
    table.open_new(path).save(image(2), CONTEXT)
    assert mrc.read_section(tmp_path / "a.mrc~", 0)[1, 1] == 1
    assert mrc.read_section(path, 0)[1, 1] == 2
    assert len(read_mdoc(path).images) == 1
    with pytest.raises(FileTableError, match="folder"):
        table.open_new(tmp_path / "none" / "a.mrc")


def test_images_that_do_not_fit(tmp_path):
    file = FileTable().open_new(tmp_path / "a.mrc")
    file.save(image(), CONTEXT)
    for wrong in (image(shape=(6, 9)), image(dtype=np.float32)):
        with pytest.raises(FileTableError):
            file.save(wrong, CONTEXT)
    with pytest.raises(FileTableError, match="montage"):
        file.save(image(), CONTEXT, piece=(0, 0))
    assert file.sections == 1 and len(file.document.images) == 1


def test_several_files(tmp_path):
    table = FileTable()
    one = table.open_new(tmp_path / "1.mrc")
    two = table.open_new(tmp_path / "2.mrc")
    assert table.current is two and table.number == 2 and table.get(1) is one
    assert table.is_current(tmp_path / "2.mrc") and not table.is_current("")
    table.close()
    assert table.current is one
    with pytest.raises(FileTableError):
        table.get(2)


def test_autodoc_entries(tmp_path):
    table = FileTable()
    file = table.open_new(tmp_path / "a.mrc")
    file.add_to_mdoc("Early", "global")
    file.save(image(), CONTEXT)
    file.add_to_mdoc("CtfFind", "-4.5")
    assert "CtfFind" not in read_mdoc(file.path).image(0).values
    file.write_mdoc()
    document = read_mdoc(file.path)
    assert document.image(0).values["CtfFind"] == "-4.5" and document.header["Early"] == "global"
    table.single_mdocs = False
    other = table.open_new(tmp_path / "b.mrc")
    other.save(image(), CONTEXT)
    assert not mdoc.path_for(other.path).exists()
    with pytest.raises(FileTableError, match="no mdoc"):
        other.add_to_mdoc("a", "b")


def test_old_file_must_be_mrc(tmp_path):
    table = FileTable()
    with pytest.raises(FileTableError):
        table.open_old(tmp_path / "none.mrc")
    (tmp_path / "bad.mrc").write_bytes(b"not an image" * 200)
    with pytest.raises(FileTableError):
        table.open_old(tmp_path / "bad.mrc")
    assert table.number == -1


def test_montage_file_is_recognised_again(tmp_path):
    layout = Layout((3, 2), (8, 6), (2, 1), frozenset({(2, 1)}))
    table = FileTable()
    file = table.open_new(tmp_path / "m.mrc", MontageParams(layout, 4.0))
    for piece in layout.order:
        file.save(image(), CONTEXT, piece, 0)
    file.set_section(Section(mdoc.MONTAGE, "0", {"FullMontNumFrames": "3 2", "MoveStage": "1"}))
    file.write_mdoc()
    assert (file.sections, file.montages) == (5, 1)
    assert mrc.read_info(file.path, 1).piece == (0, 5, 0)
    assert read_mdoc(file.path).image(4).floats("PieceCoordinates") == (12, 0, 0)
    found = montage_of(file.path, read_mdoc(file.path))
    assert found == MontageParams(layout, 4.0)
    table.close()
    assert table.open_old(tmp_path / "m.mrc").montage == found
    with pytest.raises(FileTableError):
        table.current.save(replace(image(), camera_set=3), CONTEXT)


def test_full_file_takes_no_more_images(tmp_path):
    path = tmp_path / "a.mrc"
    mrc.create(path, (6, 8), np.int16, 24.0, flags=63, max_sections=1)
    file = FileTable().open_old(path)
    room = mrc.read_header(path).capacity
    for _ in range(room):
        mrc.append(path, image().data)
    before = path.read_bytes()
    with pytest.raises(FileTableError, match="room"):
        file.save(image(), CONTEXT)
    assert path.read_bytes() == before and file.sections == room
