"""Labels of a data set drawn in the browser, by the editor that a lamella's map has, too."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from space import labelling, learning
from space.errors import SpaceError
from space.images import FileState, file_state, write_png
from space.labelling import Drawing, NotStrokesError, OutdatedError, Shape, Stroke
from space.learning import DataSet, Drawable, Keypoint, Sample
from space.page.answers import KEPT_FOR_EVER, as_json, body_answer, json_answer, table_sent
from space.page.guarded import Files, guarded, in_thread
from space.page.label_help import Helpers, LabelHelp
from space.page.labels import limits_table, shown_mask
from space.page.overlays import overlay_tile
from space.page.places import tiles_table
from space.page.pyramid import Layout
from space.page.refusal import stale, unknown, wrong
from space.page.security import App, Key
from space.page.segmentations import Segmentations
from space.page.tiles import Tiles
from space.pictures import to_8_bit
from space.predicates import is_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ASKS_ONLY = ("/api/fill/",)
_KEYS = frozenset({"of", "strokes"})
_UNKNOWN_NM = 1.0


class LabelSet:
    """What the addresses of the page of a data set do.

    Parameters
    ----------
    folder : Path
        Of the data set.
    tiles : Tiles
        Its folder keeps pictures as the page shows them, too.
    read_only : bool
        Whether nothing may be changed.
    helpers : Helpers
        What may be asked for proposals.

    Raises
    ------
    SpaceError
        If there is no data set in the folder.
    """

    def __init__(
        self,
        folder: Path,
        tiles: Tiles,
        read_only: bool = False,
        helpers: Helpers = Helpers(),  # noqa: B008
    ) -> None:
        self.folder = Path(folder).resolve()
        self.help = LabelHelp(self.folder, helpers)
        self.read_only = read_only
        self.files = Files("label.html")
        self._tiles = tiles
        self._segmentations = Segmentations()
        self._lock = threading.Lock()
        self._kept: dict[str, Path] = {}  # by marks of what they hold
        self._drawing: tuple[str, Drawing] | None = None
        self._read: tuple[FileState | None, DataSet] | None = None
        self._data()

    def _data(self) -> DataSet:
        """Return the data set; its file is read again when it has changed."""
        state = file_state(self.folder / learning.DATASET_FILE)
        if self._read is None or self._read[0] != state:
            self._read = (state, learning.read_data_set(self.folder, strict=False)[0])
        return self._read[1]

    # --- addresses ----------------------------------------------------------------------------

    async def table(self, request: Request) -> Response:
        """Answer with the pictures and classes of the data set."""
        body = await in_thread(lambda: as_json(self._table()))
        return body_answer(request, body, "application/json")

    def _table(self) -> dict[str, Any]:
        data = self._data()
        return {
            "name": self.folder.name,
            "read_only": self.read_only,
            "classes": [{"name": one.name, "color": one.color} for one in data.classes],
            "pictures": [
                {
                    "stem": one.stem,
                    "file": one.file,
                    "shape_px": list(one.shape),
                    "pixel_nm": one.pixel_nm,
                    "split": one.split,
                    "labelled": bool(one.label_hash),
                    "kind": one.origin.kind,
                }
                for one in data.samples
            ],
        }

    async def labels(self, request: Request) -> Response:
        """Answer with a picture and what was drawn on its labels."""
        return json_answer(request, await in_thread(self._labels, request.path_params["stem"]))

    def _labels(self, stem: str) -> dict[str, Any]:
        data, sample = self._sample(stem)
        seen = learning.drawable(self.folder, sample)
        points, points_of, names = learning.points_on(self.folder, sample)
        self._keep(_mark(sample, seen), lambda: seen.base)
        self._keep(sample.picture_hash, lambda: to_8_bit(learning.picture_of(self.folder, sample)))
        place = f"tiles/{quote(stem, safe='')}"
        labels = f"{place}/{_mark(sample, seen)}/{{z}}/{{x}}/{{y}}.png"
        picture = f"{place}/{sample.picture_hash}/{{z}}/{{x}}/{{y}}.jpg"
        return {
            "of": seen.of,
            "strokes": labelling.plain_strokes(seen.strokes),
            "classes": [
                {"name": one.name, "color": one.color, "is_ground": one.value == 0}
                for one in data.classes
            ],
            "map": {
                "pixel_um": (sample.pixel_nm or 1000.0) / 1000,
                "tiles": tiles_table(picture, sample.shape),
            },
            "tiles": tiles_table(labels, sample.shape),
            "limits": limits_table(),
            "points": [{"name": one.name, "row": one.y_px, "column": one.x_px} for one in points],
            "points_of": points_of,
            "point_names": list(names),
        }

    async def save(self, request: Request) -> Response:
        """Save the labels of a picture."""
        values = await table_sent(request)
        answer = await in_thread(self._saved, request.path_params["stem"], values)
        return json_answer(request, answer)

    def _saved(self, stem: str, values: dict[str, Any]) -> dict[str, Any]:
        data, sample = self._sample(stem)
        if set(values) != _KEYS or not isinstance(values["of"], str):
            raise wrong(f"Labels have {', '.join(sorted(_KEYS))}.")
        strokes = _strokes(values, data)
        with self._lock:
            self._drawing = None
            try:
                masks = self.help.masks(data, sample)
                done = learning.save_drawn(self.folder, sample.file, strokes, values["of"], masks)
            except OutdatedError as error:
                raise stale(error.what, sample.file) from None
            except OSError as error:
                raise SpaceError(f"It cannot be written: {error}.", sample.file) from None
        return {"of": done.label_hash, "kind": done.origin.kind}

    async def save_points(self, request: Request) -> Response:
        """Save the keypoints of a picture."""
        values = await table_sent(request)
        answer = await in_thread(self._saved_points, request.path_params["stem"], values)
        return json_answer(request, answer)

    def _saved_points(self, stem: str, values: dict[str, Any]) -> dict[str, Any]:
        _, sample = self._sample(stem)
        if set(values) != {"of", "points"} or not isinstance(values["of"], str):
            raise wrong("Points have of, points.")
        points = _points(values["points"], sample.file)
        with self._lock:
            try:
                return {"of": learning.save_points(self.folder, sample, points, values["of"])}
            except OutdatedError as error:
                raise stale(error.what, sample.file) from None
            except OSError as error:
                raise SpaceError(f"It cannot be written: {error}.", sample.file) from None

    async def fill(self, request: Request) -> Response:
        """Answer with what a fill would cover, or a mask covers."""
        values = await table_sent(request)
        answer = await in_thread(self._filled, request.path_params["stem"], values)
        return json_answer(request, answer)

    def _filled(self, stem: str, values: dict[str, Any]) -> dict[str, Any]:
        data, sample = self._sample(stem)
        strokes = _strokes(values, data)
        if not strokes or strokes[-1].shape not in (Shape.FILL, Shape.MASK):
            raise wrong("The last stroke is no fill and no mask.")
        with self._lock:
            seen = learning.drawable(self.folder, sample)
            key, drawing = self._drawing or ("", None)
            before = tuple(stroke for stroke, _ in drawing.drawn) if drawing else ()
            if drawing is None or key != _mark(sample, seen) or before != strokes[: len(before)]:
                masks = self.help.masks(data, sample)
                drawing, before = Drawing(seen.base, data.values, masks), ()
            drawing.add(strokes[len(before) :])
            self._drawing = (_mark(sample, seen), drawing)
            return shown_mask(drawing.drawn[-1][1])

    # --- proposals ----------------------------------------------------------------------------

    async def proposals(self, request: Request) -> Response:
        """Answer with what can be asked for proposals, and for which pictures there are some."""
        return json_answer(request, await in_thread(lambda: self.help.table(self._data())))

    async def propose(self, request: Request) -> Response:
        """Have labels proposed for some pictures; answer at once."""
        values = await table_sent(request)
        stems = values.get("stems")
        if not isinstance(stems, list) or not all(isinstance(one, str) for one in stems):
            raise wrong("stems is no list of names of pictures.")
        await in_thread(lambda: self.help.ask(self._data(), stems))
        return await self.proposals(request)

    async def stop(self, request: Request) -> Response:
        """Ask for no more proposals than the one that is being made."""
        self.help.stop()
        return await self.proposals(request)

    async def proposal(self, request: Request) -> Response:
        """Answer with what is proposed for a picture."""
        stem = request.path_params["stem"]
        return json_answer(
            request, await in_thread(lambda: self.help.proposal(*self._sample(stem)))
        )

    async def discard(self, request: Request) -> Response:
        """Remove what is proposed for a picture."""
        stem = request.path_params["stem"]
        await in_thread(lambda: self.help.discard(self._sample(stem)[1]))
        return await self.proposals(request)

    async def clicks(self, request: Request) -> Response:
        """Answer with the mask of what some clicks lie in."""
        values, stem = await table_sent(request), request.path_params["stem"]
        return json_answer(
            request, await in_thread(lambda: self.help.clicked(self._sample(stem)[1], values))
        )

    async def tile(self, request: Request) -> Response:
        """Answer with a tile of a picture, or of its labels before anything was drawn."""
        values = request.path_params
        at = (values["z"], values["x"], values["y"])
        kind = {"jpg": "image/jpeg", "png": "image/png"}.get(values["ending"], "")
        body = await in_thread(self._tile, values["stem"], values["mark"], at, kind)
        return body_answer(request, body, kind, KEPT_FOR_EVER)

    def _tile(self, stem: str, mark: str, at: tuple[int, int, int], kind: str) -> bytes:
        data, sample = self._sample(stem)
        path = self._kept.get(mark)
        if not kind or path is None or max(at) > 1_000_000 or not Layout(sample.shape).has(*at):
            raise unknown("There is no such tile.")
        if kind == "image/jpeg":
            return self._tiles.tile(path, *at)
        known, _ = self._segmentations.read(path)
        # What lies below all classes would only make the picture darker.
        colors = {one.value: one.color for one in data.classes if one.value}
        return overlay_tile(known.labels, at, colors)

    def _keep(self, mark: str, make: Callable[[], np.ndarray]) -> None:
        """Have a picture be there for tiles as a PNG file with 8 bits, made once."""
        with self._lock:
            if mark not in self._kept:
                path = self._tiles.folder / f"{mark[:32]}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_png(path, make(), _UNKNOWN_NM, "shown on the page")
                self._kept[mark] = path

    def _sample(self, stem: str) -> tuple[DataSet, Sample]:
        data = self._data()
        for sample in data.samples:
            if sample.stem == stem:
                return data, sample
        raise unknown("There is no such picture in this data set.")


def _mark(sample: Sample, seen: Drawable) -> str:
    """Return what stands for the labels of a picture before anything was drawn."""
    text = f"{sample.picture_hash} {hashlib.sha256(seen.base.tobytes()).hexdigest()}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def _strokes(values: dict[str, Any], data: DataSet) -> tuple[Stroke, ...]:
    try:
        return labelling.read_strokes(values.get("strokes"), tuple(data.values))
    except NotStrokesError as error:
        raise wrong(str(error)) from None


def _points(values: Any, file: str) -> list[Keypoint]:
    if not isinstance(values, list) or len(values) > learning.MOST_POINTS:
        raise wrong(f"points is no list of at most {learning.MOST_POINTS}.")
    for one in values:
        if not (
            isinstance(one, dict)
            and set(one) == {"name", "row", "column"}
            and isinstance(one["name"], str)
            and is_number(one["row"])
            and is_number(one["column"])
        ):
            raise wrong("points holds something else than name, row and column.")
    return [Keypoint(file, one["name"], float(one["column"]), float(one["row"])) for one in values]


def make_label_app(page: LabelSet, key: Key) -> App:
    """Return the application: the page of a data set behind its guard."""
    from starlette.routing import Route

    tile = "/tiles/{stem:str}/{mark:str}/{z:int}/{x:int}/{y:int}.{ending:str}"
    routes = [
        *page.files.routes(),
        Route("/api/set", page.table),
        Route("/api/labels/{stem:str}", page.labels),
        Route("/api/labels/{stem:str}", page.save, methods=["POST"]),
        Route("/api/points/{stem:str}", page.save_points, methods=["POST"]),
        Route("/api/fill/{stem:str}", page.fill, methods=["POST"]),
        Route("/api/proposals", page.proposals),
        Route("/api/propose", page.propose, methods=["POST"]),
        Route("/api/propose/stop", page.stop, methods=["POST"]),
        Route("/api/proposal/{stem:str}", page.proposal),
        Route("/api/proposal/{stem:str}/discard", page.discard, methods=["POST"]),
        Route("/api/clicks/{stem:str}", page.clicks, methods=["POST"]),
        Route(tile, page.tile),
    ]
    return guarded(routes, key, page.read_only, ASKS_ONLY)
