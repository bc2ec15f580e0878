"""Images with what SerialEM knows about them, and the buffers that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror

if TYPE_CHECKING:
    from space.simulator.column.instrument import CameraModel
    from space.simulator.montage.layout import Pieces

LETTERS = "ABCDEFGHIJKLMNOPQRSTUV"


@dataclass(frozen=True)
class Image:
    """One image as it lies in a buffer.

    Attributes
    ----------
    data : ndarray
        (rows, columns), row 0 on top as displayed; uint8, int16, uint16 or float32.
    binning : float
        Camera pixels per image pixel.
    pixel_um : float
        Size of an image pixel on the specimen.
    camera_set : int
        0 View, 1 Focus, 2 Trial, 3 Record, 4 Preview, 5 Search, 6 mont-map, 8 montage, or -1.
    stage_um : tuple of float
        Raw stage reading (x, y) at the exposure.
    image_shift : tuple of float
        Image shift in scope units, relative to the low dose area.
    nav_xy_um : tuple of float
        Navigator position of the image centre: stage, image shift and tilt axis offset.
    stage_to_px : tuple
        Matrix A (2, 2): stage µm to image pixels, Y down, cos(tilt) included.
    align_shift_px : tuple of float
        Shift (x, y) that alignment gave this image, binned pixels, Y down.
    processed : bool
        True when alignments of it may not shift the microscope.
    off_center : bool
        True for a part of a picture that is not its middle: no positions can be picked on it.
    exposure_index : int
        Number of the exposure in the session's list, -1 for images not taken in it.
    tick_s : float
        When it was taken, on the microscope's clock; 0 for images not taken in this session.
    divided_by_2 : bool
        Whether counts were divided by 2.
    entries : mapping
        Further entries for the mdoc, such as the names of frames.
    """

    data: np.ndarray
    binning: float
    pixel_um: float
    mag_index: int
    camera: int = 0
    camera_set: int = -1
    low_dose: bool = False
    exposure_s: float = 0.0
    stage_um: tuple[float, float] | None = (0.0, 0.0)
    stage_z_um: float = 0.0
    tilt_deg: float = 0.0
    image_shift: tuple[float, float] = (0.0, 0.0)
    nav_xy_um: tuple[float, float] = (0.0, 0.0)
    stage_to_px: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    rotation_deg: float = 0.0
    defocus_um: float = 0.0
    dose_e_A2: float = 0.0
    intensity: float = 0.0
    spot_size: int = 0
    probe_mode: int = 1
    time: str = ""
    tick_s: float = 0.0
    map_id: int = 0
    file: str = ""
    section: int = -1
    from_current_file: bool = False
    align_shift_px: tuple[float, float] = (0.0, 0.0)
    align_is_shift: tuple[float, float] = (0.0, 0.0)
    processed: bool = False
    cropped: bool = False
    off_center: bool = False
    pieces: Pieces | None = None
    exposure_index: int = -1
    magnification: float = 0.0
    divided_by_2: bool = False
    entries: Mapping[str, str] = field(default_factory=dict)

    def counts_per_electron(self, model: CameraModel) -> float:
        """Counts that an electron gave in its read mode, else in the usual one of the camera."""
        try:
            counts = float(self.entries["CountsPerElectron"])
        except (KeyError, ValueError):
            counts = model.counts_per_electron
        return counts / 2.0 if self.divided_by_2 else counts


def buffer_letter(text: str) -> str:
    """Give the letter A-V for a letter of any case or a number 1-22 as text.

    Raises
    ------
    SEMerror
        If the text names no buffer.
    """
    name = str(text).strip().upper()
    if name.isdigit() and 1 <= int(name) <= len(LETTERS):
        return LETTERS[int(name) - 1]
    if len(name) == 1 and name in LETTERS:
        return name
    raise SEMerror(f"Improper buffer letter {text!r}")


class Buffers:
    """The image buffers A to V.

    Parameters
    ----------
    roll_last : str
        Last buffer that rolling fills; those above it hold still.
    read_buffer : str
        Where files and maps are read to when no buffer is named.
    """

    def __init__(self, roll_last: str = "G", read_buffer: str = "P") -> None:
        self._images: dict[str, Image] = {}
        self.roll_last = roll_last
        self.read_buffer = read_buffer
        self.displayed = "A"

    def get(self, letter: str) -> Image | None:
        """Image in the buffer, or None when it is empty."""
        return self._images.get(buffer_letter(letter))

    def require(self, letter: str) -> Image:
        """Image in the buffer.

        Raises
        ------
        SEMerror
            If the buffer is empty.
        """
        image = self.get(letter)
        if image is None:
            raise SEMerror(f"There is no image in buffer {buffer_letter(letter)}")
        return image

    def set(self, letter: str, image: Image) -> None:
        """Put an image into one buffer; nothing rolls."""
        self._images[buffer_letter(letter)] = image

    def roll(self, times: int = 1) -> None:
        """Move A to B, B to C and so on, up to `roll_last`."""
        last = LETTERS.index(self.roll_last)
        for _ in range(times):
            for index in range(last, 0, -1):
                source = LETTERS[index - 1]
                if source in self._images:
                    self._images[LETTERS[index]] = self._images[source]

    def push(self, image: Image) -> None:
        """Roll, put the image into A and display it."""
        self.roll()
        self.set("A", image)
        self.displayed = "A"
