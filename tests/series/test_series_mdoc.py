"""Tilt series read from .mdoc files, odd ones as well."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.series import judge, series_of, time_of
from tests.foreign_files import DATA, damaged

HEAD = "PixelSpacing = 2.5\nImageFile = a.mrc\n\n[T = SerialEM: Krios]\n\n"


def section(number: int, tilt: str, *lines: str) -> str:
    return "\n".join((f"[ZValue = {number}]", f"TiltAngle = {tilt}", *lines)) + "\n\n"


FULL = section(
    0, "0.01", "MinMaxMean = 0 900 288", "ExposureTime = 2", "ExposureDose = 3", "DoseRate = 10",
    "PixelSpacing = 4", "Binning = 2", "CountsPerElectron = 32", "Defocus = -5.3",
    "TargetDefocus = -5", "SpecimenShift = -0.04 0.09", "EucentricOffset = 0.5",
    "CtfFind = -4.6", "DateTime = 11-Aug-2023  17:44:56",
)  # fmt: skip


def test_what_a_section_tells():
    (picture,) = series_of((HEAD + FULL).encode(), "a").pictures
    assert (picture.tilt_deg, picture.counts, picture.dose_e_A2) == (0.01, 288.0, 3.0)
    assert picture.electrons == 9.0
    assert picture.seen_e_A2 == 10 * 2 / 2**2  # the rate is for an unbinned pixel
    assert (picture.defocus_um, picture.target_defocus_um) == (-4.6, -5.0)
    assert (picture.shift_um, picture.height_um) == ((-0.04, 0.09), 0.5)
    assert picture.when == datetime(2023, 8, 11, 17, 44, 56)


def test_what_is_missing_or_no_number_is_not_known():
    text = section(0, "3", "MinMaxMean = 1 2", "ExposureDose = 0", "CtfFind = 1.0",
                   "DoseRate = NaN", "SpecimenShift =", "DateTime = 11-Xxx-23  1:2:3")  # fmt: skip
    (picture,) = series_of(text.encode(), "a").pictures
    assert picture.counts is picture.dose_e_A2 is picture.defocus_um is None
    assert picture.seen_e_A2 is picture.shift_um is picture.when is None
    (odd,) = series_of((DATA / "odd_values.mrc.mdoc").read_bytes(), "a").pictures
    assert odd.tilt_deg == -11.03


def test_pictures_are_in_the_order_of_their_times():
    text = "".join(
        section(k, str(tilt), f"DateTime = 01-Jan-26  10:{minute:02d}:00")
        for k, (tilt, minute) in enumerate([(-3, 2), (0, 0), (3, 1)])
    )
    assert [one.tilt_deg for one in series_of(text.encode(), "a").pictures] == [0, 3, -3]
    without = text.replace("10:01", "?")
    assert [one.tilt_deg for one in series_of(without.encode(), "a").pictures] == [-3, 0, 3]


def test_a_section_twice_counts_once_and_one_without_tilt_not_at_all():
    text = section(0, "0", "MinMaxMean = 0 0 5") + section(0, "0", "MinMaxMean = 0 0 7")
    text += "[ZValue = 1]\nMinMaxMean = 0 0 9\n\n" + section(2, "300")
    (picture,) = series_of(text.encode(), "a").pictures
    assert picture.counts == 7


def test_a_file_that_was_cut_off_tells_what_stands_in_it():
    text = HEAD + FULL + section(1, "3", "MinMaxMean = 0 900 280")
    cut = text[: text.index("280") - 8]
    assert [one.counts for one in series_of(cut.encode(), "a").pictures] == [288.0, None]


def test_a_huge_file_is_read_in_part():
    text = "".join(f"[ZValue = {k}]\nTiltAngle = 1\n" for k in range(3000))
    assert len(series_of(text.encode(), "a").pictures) == 2000


def test_doses_add_up_only_if_all_are_known():
    text = FULL + FULL.replace("= 0]", "= 1]")
    assert series_of(text.encode(), "a").dose_e_A2 == 6
    text += section(2, "6")
    assert series_of(text.encode(), "a").dose_e_A2 is None


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("01-Mar-26  09:08:07", datetime(2026, 3, 1, 9, 8, 7)),
        ("1-DEC-2025 23:59:59", datetime(2025, 12, 1, 23, 59, 59)),
        ("32-Mar-26  09:08:07", None),
        ("01-Mar-26  25:08:07", None),
        ("01-Mär-26  09:08:07", None),
        ("", None),
    ],
)
def test_times(text, when):
    assert time_of(text) == when


@given(
    data=damaged((HEAD + FULL * 3 + section(1, "1e308", "SpecimenShift = 1e300 1e300")).encode())
)
def test_damage_is_survived(data):
    judge(series_of(data, "a"))


@given(value=st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_survived(value):
    lines = [f"{key} = {value!r} {value!r} {value!r}" for key in (
        "MinMaxMean", "ExposureTime", "DoseRate", "PixelSpacing", "Binning", "CountsPerElectron",
        "SpecimenShift", "WasOffBy", "EucentricOffset")]  # fmt: skip
    text = "".join(section(k, str(3 * k), *lines) for k in range(8))
    judge(series_of(text.encode(), "a"))
