"""A volume in a file or folder of any kind, by what is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from space.errors import SpaceError
from space.volumes.blocks import is_unfinished
from space.volumes.frame import Frame, Triple, Volume
from space.volumes.mrc import open_mrc
from space.volumes.n5 import is_n5, open_n5
from space.volumes.opened import OpenVolume, in_words
from space.volumes.tiffs import SUFFIXES, files_of, open_folder, open_tiff
from space.volumes.zarrs import is_zarr, open_zarr

MRC = (".mrc", ".map", ".rec", ".st", ".ali", ".preali", ".mrcs", ".ccp4")

LARGEST_WHOLE_BYTES = 2_000_000_000
"""Larger volumes are not read whole, if nobody says so."""

KINDS = "MRC, TIFF, a folder of TIFF files, OME-Zarr, Zarr and N5"

_Opener = Callable[[Path, "Triple | None"], OpenVolume]


def open_volume(path: Path, voxel_nm: Triple | None = None) -> OpenVolume:
    """Open a volume; only the parts that are asked for are read.

    Parameters
    ----------
    path : Path
        An MRC or TIFF file, a folder of TIFF files, an image of OME-NGFF, an array of Zarr or N5
        (also one within a group: ``file.zarr/volumes/raw``).
    voxel_nm : tuple of float, optional
        Size of voxels along z, y and x, for files that do not say it, or say it wrongly.

    Raises
    ------
    SpaceError
        If it cannot be read as a volume, or does not say how large its voxels are.
    """
    path = Path(path)
    if voxel_nm is not None:
        voxel_nm = Frame(voxel_nm).voxel_nm  # checked
    with in_words(path):
        return _opener(path)(path, voxel_nm)


def read_volume(
    path: Path, voxel_nm: Triple | None = None, most_bytes: int = LARGEST_WHOLE_BYTES
) -> Volume:
    """Read a whole volume.

    Raises
    ------
    SpaceError
        As of `open_volume`, and if it is larger than `most_bytes`.
    """
    opened = open_volume(path, voxel_nm)
    if opened.nbytes > most_bytes:
        raise SpaceError(
            f"The volume of {opened.nbytes / 1e9:.1f} GB is too large to be read whole; "
            f"at most {most_bytes / 1e9:.1f} GB are.",
            str(path),
            "Cut out a region of it: spacetomo volume import --region",
        )
    return Volume(opened[:], opened.frame)


def _opener(path: Path) -> _Opener:
    if not path.exists():
        raise SpaceError("There is no such volume.", str(path))
    suffix = path.suffix.lower()
    if path.is_file() and suffix in SUFFIXES:
        return open_tiff
    if path.is_file() and suffix in MRC:
        return open_mrc
    if not path.is_dir():
        raise SpaceError(
            f"{suffix or 'A file without ending'} is no kind of volume.",
            str(path),
            f"Known are {KINDS}.",
        )
    if is_unfinished(path):
        raise SpaceError(
            "This volume has not been written to its end.",
            str(path),
            "Run the command that writes it again: it goes on where it ended.",
        )
    if is_zarr(path):
        return open_zarr
    if is_n5(path):
        return open_n5
    if files_of(path):
        return open_folder
    raise SpaceError("There is no volume in this folder.", str(path), f"Known are {KINDS}.")
