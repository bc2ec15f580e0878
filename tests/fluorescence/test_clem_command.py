"""`spacetomo clem`: files of fluorescence laid on maps."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from space.cli import main
from space.cli.clem.ranking import ranked
from space.fluorescence import Look, keep, kept_path, read_kept, register
from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.overview import read_session
from tests.overview.folders import Folder

MATRIX = np.array([[0.0, 4.0], [-4.0, 0.0]])
CORNERS = np.array([[5.0, 5], [5, 75], [55, 8], [52, 70]])


@pytest.fixture
def folder(tmp_path):
    flat = np.full((60, 80), 100, np.uint16)
    flat[15:25, 30:40] = 900
    Image.fromarray(flat).save(tmp_path / "mCherry.png")
    Image.fromarray(flat.T[:60, :60].copy()).save(tmp_path / "small.png")
    rng = np.random.default_rng(0)
    for name, center in (("G1_L01", (0.0, 0.0)), ("G1_L02", (1.0, 0.5))):
        path = tmp_path / f"{name}.png"
        write_png(path, rng.integers(0, 255, (240, 320), np.uint8), 20.0, "test")
        frame = MapFrame((240, 320), ((50.0, 0.0), (0.0, -50.0)), center)
        write_json_beside(path, {"pixel_nm": 20.0, "frame": frame.to_dict()})
    lines = ["fm_row,fm_column,map_row,map_column"]
    for (row, column), (there, across) in zip(CORNERS, CORNERS @ MATRIX.T + [0, 240]):
        lines.append(f"{row},{column},{there},{across}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def run(*words: object) -> int:
    return main(["clem", *map(str, words)])


def registered(folder, *more: object) -> int:
    return run("register", folder / "G1_L01.png", folder / "mCherry.png", "--pairs",
               folder / "pairs.csv", "--click-um", 0.05, *more)  # fmt: skip


def test_a_picture_is_registered_shown_and_carried(folder, capsys):
    assert registered(folder, "--color", "mCherry=00ff00", "--threshold", "mCherry=500") == 0
    out = capsys.readouterr().out
    assert "4 of 4 pairs" in out and "Error over the map: 0.0" in out
    kept = read_kept(folder / "G1_L01.png")
    assert kept.looks["mCherry"].threshold == 500 and kept.looks["mCherry"].color == (0, 255, 0)
    assert run("show", folder / "G1_L01.png", "--out", folder / "o.png") == 0
    assert "pair 4" in capsys.readouterr().out
    with Image.open(folder / "o.png") as image:
        row, column = (np.array([20.0, 35.0]) @ MATRIX.T + [0, 240]).astype(int)
        assert image.getpixel((int(column), int(row)))[1] == 255
    carried = ["--to", folder / "G1_L02.png", "--apart-um", 0.3]
    assert run("carry", folder / "G1_L01.png", *carried) == 0
    there = read_kept(folder / "G1_L02.png")
    assert there.fit.to_map(CORNERS) == pytest.approx(
        kept.fit.to_map(CORNERS) + [25, -50], abs=1e-6
    )
    assert 0.3 < there.error_um < 0.4


def test_what_a_file_holds_is_listed(folder, capsys):
    assert run("list", folder / "mCherry.png") == 0
    out = capsys.readouterr().out
    assert '"fm:mCherry"' in out and "60 x 80" in out and "not known" in out


@pytest.mark.parametrize(
    "change, words",
    [
        (["--pixel-um", "-1"], "no pixel size"),
        (["--threshold", "GFP=3"], "names no channel"),
        (["--threshold", "mCherry=x"], "not 1 numbers"),
        (["--contrast", "mCherry=5,2"], "not less"),
        (["--color", "mCherry=pink"], "no colour"),
        (["--channel", "GFP"], "no channel"),
        (["--plane", "3"], "no plane 3"),
    ],
)
def test_what_is_asked_wrongly_is_said_and_nothing_is_written(folder, capsys, change, words):
    assert registered(folder, *change) == 2
    assert words in capsys.readouterr().err
    assert not kept_path(folder / "G1_L01.png").exists()


@pytest.mark.parametrize(
    "text, words",
    [
        ("a,b\n1,2\n", "lacks the columns"),
        ("fm_row,fm_column,map_row,map_column\n1,2,3\n", "line 2"),
        ("fm_row,fm_column,map_row,map_column\n1,2,3,nan\n", "line 2"),
        ("fm_row,fm_column,map_row,map_column\n1,2,3,4\n", "1 pairs"),
    ],
)
def test_pairs_that_are_no_pairs_are_refused(folder, capsys, text, words):
    (folder / "pairs.csv").write_text(text, encoding="utf-8")
    assert registered(folder) == 2
    assert words in capsys.readouterr().err


def test_nothing_that_is_not_sure_is_found(folder, capsys):
    assert run("register", folder / "G1_L01.png", folder / "mCherry.png", "--find") == 2
    assert "Nothing says surely" in capsys.readouterr().err


def test_files_of_two_fields_and_channels_that_are_not_there_are_refused(folder, capsys):
    assert run("register", folder / "G1_L01.png", folder / "mCherry.png", folder / "small.png",
               "--pairs", folder / "pairs.csv") == 2  # fmt: skip
    assert "is not that of" in capsys.readouterr().err
    registered(folder)
    assert run("show", folder / "G1_L01.png", "--channel", "x") == 2
    (folder / "G1_L02.json").unlink()
    assert run("carry", folder / "G1_L01.png", "--to", folder / "G1_L02.png") == 2
    assert "Where the map lies" in capsys.readouterr().err


def test_lamellae_are_ranked_by_the_signal_in_their_boxes(tmp_path, capsys):
    made = Folder(tmp_path / "session").named()
    for number in (1, 2, 3):
        made.found(number)
    picture = tmp_path / "session" / "G1_wg.png"
    frame = MapFrame((300, 400), ((1.25, 0.0), (0.0, -1.25)), (20.0, 5.0))
    write_json_beside(picture, {"pixel_nm": 800.0, "frame": frame.to_dict()})
    write_png(picture, np.zeros((300, 400), np.uint8), 800.0, "G1.mrc")
    assert run("rank", tmp_path / "session") == 2
    assert "no registered fluorescence" in capsys.readouterr().out
    (grid,) = read_session(tmp_path / "session").grids
    flats = {"GFP": np.zeros((300, 400), np.float32)}
    for lamella, radius in zip(grid.visited, (2, 4, 3)):
        ((row, column),) = frame.to_map(np.array([lamella.position_um]))
        rows, columns = np.indices((300, 400)) + 0.5
        flats["GFP"][np.hypot(rows - row, columns - column) < radius] = 900
    corners = np.array([[10.0, 10], [10, 390], [290, 10], [290, 390]])
    found = register(corners, corners, 0.8, (300, 400), (300, 400), usual_um=0.1)
    keep(picture, "fm.tif", flats, {"GFP": Look((0, 255, 0), 0, 900, 450)}, found)
    (grid,) = read_session(tmp_path / "session").grids
    channel, rows = ranked(grid)
    labels = [row.lamella.label for row in rows]
    assert channel == "GFP" and labels == [grid.visited[k].label for k in (1, 2, 0)]
    assert rows[2].signal_um2 == pytest.approx(np.pi * (2 * 0.8) ** 2, rel=0.35)
    assert run("rank", tmp_path / "session", "--channel", "GFP") == 0
    assert labels[0] in capsys.readouterr().out.splitlines()[1]
