"""What happens to a map on the way to a user's screen: frames drawn on it, painted over, JPEG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .formats import Box
from .recording import uneven_light

PLATE_PX = (44, 26)
"""Size of the plate with a lamella's number."""
UNFRAMED_SHARE = 0.1
DECOYS_PER_PX = 5e-6
"""Frames where nothing is: nobody may learn that a painted place is a lamella."""


@dataclass(frozen=True)
class Display:
    """How a map is shown.

    Attributes
    ----------
    light : float
        Strength of slow changes of brightness (charge, thick ice, a bent beam).
    jpeg : int
        Quality, 1 to 95; 0 for a picture without loss.
    line_px : int
        Width of frames drawn around lamellae; 0 without frames.
    plates : bool
        Whether numbers stand beside the frames.
    painted : str
        ``telea``, ``stokes`` (both from the surroundings) or ``left`` (the frames stay).
    reach_px : float
        How far painting over looks.
    spread_px : int
        How much more than the frame is painted over.
    """

    light: float = 0.0
    jpeg: int = 0
    line_px: int = 0
    plates: bool = False
    painted: str = "telea"
    reach_px: float = 3.0
    spread_px: int = 0

    def shown(
        self, rng, picture: np.ndarray, boxes: Sequence[Box], level: tuple[float, float]
    ) -> np.ndarray:
        """A picture as it is after all this, in the same units.

        Parameters
        ----------
        picture : (rows, columns) float array
        boxes : sequence of Box
            Of its lamellae, in its pixels.
        level : (black, white)
            Values that are grey 0 and 255 on the screen.
        """
        black, white = level
        if self.light:
            picture = picture * uneven_light(rng, picture.shape, self.light)
        scaled = (picture - black) * (255 / (white - black))
        grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        if self.line_px:
            grey = self._framed(rng, grey, boxes)
        if self.jpeg:
            stream = io.BytesIO()
            Image.fromarray(grey).save(stream, format="JPEG", quality=self.jpeg)
            grey = np.asarray(Image.open(stream))
        return grey.astype(np.float32) * np.float32((white - black) / 255) + np.float32(black)

    def _framed(self, rng, grey: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
        """Draw frames and plates, and paint them over."""
        import cv2

        rows, cols = grey.shape
        frames = [np.array(box[1:]) for box in boxes if rng.random() > UNFRAMED_SHARE]
        for _ in range(rng.poisson(DECOYS_PER_PX * rows * cols * rng.uniform(0, 2))):
            x, y, w, h = *rng.uniform((0, 0), (cols, rows)), *rng.uniform(14, 40, 2)
            frames.append(np.array([x, y, x + w, y + h]))
        grey, mask = grey.copy(), np.zeros_like(grey)
        for frame in frames:
            x0, y0, x1, y1 = np.rint(frame + rng.normal(0, 1.0, 4)).astype(int).tolist()
            if x1 < 0 or y1 < 0 or x0 > cols or y0 > rows:
                continue
            for d in range(self.line_px):
                if x0 + d < x1 - d and y0 + d < y1 - d:
                    cv2.rectangle(mask, (x0 + d, y0 + d), (x1 - d, y1 - d), 255, 1)
            if self.plates:
                self._draw_plate(rng, cv2, grey, mask, (x1, y0))
        if self.spread_px:
            mask = cv2.dilate(mask, np.ones((2 * self.spread_px + 1,) * 2, np.uint8))
        if self.painted == "left":
            grey[mask > 0] = rng.integers(70, 190)
            return grey
        method = cv2.INPAINT_NS if self.painted == "stokes" else cv2.INPAINT_TELEA
        return cv2.inpaint(grey, mask, self.reach_px, method)

    def _draw_plate(self, rng, cv2, grey: np.ndarray, mask: np.ndarray, corner) -> None:
        """A plate with a number up and to the right; the letters are not coloured and stay."""
        x, y = corner[0] + 12, corner[1] - 12 - PLATE_PX[1]
        cv2.line(mask, corner, (x, y + PLATE_PX[1]), 255, 1)
        cv2.rectangle(mask, (x, y), (x + PLATE_PX[0], y + PLATE_PX[1]), 255, -1)
        letters = np.zeros_like(mask)
        text, at = f"L{rng.integers(1, 30):02d}", (x + 3, y + PLATE_PX[1] - 7)
        cv2.putText(letters, text, at, cv2.FONT_HERSHEY_PLAIN, 1.1, 255, 1)
        grey[letters > 0] = 240 if rng.random() < 0.5 else 15
        mask[letters > 0] = 0


def draw_display(rng) -> Display:
    """Draw one: every second map has nothing of all this but some uneven light."""
    light = float(rng.choice([0.0, rng.uniform(0.05, 0.3)], p=[0.6, 0.4]))
    if rng.random() < 0.45:
        return Display(light)
    return Display(
        light=light,
        jpeg=int(rng.integers(25, 95)) if rng.random() < 0.4 else 0,
        line_px=int(rng.choice([rng.integers(1, 6), rng.integers(6, 11)]) * (rng.random() < 0.75)),
        plates=bool(rng.random() < 0.6),
        painted=str(rng.choice(["telea", "stokes", "left"], p=[0.8, 0.12, 0.08])),
        reach_px=float(rng.choice([3.0, rng.uniform(1, 6)])),
        spread_px=int(rng.choice([0, 1, 2], p=[0.6, 0.3, 0.1])),
    )


def boxes_in(boxes: Sequence[Box], part: tuple[int, int, int, int]) -> list[Box]:
    """Boxes that a part of a picture still shows, cut to it.

    Parameters
    ----------
    part : (column0, row0, column1, row1)
    """
    c0, r0, c1, r1 = part
    result: list[Box] = []
    for kind, x0, y0, x1, y1 in boxes:
        a0, b0, a1, b1 = max(x0, c0), max(y0, r0), min(x1, c1), min(y1, r1)
        if a1 <= a0 or b1 <= b0:
            continue
        if (a1 - a0) * (b1 - b0) >= 0.4 * (x1 - x0) * (y1 - y0):
            result.append((kind, a0, b0, a1, b1))
    return result
