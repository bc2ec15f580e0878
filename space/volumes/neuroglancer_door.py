"""A volume and its labels as layers of neuroglancer, for those who have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.packages import is_installed
from space.volumes.opened import OpenVolume, holds_shares

_WIDE_LABELS = np.dtype(np.uint32)  # what neuroglancer takes for labels


class _Labels:
    """Labels in a type that neuroglancer takes for labels; read when they are asked for."""

    def __init__(self, volume: OpenVolume) -> None:
        self.shape, self.dtype = volume.shape, _WIDE_LABELS
        self._volume = volume

    def __getitem__(self, part: tuple[slice, ...]) -> np.ndarray:
        return self._volume[part].astype(_WIDE_LABELS)


def open_in_neuroglancer(
    volume: OpenVolume, labels: OpenVolume | None, say: Callable[[str], object]
) -> Any:
    """Serve a volume to a browser by neuroglancer, on this computer alone.

    Parameters
    ----------
    volume : OpenVolume
    labels : OpenVolume or None
        Labels or probabilities of the same voxels.
    say : callable
        Takes the address.

    Returns
    -------
    neuroglancer.Viewer
        It is served as long as the program runs.

    Raises
    ------
    SpaceError
        If neuroglancer is not installed.
    """
    if not is_installed("neuroglancer"):
        raise SpaceError(
            "neuroglancer is not installed in this Python.",
            do="Install it with pip: pip install neuroglancer, or look at the volume with --page.",
        )
    import neuroglancer

    neuroglancer.set_server_bind_address("127.0.0.1")
    voxel_nm, origin_nm = volume.frame.voxel_nm, volume.frame.origin_nm
    space = neuroglancer.CoordinateSpace(
        names=["z", "y", "x"], units="nm", scales=[float(one) for one in voxel_nm]
    )
    first = [round(start / side) for start, side in zip(origin_nm, voxel_nm)]

    def layer(data: Any, kind: str) -> Any:
        return neuroglancer.LocalVolume(
            data, dimensions=space, voxel_offset=first, volume_type=kind
        )

    viewer = neuroglancer.Viewer()
    with viewer.txn() as state:
        state.layers[volume.path.name] = neuroglancer.ImageLayer(source=layer(volume, "image"))
        if labels is not None and holds_shares(labels):
            name = f"{labels.path.name}, probability"
            state.layers[name] = neuroglancer.ImageLayer(source=layer(labels, "image"), opacity=0.5)
        elif labels is not None:
            name = f"{labels.path.name}, labels"
            of_labels = layer(_Labels(labels), "segmentation")
            state.layers[name] = neuroglancer.SegmentationLayer(source=of_labels)
    say(f"Open {viewer}")
    return viewer
