"""Fluorescence pictures in files of any microscope: PNG, TIFF, OME-TIFF, LIF, CZI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from space.errors import SpaceError
from space.fluorescence import leica, plain, tiffs, zeiss
from space.fluorescence.channels import Channels
from space.fluorescence.opening import Listed, in_words

_KINDS: tuple[
    tuple[
        tuple[str, ...], Callable[[Path], list[Listed]], Callable[[Path, int], Channels]
    ],
    ...,
] = (
    (plain.SUFFIXES, plain.list_plain, lambda path, _: plain.read_plain(path)),
    (tiffs.SUFFIXES, tiffs.list_tiff, tiffs.read_tiff),
    (leica.SUFFIXES, leica.list_lif, leica.read_lif),
    (zeiss.SUFFIXES, zeiss.list_czi, zeiss.read_czi),
)  # fmt: skip

SUFFIXES = tuple(suffix for suffixes, _, _ in _KINDS for suffix in suffixes)
"""Endings of files that can be read, small letters."""


def list_pictures(path: Path) -> list[Listed]:
    """Return the pictures in a file, before they are read.

    Raises
    ------
    SpaceError
        If it cannot be read as fluorescence; says why.
    """
    path, (_, listing, _) = _kind(path)
    with in_words(path):
        return listing(path)


def read_channels(path: Path, picture: str | int | None = None) -> Channels:
    """Read the channels of one picture in a file.

    Parameters
    ----------
    path : Path
    picture : str or int, optional
        Which one: its number from 1 on or its name, or the end of its name. Not needed where there
        is only one.

    Raises
    ------
    SpaceError
        If it cannot be read, or which picture is meant is not clear; names those that there are.
    """
    path, (_, listing, read) = _kind(path)
    with in_words(path):
        found = listing(path)
        index = _chosen(found, picture, path)
        return read(path, index)


def _kind(
    path: Path,
) -> tuple[
    Path,
    tuple[tuple[str, ...], Callable[[Path], list[Listed]], Callable[[Path, int], Channels]],
]:
    path = Path(path)
    kind = next((kind for kind in _KINDS if path.suffix.lower() in kind[0]), None)
    if kind is None:
        raise SpaceError(
            f"{path.suffix or 'A file without ending'} is no kind of fluorescence picture.",
            str(path),
            f"Give one of {', '.join(SUFFIXES)}.",
        )
    if not path.is_file():  # a pipe would be read for ever
        raise SpaceError("There is no such file.", str(path))
    return path, kind


def _chosen(found: list[Listed], picture: str | int | None, path: Path) -> int:
    there = "; ".join(
        f"{number} {one.name} ({one.shape[0]} channels, {one.shape[1]} planes, "
        f"{one.shape[2]} x {one.shape[3]} pixels)"
        for number, one in enumerate(found, 1)
    )
    if not found:
        raise SpaceError("It holds no picture.", str(path))
    if picture is None:
        if len(found) > 1:
            raise SpaceError(
                f"It holds {len(found)} pictures: {there}.", str(path), "Say which one is meant."
            )
        return 0
    text = str(picture)
    if text.isdecimal() and 1 <= int(text) <= len(found):
        return int(text) - 1
    exact = [at for at, one in enumerate(found) if one.name == text]
    ends = exact or [at for at, one in enumerate(found) if one.name.endswith(text)]
    if len(ends) != 1:
        raise SpaceError(f"Which picture {text!r} is, is not clear. There are {there}.", str(path))
    return ends[0]
