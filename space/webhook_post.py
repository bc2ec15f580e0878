"""A message on its way to a webhook by HTTP, which never holds up who sends it.

The address is a secret: whoever has it can write in that chat. It is in no message and no error
of this module, which is imported when there is something to send.
"""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request

from space.webhook import TIMEOUT_S, Message, body_of


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
