"""Blocks of a volume in processes of Dask."""

from __future__ import annotations

import numpy as np
import pytest

from space.cli import main
from space.volumes import Frame, read_volume, write_zarr

torch = pytest.importorskip("torch")
pytest.importorskip("zarr")
pytest.importorskip("distributed")
pytest.importorskip("dask_jobqueue")
pytestmark = pytest.mark.models


def test_blocks_by_processes_are_those_that_one_makes(tmp_path, capsys):
    from space.organelles.model import FORMAT
    from space.organelles.network import unet3d

    torch.manual_seed(1)
    kept = {
        "format": FORMAT,
        "classes": ["tube"],
        "features": [4, 8],
        "voxel_nm": [10.0, 10.0, 10.0],
        "network": unet3d((4, 8), 2).state_dict(),
    }
    torch.save(kept, tmp_path / "model.pt")
    raw = np.random.default_rng(2).integers(0, 255, (40, 64, 70)).astype(np.uint8)
    write_zarr(tmp_path / "raw.zarr", raw, Frame((10.0, 10.0, 10.0)))
    given = ["volume", "predict", str(tmp_path / "model.pt"), str(tmp_path / "raw.zarr")]
    given += ["--block", "32", "--device", "cpu", "--to"]
    there = ["--scheduler", "local", "--processes", "2"]
    assert main([*given, str(tmp_path / "here")]) == 0
    assert main([*given, str(tmp_path / "far ü"), *there]) == 0
    told = capsys.readouterr().out
    assert "12 blocks are left." in told and "block 12 of 12" in told
    here, far = (read_volume(tmp_path / name / "tube.zarr").data for name in ("here", "far ü"))
    np.testing.assert_array_equal(here, far)
    assert here.std() > 0
