"""What the page answers where something cannot be done: words, and a number of HTTP."""

from __future__ import annotations

from http import HTTPStatus

from space.errors import SpaceError


class RefusedError(SpaceError):
    """Something that was asked for is not done.

    Parameters
    ----------
    status : HTTPStatus
    what, where, do : str
        As of every error that a person can mend.
    """

    def __init__(self, status: HTTPStatus, what: str, where: str = "", do: str = "") -> None:
        super().__init__(what, where, do)
        self.status = status


def unknown(what: str, where: str = "", do: str = "Reload the page.") -> RefusedError:
    """Return the error for a name that is none of the session's own."""
    return RefusedError(HTTPStatus.NOT_FOUND, what, where, do)


def stale(what: str, where: str = "") -> RefusedError:
    """Return the error for a change to what looks otherwise now."""
    return RefusedError(
        HTTPStatus.CONFLICT, what, where, "Look at what is there now, and do it again."
    )


def wrong(what: str, where: str = "", do: str = "") -> RefusedError:
    """Return the error for a request that is not understood or not allowed."""
    return RefusedError(HTTPStatus.BAD_REQUEST, what, where, do)


def as_table(error: SpaceError) -> dict[str, dict[str, str]]:
    """Return an error as the page's programs read it."""
    return {"error": {"what": error.what, "where": error.where, "do": error.do}}
