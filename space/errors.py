"""The error type for problems that a user can fix, and how messages show values."""

from __future__ import annotations

_LONGEST_SHOWN = 80


class SpaceError(Exception):
    """A problem and what to do about it.

    Parameters
    ----------
    what : str
        What is wrong, in a sentence.
    where : str, optional
        The file, setting or part of the microscope concerned.
    do : str, optional
        What to do about it.
    """

    def __init__(self, what: str, where: str = "", do: str = "") -> None:
        self.what = what
        self.where = where
        self.do = do
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"[{self.where}]")
        if self.do:
            parts.append(f"-> {self.do}")
        return " ".join(parts)


class OutOfSpaceError(SpaceError):
    """The disk is full: nothing that follows could be saved.

    Other problems cost one lamella or one grid; this one ends the session.
    """

    def __init__(self, cause: str, where: str = "") -> None:
        super().__init__(
            f"The disk is full: {cause}.",
            where,
            "Free some space and run the script again; finished work is skipped.",
        )


def shown(value: object) -> str:
    """Return a value as messages show it, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # a number with thousands of digits, a broken object
        text = f"<a {type(value).__name__} that cannot be shown>"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
