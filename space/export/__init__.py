"""Tilt series handed over to programs that process them: what those import, no copies of data.

`read_series` reads one series from its mdoc, `export_session` writes all of a session.
"""

from space.export.series import Optics, TiltImage, TiltSeries, read_series
from space.export.session import FORMATS, Exported, FramesAt, export_session

__all__ = [
    "FORMATS",
    "Exported",
    "FramesAt",
    "Optics",
    "TiltImage",
    "TiltSeries",
    "export_session",
    "read_series",
]
