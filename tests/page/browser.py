"""What a browser does, without one: it has the key, and says where a request comes from."""

from __future__ import annotations

import json
from typing import Any

from starlette.testclient import TestClient

ADDRESS = "http://127.0.0.1:8765"


class Browser:
    """Somebody who has opened the page."""

    def __init__(self, app, key, page=None) -> None:
        self.app, self.key, self.page = app, key, page
        self.client = TestClient(app, ADDRESS, raise_server_exceptions=False)
        self.client.__enter__()
        opened = self.client.get("/", params={"token": key.token})
        assert opened.status_code == 200, opened.text

    def close(self) -> None:
        self.client.__exit__(None, None, None)

    def get(self, address: str, **headers: str) -> Any:
        return self.client.get(address, headers=headers)

    def json(self, address: str) -> Any:
        answer = self.get(address)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, address: str, values: Any, status: int = 200, **headers: str) -> Any:
        """Ask by POST as the page does; return what is answered."""
        body = values if isinstance(values, (bytes, str)) else json.dumps(values)
        sent = {"origin": ADDRESS, "content-type": "application/json", **headers}
        answer = self.client.post(address, content=body, headers=sent)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json()
