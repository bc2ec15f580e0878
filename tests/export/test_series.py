"""Tilt series as their mdocs describe them, also odd ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from space.errors import SpaceError
from space.export import Optics, read_series
from tests.export.mdocs import HEAD, mdoc_text, write_series


def test_a_series_of_pacetomo(tmp_path):
    series = read_series(write_series(tmp_path, tilts=(0, 3, -3, -6, 6)))
    assert series.name == "G1_L01_ts_001"
    assert series.pixel_nm == pytest.approx(0.2663)
    assert series.axis_deg == 94.0
    assert series.voltage_kv == 300
    assert [image.tilt_deg for image in series.images] == [0, 3, -3, -6, 6]
    assert [image.section for image in series.by_tilt] == [3, 2, 0, 1, 4]
    assert [i.prior_dose_e_per_a2 for i in series.images] == pytest.approx([0, 3, 6, 9, 12])
    assert series.dose_e_per_a2 == 3
    assert series.defocus_um == -5
    assert series.images[1].frames_name == "ts_0001.tif"  # of a Windows path


def test_dose_from_the_rate_at_the_camera(tmp_path):
    """K3 of the shared kind: binning 2, so that its unbinned pixel is half as large."""
    stack = write_series(
        tmp_path, ExposureDose="0", DoseRate="11.28", ExposureTime="2", Binning="2"
    )
    assert read_series(stack).dose_e_per_a2 == pytest.approx(11.28 * 2 / (2.663 / 2) ** 2)


def test_a_given_dose_counts(tmp_path):
    assert read_series(write_series(tmp_path), Optics(dose_e_per_a2=2.5)).dose_e_per_a2 == 2.5


def test_dose_before_the_series(tmp_path):
    series = read_series(write_series(tmp_path, PriorRecordDose="20"))
    assert series.images[0].prior_dose_e_per_a2 == 20
    assert series.images[1].prior_dose_e_per_a2 == 23


@pytest.mark.parametrize(
    ("rotation", "axis"), [("-176", 94.0), ("-95.3", 174.7), ("179.4", 89.4), ("30", -60.0)]
)
def test_axis_without_a_title(tmp_path, rotation, axis):
    stack = write_series(tmp_path, title="", RotationAngle=rotation)
    assert read_series(stack).axis_deg == pytest.approx(axis)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"TiltAngle": "steep"}, "no picture with a tilt"),
        ({"ExposureDose": "", "DoseRate": "nan"}, "no dose"),
        ({"PixelSpacing": "0"}, "no PixelSpacing"),
        ({"head": HEAD.replace("Voltage = 300", "")}, "no Voltage"),
        ({"head": HEAD.replace("ImageSize = 5760 4092", "ImageSize = large")}, "no ImageSize"),
        ({"title": "", "RotationAngle": ""}, "no tilt axis"),
    ],
)
def test_what_is_missing_is_named(tmp_path, change, word):
    with pytest.raises(SpaceError, match=word) as refused:
        read_series(write_series(tmp_path, **change))
    assert "G1_L01_ts_001.mrc.mdoc" in str(refused.value)


def test_no_mdoc(tmp_path):
    with pytest.raises(SpaceError, match="cannot be read"):
        read_series(tmp_path / "G1_L01_ts_001.mrc")


def test_odd_lines_do_not_matter(tmp_path):
    """Doubled and cut sections, Windows line ends, a note in another code page."""
    stack = tmp_path / "G1_L01_ts_001.mrc"
    text = mdoc_text((0, 3)) + "\n[ZValue = 1]\nTiltAngle = 3.5\nNote = M\xfc\n[ZValue = 2\n"
    stack.with_name(f"{stack.name}.mdoc").write_bytes(text.replace("\n", "\r\n").encode("cp1252"))
    series = read_series(stack, Optics(dose_e_per_a2=1))
    assert [image.tilt_deg for image in series.images] == [0, 3.5]


@pytest.mark.real_data
def test_a_real_series():
    folder = os.environ.get("SPACETOMO_REAL_DATA")
    if not folder:
        pytest.skip("SPACETOMO_REAL_DATA names no folder")
    series = read_series(Path(folder) / "mdoc" / "L1_ts_001.mrc")
    assert len(series.images) == 41
    assert series.axis_deg == 94.0
    # By the rate at the camera, which looked past the specimen at the last tilt.
    assert series.dose_e_per_a2 == pytest.approx(2.73, abs=0.01)
    assert series.images[0].picture.defocus_um == pytest.approx(-4.64, abs=0.01)
    assert series.has_frames
