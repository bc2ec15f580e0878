"""An application behind the guard: addresses, and what is answered where something goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from space.errors import SpaceError
from space.page.answers import body_answer, kind_of, refusal_answer
from space.page.refusal import RefusedError
from space.page.security import App, Guard, Key, failure
from space.page.static_files import OWN, file_in, leaflet_folder

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


class Files:
    """The files of a page, and those of Leaflet.

    Parameters
    ----------
    first : str
        The page itself.
    """

    def __init__(self, first: str) -> None:
        self._first = first
        self._leaflet = leaflet_folder()

    async def index(self, request: Request) -> Response:
        """Answer with the page itself."""
        return await _file(request, OWN, self._first)

    async def static(self, request: Request) -> Response:
        """Answer with a file of the page."""
        return await _file(request, OWN, request.path_params["name"])

    async def leaflet(self, request: Request) -> Response:
        """Answer with a file of Leaflet."""
        return await _file(request, self._leaflet, request.path_params["name"])

    async def icon(self, request: Request) -> Response:
        """Answer that there is no icon: a browser asks for one beside a picture in its own tab."""
        from starlette.responses import Response

        return Response(status_code=HTTPStatus.NO_CONTENT)

    def routes(self) -> list[Route]:
        """Return their addresses."""
        from starlette.routing import Route

        return [
            Route("/", self.index),
            Route("/favicon.ico", self.icon),
            Route("/static/{name:path}", self.static),
            Route("/leaflet/{name:path}", self.leaflet),
        ]


async def _file(request: Request, folder: Any, name: str) -> Response:
    body = await in_thread(file_in, folder, name)
    return body_answer(request, body, kind_of(name))


async def in_thread(function: Callable[..., Any], *values: Any) -> Any:
    """Call a function that reads files or computes, so that the server answers meanwhile."""
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(function, *values)


def guarded(
    routes: Sequence[Route],
    key: Key,
    read_only: bool,
    asks_only: Iterable[str],
    lifespan: Any = None,
) -> App:
    """Return an application of these addresses behind its guard."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException

    async def refused(_: Request, error: Exception) -> Response:
        return refusal_answer(error if isinstance(error, SpaceError) else SpaceError(str(error)))

    async def no_route(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return refusal_answer(RefusedError(HTTPStatus(status), "There is no such address."))

    async def failed(_: Request, error: Exception) -> Response:
        return refusal_answer(failure())  # the guard logs it

    handlers = {SpaceError: refused, HTTPException: no_route, Exception: failed}
    app = Starlette(routes=list(routes), lifespan=lifespan, exception_handlers=handlers)
    return Guard(app, key, read_only, asks_only)
