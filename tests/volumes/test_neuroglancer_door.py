"""A volume in neuroglancer: what it is given."""

from __future__ import annotations

import sys
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from space.errors import SpaceError
from space.volumes import Frame, OpenVolume, neuroglancer_door, open_in_neuroglancer


def opened(name: str, data: np.ndarray) -> OpenVolume:
    frame = Frame((20.0, 10.0, 10.0), origin_nm=(40.0, 0.0, -30.0))
    return OpenVolume(Path(name), data.shape, data.dtype, frame, data.__getitem__)


class StandIn(types.ModuleType):
    """Keeps what it is given, under the names of neuroglancer 2.41."""

    def __init__(self) -> None:
        super().__init__("neuroglancer")
        self.layers: dict[str, object] = {}
        self.bound = ""

    def set_server_bind_address(self, address: str) -> None:
        self.bound = address

    def CoordinateSpace(self, names, units, scales):  # noqa: N802
        return names, units, scales

    def LocalVolume(self, data, dimensions, voxel_offset, volume_type):  # noqa: N802
        return {"data": data, "space": dimensions, "first": voxel_offset, "kind": volume_type}

    def ImageLayer(self, source, **_):  # noqa: N802
        return source

    SegmentationLayer = ImageLayer

    def Viewer(self):  # noqa: N802
        @contextmanager
        def txn():
            yield types.SimpleNamespace(layers=self.layers)

        return types.SimpleNamespace(txn=txn)


@pytest.fixture
def neuroglancer(monkeypatch):
    made = StandIn()
    monkeypatch.setitem(sys.modules, "neuroglancer", made)
    monkeypatch.setattr(neuroglancer_door, "is_installed", lambda name: name == "neuroglancer")
    return made


def test_where_the_voxels_are_and_of_which_kind_is_told(neuroglancer):
    labels = np.zeros((3, 4, 5), np.uint16)
    labels[1] = 7
    open_in_neuroglancer(opened("a.mrc", labels * 2.5), opened("b.zarr", labels), print)
    grey, named = neuroglancer.layers["a.mrc"], neuroglancer.layers["b.zarr, labels"]
    assert neuroglancer.bound == "127.0.0.1"
    assert grey["space"] == named["space"] == (["z", "y", "x"], "nm", [20.0, 10.0, 10.0])
    assert grey["first"] == [2, 0, -3]
    assert (grey["kind"], named["kind"]) == ("image", "segmentation")
    part = named["data"][1:2, 0:4, 0:5]
    assert part.dtype == np.uint32 and (part == 7).all()
    shares = np.full((3, 4, 5), 200, np.uint8)
    open_in_neuroglancer(opened("a.mrc", labels), opened("c.zarr", shares), print)
    assert neuroglancer.layers["c.zarr, probability"]["kind"] == "image"


def test_without_neuroglancer_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setattr(neuroglancer_door, "is_installed", lambda name: False)
    with pytest.raises(SpaceError, match="--page"):
        open_in_neuroglancer(opened("a.mrc", np.zeros((2, 2, 2))), None, print)
