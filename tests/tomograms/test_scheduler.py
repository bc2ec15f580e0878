"""Tomograms of several series in processes of Dask."""

from __future__ import annotations

import json

import pytest

from benchmarks.tilt_phantom import phantom, write_series
from space.cli import main

pytest.importorskip("zarr")
pytest.importorskip("distributed")
pytest.importorskip("dask_jobqueue")


def test_series_are_done_by_processes_and_a_bad_one_costs_itself(tmp_path, capsys):
    made = phantom((96, 96), 4.0, n=80, radii_nm=(5.0, 12.0), shift_nm=20.0, noise=0.02, seed=3)
    for name in "ab":
        (tmp_path / name).mkdir()
        write_series(tmp_path / name, made)
    first, second = (next((tmp_path / name).glob("*.mrc")) for name in "ab")
    bad = tmp_path / "bad.mrc"
    bad.write_bytes(b"no stack")
    series = [str(path) for path in (first, bad, second)]
    options = ["--bin", "1", "--thickness", "120", "--json"]
    there = ["--scheduler", "local", "--processes", "2", "--out", str(tmp_path / "out ü")]
    assert main(["tomogram", *series[:2], *options, *there]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["files"]["mrc"] for one in told["tomograms"]] == [f"{first.stem}_rec.mrc"]
    assert [one["series"] for one in told["failed"]] == [str(bad)]
    assert (tmp_path / "out ü" / f"{first.stem}_tomogram.json").exists()
    # Here, one after the other, comes the same.
    assert main(["tomogram", series[2], *options]) == 0
    (here,) = json.loads(capsys.readouterr().out)["tomograms"]
    (far,) = told["tomograms"]
    assert {**here, "marks": None} == {**far, "marks": None}


def test_an_unknown_scheduler_is_refused(tmp_path, capsys):
    assert main(["tomogram", str(tmp_path / "a.mrc"), "--scheduler", "lokal"]) == 2
    assert "--scheduler 'lokal' is not understood" in capsys.readouterr().err
