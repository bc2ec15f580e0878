"""MRC files of other programs at the simulated microscope: read, or refused with the reason."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulator.column import SEMerror
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
    from space.simulator.commands import all_commands

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


@settings(max_examples=300)
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
