"""Detection of lamellae in a map with a YOLO network (worker side: needs what runs networks).

The network is called directly, by torch or by ONNX Runtime, and its raw output decoded here, so the
threshold that was asked for is the one that is used, and nothing depends on torchvision.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from space.errors import SpaceError
from space.geometry import rescaled_shape
from space.lamellae.boxes import (
    Box,
    keep_best,
    mark_cut_sides,
    merge_boxes,
    overlap_px,
    window_starts,
)
from space.lamellae.networks import WindowNetwork, open_network
from space.lamellae.outputs import decode
from space.pictures import resized, to_8_bit

log = logging.getLogger("space.lamellae")

#: A box must be this large to be a lamella, in pixels of the detection scale.
SMALLEST_BOX_PX = 3.0
_GPU_BATCH = 4


class DetectionConfig(Protocol):
    """The part of the configuration that detection needs."""

    @property
    def detection_pixel_nm(self) -> float:
        """Pixel size that the network was trained at."""

    @property
    def detection_window_px(self) -> int:
        """Side of the square window that the network sees."""


def cut_window(image: np.ndarray, row0: int, col0: int, size_px: int, fill: int) -> np.ndarray:
    """Return a square window; parts beyond the image get the grey level `fill`."""
    window = np.full((size_px, size_px), fill, np.uint8)
    rows, cols = image.shape
    r0, r1 = max(row0, 0), min(row0 + size_px, rows)
    c0, c1 = max(col0, 0), min(col0 + size_px, cols)
    if r1 > r0 and c1 > c0:
        window[r0 - row0 : r1 - row0, c0 - col0 : c1 - col0] = image[r0:r1, c0:c1]
    return window


class Detector:
    """Finds lamellae; the network is loaded once.

    Parameters
    ----------
    weights : Path
        A YOLO ``.pt`` file, or an ``.onnx`` file made from one.
    device : str
        ``cpu``, ``cuda:<n>``, or ``dml:<n>`` for ONNX Runtime.
    runtime : str
        ``torch``, ``onnx``, or ``auto`` (see `space.lamellae.networks.open_network`).
    network : WindowNetwork, optional
        That of the weights, if it is loaded already.

    Raises
    ------
    SpaceError
        If the weights are missing, or not those of a detector (see `space.lamellae.networks`).
    """

    def __init__(
        self,
        weights: Path,
        device: str = "cpu",
        runtime: str = "auto",
        network: WindowNetwork | None = None,
    ) -> None:
        self.weights = Path(weights)
        self._network = network or open_network(self.weights, device, runtime)
        self._batch = 1 if self.device == "cpu" else _GPU_BATCH

    @property
    def names(self) -> dict[int, str]:
        """Categories by their numbers in the network."""
        return self._network.names

    @property
    def device(self) -> str:
        """Where the network runs; it may change to the CPU."""
        return self._network.device

    @property
    def runtime(self) -> str:
        """What runs the network: ``torch`` or ``onnx``."""
        return self._network.runtime

    @property
    def about(self) -> tuple[str, str] | None:
        """Runtime and device in words, if the network tells them."""
        told: tuple[str, str] | None = getattr(self._network, "about", None)
        return told

    def detect(
        self, image: np.ndarray, pixel_nm: float, threshold: float, config: DetectionConfig
    ) -> list[Box]:
        """Find lamellae in an image.

        Parameters
        ----------
        image : ndarray, shape (rows, cols)
            Maps with 8 bits are taken as they were saved; any others are stretched as maps are
            for saving.
        pixel_nm : float
            Its pixel size.
        threshold : float
            Least probability, 0..1; this value and no other is applied.
        config : DetectionConfig
            Pixel size and window size of the network.

        Returns
        -------
        list of Box
            In pixels of `image`, most probable first.
        """
        if not 0.0 <= threshold <= 1.0:
            raise SpaceError(f"The detection threshold {threshold} is not between 0 and 1.")
        if not pixel_nm > 0:
            raise SpaceError(f"The pixel size {pixel_nm} nm is not positive.")
        picture = image if image.dtype == np.uint8 else to_8_bit(image)
        small = resized(picture, rescaled_shape(image.shape, pixel_nm / config.detection_pixel_nm))
        size_px = int(config.detection_window_px)
        fill = int(np.median(small))
        overlap = overlap_px(config.detection_pixel_nm, size_px)
        places = [
            (row0, col0)
            for row0 in window_starts(small.shape[0], size_px, overlap)
            for col0 in window_starts(small.shape[1], size_px, overlap)
        ]
        boxes: list[Box] = []
        position = 0
        while position < len(places):
            group = places[position : position + self._batch]
            windows = [cut_window(small, r, c, size_px, fill) for r, c in group]
            outputs, end_to_end = self._forward(windows)
            for (row0, col0), output in zip(group, outputs):
                boxes += self._boxes_of_window(
                    output, end_to_end, threshold, row0, col0, size_px, small.shape
                )
            position += len(group)
        scale_x = image.shape[1] / small.shape[1]
        scale_y = image.shape[0] / small.shape[0]
        return [
            Box(
                b.x0_px * scale_x,
                b.y0_px * scale_y,
                b.x1_px * scale_x,
                b.y1_px * scale_y,
                b.category,
                b.probability,
            )
            for b in merge_boxes(boxes)
        ]

    def _boxes_of_window(
        self,
        output: np.ndarray,
        end_to_end: bool,
        threshold: float,
        row0: int,
        col0: int,
        size_px: int,
        shape: tuple[int, int],
    ) -> list[Box]:
        corners, probabilities, classes = decode(output, threshold, end_to_end)
        window = (col0, row0, col0 + size_px, row0 + size_px)
        boxes = []
        for i in keep_best(corners, probabilities):
            name = self.names[int(classes[i])]
            x0_px, y0_px, x1_px, y1_px = map(float, corners[i])
            box = Box(x0_px, y0_px, x1_px, y1_px, name, float(probabilities[i]))
            box = box.shifted(col0, row0).clipped(shape)
            if min(box.x1_px - box.x0_px, box.y1_px - box.y0_px) >= SMALLEST_BOX_PX:
                boxes.append(mark_cut_sides(box, window, shape))
        return boxes

    def _forward(self, windows: Sequence[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Run the network; out of memory: one window at a time, then on the CPU."""
        try:
            return self._network.look(windows)
        except (RuntimeError, MemoryError) as error:
            if self.device == "cpu":
                raise
            if len(windows) > 1 and "out of memory" in str(error).lower():
                log.warning("GPU memory is short: detection continues window by window.")
                self._batch = 1
                parts = [self._forward([window]) for window in windows]
                return [part[0][0] for part in parts], parts[0][1]
            log.warning("Detection on %s failed (%s): continuing on the CPU.", self.device, error)
            self._batch = 1
            self._network = open_network(self.weights, "cpu", self.runtime)
            return self._network.look(windows)
