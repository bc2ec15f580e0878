"""Images that pass between buffers and Python: `bufferImage` and `PutImageInBuffer`."""

from __future__ import annotations

import ctypes
import operator
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

import numpy as np

from space.simulator.column.errors import SEMmoduleError
from space.simulator.imaging.images import LETTERS, Image
from space.simulator.program.workbench import FFT_BUFFERS

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from space.simulator.program.session import Session

PYTHON_BUFFERS = LETTERS[:20]
IMAGE_TYPES = (np.uint8, np.int16, np.uint16, np.float32)


def buffer_image_type(session: Session) -> type[Any]:
    """The type `bufferImage`: a snapshot of a buffer, with the buffer protocol and nothing else.

    From Python 3.12 on a class can have that protocol. Before, calling the type gives a
    `pickle.PickleBuffer`, the one object of the standard library that hands on an array's buffer
    without becoming a sequence itself; `numpy.asarray` and `memoryview` see the same either way,
    but it has the two methods `raw` and `release` and is not an instance of `bufferImage`.
    """

    class bufferImage:
        __slots__ = ("_data",)
        _data: np.ndarray

        # Before Python 3.12 a class of its own cannot have a buffer.
        def __new__(cls, buffer: str, /) -> Any:
            if not isinstance(buffer, str):
                raise TypeError(f"argument 1 must be str, not {type(buffer).__name__}")
            data = _snapshot(session, buffer)
            if sys.version_info < (3, 12):
                return pickle.PickleBuffer(data.data)
            image = super().__new__(cls)
            image._data = data
            return image

        if sys.version_info >= (3, 12):

            def __buffer__(self, flags: int, /) -> memoryview:
                return memoryview(self._data)

    bufferImage.__module__ = "serialem"
    bufferImage.__qualname__ = "bufferImage"
    return bufferImage


def _snapshot(session: Session, name: str) -> np.ndarray:
    """Read-only, contiguous copy of a buffer.

    Raises
    ------
    SystemError
        Caused by SEMmoduleError, as the interpreter makes of it, for a bad or empty buffer.
    """
    try:
        data = _image(session, name).data
    except SEMmoduleError as error:
        raise SystemError("bufferImage returned a result with an exception set") from error
    copy = np.array(data, dtype=data.dtype if data.dtype.type in IMAGE_TYPES else np.float32)
    copy = np.ascontiguousarray(copy)
    copy.setflags(write=False)
    return copy


def _image(session: Session, name: str) -> Image:
    """Image of a buffer that Python may name: A-T, or AF-HF for a power spectrum."""
    if len(name) == 2 and name[0] in FFT_BUFFERS and name[1] == "F":
        image = session.workbench.fft.get(name[0])
    elif len(name) == 1 and name in PYTHON_BUFFERS:
        image = session.buffers.get(name)
    else:
        raise SEMmoduleError(f"Bad buffer letter {name!r}")
    if image is None:
        raise SEMmoduleError(f"There is no image in buffer {name}")
    return image


def _pixels(obj: Buffer, size_x: int, size_y: int) -> np.ndarray:
    """Copy of an object's pixels, (size_y, size_x).

    Exporters that show their shape without being asked need no sizes; numpy is not one of them.
    """
    try:
        view = memoryview(obj)
    except TypeError as error:
        raise SEMmoduleError("The object has no buffer interface") from error
    if not view.c_contiguous:
        raise SEMmoduleError("The image is not contiguous in memory")
    data = np.asarray(view)
    if data.dtype.type not in IMAGE_TYPES:
        raise SEMmoduleError(f"Images of type {data.dtype} cannot be put in a buffer")
    shows_shape = isinstance(obj, (ctypes.Array, pickle.PickleBuffer))
    shows_shape = shows_shape or type(obj).__name__ == "bufferImage"
    if shows_shape and data.ndim == 2:
        size_y, size_x = data.shape
    if size_x <= 0 or size_y <= 0:
        raise SEMmoduleError("The sizes in X and Y are needed for this object")
    if size_x * size_y != data.size:
        raise SEMmoduleError(f"Sizes {size_x} x {size_y} do not fit {data.size} pixels")
    pixels = data.reshape(size_y, size_x).astype(data.dtype.newbyteorder("="), copy=True)
    pixels.setflags(write=False)
    return pixels


def put_image_in_buffer(session: Session) -> Callable[..., None]:
    """The function `PutImageInBuffer` of the module."""

    def PutImageInBuffer(
        obj: Buffer,
        toBuf: str,
        sizeX: SupportsIndex = 0,
        sizeY: SupportsIndex = 0,
        baseBuf: str = "",
        moreBinning: SupportsFloat = 1,
        capFlag: SupportsIndex = 0,
        /,
    ) -> None:
        if not isinstance(toBuf, str) or not isinstance(baseBuf, str):
            raise TypeError("buffers are named by str")
        pixels = _pixels(obj, operator.index(sizeX), operator.index(sizeY))
        if len(toBuf) != 1 or toBuf not in PYTHON_BUFFERS:
            raise SEMmoduleError(f"Bad buffer letter {toBuf!r}")
        base = _image(session, baseBuf or toBuf)
        (a, b), (c, d) = base.stage_to_px
        more = float(moreBinning)
        image = replace(
            base,
            data=pixels,
            binning=base.binning * more,
            pixel_um=base.pixel_um * more,
            stage_to_px=((a / more, b / more), (c / more, d / more)),
            map_id=0,
            pieces=None,
            processed=True,
            from_current_file=False,
            exposure_index=-1,
        )
        if toBuf == "A":
            session.buffers.push(image)
        else:
            session.buffers.set(toBuf, image)

    return PutImageInBuffer
