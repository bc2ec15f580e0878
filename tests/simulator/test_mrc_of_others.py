"""MRC files of other programs at the simulated microscope: read, or refused with the reason."""

from __future__ import annotations

import shutil
from dataclasses import replace

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from space.simulator.column import SEMerror
from space.simulator.commands import all_commands
from space.simulator.formats import mrc
from tests.foreign_files import DATA, MRC_FILES, REFUSED, damaged

NOT_READ = {
    **REFUSED,
    "be.mrc": "big-endian",
    "mode12.mrc": "mode 12",
    "mode101.mrc": "mode 101",
}


@pytest.mark.parametrize("name", [name for name in MRC_FILES if name not in NOT_READ])
def test_sections_of_any_stack_are_read(name):
    path = DATA / "mrc" / name
    header = mrc.read_header(path)
    assert header.shape == (40, 50) and np.isfinite(header.pixel_A)
    for section in range(header.sections):
        assert mrc.read_section(path, section).shape == (40, 50)


@pytest.mark.parametrize("name", NOT_READ)
def test_a_script_that_reads_another_file_is_told_why_not(make_session, name):
    session = make_session()
    shutil.copy(DATA / "mrc" / name, session.directory)
    for command, arguments in (("ReadOtherFile", (0, "O", name)), ("OpenOldFile", (name,))):
        with pytest.raises(SEMerror, match=NOT_READ[name]):
            all_commands()[command](session, *arguments)


def test_nothing_is_added_to_a_file_that_was_cut_off(tmp_path):
    path = tmp_path / "a.mrc"
    shutil.copy(DATA / "mrc" / "trunc.mrc", path)
    path.chmod(0o644)
    before = path.read_bytes()
    with pytest.raises(mrc.MrcError, match="cut off"):
        mrc.append(path, np.zeros((40, 50), np.int16))
    assert path.read_bytes() == before


def write_picture(path, voxel_A=0.0, title=""):
    with mrcfile.new(path, overwrite=True) as stack:
        pattern = np.random.default_rng(1).normal(size=(60, 80))
        stack.set_data(ndimage.gaussian_filter(pattern, 2).astype(np.float32))
        if voxel_A:
            stack.voxel_size = voxel_A
        if title:
            stack.add_label(title)
    return path.name


@pytest.mark.parametrize(
    ("scale", "title", "binning"), [(0, "", 1), (1, "", 1), (4, "", 4), (0.3, "", 1), (2, "x", 4)]
)
def test_a_picture_without_notes_counts_as_taken_now(make_session, scale, title, binning):
    session = make_session()
    scope = session.scope
    scope.go_to_area("V")
    unbinned_A = 1e4 * scope.pixel_um(scope.mag_index)
    title = "    Tilt axis angle = 85.3, binning = 4  spot = 3  camera = 0" if title else ""
    name = write_picture(session.directory / "other.mrc", scale * unbinned_A, title)
    commands = all_commands()
    commands["ReadOtherFile"](session, 0, "O", name)
    image = session.buffers.get("O")
    assert image.mag_index == scope.mag_index and image.camera == 0
    assert image.binning == binning
    assert image.pixel_um == pytest.approx((scale or binning) * unbinned_A / 1e4, rel=1e-5)
    assert commands["ImageConditions"](session, "O")[1] == scope.magnification(scope.mag_index)
    assert commands["ImageProperties"](session, "O")[5] == -1.0


def test_pictures_without_notes_can_be_aligned_and_shift_the_microscope(make_session):
    session = make_session()
    write_picture(session.directory / "other.mrc")
    commands = all_commands()
    commands["ReadOtherFile"](session, 0, "O", "other.mrc")
    image = session.buffers.get("O")
    session.buffers.set("A", replace(image, data=np.roll(image.data, (0, 6), (0, 1))))
    assert commands["AlignTo"](session, "O") == 0.0
    assert session.buffers.get("A").align_shift_px == pytest.approx((-6.0, 0.0), abs=0.1)
    pixel_um = session.scope.pixel_um(session.scope.mag_index)
    assert np.hypot(*session.scope.specimen_shift_um()) == pytest.approx(6 * pixel_um, rel=0.05)
    with pytest.raises(SEMerror):  # where it was taken is not known
        commands["OpenNavigator"](session)
        commands["AddImagePosAsNavPoint"](session, "O", 10, 10)


@given(data=st.data())
def test_damage_gives_sections_or_a_refusal(data, tmp_path_factory):
    name = data.draw(st.sampled_from(MRC_FILES))
    path = tmp_path_factory.getbasetemp() / "damaged_stack.mrc"
    path.write_bytes(data.draw(damaged((DATA / "mrc" / name).read_bytes(), within=224)))
    try:
        header = mrc.read_header(path)
        last = header.sections - 1
        if last >= 0:
            assert mrc.read_section(path, last).shape == header.shape
            mrc.read_info(path, last)
    except mrc.MrcError:
        pass
