"""Mdoc files: nothing may be lost or reordered when one is read and written."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.simulator.formats import mdoc
from space.simulator.formats.autodoc import Autodoc, Section, number_text, parse, render

TEXT = """PixelSpacing = 6
Voltage = 300
ImageFile = a.mrc
ImageSize = 1440 1023
DataMode = 1

[T = SerialEM: simulated]

[T =     Tilt axis angle = -94.0, binning = 4  spot = 6  camera = 0]

[ZValue = 0]
TiltAngle = 0.01
Strange = one two = three
DateTime = 05-Feb-20  14:41:21

[ZValue = 1]
TiltAngle = 3.01
"""


def fake_image():
    return SimpleNamespace(
        data=np.arange(12, dtype=np.int16).reshape(3, 4),
        binning=4,
        pixel_um=0.0006,
        mag_index=26,
        camera=0,
        camera_set=3,
        low_dose=True,
        exposure_s=1.0,
        stage_um=(100.5, -0.0),
        stage_z_um=5.25,
        tilt_deg=0.01,
        image_shift=(0.0, -0.25),
        rotation_deg=-176.0,
        defocus_um=-5.0,
        dose_e_A2=3.2,
        intensity=0.1,
        spot_size=6,
        probe_mode=1,
        time="05-Feb-20  14:41:21",
        divided_by_2=False,
        entries={"DoseRate": "9.5"},
    )


def test_text_round_trip():
    document = mdoc.parse(TEXT)
    assert mdoc.render(document) == TEXT
    assert document.titles[1].startswith("    Tilt axis")
    assert document.image(0).values["Strange"] == "one two = three"
    assert document.image(1).floats("TiltAngle") == (3.01,)
    assert document.image(2) is None


def test_line_ends_are_kept(tmp_path):
    path = tmp_path / "a.mrc.mdoc"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    document = mdoc.read(path)
    mdoc.write(path, document)
    assert path.read_bytes() == TEXT.replace("\n", "\r\n").encode()


def test_add_to_last_image_or_global():
    document = mdoc.parse(TEXT).with_added("CtfFind", "-4.5")
    assert document.image(1).values["CtfFind"] == "-4.5"
    assert "CtfFind" not in document.image(0).values
    empty = mdoc.new("a.mrc", (3, 4), 6.0, ["SerialEM: x"]).with_added("Key", "v")
    assert empty.header["Key"] == "v"
    assert list(empty.header)[:2] == ["PixelSpacing", "Voltage"]


def test_image_entries_order_and_codes():
    entries = mdoc.image_entries(
        fake_image(),
        53000.0,
        piece=(0, 767, 1),
        target_defocus_um=-5.0,
        extra={"SubFramePath": "X:\\a b.tif", "Mine": "1"},
    )
    keys = list(entries)
    order = [mdoc.KEY_ORDER.index(k) for k in keys[:-1]]
    assert order == sorted(order)
    assert keys[0] == "PieceCoordinates" and keys[-1] == "Mine"
    assert entries["MinMaxMean"] == "0 11 5.5"
    assert entries["LowDoseConSet"] == "4"
    assert entries["PixelSpacing"] == "6"
    assert entries["StagePosition"] == "100.5 0"
    assert entries["UncroppedSize"] == "-4 -3"


@pytest.mark.parametrize("code", [1, 4, 5, 6, -8, -6, -3])
def test_low_dose_code_inverts(code):
    assert mdoc.low_dose_code(*mdoc.camera_set_of(code)) == code


def test_date_time_is_english():
    assert mdoc.date_time(datetime(2026, 3, 5, 4, 3, 2)) == "05-Mar-26  04:03:02"


def test_continued_values():
    text = "A = 1\nmore\n\n[ZValue = 0]\nB = 2\n"
    document = parse(text)
    assert document.header["A"] == "1\nmore"
    assert render(document) == text


words = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="=[]"),
    min_size=1,
    max_size=8,
).filter(lambda word: not word.startswith("#"))
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(
    header=st.dictionaries(words, values, max_size=4),
    entries=st.lists(st.dictionaries(words, values, max_size=4), max_size=4),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_any_document_round_trips(header, entries, newline):
    document = Autodoc(
        header, tuple(Section("ZValue", str(i), e) for i, e in enumerate(entries)), newline
    )
    again = parse(render(document).replace("\n", newline))
    assert (again.header, again.sections) == (document.header, document.sections)


def test_number_text():
    assert number_text((1.23456789, 1e-9, -0.0, 298323846, 5)) == "1.23457 1e-09 0 298323846 5"


REAL = os.environ.get("SPACETOMO_REAL_DATA", "")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="SPACETOMO_REAL_DATA is not set")
def test_real_files_round_trip(tmp_path):
    files = sorted(Path(REAL, "mdoc").glob("*.mdoc"))
    assert files
    for path in files:
        text = path.read_bytes().decode("utf-8", "replace")
        document = mdoc.read(path)
        assert document.images
        again = mdoc.render(document).replace("\n", document.document.newline)
        assert again.split() == text.split(), path.name
        assert again.rstrip() == text.rstrip(), path.name
        copy = tmp_path / path.name
        mdoc.write(copy, document)
        assert mdoc.read(copy) == document
        assert copy.read_bytes().rstrip() == path.read_bytes().rstrip(), path.name
