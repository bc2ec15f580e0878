"""Pairs of points clicked in the browser, in a fluorescence picture and on a map beside it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from space.errors import SpaceError
from space.fluorescence import Registration
from space.page.answers import ASKED_AGAIN, body_answer, json_answer, table_sent
from space.page.guarded import Files, guarded, in_thread
from space.page.refusal import unknown, wrong
from space.page.security import App, Key
from space.pictures import shrinking_factor
from space.predicates import is_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

Fit = Callable[[np.ndarray, np.ndarray], Registration]
Save = Callable[[Registration], Sequence[str]]

MOST_PAIRS = 200
LEAST_PAIRS = 3

_LONGEST_PX = 4096
_ASKS_ONLY = ("/api/fit",)


@dataclass(frozen=True)
class Beside:
    """One of the two pictures.

    Attributes
    ----------
    name : str
    picture : ndarray of uint8, shape (rows, columns) or (rows, columns, 3)
    pixel_um : float or None
    """

    name: str
    picture: np.ndarray
    pixel_um: float | None

    def table(self) -> dict[str, Any]:
        """Return what the page needs to know of it."""
        rows, columns = self.picture.shape[:2]
        return {"name": self.name, "shape_px": [rows, columns], "pixel_um": self.pixel_um}


class PairsView:
    """What the addresses of the page of pairs do.

    Parameters
    ----------
    fm, map_ : Beside
        The fluorescence picture and the map.
    fit : callable
        Registers by pairs (row, column) in both, or raises a SpaceError.
    save : callable
        Keeps a registration; returns what to tell.
    pairs : sequence of (row, column, row, column)
        Those that are there to begin with: in the fluorescence picture, on the map.
    """

    def __init__(
        self,
        fm: Beside,
        map_: Beside,
        fit: Fit,
        save: Save,
        pairs: Sequence[Sequence[float]] = (),
    ) -> None:
        self.files = Files("pairs.html")
        self._sides = {"fm": fm, "map": map_}
        self._fit, self._save = fit, save
        self._pairs = [list(map(float, pair)) for pair in pairs]
        self._lock = threading.Lock()

    async def table(self, request: Request) -> Response:
        """Answer with the two pictures and the pairs that there are."""
        sides = {name: side.table() for name, side in self._sides.items()}
        return json_answer(request, {**sides, "pairs": self._pairs, "most": MOST_PAIRS})

    async def picture(self, request: Request) -> Response:
        """Answer with one of the pictures."""
        side = self._sides.get(request.path_params["name"])
        if side is None:
            raise unknown("There is no such picture.")
        body = await in_thread(_jpeg, side.picture)
        return body_answer(request, body, "image/jpeg", ASKED_AGAIN)

    async def fitted(self, request: Request) -> Response:
        """Answer with how the pairs fit together; too few are no error."""
        pairs = _pairs_of(await table_sent(request))
        return json_answer(request, await in_thread(self._fitted, pairs))

    def _fitted(self, pairs: np.ndarray) -> dict[str, Any]:
        if len(pairs) < LEAST_PAIRS:
            return {"problem": "", "fit": None}
        try:
            found = self._fit(pairs[:, :2], pairs[:, 2:])
        except SpaceError as error:
            return {"problem": str(error), "fit": None}
        return {"problem": "", "fit": _table_of(found)}

    async def save(self, request: Request) -> Response:
        """Keep the registration by these pairs."""
        pairs = _pairs_of(await table_sent(request))
        return json_answer(request, await in_thread(self._saved, pairs))

    def _saved(self, pairs: np.ndarray) -> dict[str, Any]:
        with self._lock:
            told = list(self._save(self._fit(pairs[:, :2], pairs[:, 2:])))
            self._pairs = pairs.tolist()
        return {"told": told}


def _pairs_of(values: dict[str, Any]) -> np.ndarray:
    """Return the pairs that were sent, (n, 4)."""
    pairs = values.get("pairs")
    if set(values) != {"pairs"} or not isinstance(pairs, list) or len(pairs) > MOST_PAIRS:
        raise wrong(f"pairs is no list of at most {MOST_PAIRS}.")
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 4 and all(map(is_number, pair))):
            raise wrong("A pair is not four numbers.")
        if any(abs(one) > 1e7 for one in pair):
            raise wrong("A pair lies outside of all pictures.")
    return np.array(pairs, float).reshape(-1, 4)


def _table_of(found: Registration) -> dict[str, Any]:
    fit = found.fit
    return {
        "matrix": [list(row) for row in fit.matrix],
        "kept": list(found.kept),
        "residuals_um": list(found.residuals_um),
        "left_out_um": list(found.left_out_um),
        "warnings": list(found.warnings),
        "turned_deg": fit.turned_deg,
        "is_flipped": fit.is_flipped,
        "pixel_um": fit.scale * fit.pixel_um,
        "error_um": float(np.median(fit.error_um(np.array(found.fm_px)))),
    }


def _jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image

    step = shrinking_factor(picture.shape[:2], _LONGEST_PX)
    made = Image.fromarray(np.ascontiguousarray(picture))
    if step > 1:
        made = made.reduce(step)
    out = io.BytesIO()
    made.save(out, "JPEG", quality=92)
    return out.getvalue()


def make_pairs_app(page: PairsView, key: Key) -> App:
    """Return the application: the page of pairs behind its guard."""
    from starlette.routing import Route

    routes = [
        *page.files.routes(),
        Route("/api/pairs", page.table),
        Route("/api/fit", page.fitted, methods=["POST"]),
        Route("/api/save", page.save, methods=["POST"]),
        Route("/pictures/{name:str}.jpg", page.picture),
    ]
    return guarded(routes, key, False, _ASKS_ONLY)
