"""Coarser levels of a volume: where their voxels are, and what they hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from space.volumes import Frame, create_zarr, open_volume, read_volume, write_zarr
from space.volumes.levels import halved, levels_of

FRAME = Frame((40.0, 10.0, 10.0), origin_nm=(5.0, -20.0, 7.0))


def datasets(path) -> list[dict]:
    told = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    return told["attributes"]["ome"]["multiscales"][0]["datasets"]


@pytest.mark.parametrize("kind", ["grey", "bytes", "labels"])
def test_a_voxel_of_each_level_holds_what_is_where_it_says_it_is(tmp_path, kind):
    shape = (20, 300, 270)
    at = [first + side * np.arange(n)
          for first, side, n in zip(FRAME.origin_nm, FRAME.voxel_nm, shape)]  # fmt: skip
    ramp = at[0][:, None, None] + 2 * at[1][None, :, None] - at[2][None, None]
    data = {
        "grey": ramp.astype(np.float32),
        "bytes": np.clip(ramp / 40, 0, 255).astype(np.uint8),
        "labels": (ramp > 1500).astype(np.uint16) * 700,
    }[kind]
    path = tmp_path / "v.zarr"
    write_zarr(path, data, FRAME)
    levels = datasets(path)
    # Voxels become as wide as a section is thick before sections are joined, too.
    assert [one["coordinateTransformations"][0]["scale"] for one in levels] == [
        [40, 10, 10], [40, 20, 20], [40, 40, 40]]  # fmt: skip
    np.testing.assert_array_equal(read_volume(path).data, data)
    for one in levels[1:]:
        found = zarr.open_array(str(path / one["path"]), mode="r")
        assert found.dtype == data.dtype
        scale, origin = (t[next(k for k in t if k != "type")]
                         for t in one["coordinateTransformations"])  # fmt: skip
        z, y, x = (first + side * np.arange(n)
                   for first, side, n in zip(origin, scale, found.shape))  # fmt: skip
        expected = z[:, None, None] + 2 * y[None, :, None] - x[None, None]
        whole = np.asarray(found[:, :-1, :-1]).astype(float)  # the last may stand for fewer voxels
        expected = expected[:, :-1, :-1]
        if kind == "grey":
            np.testing.assert_allclose(whole, expected, atol=0.1)
        elif kind == "bytes":
            assert np.abs(whole - np.clip(expected / 40, 0, 255)).max() < 1.6
        else:
            assert set(np.unique(whole)) <= {0, 700}
            assert (whole == (expected > 1500) * 700).all()


@given(st.tuples(*[st.integers(1, 3000)] * 3), st.tuples(*[st.sampled_from([1, 4.4, 50])] * 3))
def test_levels_end_when_all_can_be_seen_and_cover_the_volume(shape, voxel_nm):
    levels = levels_of(shape, voxel_nm, True)
    assert max(levels[-1].shape) <= 128 and len(levels) < 14
    for level in levels:
        for n, some, factor in zip(shape, level.shape, level.factors):
            assert (some - 1) * factor < n <= some * factor


@given(st.integers(1, 7), st.integers(1, 7), st.booleans())
def test_halving_loses_no_part(rows, columns, means):
    part = np.ones((2, rows, columns), np.float32)
    found = halved(part, (1, 2, 2), means)
    assert found.shape == (2, -(-rows // 2), -(-columns // 2)) and (found == 1).all()


def test_what_was_cut_off_among_the_levels_is_gone_on_with(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    data, path = rng.random((70, 300, 140), np.float32), tmp_path / "v.zarr"
    write_zarr(tmp_path / "whole.zarr", data, FRAME)
    writer = create_zarr(path, data.shape, data.dtype, FRAME)
    for z in (0, 64):
        writer.write((z, 0, 0), data[z : z + 64])
    from space.volumes import blocks

    calls, write = [], blocks.write_level

    def dies(folder, above, last, level, chunk):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(level)
        write(folder, above, last, level, chunk)

    monkeypatch.setattr(blocks, "write_level", dies)
    with pytest.raises(KeyboardInterrupt):
        writer.finish()
    assert not (path / "zarr.json").exists()
    monkeypatch.setattr(blocks, "write_level", write)
    create_zarr(path, data.shape, data.dtype, FRAME).finish()
    assert open_volume(path).shape == data.shape
    for one in datasets(path):
        np.testing.assert_array_equal(
            np.asarray(zarr.open_array(str(path / one["path"]), mode="r")[:]),
            np.asarray(zarr.open_array(str(tmp_path / "whole.zarr" / one["path"]), mode="r")[:]),
        )
    assert len(datasets(path)) == 3
