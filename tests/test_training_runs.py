"""nnU-Net's trainer run for a moment: planned, gone on with, shipped, loaded by a worker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from space.segmentation import Segmenter
from space.simulator.specimen import LABEL
from training import formats, make_data

PROJECT = Path(__file__).resolve().parent.parent
TINY = """
import sys
from training import train_segmentation as t
t.FEATURES, t.PATCH_PX, t.BATCH = (4, 4, 4), 32, 2
t.main()
"""


def _train(data: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", TINY, "--data", str(data), "--steps", "1", *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


@pytest.mark.models
def test_training_goes_on_and_ships_a_model_that_a_worker_loads(tmp_path):
    make_data.make("lamellae", tmp_path, range(2), 1, 100.0)
    refused = _train(tmp_path, "--epochs", "1")
    assert refused.returncode != 0 and "validation" in refused.stderr
    make_data.make("lamellae", tmp_path, range(100_000, 100_001), 1, 100.0)
    target = tmp_path / "shipped"
    for epochs in ("1", "2"):
        run = _train(tmp_path, "--epochs", epochs, "--ship", str(target))
        assert run.returncode == 0, run.stderr[-3000:]
    assert "Epoch 0" not in run.stdout and "Epoch 1" in run.stdout
    record = json.loads((target / "record.json").read_text(encoding="utf-8"))
    assert record["pixel_nm"] == 100.0
    assert record["training_seeds"] == [[0, 1]] and record["validation_seeds"] == [
        [100_000, 100_000]
    ]
    assert [run["to_epoch"] for run in record["runs"]] == [1, 2]
    assert "mitos" in record["validation"] and record["versions"]["nnunetv2"]
    segmenter = Segmenter(target)
    assert segmenter.labels["mitos"] == LABEL["mitos"]
    picture = np.asarray(np.random.default_rng(0).integers(0, 255, (40, 50)), np.uint8)
    assert segmenter.segment(picture).shape == picture.shape


def test_a_test_seed_among_the_training_maps_stops_the_training(tmp_path):
    labels = formats.raw_folder(tmp_path) / "labelsTr"
    labels.mkdir(parents=True)
    formats.write_dataset_json(tmp_path, 12.0)
    (labels / "lamella_900003.png").write_bytes(b"")
    run = _train(tmp_path, "--epochs", "1")
    assert run.returncode != 0 and "900003 is a test seed" in run.stderr
