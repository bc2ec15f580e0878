"""Who may ask what: the guard before the page.

The server listens on this computer alone, but other programs, other users and every page that is
open in a browser reach it as well. So each request needs the token (in the address once, then as a
cookie that no script reads and that is not sent from other sites), must name this computer as its
host (a name of another site may lead here), and, if it comes from a page, must come from this one.
Requests are limited in size and in the time that they take to arrive.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from space.errors import SpaceError
from space.page.refusal import RefusedError, as_table

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY_BYTES = 2_000_000
"""Of a request; a choice of a thousand targets has a tenth of that."""

LONGEST_ADDRESS = 2_000
MOST_AT_ONCE = 200
"""Requests that are answered at a time; more are told to come again."""

BODY_TIMEOUT_S = 20.0
"""A request has to arrive within this time."""

_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_SITES = ("same-origin", "none")
_READING = ("GET", "HEAD")

HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}

_NO_ENTRY = (
    "Open the address that spacetomo printed last: it holds the key of this page, which is "
    "new at each start."
)
log = logging.getLogger("space.page")


class Key:
    """What a person needs to open the page.

    Parameters
    ----------
    token : str, optional
        In the address; a random one if left out.
    """

    def __init__(self, token: str = "") -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        # Cookies of one computer are shared by all its ports: each server has a name of its own.
        self.cookie_name = f"spacetomo_{secrets.token_hex(4)}"

    @property
    def set_cookie(self) -> str:
        """The header that gives a browser the key."""
        return f"{self.cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"

    def is_token(self, text: str) -> bool:
        """Tell whether a text is the token, in a time that tells nothing."""
        return hmac.compare_digest(text.encode("utf-8", "replace"), self.token.encode())

    def has_cookie(self, header: str) -> bool:
        """Tell whether a Cookie header has the key."""
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(header[:8_000])
        except CookieError:
            return False
        found = jar.get(self.cookie_name)
        text = "" if found is None else found.value
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._cookie.encode())


class Guard:
    """Lets through what may be asked; answers all else itself, and every failure in words.

    Parameters
    ----------
    app : ASGI application
    key : Key
    read_only : bool
        Whether nothing may be changed.
    asks_only : iterable of str
        Beginnings of addresses that are asked by POST and change nothing.
    """

    def __init__(
        self, app: App, key: Key, read_only: bool = False, asks_only: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._key = key
        self._read_only = read_only
        self._asks_only = tuple(asks_only)
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a web socket: there is none
            return
        answer = _Answer(send)
        self._running += 1
        try:
            if self._running > MOST_AT_ONCE:
                raise RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE, "Too much is asked at once.", do="Ask again."
                )
            if self._opens(scope):
                await answer.opening(self._key)
                return
            self._check(scope)
            await self._app(scope, await _whole_body(scope, receive), answer)
        except SpaceError as error:
            await answer.refusal(error, _wants_words(scope))
        except Exception as error:
            log.exception("A request failed: %s", type(error).__name__)
            await answer.failure()
        finally:
            self._running -= 1

    def _opens(self, scope: Scope) -> bool:
        """Tell whether this is the first request, with the token in the address."""
        if (
            scope["path"] != "/"
            or scope["method"] != "GET"
            or b"token=" not in scope["query_string"]
        ):
            return False
        _check_host(_headers(scope))
        query = parse_qs(scope["query_string"].decode("latin-1")[:LONGEST_ADDRESS])
        if not self._key.is_token(query.get("token", [""])[0]):
            raise _no_entry()
        return True

    def _check(self, scope: Scope) -> None:
        headers = _headers(scope)
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_ADDRESS:
            raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
        _check_host(headers)
        if not self._key.has_cookie(headers.get("cookie", "")):
            raise _no_entry()
        _check_site(headers)
        if scope["method"] in _READING:
            return
        if scope["method"] != "POST":
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "The page does not do this.")
        if "origin" not in headers:
            raise RefusedError(HTTPStatus.FORBIDDEN, "This does not come from the page.")
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This is not JSON.")
        if self._read_only and not scope["path"].startswith(self._asks_only):
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "This page only shows the session (--read-only): nothing was changed.",
                do="Start spacetomo inspect without --read-only.",
            )


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by name; of several of one name, joined so that none passes alone."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joint = "; " if name == "cookie" else ", "
        found[name] = f"{found[name]}{joint}{value}" if name in found else value
    return found


def _wants_words(scope: Scope) -> bool:
    return scope["path"] == "/" and "text/html" in _headers(scope).get("accept", "")


def _check_host(headers: dict[str, str]) -> None:
    """Refuse hosts that are not this computer; the port is that of a tunnel, or ours."""
    name, _, port = headers.get("host", "").rpartition(":")
    if not port.isdigit():
        name = headers.get("host", "")
    if name.lower() not in _HOSTS:
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "The page is opened as 127.0.0.1 or localhost only.",
            do="From another computer, use an SSH tunnel.",
        )


def _check_site(headers: dict[str, str]) -> None:
    """Refuse what another page has a browser ask."""
    origin = headers.get("origin")
    if origin is not None:
        parts = urlsplit(origin)
        if parts.scheme != "http" or parts.netloc.lower() != headers.get("host", "").lower():
            raise RefusedError(HTTPStatus.FORBIDDEN, "This comes from another page.")
    if headers.get("sec-fetch-site", "none") not in _SITES:
        raise RefusedError(HTTPStatus.FORBIDDEN, "This comes from another site.")


def failure() -> RefusedError:
    """Return what is said of a mistake in the server."""
    return RefusedError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong in the page's server.",
        do="Its terminal says more. The session is not concerned.",
    )


def _no_entry() -> RefusedError:
    return RefusedError(HTTPStatus.UNAUTHORIZED, "This page needs its key.", do=_NO_ENTRY)


async def _whole_body(scope: Scope, receive: Receive) -> Receive:
    """Read the body of a request, of limited size and time; return what gives it to the page."""
    if scope["method"] in _READING:
        return receive
    from anyio import fail_after

    too_large = RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"More than {LARGEST_BODY_BYTES} bytes were sent."
    )
    announced = _headers(scope).get("content-length", "0")
    if not announced.isdigit() or len(announced) > 12 or int(announced) > LARGEST_BODY_BYTES:
        raise too_large
    body, more = b"", True
    try:
        with fail_after(BODY_TIMEOUT_S):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError(HTTPStatus.BAD_REQUEST, "The request was broken off.")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > LARGEST_BODY_BYTES:
                    raise too_large
    except TimeoutError:
        raise RefusedError(
            HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time.", do="Send it again."
        ) from None
    sent = False

    async def give() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


class _Answer:
    """Sends an answer with the headers of the page; says a failure only where nothing was said."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_begun = False

    async def __call__(self, message: Message) -> None:
        """Send a part of an answer of the page."""
        if message["type"] == "http.response.start":
            self._has_begun = True
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            more = {"cache-control": "no-store", **HEADERS}
            given += [
                (name.encode(), value.encode())
                for name, value in more.items()
                if name.encode() not in names
            ]
            message = {**message, "headers": given}
        await self._send(message)

    async def refusal(self, error: SpaceError, in_words: bool = False) -> None:
        """Say why something is not done; to a person who has opened the address, in words."""
        status = (
            error.status if isinstance(error, RefusedError) else HTTPStatus.UNPROCESSABLE_ENTITY
        )
        if in_words:
            text = f"{error.what}\n{error.do}\n"
            await self._whole(status, "text/plain; charset=utf-8", text.encode())
            return
        await self._whole(status, "application/json", json.dumps(as_table(error)).encode())

    async def failure(self) -> None:
        """Say that something went wrong here; what it was is in the server's own log."""
        await self.refusal(failure())

    async def opening(self, key: Key) -> None:
        """Hand the key over, and lead to the page without it in the address.

        The browser goes on by itself from this page: a redirect of a link in a mail would count as
        coming from another site, and the cookie would not be sent.
        """
        body = b'<!doctype html><meta charset="utf-8"><title>SPACEtomo</title>'
        body += b'<meta http-equiv="refresh" content="0; url=/"><a href="/">SPACEtomo</a>'
        await self._whole(HTTPStatus.OK, "text/html; charset=utf-8", body, key.set_cookie)

    async def _whole(self, status: HTTPStatus, kind: str, body: bytes, cookie: str = "") -> None:
        if self._has_begun:
            return
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if cookie:
            headers.append((b"set-cookie", cookie.encode()))
        await self({"type": "http.response.start", "status": int(status), "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
