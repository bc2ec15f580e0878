"""The command on small series: files, handedness, what goes wrong, and going on after a stop."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from benchmarks.tilt_phantom import phantom, write_series
from space.cli import main
from space.errors import SpaceError
from space.tomograms import (
    Given,
    Options,
    make_tomogram,
    making,
    read,
    read_imod_alignment,
    tomogram_of,
)

pytest.importorskip("zarr")
OPTIONS = Options(binning=1, thickness_nm=240, flatten=False)


@pytest.fixture(scope="module")
def made():
    return phantom((160, 192), 4.0, n=300, radii_nm=(5.0, 12.0), shift_nm=40.0, noise=0.02, seed=7)


@pytest.fixture(scope="module")
def done(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    path = write_series(folder, made)
    facts = tomogram_of(path, OPTIONS)
    return path, facts


def places_off_nm(made, volume, frame, mirrored=False):
    """Median distance of balls from where the truth has them, after one common translation."""
    from scipy import ndimage

    data = volume[::-1] if mirrored else volume
    found = []
    rows, columns = made.pictures.shape[1:]
    for ball in made.balls_nm:
        x, y, z, radius = ball
        at = np.array([z, y, x]) / made.pixel_nm + (np.array(data.shape) - 1) / 2
        if radius < 8 or any(not 12 <= a < n - 12 for a, n in zip(at, data.shape)):
            continue
        z0, y0, x0 = np.rint(at).astype(int)
        box = -ndimage.gaussian_filter(
            data[z0 - 5 : z0 + 6, y0 - 4 : y0 + 5, x0 - 4 : x0 + 5].astype(float), 1.0
        )
        peak = np.array(np.unravel_index(box.argmax(), box.shape))
        found.append((peak + [z0 - 5, y0 - 4, x0 - 4] - at) * made.pixel_nm)
    off = np.array(found)
    middle = np.median(off, axis=0)
    return np.median(np.linalg.norm(off - middle, axis=1)), middle


def test_the_tomogram_is_where_the_specimen_is_and_is_not_mirrored(made, done):
    from space.volumes import read_volume

    path, facts = done
    volume = read_volume(path.parent / "tomograms" / facts["files"]["mrc"])
    off_nm, moved_nm = places_off_nm(made, volume.data, volume.frame)
    assert off_nm < 5.0
    assert np.abs(moved_nm).max() <= 10.0
    mirrored_nm, _ = places_off_nm(made, volume.data, volume.frame, mirrored=True)
    assert mirrored_nm > 2 * off_nm
    assert volume.frame.handedness == "right"
    assert volume.frame.stage_um == (12.5, -34.25, 0.0)
    assert volume.frame.target == "ts"


def test_both_files_hold_the_same(done):
    from space.volumes import read_volume

    path, facts = done
    folder = path.parent / "tomograms"
    one, other = (read_volume(folder / facts["files"][kind]) for kind in ("mrc", "zarr"))
    assert np.array_equal(one.data, other.data)
    assert one.frame.voxel_nm == pytest.approx(other.frame.voxel_nm)
    assert one.frame.origin_nm == pytest.approx(other.frame.origin_nm, abs=1e-3)


def test_shifts_are_those_of_the_phantom(made, done):
    path, facts = done
    folder = path.parent / "tomograms"
    found = read_imod_alignment(folder / "ts.xf", folder / "ts.tlt", made.pixel_nm)
    turn = found.turn
    off = found.shifts_nm + made.shifts_nm @ turn.T
    tilt = np.radians(made.tilts_deg)
    model = np.stack([np.cos(tilt), np.sin(tilt)], axis=1)  # the specimen may lie elsewhere
    x = off[:, 0] - model @ np.linalg.lstsq(model, off[:, 0], rcond=None)[0]
    y = off[:, 1] - off[:, 1].mean()
    assert np.sqrt(np.mean(x**2 + y**2)) / made.pixel_nm < 1.0
    assert facts["residual_px"] < 1.0
    assert 0.3 < facts["quality"]["score"] <= 1.0
    assert len(facts["views"]) == 41 and not facts["dropped"]


def test_a_second_run_has_nothing_to_do(done, monkeypatch):
    path, facts = done
    monkeypatch.setattr(making, "load", None)
    assert tomogram_of(path, Options(binning=1, thickness_nm=240, flatten=False)) == facts


def test_a_run_that_was_stopped_goes_on(made, done, monkeypatch):
    """The alignment and the first slabs are kept; the result is the same."""
    path, facts = done
    options = Options(binning=1, thickness_nm=200, flatten=False)
    real = making.Reconstruction.slab
    slabs = []

    def slab(self, rows):
        if len(slabs) == 1:
            raise KeyboardInterrupt
        slabs.append(rows.start)
        return real(self, rows)

    monkeypatch.setattr(making, "align", None)  # it must not be measured again
    monkeypatch.setattr(making.Reconstruction, "slab", slab)
    out = path.parent / "tomograms"
    with pytest.raises(KeyboardInterrupt):
        tomogram_of(path, options)
    assert not (out / "ts_tomogram.json").exists()
    slabs.clear()
    slabs.append(-1)
    monkeypatch.setattr(
        making.Reconstruction,
        "slab",
        lambda self, rows: (slabs.append(rows.start), real(self, rows))[1],
    )
    again = tomogram_of(path, options)
    assert slabs == [-1, 64, 128]
    assert again["shape"][0] == 50
    assert not list(out.glob(".*part*"))


def small(tmp_path, **changes):
    made = phantom((64, 80), 4.0, n=30, noise=0.02, tilts_deg=np.arange(-30, 31, 6.0), **changes)
    return made


def test_dark_pictures_and_those_of_something_else_are_dropped(tmp_path):
    made = phantom((64, 80), 4.0, n=30, noise=0.02)
    made.pictures[made.tilts_deg >= 34] *= 0.05  # a grid bar
    made.pictures[3] = 7.0  # the beam was blanked
    path = write_series(tmp_path, made)
    series = read(path)
    dropped = {one.tilt_deg: one.why for one in series.dropped}
    assert sorted(tilt for tilt in dropped if tilt > 0) == list(range(36, 61, 3))
    assert "lost from +36" in dropped[36.0]
    assert -51.0 in dropped
    assert list(series.tilts_deg) == sorted(series.tilts_deg)


def test_the_doses_add_up_in_the_order_of_acquisition(tmp_path):
    series = read(write_series(tmp_path, small(tmp_path)))
    first = min(series.views, key=lambda view: view.section)
    last = max(series.views, key=lambda view: view.section)
    assert first.prior_e_A2 == 0 and last.prior_e_A2 == pytest.approx(30.0)
    assert {view.dose_e_A2 for view in series.views} == {3.0}


def without_mdoc(path):
    path.with_name(path.name + ".mdoc").unlink()


def test_series_of_other_programs(tmp_path):
    made = small(tmp_path)
    path = write_series(tmp_path, made, order=np.arange(11))
    without_mdoc(path)
    tilts = tmp_path / "other.rawtlt"
    tilts.write_text("\n".join(f"{tilt:.1f}" for tilt in made.tilts_deg))
    series = read(path, Given(tilts, 4.0, 4.0))
    assert (series.pixel_nm, series.axis_deg, series.knows_dose) == (4.0, 4.0, False)
    assert list(series.tilts_deg) == list(made.tilts_deg)


def shorter(path):
    data = path.read_bytes()
    path.write_bytes(data[:-5000])


def constant(path):
    import mrcfile

    with mrcfile.open(path, "r+") as opened:
        opened.data[:] = 7


def one_picture(path):
    import mrcfile

    with mrcfile.open(path, "r+") as opened:
        opened.set_data(opened.data[:1].copy())


def other_size(path):
    notes = path.with_name(path.name + ".mdoc")
    notes.write_text(notes.read_text().replace("ImageSize = 80 64", "ImageSize = 160 128"))


def no_tilts(path):
    notes = path.with_name(path.name + ".mdoc")
    notes.write_text(notes.read_text().replace("TiltAngle", "Tilted"))


def no_axis(path):
    notes = path.with_name(path.name + ".mdoc")
    notes.write_text(notes.read_text().replace("Tilt axis", "Tilted axis"))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (without_mdoc, "--tilt-file"),
        (no_tilts, "--tilt-file"),
        (no_axis, "--axis"),
        (other_size, "--pixel"),
        (shorter, "cut off"),
        (constant, "of this series 0 can be used"),
        (one_picture, "not in the image file"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, capsys, harm, words):
    path = write_series(tmp_path, small(tmp_path))
    harm(path)
    assert main(["tomogram", str(path), "--bin", "1"]) == 2
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert not (tmp_path / "tomograms" / "ts_tomogram.json").exists()


def test_pictures_that_are_no_numbers_are_dropped(tmp_path):
    made = small(tmp_path)
    path = write_series(tmp_path, made, dtype=np.float32, order=np.arange(11))
    with open(path, "r+b") as stream:
        stream.seek(1024)
        stream.write(np.full((64, 80), np.nan, np.float32).tobytes())
    facts = tomogram_of(path, Options(binning=1, thickness_nm=80))
    assert [one["tilt_deg"] for one in facts["dropped"]] == [-30.0]
    assert len(facts["views"]) == 10


def test_one_of_two_series_fails(tmp_path, capsys):
    path = write_series(tmp_path, small(tmp_path))
    status = main(
        [
            "tomogram",
            str(path),
            str(tmp_path / "none.mrc"),
            "--bin",
            "1",
            "--thickness",
            "80",
            "--json",
        ]
    )
    told = json.loads(capsys.readouterr().out)
    assert status == 1
    assert told["tomograms"][0]["shape"] == [20, 64, 80]
    assert "none.mrc" in told["failed"][0]["series"]


@pytest.mark.parametrize(
    "words", [["--bin", "99"], ["--thickness", "nan"], ["--pixel", "0"], ["--axis", "999"]]
)
def test_numbers_out_of_range_are_refused(tmp_path, words):
    assert main(["tomogram", str(tmp_path / "ts.mrc"), *words]) == 2


STAND_IN = """
import sys, mrcfile, numpy as np
words = sys.argv[1:]
name = {name!r}
value = lambda option: words[words.index(option) + 1]
with open({log!r}, "a") as log:
    log.write(name + " " + " ".join(words) + "\\n")
