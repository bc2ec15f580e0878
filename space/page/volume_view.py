"""A volume in the browser: its sections along each axis, with labels or probabilities over them."""

from __future__ import annotations

import colorsys
import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from space.page.answers import ASKED_AGAIN, body_answer, json_answer
from space.page.guarded import Files, guarded, in_thread
from space.page.refusal import unknown
from space.page.security import App, Key
from space.pictures import contrast_limits, without_gaps
from space.volumes import OpenVolume, holds_shares

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

AXES = ("z", "y", "x")
LONGEST_PX = 2048
"""Of a section on the page: larger ones are made smaller."""

_SLAB_BYTES = 128_000_000  # sections that are read at once: a chunk of Zarr holds many
_SLAB_SECTIONS = 32
_SLABS = 4  # of the picture and of what lies over it, along two axes
_CODES = 255
_FIRST = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
_FURTHER = (colorsys.hsv_to_rgb(k * 0.618 % 1, 0.75, 0.95 - 0.3 * (k % 2)) for k in range(244))
_COLORS = (*_FIRST, *(tuple(round(255 * part) for part in color) for color in _FURTHER))
"""Of labels: M. Okabe and K. Ito's colours, and then hues apart from each other, for bodies."""


class Sections:
    """Sections of a volume; those near the last one are at hand.

    Parameters
    ----------
    volume : OpenVolume
    """

    def __init__(self, volume: OpenVolume) -> None:
        self.volume = volume
        self._slabs: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, axis: int, index: int) -> np.ndarray:
        """Return a section: its rows and columns are the two other axes, in their order."""
        size = self.volume.shape[axis]
        one_bytes = max(1, self.volume.nbytes // size)
        many = int(np.clip(_SLAB_BYTES // one_bytes, 1, _SLAB_SECTIONS))
        key = (axis, index // many)
        with self._lock:
            if key not in self._slabs:
                first = key[1] * many
                part = [slice(None)] * 3
                part[axis] = slice(first, min(first + many, size))
                self._slabs[key] = self.volume[tuple(part)]
                while len(self._slabs) > _SLABS:
                    self._slabs.popitem(last=False)
            self._slabs.move_to_end(key)
            return self._slabs[key].take(index % many, axis)


class VolumeView:
    """What the addresses of the page of a volume do.

    Parameters
    ----------
    volume : OpenVolume
    labels : OpenVolume, optional
        Labels or probabilities of the same voxels.
    """

    def __init__(self, volume: OpenVolume, labels: OpenVolume | None = None) -> None:
        self.files = Files("volume.html")
        self.volume = volume
        self._sections = Sections(volume)
        self._over = None if labels is None else Sections(labels)
        self._shares = labels is not None and holds_shares(labels)
        middle = [self._sections.at(0, z) for z in {0, volume.shape[0] // 2}]
        values = without_gaps(np.stack(middle))
        bottom, top = contrast_limits(values)
        self._grey = float(bottom), float(max(top - bottom, 1e-12))
        # A section on the screen has square pixels, as large as the smallest side of a voxel.
        least = min(volume.frame.voxel_nm)
        sizes = [round(n * nm / least) for n, nm in zip(volume.shape, volume.frame.voxel_nm)]
        self._pixel_nm = least * max(1.0, max(sizes) / LONGEST_PX)
        self._sides = [
            max(1, round(n * nm / self._pixel_nm))
            for n, nm in zip(volume.shape, volume.frame.voxel_nm)
        ]

    async def table(self, request: Request) -> Response:
        """Answer with what the volume is."""
        return json_answer(request, self._table())

    def _table(self) -> dict[str, Any]:
        frame = self.volume.frame
        over = "" if self._over is None else "shares" if self._shares else "labels"
        return {
            "name": self.volume.path.name,
            "shape": list(self.volume.shape),
            "voxel_nm": list(frame.voxel_nm),
            "origin_nm": list(frame.origin_nm),
            "handedness": frame.handedness,
            "target": frame.target,
            "pixel_nm": self._pixel_nm,
            "sides_px": self._sides,
            "over": over,
            "over_name": "" if self._over is None else self._over.volume.path.name,
        }

    async def section(self, request: Request) -> Response:
        """Answer with a section as a grey picture."""
        body = await in_thread(self._section, *self._place(request))
        return body_answer(request, body, "image/jpeg", ASKED_AGAIN)

    def _section(self, axis: int, index: int) -> bytes:
        bottom, span = self._grey
        values = without_gaps(self._sections.at(axis, index)).astype(np.float32)
        grey = np.clip((values - bottom) * (_CODES / span), 0, _CODES).astype(np.uint8)
        return self._picture(grey, axis, "JPEG")

    async def over(self, request: Request) -> Response:
        """Answer with the labels of a section in colours, or where they are probable enough."""
        axis, index = self._place(request)
        least = request.query_params.get("least", "128")
        if not least.isascii() or not least.isdigit() or len(least) > 3:
            raise unknown("least is no number from 0 to 255.")
        body = await in_thread(self._colored, axis, index, int(least))
        return body_answer(request, body, "image/png", ASKED_AGAIN)

    def _colored(self, axis: int, index: int, least: int) -> bytes:
        if self._over is None:
            raise unknown("There are no labels.")
        found = self._over.at(axis, index)
        if self._shares:
            codes = (found >= max(1, least)).astype(np.uint8)
        else:
            codes = np.where(found > 0, 1 + (found.astype(np.int64) - 1) % len(_COLORS), 0)
        return self._picture(codes.astype(np.uint8), axis, "PNG")

    def _place(self, request: Request) -> tuple[int, int]:
        name, index = request.path_params["axis"], request.path_params["index"]
        if name not in AXES or not 0 <= index < self.volume.shape[AXES.index(name)]:
            raise unknown("There is no such section.")
        return AXES.index(name), index

    def _picture(self, codes: np.ndarray, axis: int, kind: str) -> bytes:
        """Return a section with square pixels as a file."""
        from PIL import Image

        rows, columns = (side for at, side in enumerate(self._sides) if at != axis)
        how = Image.Resampling.BOX if kind == "JPEG" else Image.Resampling.NEAREST
        if kind == "JPEG" and (rows > codes.shape[0] or columns > codes.shape[1]):
            how = Image.Resampling.BILINEAR
        picture = Image.fromarray(codes).resize((columns, rows), how)
        out = io.BytesIO()
        if kind == "JPEG":
            picture.save(out, "JPEG", quality=92)
        else:
            colored = Image.frombytes("P", picture.size, picture.tobytes())
            colored.putpalette([0, 0, 0, *(value for color in _COLORS for value in color)])
            colored.save(out, "PNG", transparency=0, compress_level=3)
        return out.getvalue()


def make_volume_app(page: VolumeView, key: Key) -> App:
    """Return the application: the page of a volume behind its guard."""
    from starlette.routing import Route

    routes = [
        *page.files.routes(),
        Route("/api/volume", page.table),
        Route("/sections/{axis:str}/{index:int}.jpg", page.section),
        Route("/over/{axis:str}/{index:int}.png", page.over),
    ]
    return guarded(routes, key, True, ())
