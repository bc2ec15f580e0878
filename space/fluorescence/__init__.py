"""Fluorescence beside the electron microscope's maps: channels, and where they lie (docs/clem.md).

Pure functions of arrays and points, and readers for files of other microscopes.
"""

from space.fluorescence.channels import MAXIMUM, Channel, Channels, channels_of, together
from space.fluorescence.opening import Listed
from space.fluorescence.reading import SUFFIXES, list_pictures, read_channels

__all__ = [
    "MAXIMUM",
    "SUFFIXES",
    "Channel",
    "Channels",
    "Listed",
    "channels_of",
    "list_pictures",
    "read_channels",
    "together",
]