if {fails}:
    print("no license")
    sys.exit(3)
out = value("-output") if "-output" in words else value("-OutMrc")
source = value("-input") if "-input" in words else value("-InMrc")
with mrcfile.open(source) as opened:
    n, rows, columns = opened.data.shape
if name == "tilt":  # sections are planes across the axis; a mark at low z, and so at a high row
    data = np.zeros((rows, 20, columns), np.float32)
    data[5, 17, 9] = 1
elif name == "newstack":
    data = np.zeros((n, rows, columns), np.float32)
else:
    data = np.zeros((20, rows, columns), np.float32)
with mrcfile.new(out, overwrite=True) as opened:
    opened.set_data(data)
"""


def stand_ins(folder, names, fails=False):
    """Programs of these names that write what the real ones would."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name in names:
        script = bin_folder / f"{name}.py"
        log = str(folder / "log.txt")
        script.write_text(STAND_IN.format(name=name, log=log, fails=fails), encoding="utf-8")
        if sys.platform == "win32":
            (bin_folder / f"{name}.bat").write_text(f'@"{sys.executable}" "{script}" %*\n')
        else:
            program = bin_folder / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
            program.chmod(0o755)
    return bin_folder


def test_imod_is_called_with_our_alignment(tmp_path, monkeypatch):
    from space.volumes import read_volume

    folder = tmp_path / "a b"
    folder.mkdir()
    path = write_series(folder, small(tmp_path))
    monkeypatch.setenv("PATH", str(stand_ins(folder, ["newstack", "tilt"])))
    facts = tomogram_of(path, Options(binning=1, thickness_nm=80, program="imod"))
    newstack, tilt = (folder / "log.txt").read_text().splitlines()
    assert "-xform" in newstack and "-bin 1" in newstack and "-size 80,64" in newstack
    assert "-TILTFILE" in tilt and "-THICKNESS 20" in tilt
    volume = read_volume(folder / "tomograms" / facts["files"]["mrc"]).data
    assert np.argwhere(volume == 1).tolist() == [[2, 5, 9]]
    assert facts["method"] == "imod" and facts["residual_px"] is not None


