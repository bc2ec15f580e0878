"""The server as a process of its own: how it starts, what it stands, and what is left of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from space import cli
from space.page import serving
from space.page.tiles import CACHE_FOLDER
from tests.page.test_security import contents

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A running server, and somebody who has its key."""

    def __init__(self, directory: Path, space_dir: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "space.cli", "inspect", str(directory), *options]
            + ["--space-dir", str(space_dir)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.connections: list[socket.socket] = []
        said = ""
        for line in self.process.stdout:
            said += line
            found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line)
            if found:
                self.port, self.token = int(found[1]), found[2]
                break
        else:
            pytest.fail(said)
        status, headers, _ = self.ask("GET", f"/?token={self.token}")
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]

    def ask(self, method: str, address: str, body: bytes | None = None, **headers: str):
        for _ in range(200):  # until it listens
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                sent = {"cookie": getattr(self, "cookie", ""), **headers}
                connection.request(method, address, body, sent)
                answer = connection.getresponse()
                return answer.status, dict(answer.headers), answer.read()
            except ConnectionRefusedError:
                time.sleep(0.05)
            finally:
                connection.close()
        raise AssertionError("it does not listen")

    def raw(self, data: bytes) -> socket.socket:
        """Send bytes and keep the connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.connections.append(connection)
        connection.sendall(data)
        return connection

    def kill(self) -> None:
        for connection in self.connections:
            connection.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def server(folder, space_dir):
    running = Server(folder.directory, space_dir)
    yield running
    running.kill()


def test_slow_huge_and_broken_requests_end_nothing_and_a_killed_server_leaves_nothing(
    server, folder
):
    before = contents(folder.directory)
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    begun = [server.raw(b"GET /api/state HTTP/1.1\r\n" + host) for _ in range(40)]
    posted = b"POST /api/orders HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\nCookie: "
    posted += server.cookie.encode() + f"\r\nOrigin: http://127.0.0.1:{server.port}\r\n".encode()
    begun.append(server.raw(posted + b"Content-Length: 100\r\n\r\n{"))  # the rest never comes
    odd = [
        b"\x00" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n", b"\r\n" * 50,
        b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET " + b"/a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /api/state HTTP/1.1\r\n" + host + host + b"\r\n",
        b"GET /api/state HTTP/1.1\r\n\r\n",
        posted + b"Content-Length: 99999999999\r\n\r\n",
        posted + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        posted + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{}",
    ]  # fmt: skip
    for data in odd:
        with server.raw(data) as connection:
            connection.settimeout(0.5)
            answer = b""
            with contextlib.suppress(TimeoutError):  # it waits for the rest
                answer = connection.recv(65_536)
            assert b"200 OK" not in answer and b"Traceback" not in answer, data[:60]
    status, _, body = server.ask("GET", "/api/state")
    assert status == 200 and json.loads(body)["session"] == "session"
    assert server.ask("GET", "/tiles/G1/grid/0/0/0.jpg")[0] == 200
    assert len(begun) == 41
    server.process.kill()
    server.process.wait()
    after = {k: v for k, v in contents(folder.directory).items() if not k.startswith(CACHE_FOLDER)}
    assert after == before


def test_changes_are_told_to_who_listens(server, folder):
    request = f"GET /api/events HTTP/1.1\r\nHost: localhost:{server.port}\r\nCookie: "
    with server.raw(f"{request}{server.cookie}\r\n\r\n".encode()) as connection:
        connection.settimeout(20)
        stream = connection.makefile("r", encoding="utf-8")
        told: list[str] = []
        for line in stream:
            if line.startswith("data: "):
                changed = json.loads(line[6:])["changed"]
                if not told and not changed:
                    folder.found(4)
                told += changed
                if "grid:G1" in told:
                    break
        assert "state" in told
    folder.ready(4)
    other = f"{request}{server.cookie}\r\nLast-Event-ID: long ago\r\n\r\n"
    with server.raw(other.encode()) as connection:
        connection.settimeout(20)
        stream = connection.makefile("r", encoding="utf-8")
        assert next(line for line in stream if line.startswith("data: ")).count('"all"') == 1


def test_it_listens_on_this_computer_alone(server):
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        if address.startswith("127."):
            continue
        with socket.socket() as connection:
            connection.settimeout(2)
            assert connection.connect_ex((address, server.port)) != 0


def test_what_is_missing_or_in_use_is_told_before_anything_starts(folder, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["inspect", str(folder.directory), "--port", str(port)]) == 2
        assert "in use" in capsys.readouterr().err
    assert cli.main(["inspect", str(folder.directory), "--port", "70000"]) == 2
    assert cli.main(["inspect", str(folder.directory / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err
    for option in ("--maps", "--space-dir"):
        with pytest.raises(SystemExit):
            cli.main(["inspect", str(folder.directory), option, str(folder.directory / "nothing")])
        assert "there is no folder" in capsys.readouterr().err
    monkeypatch.setattr(serving, "_PACKAGES", ("uvicorn", "no_such_package.at_all"))
    assert cli.main(["inspect", str(folder.directory)]) == 2
    said = capsys.readouterr().err
    assert "no_such_package.at_all" in said and "[page]" in said and "uvicorn" not in said
