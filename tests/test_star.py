"""STAR files, read as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space import star

WORDS = st.text("abcXYZ019 ./@_'#-", min_size=1, max_size=12).map(str.strip).filter(bool)


@given(rows=st.lists(st.tuples(WORDS, st.integers(-9, 9)), min_size=1, max_size=5))
def test_what_is_written_is_read(rows):
    read = star.tables(star.table("particles", ["rlnTomoName", "rlnNumber"], rows))
    assert read == {
        "particles": {
            "rlnTomoName": [name for name, _ in rows],
            "rlnNumber": [str(number) for _, number in rows],
        }
    }


def test_blocks_comments_and_single_values():
    text = (
        "# version 50001\n\ndata_optics\n\n_rlnVoltage 300.0 # kV\n_rlnName 'a b'\n\n"
        "data_\nloop_\n_x #1\n_y #2\n 1.5   2\n\n# end\n-3e2 4\n"
    )
    assert star.tables(text) == {
        "optics": {"rlnVoltage": ["300.0"], "rlnName": ["a b"]},
        "": {"x": ["1.5", "-3e2"], "y": ["2", "4"]},
    }


@pytest.mark.parametrize(
    "text", ["", "1 2 3\n", "data_a\n1 2\n", "data_a\nloop_\n_x\n_y\n1\n", "loop_\n_x\n1\n"]
)
def test_what_is_no_star_file_is_refused(text):
    with pytest.raises(ValueError):
        star.tables(text)
