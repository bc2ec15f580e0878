"""spacetomo surfaces: files that it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from space.cli import main
from space.surfaces import TABLE_CSV, TABLE_JSON, clear
from space.surfaces.meshes import form_of, mesh_of
from space.volumes import Frame, write_mrc
from tests.surfaces.shapes import ball, voxels


@pytest.fixture
def labels(tmp_path):
    mask = voxels(ball(8), 8, (1, 1, 1)).astype(np.uint8)
    two = np.concatenate([mask, 2 * mask], axis=2)
    path = tmp_path / "labels.mrc"
    write_mrc(path, two, Frame((3.0, 3.0, 3.0), (30.0, 60.0, 90.0)))
    return path


def test_meshes_tables_and_a_picture_are_written(labels, capsys):
    out = labels.parent / "out"
    asked = ["surfaces", str(labels), "--out", str(out), "--label", "2=vesicle", "--format"]
    assert main([*asked, "ply", "obj", "stl"]) == 0
    assert "vesicle_001: " in capsys.readouterr().out
    table = json.loads((out / TABLE_JSON).read_text(encoding="utf-8"))
    (row,) = table["parts"]
    with open(out / TABLE_CSV, newline="", encoding="utf-8") as stream:
        (line,) = csv.DictReader(stream)
    assert float(line["volume_nm3"]) == row["volume_nm3"]
    assert row["volume_nm3"] == pytest.approx(4 / 3 * np.pi * 24**3, rel=0.03)
    for kind in ("ply", "obj", "stl"):
        mesh = trimesh.load_mesh(out / f"vesicle_001.{kind}")
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(row["volume_nm3"], rel=1e-4)
        # x counts on beyond the first ball; the origin is that of the file
        assert mesh.bounds.mean(0) == pytest.approx([90 + 31 * 3, 60 + 30, 30 + 30], abs=1)
    with Image.open(out / "surfaces.png") as picture:
        values = np.asarray(picture)
    assert 0.2 < (values != 255).any(-1).mean() < 0.8


def test_a_second_run_leaves_nothing_of_the_first(labels, capsys):
    out = labels.parent / "out"
    assert main(["surfaces", str(labels), "--out", str(out)]) == 0
    assert len(list(out.glob("*.ply"))) == 2
    assert main(["surfaces", str(labels), "--out", str(out), "--label", "1", "--json"]) == 0
    assert [path.name for path in out.glob("*.ply")] == ["label_1_001.ply"]
    printed = capsys.readouterr().out
    assert json.loads(printed[printed.index("{\n") :])["parts"][0]["label"] == 1


@pytest.mark.parametrize("table", ["{", "[]", '{"parts": 3}', '{"parts": [{"name": "../x"}, 4]}'])
def test_a_table_of_others_removes_nothing(labels, table):
    out = labels.parent / "out"
    out.mkdir()
    (labels.parent / "x.ply").write_text("mine", encoding="utf-8")
    (out / TABLE_JSON).write_text(table, encoding="utf-8")
    clear(out)
    assert [path.name for path in labels.parent.glob("*.ply")] == ["x.ply"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--label", "x"], "no label"),
        (["--label", "7"], "no part"),
        (["--smooth-nm", "-2"], "smooth_nm"),
        (["--format", "vrml"], "vrml"),
        (["--memory-gb", "1e-9"], "--memory-gb"),
    ],
)
def test_what_cannot_be_used_is_said(labels, options, words, capsys):
    assert main(["surfaces", str(labels), "--out", str(labels.parent / "out"), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_part_of_the_volume_keeps_its_place(labels):
    whole, part = labels.parent / "whole", labels.parent / "part"
    assert main(["surfaces", str(labels), "--out", str(whole), "--label", "2"]) == 0
    asked = ["surfaces", str(labels), "--out", str(part), "--region", ":,:,21:"]
    assert main(asked) == 0
    there, here = (trimesh.load_mesh(folder / "label_2_001.ply").bounds for folder in (whole, part))
    assert here == pytest.approx(there, abs=0.1)


def test_a_mesh_with_a_hole_and_faces_that_look_inwards_is_mended():
    good = trimesh.creation.icosphere(subdivisions=2, radius=5)
    faces = np.delete(np.array(good.faces), [3], axis=0)
    faces[::2] = faces[::2, ::-1]
    apart = good.vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3)
    mended = form_of(mesh_of(*apart))
    assert mended.watertight
    assert mended.volume_nm3 == pytest.approx(good.volume, rel=1e-6)
    assert not form_of(trimesh.Trimesh(*apart, process=False)).watertight


REAL = os.environ.get("SPACETOMO_REAL_DATA", "")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="SPACETOMO_REAL_DATA is not set")
def test_bodies_of_real_tissue_have_closed_surfaces():
    import tifffile

    from space.surfaces import SurfaceOptions, surfaces_of

    path = Path(REAL) / "volumes" / "fibsem_10nm_bodies.tif"
    bodies = tifffile.imread(path)[:40]
    frame = Frame((10.0, 10.0, 10.0))
    found = list(surfaces_of(bodies, frame, SurfaceOptions(smallest_nm3=2e6)))
    assert len(found) > 15
    assert all(part.form.watertight for part in found)
    large = np.bincount(bodies.ravel())[1:]
    whole_nm3 = 1000 * large[large >= 2000].sum()
    assert sum(part.form.volume_nm3 for part in found) == pytest.approx(whole_nm3, rel=0.03)
