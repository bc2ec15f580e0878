"""What comes after a simulated acquisition, and the truth in the voxels of a tomogram."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.simulation import process, processed_table, simulated_series
from space.simulation.tomogram_truth import truth_of
from space.volumes import Frame

SEED = 4
SIDE_NM, VOXEL_NM = 4.0, 3.0
SHAPE = (60, 80, 90)
FRAME = Frame((VOXEL_NM,) * 3, tuple(-(side - 1) / 2 * VOXEL_NM for side in SHAPE))


def write_truth(folder, places_nm):
    """A truth with a small ball of membrane about each particle."""
    low = np.array([-160.0, -140.0, -110.0])  # x, y, z
    count = (56, 70, 80)
    z, y, x = np.indices(count)
    at = np.stack([x, y, z], -1) * SIDE_NM + low + SIDE_NM / 2
    membranes = np.zeros(count, np.uint8)
    for place in places_nm:
        membranes[np.linalg.norm(at - place, axis=-1) < 10] = 1
    np.savez(folder / "a.truth.npz", membranes=membranes, labels=np.ones(count, np.uint8))
    told = {
        "particles": [{"kind": "ribosome", "center_nm": list(map(float, p))} for p in places_nm],
        "arrays": "a.truth.npz",
        "volumes": {"low_nm": low.tolist(), "voxel_nm": SIDE_NM},
    }
    path = folder / "a.truth.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.floats(-70, 70), st.floats(-70, 70), st.floats(-40, 40)), st.floats(-20.0, 20.0)
)
def test_particles_and_volumes_of_truth_fall_on_each_other(tmp_path_factory, place, offset_deg):
    truth = truth_of(
        write_truth(tmp_path_factory.mktemp("truth"), [np.array(place)]), FRAME, SHAPE, offset_deg
    )
    (centre,) = truth.centres_px("ribosome")
    mean = np.argwhere(truth.membranes).mean(axis=0)
    assert np.abs(mean - centre).max() < 1.0
    x, y, z = (centre * VOXEL_NM + FRAME.origin_nm)[::-1]
    # As it is seen at a tilt t of the stage, which is t + offset for the tomogram.
    for tilt_deg in (-40.0, 0.0, 55.0):
        t, u = math.radians(tilt_deg), math.radians(tilt_deg + offset_deg)
        seen = place[0] * math.cos(t) + place[2] * math.sin(t)
        assert x * math.cos(u) + z * math.sin(u) == pytest.approx(seen, abs=1e-6)
    assert y == pytest.approx(place[1])


def test_what_lies_outside_is_left_out(tmp_path):
    path = write_truth(tmp_path, [np.array([0.0, 0.0, 0.0]), np.array([900.0, 0.0, 0.0])])
    truth = truth_of(path, FRAME, SHAPE, 0.0)
    assert len(truth.centres_px("ribosome")) == 1 and len(truth.centres_px("gold")) == 0
    assert truth.layers == (0, SHAPE[0])


@pytest.mark.models
def test_a_series_is_followed_to_its_end(tmp_path):
    pytest.importorskip("zarr")
    tilts = [float(tilt) for tilt in range(-60, 61, 6)]
    made = simulated_series(
        tmp_path, SEED, tilts, shape=(511, 720), binning=8, holds=("membranes",)
    )
    told: list[str] = []
    result = process([made.stack], [made.truth], tmp_path / "out ü", told.append, epochs=1)
    (one,) = result["series"]
    assert one["tomogram"]["quality"]["score"] > 0.2
    assert one["particles"]["labelled"] >= 5 and one["particles"]["wanted"] >= 5
    assert set(one["membranes"]) == {"dice", "iou", "threshold"}
    assert one["surfaces"]["watertight"] == one["surfaces"]["parts"]
    folder = tmp_path / "out ü" / one["name"]
    for name in ("particles.png", "picks.star", "surfaces/surfaces.json", "found/membrane.zarr"):
        assert (folder / name).exists(), name
    nothing = {**one, "membranes": None, "surfaces": None, "particles": None}
    assert processed_table({"series": [nothing]})[1].split()[2:] == ["-", "-", "-"]
    assert len(processed_table(result)) == 2 and one["name"] in processed_table(result)[1]
    assert json.loads((tmp_path / "out ü" / "processed.json").read_text()) == result
    # What is there is not made again.
    before = (folder.parent / "membranes" / "model.pt").stat().st_mtime_ns
    assert process([made.stack], [made.truth], tmp_path / "out ü", epochs=1) == result
    assert (folder.parent / "membranes" / "model.pt").stat().st_mtime_ns == before
