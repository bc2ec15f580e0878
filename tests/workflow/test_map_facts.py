"""What is noted beside a map is held against the map before targets are set up from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from space import pacetomo
from space.errors import SpaceError
from space.steps.map_facts import read_facts


def moved(values, x, y):
    center = values["frame"]["center_stage_um"]
    values["frame"]["center_stage_um"] = [center[0] + x, center[1] + y]


def scaled(values, factor):
    values["frame"]["stage_to_px"] = [
        [factor * one for one in row] for row in values["frame"]["stage_to_px"]
    ]


def mirrored(values):
    values["frame"]["stage_to_px"] = [
        [-one for one in values["frame"]["stage_to_px"][0]],
        values["frame"]["stage_to_px"][1],
    ]


def other(values, *path, factor=None, value=None):
    *first, last = path
    for key in first:
        values = values[key]
    values[last] = values[last] * factor if factor is not None else value


LIES = {
    "centre 300 um away": (lambda v: moved(v, 300, 0), "300 um away"),
    "centre 0.1 um away": (lambda v: moved(v, 0, -0.1), "0.1 um away"),
    "pixel ten times as large": (lambda v: other(v, "pixel_nm", factor=10), "240 nm"),
    "pixel 2 % larger": (lambda v: other(v, "pixel_nm", factor=1.02), "pixel"),
    "pixel and scale": (lambda v: (other(v, "pixel_nm", factor=10), scaled(v, 0.1)), "240 nm"),
    "scale": (lambda v: scaled(v, 1.02), "scale or rotation"),
    "scale of nothing": (lambda v: scaled(v, 0.0), "scale or rotation"),
    "mirrored": (mirrored, "scale or rotation"),
    "fewer pixels": (lambda v: other(v, "frame", "shape", value=[10, 10]), "10 x 10 pixels"),
    "View pixel": (lambda v: other(v, "view", "pixel_nm", factor=2), "View pixel"),
    "View binning": (lambda v: other(v, "view", "binning", factor=2), "binning"),
    "View rotation": (lambda v: other(v, "view", "rotation_deg", value=200.0), "rotated by"),
    "View magnification": (lambda v: other(v, "view", "mag_index", value=3), "mag index 3"),
    "words": (lambda v: other(v, "pixel_nm", value="large"), "cannot be read"),
    "View pictures": (lambda v: other(v, "view_shape_px", value=[7, 9]), "9 x 7 pixels"),
}


DAMAGE = {
    "centre nowhere": lambda v: moved(v, float("nan"), 0),
    "pixel not a number": lambda v: other(v, "pixel_nm", value=float("nan")),
    "nothing": lambda v: v.clear(),
}


def retold(path: Path, **texts: str) -> None:
    """Save a PNG again with other texts, as an image editor or a script might do."""
    with Image.open(path) as image:
        image.load()
        info = PngImagePlugin.PngInfo()
        for key, value in {**image.text, **texts}.items():
            info.add_text(key, value)
        image.save(path, pnginfo=info)


def test_targets_are_set_up_only_from_what_is_true_of_the_map(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(3).ok
    path, picture = (session.directory / f"G1_L01{ending}" for ending in (".json", ".png"))
    true, true_picture = path.read_text(), picture.read_bytes()
    for name, (change, words) in LIES.items():
        values = json.loads(true)
        change(values)
        path.write_text(json.dumps(values))
        before = len(session.log())
        session.run(4)
        told = session.log()[before:]
        assert words in told and "G1_L01.json" in told, (name, told)
        assert "Delete the map's PNG and JSON files" in told, name
        assert session.names("*_tgts.txt") == [], name
        assert not any(item.acquire for item in session.items()), name
    for name, change in DAMAGE.items():  # no notes at all: they are made again from the map
        values = json.loads(true)
        change(values)
        path.write_text(json.dumps(values))
        assert session.run(2).ok
        again = json.loads(path.read_text())
        assert again["frame"] == json.loads(true)["frame"], name
        assert again["pixel_nm"] == json.loads(true)["pixel_nm"], name
    path.write_text(true)
    picture.write_bytes(true_picture)

    retold(picture, pixel_nm="240.0")
    session.run(3)  # the picture is another: it is segmented again
    session.run(4)
    assert "the picture itself 240 nm" in session.log() and session.names("*_tgts.txt") == []
    picture.write_bytes(true_picture)
    assert session.run(3).ok

    # The Navigator's items were shifted after the map was saved: they are the truth.
    session.do("sem.ShiftItemsByMicrons(4, 3)")
    session.run(4)
    assert "5 um away" in session.log() and session.names("*_tgts.txt") == []
    picture.unlink()
    path.unlink()
    result = session.run(4)
    assert result.ok, result.error
    targets = pacetomo.parse((session.directory / "G1_L01_tgts.txt").read_text()).targets
    assert targets
    center = json.loads(path.read_text())["frame"]["center_stage_um"]
    was = json.loads(true)["frame"]["center_stage_um"]
    assert abs(center[0] - was[0] - 4) < 0.01 and abs(center[1] - was[1] - 3) < 0.01


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"frame": 1}', '{"view_shape_px": [1e400, 2]}'])
def test_notes_that_cannot_be_read_are_told(tmp_path, text):
    (tmp_path / "G1_L01.json").write_text(text)
    with pytest.raises(SpaceError, match="cannot be read"):
        read_facts(tmp_path / "G1_L01.png")
