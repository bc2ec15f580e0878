"""The page's server as an application: which address asks for what.

All that reads files or computes runs in threads, so that the server answers meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space import orders
from space.errors import SpaceError
from space.images import LARGEST_PICTURE_MPX, fingerprint, is_whole_png, png_megapixels, png_shape
from space.labelling import labels_that_count
from space.overview import GridFacts, LamellaFacts
from space.page import areas_by_hand, choosing, current, lamella_facts, picking, reviews
from space.page.ahead import Ahead
from space.page.answers import (
    KEPT_FOR_EVER,
    as_json,
    body_answer,
    json_answer,
    table_sent,
)
from space.page.changes import Changes
from space.page.fluorescence import CHANNEL, ChannelTiles
from space.page.grid_facts import grid_facts
from space.page.guarded import Files, guarded, in_thread
from space.page.jobs_seen import JobsSeen
from space.page.labels import Labels
from space.page.overlays import overlay_tile
from space.page.pyramid import Layout
from space.page.refusal import unknown, wrong
from space.page.scenes import Scenes
from space.page.security import App, Key
from space.page.session import Session
from space.page.state import state_of
from space.page.tiles import Tiles

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ASKS_ONLY = (
    "/api/check/",
    "/api/choose_again/",
    "/api/areas/",
    "/api/picking_files/",
    "/api/fill/",
)
"""Addresses that are asked by POST and change nothing."""

MOST_LOG_LINES = 400
_GRID = "grid"

log = logging.getLogger("space.page")


class Page:
    """What the addresses of the page do.

    Parameters
    ----------
    session : Session
    tiles : Tiles
    read_only : bool
        Whether nothing may be changed.
    """

    def __init__(self, session: Session, tiles: Tiles, read_only: bool) -> None:
        self.session = session
        self.read_only = read_only
        self.changes = Changes(session)
        self.jobs = JobsSeen()
        self.tiles = tiles
        self._ahead = Ahead()
        self._scenes = Scenes(session)
        self._labels = Labels()
        self._channels = ChannelTiles()
        self.files = Files("index.html")
        self._state: tuple[tuple[str, int], bytes] = (("", -1), b"")

    # --- the session --------------------------------------------------------------------------

    async def state(self, request: Request) -> Response:
        """Answer with where the session stands."""
        return body_answer(request, await in_thread(self._state_now), "application/json")

    def _state_now(self) -> bytes:
        seen = self.session.look()
        key = (seen.mark, self.jobs.version)
        if self._state[0] != key:
            self._state = (key, as_json(state_of(seen, self.jobs.table, self.read_only)))
        return self._state[1]

    async def events(self, request: Request) -> Response:
        """Tell what changes, as long as somebody listens."""
        from starlette.responses import StreamingResponse

        self.changes.admit()
        known = request.headers.get("last-event-id", "")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            self.changes.events(known), media_type="text/event-stream", headers=headers
        )

    async def grid(self, request: Request) -> Response:
        """Answer with a grid: its map and boxes."""
        grid = self._grid(request)
        return json_answer(request, await in_thread(self._grid_facts, grid))

    def _grid_facts(self, grid: GridFacts) -> dict[str, Any]:
        files = self.session.on_disk(grid)
        return grid_facts(grid, files, self.session.categories, self._scenes.of(grid))

    async def lamella(self, request: Request) -> Response:
        """Answer with a lamella: its map, classes and targets."""
        grid, lamella = self._lamella(request)
        self._ahead.hold()
        if lamella.picture is not None:  # its tiles are asked for next
            self.tiles.begin(lamella.picture)
        facts = await in_thread(lamella_facts.lamella_facts, self.session, grid, lamella)
        if facts["optics"] is not None:  # who looks at it may choose targets next
            self._ahead.wish(lambda: choosing.prepare(self.session, grid, lamella))
        return json_answer(request, facts)

    async def settings(self, request: Request) -> Response:
        """Answer with the settings that change targets."""
        return json_answer(request, choosing.settings_table(self.session.settings))

    async def log(self, request: Request) -> Response:
        """Answer with the end of a grid's log."""
        path = self._grid(request).log_file
        lines = [] if path is None else await in_thread(current.log_lines, path, MOST_LOG_LINES)
        return json_answer(request, {"lines": lines})

    async def picture(self, request: Request) -> Response:
        """Answer with a picture that the session has made for people."""
        name = request.path_params["name"]
        there = {one["name"]: one["name"] for one in current.pictures(self.session.look())}
        if name not in there:
            raise unknown("There is no such picture in this session.")
        body = await in_thread(_whole_picture, self.session.directory / there[name])
        return body_answer(request, body, "image/png")

    async def tomogram(self, request: Request) -> Response:
        """Answer with the middle slice of the tomogram of a tilt series."""
        _, lamella = self._lamella(request)
        wanted = (request.path_params["area"], request.path_params["target"])
        series = [
            one for area in lamella.areas for one in area.series
            if (area.number, one.target) == wanted
        ]  # fmt: skip
        tomogram = series[0].tomogram if series else None
        picture = tomogram.picture if tomogram is not None else None
        if picture is None:
            raise unknown("There is no picture of this tomogram.")
        return body_answer(request, await in_thread(_whole_picture, picture), "image/png")

    # --- tiles --------------------------------------------------------------------------------

    async def tile(self, request: Request) -> Response:
        """Answer with a tile of a map, or of a segmentation."""
        values, grid = request.path_params, self._grid(request)
        at = (values["z"], values["x"], values["y"])
        self._ahead.hold()
        if values["ending"] not in ("jpg", "png") or max(at) > 1_000_000:
            raise unknown("There is no such tile.")
        what, mark = values["what"], request.query_params.get("v", "")
        if values["ending"] == "png":
            body, is_marked = await in_thread(
                self._label_tile, grid, what, at, request.query_params.get("class", ""), mark
            )
            kind = "image/png"
        else:
            body, is_marked = await in_thread(self._map_tile, grid, what, at, mark)
            kind = "image/jpeg"
        if is_marked:
            return body_answer(request, body, kind, KEPT_FOR_EVER)
        return body_answer(request, body, kind)

    def _map_tile(
        self, grid: GridFacts, what: str, at: tuple[int, int, int], mark: str
    ) -> tuple[bytes, bool]:
        picture = grid.whole_grid_picture if what == _GRID else _labelled(grid, what).picture
        if picture is None:
            raise unknown("There is no such map yet.", grid.name)
        if not Layout(_shape(picture)).has(*at):
            raise unknown("There is no such tile.")
        return self.tiles.tile(picture, *at), mark == fingerprint(picture)

    def _label_tile(
        self, grid: GridFacts, what: str, at: tuple[int, int, int], name: str, mark: str
    ) -> tuple[bytes, bool]:
        label, _, kind = what.rpartition("_")
        if f"_{kind}" == CHANNEL:
            return self._channel_tile(grid, label, at, name, mark)
        if f"_{kind}" not in (lamella_facts.LABELS, lamella_facts.OF_MODEL):
            raise unknown("There is no such segmentation.")
        lamella = _labelled(grid, label)
        if lamella.labels is None:
            raise unknown("There is no such segmentation yet.", lamella.label)
        path = lamella.labels
        if f"_{kind}" == lamella_facts.LABELS:
            path = labels_that_count(path).path
        classes = lamella_facts.classes_of(self.session.files_of(grid), path)
        if name and name not in classes.labels:
            raise unknown("There is no such class.")
        known, _ = self.session.segmentations.read(path)
        body = overlay_tile(known.labels, at, classes.shown(name))
        if not body:
            raise unknown("There is no such tile.")
        return body, mark == fingerprint(path)

    def _channel_tile(
        self, grid: GridFacts, label: str, at: tuple[int, int, int], name: str, mark: str
    ) -> tuple[bytes, bool]:
        picture = grid.whole_grid_picture if label == _GRID else _labelled(grid, label).picture
        if picture is None:
            raise unknown("There is no such map yet.", grid.name)
        body, is_mark = self._channels.tile(picture, name, at)
        return body, mark == is_mark

    # --- what is asked of the run -------------------------------------------------------------

    async def review(self, request: Request) -> Response:
        """Answer with what is asked of a grid, and what the run has answered."""
        grid = self._grid(request)
        scene = await in_thread(self._scenes.of, grid)
        table = await in_thread(reviews.review_table, self.session, grid, scene)
        return json_answer(request, table)

    async def ask(self, request: Request) -> Response:
        """Ask something of the run, or take it back."""
        await in_thread(self.session.look, True)
        grid, values = self._grid(request), await table_sent(request)
        return json_answer(request, await in_thread(reviews.ask, self.session, grid, values))

    async def choice(self, request: Request) -> Response:
        """Save targets, and ask the run to take them."""
        await in_thread(self.session.look, True)
        return await self._about_targets(request, reviews.hand_over_targets)

    # --- labels -------------------------------------------------------------------------------

    async def labels(self, request: Request) -> Response:
        """Answer with what was corrected on a lamella's labels."""
        grid, lamella = self._lamella(request)
        table = await in_thread(self._labels.table, self.session, grid, lamella)
        return json_answer(request, table)

    async def correct_labels(self, request: Request) -> Response:
        """Save corrected labels, and ask the run to use them."""
        await in_thread(self.session.look, True)
        return await self._about_targets(request, self._labels.saved)

    async def fill(self, request: Request) -> Response:
        """Answer with what a fill would cover."""
        return await self._about_targets(request, self._labels.filled)

    # --- targets ------------------------------------------------------------------------------

    async def check(self, request: Request) -> Response:
        """Answer with what is wrong with targets, as they are on the page."""
        return await self._about_targets(request, choosing.judged)

    async def choose_again(self, request: Request) -> Response:
        """Answer with another choice of targets."""
        return await self._about_targets(request, choosing.chosen_again)

    async def areas(self, request: Request) -> Response:
        """Answer with the areas after one was split, merged and so on."""
        return await self._about_targets(request, areas_by_hand.rearranged)

    async def picking(self, request: Request) -> Response:
        """Write a map for picking by hand into the session's directory."""
        return await self._about_targets(request, picking.saved)

    async def picking_files(self, request: Request) -> Response:
        """Answer with the files of a map for picking by hand."""
        grid, lamella = self._lamella(request)
        values = await table_sent(request)
        body = await in_thread(picking.packed, self.session, grid, lamella, values)
        return body_answer(request, body, "application/zip")

    async def _about_targets(
        self,
        request: Request,
        answer: Callable[[Session, GridFacts, LamellaFacts, dict[str, Any]], dict[str, Any]],
    ) -> Response:
        grid, lamella = self._lamella(request)
        values = await table_sent(request)
        return json_answer(request, await in_thread(answer, self.session, grid, lamella, values))

    async def orders(self, request: Request) -> Response:
        """Hand an order to the run."""
        line = (await table_sent(request)).get("line")
        if not isinstance(line, str) or len(line.splitlines()) != 1:
            raise wrong("line is no line of text.")
        await in_thread(self._order, line)
        return json_answer(request, {"given": orders.words_of(line)})

    def _order(self, line: str) -> None:
        try:
            orders.read_order(line)
            orders.give(self.session.directory, orders.words_of(line))
        except orders.NotAnOrderError as error:
            raise wrong(str(error)) from None
        except OSError as error:
            raise SpaceError(f"The order cannot be written: {error}.") from None

    # --- names --------------------------------------------------------------------------------

    def _grid(self, request: Request) -> GridFacts:
        return self.session.grid(request.path_params["grid"])

    def _lamella(self, request: Request) -> tuple[GridFacts, LamellaFacts]:
        return self.session.lamella(request.path_params["grid"], request.path_params["number"])

    # --- as long as the server runs -----------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """Look for changes while the server runs."""
        self._ahead.wish(choosing.load_packages)
        tasks = [asyncio.create_task(self.changes.watch()), asyncio.create_task(self._watch_jobs())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await in_thread(self.tiles.close)
            await in_thread(self._ahead.close)

    async def _watch_jobs(self) -> None:
        while True:
            try:
                map_dir = self.session.look().facts.map_dir
                if await in_thread(self.jobs.look, map_dir):
                    self.changes.tell(["jobs", "state"])
            except (SpaceError, OSError, ValueError) as error:
                log.warning("The queue cannot be looked at: %s", error)
            await asyncio.sleep(5.0)


def _labelled(grid: GridFacts, label: str) -> LamellaFacts:
    found = next((one for one in grid.visited if one.label == label), None)
    if found is None:
        raise unknown("There is no such lamella to visit.", grid.name)
    return found


def _shape(picture: Path) -> tuple[int, int]:
    shape = png_shape(picture)
    if shape is None:
        raise unknown("There is no such map yet.")
    return shape


def _whole_picture(path: Path) -> bytes:
    if not is_whole_png(path) or png_megapixels(path) > LARGEST_PICTURE_MPX:
        raise unknown("There is no such picture in this session.")
    return path.read_bytes()


def make_app(page: Page, key: Key) -> App:
    """Return the application: the page behind its guard."""
    from starlette.routing import Route

    lamella = "{grid:str}/{number:int}"
    routes = [
        *page.files.routes(),
        Route("/api/state", page.state),
        Route("/api/events", page.events),
        Route("/api/settings", page.settings),
        Route("/api/grid/{grid:str}", page.grid),
        Route("/api/log/{grid:str}", page.log),
        Route(f"/api/lamella/{lamella}", page.lamella),
        Route(f"/api/check/{lamella}", page.check, methods=["POST"]),
        Route(f"/api/choose_again/{lamella}", page.choose_again, methods=["POST"]),
        Route(f"/api/areas/{lamella}", page.areas, methods=["POST"]),
        Route(f"/api/choice/{lamella}", page.choice, methods=["POST"]),
        Route(f"/api/picking/{lamella}", page.picking, methods=["POST"]),
        Route(f"/api/picking_files/{lamella}", page.picking_files, methods=["POST"]),
        Route(f"/api/labels/{lamella}", page.labels),
        Route(f"/api/labels/{lamella}", page.correct_labels, methods=["POST"]),
        Route(f"/api/fill/{lamella}", page.fill, methods=["POST"]),
        Route("/api/review/{grid:str}", page.review),
        Route("/api/review/{grid:str}", page.ask, methods=["POST"]),
        Route("/api/orders", page.orders, methods=["POST"]),
        Route("/pictures/{name:str}", page.picture),
        Route(f"/tomograms/{lamella}/{{area:int}}/{{target:int}}", page.tomogram),
        Route("/tiles/{grid:str}/{what:str}/{z:int}/{x:int}/{y:int}.{ending:str}", page.tile),
    ]
    return guarded(routes, key, page.read_only, ASKS_ONLY, page.lifespan)
