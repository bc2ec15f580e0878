"""What each program imports, held against readers and formats of others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from space.cli import main
from space.errors import SpaceError
from space.star import table
from tests.export.mdocs import mdoc_text
from tests.overview.folders import Folder, with_targets

TILTS = (0, 3, -3, -6, 6)


@pytest.fixture
def session(tmp_path):
    """Two series of one lamella with frames, and a lamella that was not acquired."""
    folder = tmp_path / "a night"
    built = with_targets(Folder(folder).named(), 1, 2).series(1).acquire_off(1)
    for target in (1, 2):
        path = built.directory / f"G1_L01_ts_{target:03d}.mrc.mdoc"
        path.write_text(mdoc_text(TILTS, frames=f"Z:\\n\\{target}_{{:02d}}.tif"), encoding="utf-8")
    return built.directory


@pytest.fixture
def frames(tmp_path):
    """Their frames, in super-resolution."""
    folder = tmp_path / "frames"
    folder.mkdir()
    picture = Image.fromarray(np.zeros((4092 * 2 // 16, 5760 * 2 // 16), np.uint8))
    for target in (1, 2):
        for number in range(len(TILTS)):
            picture.save(folder / f"{target}_{number:02d}.tif")
    return folder


def exported(session, program, *more):
    out = session.parent / program
    assert main(["export", str(session), "--to", program, "--out", str(out), *map(str, more)]) == 0
    return out


def test_relion(session, frames):
    starfile = pytest.importorskip("starfile")
    out = exported(session, "relion5", "--frames", frames)
    whole = starfile.read(out / "tilt_series.star", always_dict=True)["global"]
    assert list(whole["rlnTomoName"]) == ["G1_L01_ts_001", "G1_L01_ts_002"]
    assert whole["rlnMicrographOriginalPixelSize"][0] == pytest.approx(2.663 * 16 / 2)
    assert whole["rlnTomoHand"][0] == -1
    tilts = starfile.read(out / whole["rlnTomoTiltSeriesStarFile"][1], always_dict=True)
    one = tilts["G1_L01_ts_002"]
    assert list(one["rlnTomoNominalStageTiltAngle"]) == list(TILTS)
    assert list(one["rlnMicrographPreExposure"]) == [0, 3, 6, 9, 12]
    assert set(one["rlnTomoNominalDefocus"]) == {5}
    assert set(one["rlnTomoNominalTiltAxisAngle"]) == {94}
    assert one["rlnMicrographMovieName"][3] == (frames / "2_03.tif").resolve().as_posix()


def test_warp(session, frames):
    starfile = pytest.importorskip("starfile")
    out = exported(session, "warp", "--frames", frames, "--frame-pixel-nm", 0.13)
    one = starfile.read(out / "tomostar" / "G1_L01_ts_001.tomostar")
    assert list(one["wrpAngleTilt"]) == sorted(TILTS)
    assert list(one["wrpDose"]) == [9, 6, 0, 3, 12]
    assert one["wrpAverageIntensity"][0] == 289.5
    how = (out / "how_to_import.txt").read_text(encoding="utf-8")
    assert "--angpix 1.3 --exposure 3" in how
    assert f"--tomo_dimensions {round(5760 * 2.663 / 1.3)}x{round(4092 * 2.663 / 1.3)}x2308" in how


def test_aretomo(session):
    out = exported(session, "aretomo", "--dose", 2.5)
    lines = (out / "G1_L01_ts_001_angles.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split() for line in lines] == [
        ["0.00", "1"], ["3.00", "2"], ["-3.00", "3"], ["-6.00", "4"], ["6.00", "5"],
    ]  # fmt: skip
    commands = (out / "commands.txt").read_text(encoding="utf-8").splitlines()
    assert len(commands) == 2
    assert "-PixSize 2.663 -TiltAxis 94.00 1 -Kv 300 -Cs 2.7" in commands[0]
    assert "-ImgDose 2.5 " in commands[0]


def test_imod(session):
    out = exported(session, "imod")
    folder = out / "G1_L01_ts_002"
    tilts = (folder / "G1_L01_ts_002.rawtlt").read_text(encoding="utf-8").split()
    assert [float(tilt) for tilt in tilts] == sorted(TILTS)
    assert "newstack -secs 3,2,0,1,4" in (out / "how_to_import.txt").read_text(encoding="utf-8")
    directives = (folder / "G1_L01_ts_002.adoc").read_text(encoding="utf-8")
    assert "setupset.copyarg.pixel = 0.2663\n" in directives
    assert "setupset.copyarg.rotation = 94.00\n" in directives
    assert "setupset.copyarg.defocus = 5000\n" in directives


def test_table_of_all(session):
    rows = (exported(session, "imod") / "series.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 3
    values = dict(zip(rows[0].split(","), rows[1].split(",")))
    assert values["lamella"] == "L01"
    assert values["class"] == "good"
    assert values["dose_e_per_a2"] == "15"
    assert values["lowest_deg"] == "-6"


def test_it_says_what_it_did(session, frames, capsys):
    exported(session, "relion5", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["series"] == ["G1_L01_ts_001", "G1_L01_ts_002"]
    assert facts["left_out"] == {f"G1_L02_ts_00{n}": "it was not acquired" for n in (1, 2)}
    assert "give their folder (--frames)" in facts["remarks"][0]
    exported(session, "relion5", "--frames", frames)  # over its own earlier export
    assert "Look at this" not in capsys.readouterr().out


def test_a_series_that_was_lost_is_named(session, capsys):
    path = session / "G1_L01_ts_002.mrc.mdoc"
    tilts = [sign * tilt for tilt in range(0, 61, 3) for sign in (1, -1) if tilt or sign > 0]
    text = mdoc_text(tilts)
    for number, tilt in enumerate(tilts):
        if tilt > 30:
            old = f"[ZValue = {number}]\nTiltAngle = {tilt}\nMinMaxMean = 0 900 289.5"
            assert old in text
            text = text.replace(old, old.replace("289.5", "12.5"))
    path.write_text(text, encoding="utf-8")
    out = exported(session, "imod")
    assert "G1_L01_ts_002 was lost from +33° on (10 pictures)" in capsys.readouterr().out
    assert "lost from +33" in (out / "series.csv").read_text(encoding="utf-8")


def test_nothing_in_the_session_changes(session):
    def content():
        return {path: path.read_bytes() for path in session.rglob("*") if path.is_file()}

    before = content()
    exported(session, "imod")
    assert content() == before


def test_a_folder_with_other_files_is_left_alone(session, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("data", encoding="utf-8")
    assert main(["export", str(session), "--to", "imod", "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_in_words(session, capsys):
    beside_a_file = session / "G1.nav" / "out"
    assert main(["export", str(session), "--to", "imod", "--out", str(beside_a_file)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_series_without_frames(session, capsys):
    for target in (1, 2):
        path = session / f"G1_L01_ts_{target:03d}.mrc.mdoc"
        path.write_text(mdoc_text(TILTS, frames=""), encoding="utf-8")
    out = session.parent / "relion"
    assert main(["export", str(session), "--to", "relion5", "--out", str(out)]) == 2
    assert "choose --to aretomo or --to imod" in capsys.readouterr().err
    assert not out.exists()


def test_one_bad_series_does_not_keep_the_others(session, capsys):
    (session / "G1_L01_ts_001.mrc.mdoc").write_text(
        mdoc_text(TILTS, ExposureDose=""), encoding="utf-8"
    )
    exported(session, "imod")
    said = capsys.readouterr().out
    assert said.startswith("1 tilt series for imod")
    assert "left out: G1_L01_ts_001: The notes of a tilt series tell no dose" in said


def test_notes_alone_will_do(session):
    """On another computer, without the image files."""
    for path in session.glob("*_ts_*.mrc"):
        path.unlink()
    assert "G1_L01_ts_002" in (exported(session, "imod") / "series.csv").read_text("utf-8")


@pytest.mark.parametrize(
    "option", [("--dose", "0"), ("--cs-mm", "nan"), ("--frame-pixel-nm", "20"), ("--frames", "x")]
)
def test_bad_values(session, option, capsys):
    assert main(["export", str(session), "--to", "warp", *option]) == 2
    assert option[0] in capsys.readouterr().err


def test_texts_in_star_files(tmp_path):
    starfile = pytest.importorskip("starfile")
    texts = ["a b", "a-b.tif", "#1", "_x", "ü\\n", "D:/frames/x 1.tif"]
    path = tmp_path / "x.star"
    path.write_text(table("one", ["rlnText", "rlnNumber"], [(t, 1.5) for t in texts]), "utf-8")
    assert list(starfile.read(path)["rlnText"]) == texts


@pytest.mark.parametrize("text", ["a\nb", 'a "b"', "a\tb"])
def test_texts_that_do_not_fit(text):
    with pytest.raises(SpaceError, match="cannot be written"):
        table("one", ["rlnText"], [(text,)])
