"""From the specimen to a picture: electrons, contrast transfer, damage, camera."""

from space.simulator.imaging.camera import View, px_to_grid
from space.simulator.imaging.damage import DoseMap
from space.simulator.imaging.images import Image
from space.simulator.imaging.pictures import Exposure

__all__ = ["DoseMap", "Exposure", "Image", "View", "px_to_grid"]
