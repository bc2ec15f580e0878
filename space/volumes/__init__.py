"""Volumes as things on disk: where their voxels are, MRC, OME-Zarr, TIFF, N5, and blocks.

Arrays are (z, y, x); `Frame` says what that means. What reads a kind of file is imported where it
is used (the extra ``tomo``).
"""

from space.volumes.blocks import Block, BlockWriter, blocks_of, create_zarr
from space.volumes.copying import copy_to_tiff, copy_to_zarr, write_tiff
from space.volumes.frame import HANDEDNESS, LEFT, RIGHT, UNKNOWN, Frame, Triple, Volume
from space.volumes.mrc import write_mrc, write_mrc_of
from space.volumes.neuroglancer_door import open_in_neuroglancer
from space.volumes.opened import OpenVolume, holds_shares
from space.volumes.opening import open_volume, read_volume
from space.volumes.regions import checked_region, region_of
from space.volumes.zarrs import write_zarr

__all__ = [
    "HANDEDNESS",
    "LEFT",
    "RIGHT",
    "UNKNOWN",
    "Block",
    "BlockWriter",
    "Frame",
    "OpenVolume",
    "Triple",
    "Volume",
    "blocks_of",
    "checked_region",
    "copy_to_tiff",
    "copy_to_zarr",
    "create_zarr",
    "holds_shares",
    "open_in_neuroglancer",
    "open_volume",
    "read_volume",
    "region_of",
    "write_mrc",
    "write_mrc_of",
    "write_tiff",
    "write_zarr",
]
