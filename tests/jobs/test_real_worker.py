"""The command-line scripts with a model of the real kind (tiny, random weights)."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import REPOSITORY, make_map

from space.images import read_png

DETECTOR = "models/lamella_detector/weights.pt"

pytestmark = pytest.mark.models


def test_monitor_on_a_machine_without_gpu_segments(tmp_path):
    from tests.jobs.tiny_models import make_segmentation_model, write_config

    space_dir, maps = tmp_path / "program", tmp_path / "maps"
    space_dir.mkdir()
    maps.mkdir()
    make_segmentation_model(space_dir / "models" / "lamella_segmentation")
    (space_dir / "models" / "lamella_detector").mkdir()
    shutil.copy(REPOSITORY / DETECTOR, space_dir / DETECTOR)
    write_config(space_dir)
    for script in ("SPACEtomo_monitor.py", "SPACEtomo_nnUNet.py"):
        shutil.copy(REPOSITORY / script, space_dir)
    make_map(maps, "G1_L01.png", shape=(70, 90))
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "CUDA_VISIBLE_DEVICES": "",
        "SPACETOMO_THREADS": "1",
    }
    finished = subprocess.run(
        [
            sys.executable,
            str(space_dir / "SPACEtomo_monitor.py"),
            "--dir",
            str(maps),
            "--gpu",
            "cpu",
            "--once",
            "--interval",
            "0.3",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "1 done" in finished.stdout
    labels, info = read_png(maps / "G1_L01_seg.png")
    assert labels.shape == (70, 90) and labels.max() <= 3
    assert info["pixel_nm"] == 16.0
    assert json.loads(info["labels"])["lamella"] == 3
    assert not list(maps.glob(".SPACE_worker*")) and not list(maps.glob(".SPACE_claim*"))
    assert np.isin(labels, [0, 1, 2, 3]).all()