def test_aretomo_is_called(tmp_path, monkeypatch):
    path = write_series(tmp_path, small(tmp_path))
    monkeypatch.setenv("PATH", str(stand_ins(tmp_path, ["AreTomo2"])))
    facts = tomogram_of(path, Options(binning=1, thickness_nm=80, program="aretomo"))
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert "-TiltAxis 4.00 1" in line and "-OutBin 1" in line and "-VolZ 20" in line
    assert facts["shape"] == [20, 64, 80] and facts["residual_px"] is None


def test_a_program_that_fails_or_is_missing(tmp_path, monkeypatch):
    path = write_series(tmp_path, small(tmp_path))
    monkeypatch.setenv("PATH", str(stand_ins(tmp_path, ["newstack", "tilt"], fails=True)))
    with pytest.raises(SpaceError, match="status 3: no license"):
        tomogram_of(path, Options(binning=1, thickness_nm=80, program="imod"))
    with pytest.raises(SpaceError, match="AreTomo cannot be found"):
        tomogram_of(path, Options(binning=1, thickness_nm=80, program="aretomo"))
    assert not list((tmp_path / "tomograms").glob(".*part*"))


def test_as_a_job_of_a_queue(tmp_path):
    path, out, told = write_series(tmp_path, small(tmp_path)), tmp_path / "out", []
    params = json.loads(json.dumps({"binning": 1, "thickness_nm": 80.0}))
    assert make_tomogram(path, out, params, may_write=lambda: False) is None
    assert not (out / "ts_tomogram.json").exists()
    found = make_tomogram(path, out, params, told.append, notes={"claim": "a"})
    assert found == out / "ts_tomogram.json"
    facts = json.loads(found.read_text())
    assert facts["claim"] == "a" and facts["fingerprint"]
    assert any(words.startswith("reconstruction") for words in told)


