"""Which SerialEM is simulated: its version, its build, and the Pythons that it knows."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 40300
BUILD_DATE = 20260101
_LAST_BUILD = 99991231


@dataclass(frozen=True)
class Installation:
    """A SerialEM program on a computer.

    Attributes
    ----------
    version : int
        As SerialEM counts: 40200 for 4.2.
    build_date : int
        Year, month and day, as 20240814.
    pythons : tuple of str
        Versions of its PathToPython entries, such as ``"3.11"``; with none, a script may name any.
        Scripts run in the Python that the simulator runs in, whichever they name.
    """

    version: int = VERSION
    build_date: int = BUILD_DATE
    pythons: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, pythons: tuple[str, ...] = ()) -> Installation:
        """Read a version such as ``"4.1.25"``, or ``"4.2 20240601"`` with the date of its build.

        Without a date it is the last build of its version.

        Raises
        ------
        ValueError
            If the text is not a version.
        """
        number, _, date = text.strip().partition(" ")
        parts = [*number.split("."), "0"][:3]
        try:
            major, minor, patch = (int(part) for part in parts)
            build_date = int(date) if date else _LAST_BUILD
        except ValueError:
            raise ValueError(
                f"{text!r} is not a version of SerialEM; write 4.1.25, or 4.2 20240601 with the "
                "date of its build"
            ) from None
        return cls(major * 10_000 + minor * 100 + patch, build_date, pythons)

    def is_at_least(self, version: int, build_date: int = 0) -> bool:
        """Whether it is of this version, and of this build, or a later one."""
        return (self.version, self.build_date) >= (version, build_date)

    def __str__(self) -> str:
        major, rest = divmod(self.version, 10_000)
        return f"{major}.{rest // 100}.{rest % 100}"


NEWEST = Installation()
