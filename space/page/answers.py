"""Answers of the server: JSON, files and tiles, with what a browser needs to keep them."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from space.errors import SpaceError
from space.files import parse_json
from space.page.refusal import RefusedError, as_table, wrong

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

KEPT_FOR_EVER = "private, max-age=31536000, immutable"
"""Of what has a mark of its content in its address."""

ASKED_AGAIN = "private, no-cache"
"""A browser may keep it, and asks each time whether it is still so."""

_LEAST_PACKED = 1000
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
}


def kind_of(name: str) -> str:
    """Return the kind of a file's content by the end of its name."""
    ending = name[name.rfind(".") :].lower()
    return _KINDS.get(ending, "application/octet-stream")


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers that are none become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def as_json(values: Any) -> bytes:
    """Return plain values as JSON."""
    return json.dumps(plain(values), separators=(",", ":"), allow_nan=False).encode("ascii")


def json_answer(request: Request, values: Any) -> Response:
    """Answer with plain values."""
    return body_answer(request, as_json(values), "application/json")


def body_answer(request: Request, body: bytes, kind: str, keep: str = ASKED_AGAIN) -> Response:
    """Answer with bytes; nothing but that it is the same if the browser has them already."""
    from starlette.responses import Response

    mark = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"etag": mark, "cache-control": keep, "vary": "accept-encoding"}
    asked = request.headers.get("if-none-match", "")
    if mark in [one.strip().removeprefix("W/") for one in asked.split(",")]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    is_text = kind.startswith("text/") or kind.startswith("application/json")
    if is_text and len(body) >= _LEAST_PACKED:
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, 5, mtime=0)
            headers["content-encoding"] = "gzip"
    return Response(body, headers=headers, media_type=kind)


def refusal_answer(error: SpaceError) -> Response:
    """Answer with why something is not done."""
    from starlette.responses import Response

    status = error.status if isinstance(error, RefusedError) else HTTPStatus.UNPROCESSABLE_ENTITY
    return Response(as_json(as_table(error)), status_code=status, media_type="application/json")


async def table_sent(request: Request) -> dict[str, Any]:
    """Return the table in the body of a request.

    Raises
    ------
    RefusedError
        If it is none.
    """
    body = await request.body()
    try:
        values = parse_json(body.decode("utf-8"))
    except ValueError as error:
        raise wrong(f"This is no JSON: {str(error)[:200]}.") from None
    if not isinstance(values, dict):
        raise wrong("This is no table of names and values.")
    return values
