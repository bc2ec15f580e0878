"""Files of other programs, and random damage to them, for the readers of both halves."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"
MRC_FILES = sorted(path.name for path in (DATA / "mrc").glob("*.mrc"))
"""Stacks of two sections of 40 x 50 pixels (one.mrc: one), each with something uncommon."""

REFUSED = {"tif.mrc": "TIFF", "trunc.mrc": "cut off"}
"""What no program can use, and a word that says why."""


@st.composite
def damaged(draw, data: bytes, within: int | None = None) -> bytes:
    """Return data with bytes exchanged, left out, repeated or cut off."""
    changed = bytearray(data)
    end = min(len(changed), within or len(changed))
    places = st.integers(0, end - 1)
    for place in draw(st.lists(places, max_size=6)):
        what = draw(st.sampled_from(["byte", "number", "insert", "remove"]))
        if what == "byte":
            changed[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif what == "number":
            changed[place : place + 4] = draw(st.binary(min_size=4, max_size=4))
        elif what == "insert":
            changed[place:place] = draw(st.binary(max_size=8))
        else:
            del changed[place : place + draw(st.integers(1, 8))]
    return bytes(changed[: draw(st.sampled_from([len(changed), end // 2, end]))])
