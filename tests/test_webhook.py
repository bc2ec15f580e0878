"""Messages by HTTP: the forms of chat programs, and servers that do not behave."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from space.webhook import FORMATS, Message, body_of, is_address
from space.webhook_post import Sending, post

MESSAGE = Message("Grid <2> is done", "8 & more\nof 9", {"grid": "G2"})


class Server:
    """A server on this computer that answers as it is told and keeps what it got."""

    def __init__(self, code: int = 200, delay_s: float = 0.0, location: str = "") -> None:
        self.got: list[tuple[str, str, bytes]] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                kind = self.headers["Content-Type"]
                outer.got.append((self.path, kind, self.rfile.read(length)))
                if delay_s:
                    outer.released.wait(delay_s)
                try:
                    self.send_response(code)
                    if location:
                        self.send_header("Location", location)
                    self.end_headers()
                except OSError:
                    pass

            def do_GET(self) -> None:
                outer.got.append((self.path, "GET", b""))

            def log_message(self, *words: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/hook/secret"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """A proxy of the environment must not be asked for this computer."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def server():
    """Return a function that starts a server; all end with the test."""
    started = []

    def start(**answers) -> Server:
        started.append(Server(**answers))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_a_message_arrives_in_the_form_of_each_chat_program(server):
    hook = server()
    for kind in FORMATS:
        assert post(hook.address, MESSAGE, kind) == ""
    assert {path for path, _, _ in hook.got} == {"/hook/secret"}
    assert {kind for _, kind, _ in hook.got} == {"application/json"}
    slack, teams, mattermost, plain = (json.loads(body) for _, _, body in hook.got)
    assert slack == {"text": "*Grid &lt;2&gt; is done*\n8 &amp; more\nof 9"}
    assert mattermost == {"text": "**Grid <2> is done**\n8 & more\nof 9"}
    assert plain["grid"] == "G2" and plain["text"] == "8 & more\nof 9"
    (attachment,) = teams["attachments"]
    texts = [block["text"] for block in attachment["content"]["body"]]
    assert texts == ["Grid <2> is done", "8 & more", "of 9"]


@pytest.mark.parametrize("code", [400, 404, 500])
def test_a_refusal_is_said(server, code):
    assert post(server(code=code).address, MESSAGE, "slack") == f"the server answers {code}"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server, code):
    other = server()
    hook = server(code=code, location=other.address)
    assert post(hook.address, MESSAGE, "slack").startswith(f"it redirects elsewhere ({code})")
    assert other.got == []


def test_a_slow_server_is_given_up_and_nobody_waits_for_it(server):
    hook = server(delay_s=30.0)
    assert post(hook.address, MESSAGE, "slack", timeout_s=0.1) == "no answer in time"
    start = time.monotonic()
    sending = Sending(hook.address, MESSAGE, "slack", timeout_s=30.0)
    assert sending.outcome() is None and sending.outcome(0.05) is None
    assert time.monotonic() - start < 5.0


def test_a_closed_port_is_said_without_the_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    why = post(f"http://127.0.0.1:{port}/hook/secret", MESSAGE, "slack")
    assert why.startswith("ConnectionRefusedError") and "secret" not in why


def test_a_server_without_a_certificate_is_no_server(server):
    hook = server()
    why = post(hook.address.replace("http:", "https:"), MESSAGE, "slack", timeout_s=5.0)
    assert why and "secret" not in why and hook.got == []
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


def test_what_is_no_address_is_said_and_not_shown():
    for odd in ("https://\x00secret", "secret", "https://[secret", "file:///etc/secret"):
        why = post(odd, MESSAGE, "slack")
        assert why and "secret" not in why


def test_long_texts_are_cut():
    assert len(body_of(Message("t" * 9999, "x" * 99_999), "slack")) < 4000


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("https://hooks.example.org/services/T0/B0/x", True),
        ("http://chat:8065/hooks/x", True),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("https://a b", False),
        ("https://host:port/", False),
        ("https://host/\n", False),
        ("hooks.example.org", False),
        ("https://[::1", False),
    ],
)
def test_what_an_address_is(text, fits):
    assert is_address(text) is fits
