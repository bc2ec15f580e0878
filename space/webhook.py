"""A message to people by HTTP, as chat programs take it, which never holds up who sends it.

The address is a secret: whoever has it can write in that chat. It is in no message and no error
of this module.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

LONGEST_TEXT = 3000
TIMEOUT_S = 10.0
"""For the connection, and for each wait for an answer."""

_SCHEMES = ("https", "http")


@dataclass(frozen=True)
class Message:
    """What is told to people.

    Attributes
    ----------
    title : str
        In some words.
    text : str
        The details.
    facts : mapping of str to str
        Further values for programs (format "json").
    """

    title: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)


def _slack(message: Message) -> dict[str, Any]:
    text = f"*{message.title}*\n{message.text}"
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def _mattermost(message: Message) -> dict[str, Any]:
    return {"text": f"**{message.title}**\n{message.text}"}


def _teams(message: Message) -> dict[str, Any]:
    blocks = [{"type": "TextBlock", "text": message.title, "weight": "Bolder", "wrap": True}]
    blocks += [
        {"type": "TextBlock", "text": line, "wrap": True}
        for line in message.text.splitlines()
        if line
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _json(message: Message) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {**message.facts, "title": message.title, "text": message.text, "when_utc": now}


_BODIES: dict[str, Callable[[Message], dict[str, Any]]] = {
    "slack": _slack,
    "teams": _teams,
    "mattermost": _mattermost,
    "json": _json,
}

FORMATS = tuple(_BODIES)
"""Chat programs whose form of messages is known, and plain JSON."""


def is_address(text: str) -> bool:
    """Whether a text can be the address of a webhook: https (or http) with a host."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    return plain and parts.scheme in _SCHEMES and bool(parts.hostname) and port != 0


def body_of(message: Message, kind: str) -> bytes:
    """Return what is sent for a message."""
    short = Message(message.title[:200], _shortened(message.text), message.facts)
    return json.dumps(_BODIES[kind](short)).encode("utf-8")


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} ..."


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: the message would go to a place that nobody has named."""

    def redirect_request(self, *about: object, **more: object) -> None:
        return None


def post(address: str, message: Message, kind: str, timeout_s: float = TIMEOUT_S) -> str:
    """Send a message and wait for the answer; return why it failed, empty if it did not.

    Proxies are those of the environment; certificates are verified. Never raises.
    """
    try:
        request = urllib.request.Request(
            address, body_of(message, kind), {"Content-Type": "application/json"}, method="POST"
        )
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=timeout_s) as answer:
            answer.read(1000)
        return ""
    except urllib.error.HTTPError as error:
        with error:
            return _refusal(error.code)
    except urllib.error.URLError as error:
        return _cause(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _cause(error)


def _refusal(code: int) -> str:
    if 300 <= code < 400:
        return f"it redirects elsewhere ({code}), which is not followed"
    return f"the server answers {code}"


def _cause(reason: object) -> str:
    """Return why a connection failed, in words that cannot hold the address."""
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return f"{type(reason).__name__}: {reason.strerror}"
    return type(reason).__name__


class Sending:
    """A message on its way, in a thread that neither the caller nor the end of the program awaits.

    Parameters
    ----------
    address, message, kind, timeout_s :
        As for `post`.
    """

    def __init__(
        self, address: str, message: Message, kind: str, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._failure: str | None = None

        def send() -> None:
            self._failure = post(address, message, kind, timeout_s)

        self._thread = threading.Thread(target=send, name="webhook", daemon=True)
        self._thread.start()

    def outcome(self, wait_s: float = 0.0) -> str | None:
        """Return why it failed, empty if it did not, None if that is not known yet."""
        self._thread.join(wait_s)
        return self._failure
