"""What must not get through: other sites and users, odd names, too much; reading writes nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import random

import pytest

from space.page import security
from tests.page.browser import ADDRESS

POSTS = ("/api/orders", "/api/check/G1/1", "/api/choose_again/G1/1", "/api/labels/G1/1",
         "/api/fill/G1/1")  # fmt: skip
GETS = ("/", "/api/state", "/api/grid/G1", "/api/lamella/G1/1", "/api/settings", "/api/log/G1",
        "/tiles/G1/grid/0/0/0.jpg", "/static/app.js", "/leaflet/leaflet.js")  # fmt: skip
ODD_NAMES = (
    "..", "../G1", "..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e", "..%5c..%5cG1", "G1%00", "%00",
    "G1%2f..%2f..", "C:%5cG1", "%2fetc%2fpasswd", "G1.nav", "SPACE_settings.json", "~", "*", "?",
    "con", "G1%0d%0aset-cookie:x=1", "%ff%fe", "G" * 1500, "%c0%ae%c0%ae", "%252e%252e", "-1",
    "0", "1e9", "9" * 300, "\u2028", "${7*7}", "<script>", "'%20or%201=1", "L01", "l01_seg",
)  # fmt: skip
ODD_BODIES = (
    b"", b"{", b"[]", b"null", b"3", b'"x"', b"\xff\xfe\x00", b"{}" * 3, b'{"line": NaN}',
    b'{"areas": Infinity}', b'{"areas": ' + b"[" * 100_000, b'{"a":' * 50_000 + b"1",
    b'{"areas": 1e999}', b'{"areas": ' + b"9" * 5000 + b"}", b'{"areas": [[[]]]}',
    b'{"areas": [{"targets": [{"row": -1, "column": 1}]}]}', b'{"settings": {"__class__": 1}}',
    b'{"areas": [{"targets": "x"}]}', b'{"settings": [1]}', b'{"settings": {"max_targets": "1"}}',
    b'{"areas": [{"targets": [{"row": true, "column": 1}]}], "within_px": 3}',
    b'{"strokes": [{"kind": "brush"}], "of": "x", "revision": 0}', b'{"strokes": "x"}',
    b'{"line": "skip ../../G1"}', b'{"line": ["pause"]}', b'{"line": "pause\\u0000"}',
)  # fmt: skip


def contents(folder) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def malformed(page) -> list[tuple[str, str, dict[str, str], bytes | None]]:
    """Some two hundred requests: method, address, headers, body; none may get through."""
    good = {"origin": ADDRESS, "content-type": "application/json"}
    found: list[tuple[str, str, dict[str, str], bytes | None]] = []
    patterns = ("/api/grid/{}", "/api/lamella/{}/1", "/tiles/{}/grid/0/0/0.jpg",
                "/tiles/G1/{}/0/0/0.png", "/static/{}", "/leaflet/{}", "/pictures/{}",
                "/api/log/{}")  # fmt: skip
    for number, name in enumerate(ODD_NAMES):
        for pattern in (patterns[number % len(patterns)], patterns[(number + 3) % len(patterns)]):
            found.append(("GET", pattern.format(name), {}, None))
        found.append(("POST", f"/api/check/{name}/1", good, b"{}"))
    for body, address in itertools.product(ODD_BODIES, POSTS):
        found.append(("POST", address, good, body))
    for host in ("evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "localhost@x",
                 "0.0.0.0:8765", "[::2]", "127.0.0.1:8765:1", "127.0.0.2"):  # fmt: skip
        found.append(("GET", "/api/state", {"host": host}, None))
    for origin in ("http://evil.example", "null", "https://127.0.0.1:8765", "http://127.0.0.1:8766",
                   "", "http://127.0.0.1", "file://", "http://localhost:8765"):  # fmt: skip
        found.append(("POST", "/api/orders", {**good, "origin": origin}, b'{"line": "pause"}'))
        found.append(("GET", "/api/state", {"origin": origin}, None))
    for site in ("cross-site", "same-site", "x"):
        found.append(("GET", "/api/state", {"sec-fetch-site": site}, None))
    for method, address in itertools.product(
        ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"), ("/api/state", POSTS[0])
    ):
        found.append((method, address, good, b"{}"))
    found += [("POST", address, good, b"{}") for address in GETS]
    found += [("GET", address, {}, None) for address in POSTS if "labels" not in address]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        found.append(("POST", "/api/orders", {**good, "content-type": kind}, b'{"line": "pause"}'))
    found.append(("POST", "/api/orders", {"content-type": good["content-type"]}, b"{}"))
    found.append(("POST", "/api/orders", good, b"x" * (security.LARGEST_BODY_BYTES + 1)))
    found.append(("POST", "/api/orders", {**good, "content-length": "-5"}, b"{}"))
    found.append(("POST", "/api/orders", {**good, "content-length": "9" * 50}, b"{}"))
    found.append(("GET", "/api/state?x=" + "y" * 3000, {}, None))
    return found


def test_no_malformed_request_gets_through_or_ends_the_server(page, folder):
    before = contents(folder.directory)
    requests = malformed(page)
    assert len(requests) >= 200
    random.Random(1).shuffle(requests)
    for method, address, headers, body in requests:
        answer = page.client.request(method, address, headers=headers, content=body)
        told = (method, address[:80], headers, (body or b"")[:60], answer.status_code)
        assert 400 <= answer.status_code < 500, (*told, answer.text[:200])
        assert "Traceback" not in answer.text and str(folder.directory) not in answer.text, told
        assert "content-security-policy" in answer.headers, told
        error = answer.json()["error"] if answer.text else {"what": "HEAD"}
        assert error["what"], told
        assert "set-cookie" not in answer.headers, told
    assert contents(folder.directory) == before
    assert page.get("/api/state").status_code == 200


@pytest.mark.parametrize("address", GETS)
def test_nothing_is_answered_without_the_key(page, address):
    name = page.key.cookie_name
    for cookie in (None, "x=1", f"{name}=wrong", f"{name}=", "=;=,", f"other={page.key.token}",
                   f"{name}={page.key.token}"):  # fmt: skip
        page.client.cookies.clear()
        answer = page.get(address, **({} if cookie is None else {"cookie": cookie}))
        assert answer.status_code == 401 and page.key.token not in answer.text
        assert "spacetomo printed" in answer.text


@pytest.mark.parametrize("token", ["", "wrong", "\u00e4", "%00", "x" * 5000])
def test_a_wrong_token_gives_no_key(page, token):
    page.client.cookies.clear()
    answer = page.client.get("/", params={"token": token})
    assert answer.status_code in (401, 414) and "set-cookie" not in answer.headers
    answer = page.client.get(f"/?token={page.key.token}", headers={"host": "evil.example"})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_the_key_is_kept_from_scripts_and_other_sites(page):
    answer = page.client.get(f"/?token={page.key.token}")
    assert {"HttpOnly", "SameSite=Strict"} <= set(answer.headers["set-cookie"].split("; "))
    assert page.key.token not in answer.text


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:1", "LOCALHOST", "[::1]:8765"])
def test_a_tunnel_may_have_another_port(page, host):
    page.client.cookies.clear()
    opened = page.client.get(f"/?token={page.key.token}", headers={"host": host})
    cookie = opened.headers["set-cookie"].partition(";")[0]
    sent = {"host": host, "origin": f"http://{host}", "cookie": cookie}
    assert page.client.get("/api/state", headers=sent).status_code == 200


def test_read_only_changes_nothing_and_makes_no_folder(open_page, folder):
    before = contents(folder.directory)
    page = open_page(read_only=True)
    for address in GETS:
        assert page.get(address).status_code == 200, address
    page.page.tiles.wait()
    assert page.json("/api/state")["read_only"] is True
    refused = page.post("/api/orders", {"line": "pause"}, 403)
    assert "--read-only" in refused["error"]["what"]
    for address in ("/api/review/G1", "/api/choice/G1/1", "/api/anything"):
        assert page.post(address, {}, 403)["error"]["what"]
    assert page.post("/api/check/G1/1", {"areas": []}, 422)["error"]["what"]  # it only asks
    assert contents(folder.directory) == before


def test_a_request_that_does_not_arrive_is_given_up(page, monkeypatch):
    monkeypatch.setattr(security, "BODY_TIMEOUT_S", 0.05)
    sent = []

    async def receive():
        if sent == []:
            await asyncio.sleep(30)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    headers = {"host": "localhost", "origin": "http://localhost",
               "content-type": "application/json",
               "cookie": page.key.set_cookie.partition(";")[0]}  # fmt: skip
    scope = {"type": "http", "method": "POST", "path": "/api/orders", "query_string": b"",
             "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}  # fmt: skip
    asyncio.run(page.app(scope, receive, send))
    assert sent[0]["status"] == 408 and b"did not arrive" in sent[1]["body"]


def test_too_much_at_once_is_refused_and_forgotten(page, monkeypatch):
    monkeypatch.setattr(security, "MOST_AT_ONCE", 0)
    assert page.get("/api/state").status_code == 503
    monkeypatch.undo()
    assert page.get("/api/state").status_code == 200


def test_a_mistake_in_the_server_is_told_without_its_details(page, monkeypatch, caplog):
    def broken(*_):
        raise KeyError("secret")

    monkeypatch.setattr(page.page.session, "look", broken)
    answer = page.get("/api/state")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert "Something went wrong" in answer.json()["error"]["what"]
    assert "KeyError" in caplog.text
    monkeypatch.undo()
    assert page.get("/api/state").status_code == 200


def test_names_and_texts_of_a_session_are_data_everywhere(page):
    text = page.get("/api/state").text
    assert page.get("/api/state").headers["content-type"] == "application/json"
    assert json.loads(text)["events"][-1]["text"].startswith("<b>")