@pytest.mark.parametrize(
    "params",
    [{"bin": 4}, {"binning": "4"}, {"method": "art"}, {"given": 3}, {"given": {"axis": 3}}],
)
def test_other_parameters_are_refused(params):
    with pytest.raises(SpaceError, match="no options of a tomogram"):
        Options.of_params(params)


def test_options_come_back_from_plain_values(tmp_path):
    ours = Options(2, 123.0, "sirt", program="imod", given=Given(tmp_path / "a.tlt", 85.0))
    assert Options.of_params(json.loads(json.dumps(ours.params()))) == ours


REAL = os.environ.get("SPACETOMO_REAL_DATA")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="SPACETOMO_REAL_DATA is not set")
def test_a_real_series_that_was_lost_keeps_its_good_pictures(tmp_path):
    """Its notes alone: pictures from +33 degrees on showed something else."""
    notes = Path(REAL) / "mdoc" / "L1_ts_001.mrc.mdoc"
    path = tmp_path / "L1_ts_001.mrc"
    path.with_name(path.name + ".mdoc").write_bytes(notes.read_bytes())
    header = np.zeros(256, np.int32)
    header[:4] = 5760, 4092, 41, 0
    with open(path, "wb") as stream:  # the size of the whole, without its pixels
        stream.write(header.tobytes())
        stream.truncate(1024 + 5760 * 4092 * 41)
    series = read(path)
    assert len(series.views) == 31 and len(series.dropped) == 10
    assert min(one.tilt_deg for one in series.dropped) > 32
    assert all("lost from +33" in one.why for one in series.dropped)
    assert series.axis_deg == 94.0 and series.pixel_nm == pytest.approx(0.2663)
    assert series.views[0].prior_e_A2 > 50 and 4 < series.views[15].underfocus_um < 6


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="SPACETOMO_REAL_DATA is not set")
def test_particles_that_acryo_projected_are_where_they_are(tmp_path):
    """Other geometry code than ours, and the density of a real particle."""
    pytest.importorskip("acryo")
    from benchmarks.tomograms import acryo_series, judged, shift_errors_px

    density = Path(REAL) / "densities" / "4v4r_10A.mrc"
    made, places = acryo_series(density, 0, 0.03, n=40, shape=(80, 160, 192))
    path = write_series(tmp_path, made, "acryo")
    facts = tomogram_of(path, Options(1, 200.0, flatten=False), tmp_path)
    told = judged(facts, tmp_path, places, 13.0)
    assert shift_errors_px(made, tmp_path, "acryo", 2.0) < 1.0
    assert told["frame_far_nm"] <= 10.0 and told["plane_off_in_frame_nm"] <= 5.0
    assert told["mirrored_fails"]


def test_two_processes_do_not_make_one_tomogram_at_the_same_time(done, tmp_path):
    import filelock

    path, facts = done
    told = []
    out = path.parent / "tomograms"
    with filelock.FileLock(str(out / f".{path.stem}.lock")):
        other = Thread(target=lambda: told.append(tomogram_of(path, OPTIONS)))
        other.start()
        other.join(1.0)
        assert other.is_alive() and not told
    other.join(30)
    assert told == [facts]


def test_one_that_is_there_is_noted_for_who_asks_next(done):
    path, facts = done
    out = path.parent / "tomograms"
    where = make_tomogram(path, out, OPTIONS.params(), notes={"asked": {"device": "auto"}})
    noted = json.loads(where.read_text(encoding="utf-8"))
    assert noted == {**facts, "asked": {"device": "auto"}}
