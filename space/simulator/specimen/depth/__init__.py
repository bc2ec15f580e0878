"""What is inside a lamella, in three dimensions.

Particles, membranes, filaments, ice and gold are clouds of Gaussian blobs (`cloud`), laid out in
tiles from the lamella's seed (`tiles`) where the painted labels (`ground`) say what is there; a
picture is their projection (`seen`). Coordinates are those of the slab (`slab`).
"""

from .contents import labels_in, particles_in, volumes_in
from .layout import PARTICLE
from .particles import Shape, shapes
from .projecting import volume
from .seen import Sight
from .slab import Slab, slab_of
from .tiles import forget

__all__ = [
    "PARTICLE",
    "Shape",
    "Sight",
    "Slab",
    "forget",
    "labels_in",
    "particles_in",
    "shapes",
    "slab_of",
    "volume",
    "volumes_in",
]
