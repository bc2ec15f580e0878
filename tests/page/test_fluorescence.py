"""Fluorescence over the maps of the page."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from space.cli import main
from space.fluorescence import channel_path, kept_path
from tests.page import maps


@pytest.mark.parametrize("of_grid", [True, False])
def test_channels_are_tiles_in_their_colours_over_a_map(page, folder, of_grid):
    if not of_grid:
        maps.draw(folder.directory, 2)
    picture = folder.directory / ("G1_wg.png" if of_grid else "G1_L02.png")
    shape = (300, 400) if of_grid else maps.SHAPE
    address = "/api/grid/G1" if of_grid else "/api/lamella/G1/2"
    page.page.session.look(now=True)
    assert page.json(address)["fluorescence"] is None
    maps.glow(picture, shape, GFP=(0, 230, 90), mCherry=(255, 60, 60))
    table = page.json(address)["fluorescence"]
    assert [one["color"] for one in table["channels"]] == ["#00e65a", "#ff3c3c"]
    assert 0 < table["error_um"] < 0.2 and table["source"] == "fm.tif"
    tiles = table["channels"][0]["tiles"]
    zoom = tiles["max_zoom"]
    at = {"z": zoom, "x": 0, "y": shape[0] // 2 // 256}
    answer = page.get("/" + tiles["url"].format(**at))
    assert answer.headers["cache-control"].endswith("immutable")
    tile = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))
    row = shape[0] // 2 - 256 * at["y"]
    assert tuple(tile[row, 100]) == (0, 230, 90, 255) and tile[row, 200, 3] == 0
    for wrong in ("class=DAPI", "class="):
        path = tiles["url"].format(**at).split("?")[0]
        assert page.get(f"/{path}?{wrong}").status_code == 404
    assert page.get("/" + tiles["url"].format(z=zoom, x=9, y=9)).status_code == 404


def test_fluorescence_that_cannot_be_used_is_told_and_the_map_is_shown(page, folder):
    maps.draw(folder.directory, 2)
    picture = folder.directory / "G1_L02.png"
    maps.glow(picture, maps.SHAPE, GFP=(0, 230, 90))
    page.page.session.look(now=True)
    channel_path(picture, "GFP").unlink()
    table = page.json("/api/lamella/G1/2")["fluorescence"]
    assert table["channels"] == [] and "GFP is missing" in table["warnings"][0]
    kept_path(picture).write_text("{}", encoding="utf-8")
    facts = page.json("/api/lamella/G1/2")
    assert facts["map"] and "clem register" in facts["fluorescence"]["warnings"][0]


def test_targets_of_a_session_are_chosen_again_by_signal(folder, space_dir, tmp_path, capsys):
    maps.draw(folder.directory, 2)
    words = ["targets", folder.directory, "--lamella", "L02", "--space-dir", space_dir, "--json",
             "--out", tmp_path / "out", "--set", "target_list={'fm:GFP': 1}",
             "--set", "avoid_list=['white', 'fm:mCherry']", "--record-field-um",
             0.8, 0.6]  # fmt: skip
    assert main(list(map(str, words))) == 2
    assert "no registered fluorescence" in capsys.readouterr().out
    colors = {"GFP": (0, 230, 90), "mCherry": (255, 60, 60)}
    maps.glow(folder.directory / "G1_L02.png", maps.SHAPE, **colors)
    assert main(list(map(str, words))) == 0
    (lamella,) = json.loads(capsys.readouterr().out)["lamellae"]
    assert lamella["targets"] == 1 and lamella["score"] > 0.9
