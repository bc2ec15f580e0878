"""A message to people as chat programs take it, and what the address of a webhook looks like."""

from __future__ import annotations

import json
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
