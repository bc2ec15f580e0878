"""Surfaces of what is labelled in a volume: meshes, their volumes, areas and thicknesses.

What this room needs beyond the base packages (the extra ``tomo``) is imported where it is used.
"""

from space.surfaces.extraction import Surface, surfaces_of
from space.surfaces.meshes import Form
from space.surfaces.options import FORMATS, SurfaceOptions
from space.surfaces.picture import draw
from space.surfaces.thickness import Thickness
from space.surfaces.writing import (
    PICTURE,
    TABLE_CSV,
    TABLE_JSON,
    clear,
    write_picture,
    write_surface,
    write_tables,
)

__all__ = [
    "FORMATS",
    "PICTURE",
    "TABLE_CSV",
    "TABLE_JSON",
    "Form",
    "Surface",
    "SurfaceOptions",
    "Thickness",
    "clear",
    "draw",
    "surfaces_of",
    "write_picture",
    "write_surface",
    "write_tables",
]
