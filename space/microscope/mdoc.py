"""The .mdoc file beside an image file: how each of its pictures was taken.

Numbers are those of SerialEM's dialogs and scripts: `Binning` counts real pixels of the camera,
also of a K2 or K3, unlike the entries of Navigator files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from space.files import write_bytes_atomic
from space.microscope import autodoc
from space.microscope.autodoc import Document, Section

_IMAGE, _TITLE = "ZValue", "T"


def path_of(image: Path) -> Path:
    """Return where the mdoc of an image file is."""
    return image.with_name(image.name + ".mdoc")


def read(path: Path) -> Document:
    """Read an mdoc; one that is not there holds nothing (SerialEM can be set to write none)."""
    return autodoc.parse(path.read_bytes() if path.is_file() else b"")


def images(document: Document) -> tuple[Section, ...]:
    """Return the sections of the pictures, or of the pieces of a montage, in file order."""
    return document.of_kind(_IMAGE)


def compose(header: Mapping[str, str], title: str, picture: Mapping[str, str]) -> Document:
    """Return the mdoc of a file with one picture; entries without a value are left out."""
    return autodoc.parse(
        "\n".join(
            (*_entries(header), "", f"[{_TITLE} = {title}]", "")
            + (f"[{_IMAGE} = 0]", *_entries(picture), "")
        ).encode("utf-8")
    )


def _entries(values: Mapping[str, str]) -> list[str]:
    return [f"{key} = {' '.join(value.split())}" for key, value in values.items() if value]


def write(path: Path, document: Document) -> None:
    """Write an mdoc whole."""
    write_bytes_atomic(path, document.to_bytes())
