"""One line of the check: what was looked at, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from space.errors import SpaceError

Verdict = Literal["ok", "warn", "fail"]

_CODES: dict[Verdict, int] = {"ok": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes
    ----------
    subject : str
        What was looked at, in a few words.
    verdict : Verdict
        warn: a session may run, with less than it could; fail: it will stop or spoil something.
    seen : str
        What was seen, in a sentence.
    do : str
        What to do about it; empty if it is well.
    """

    subject: str
    verdict: Verdict
    seen: str
    do: str = ""

    def __str__(self) -> str:
        advice = f" -> {self.do}" if self.do else ""
        return f"{self.verdict:<4}  {self.subject}: {self.seen}{advice}"


def ok(subject: str, seen: str) -> Finding:
    """Return that something is well."""
    return Finding(subject, "ok", seen)


def warn(subject: str, seen: str, do: str = "") -> Finding:
    """Return that something could be better."""
    return Finding(subject, "warn", seen, do)


def fail(subject: str, seen: str, do: str = "") -> Finding:
    """Return that something must be corrected."""
    return Finding(subject, "fail", seen, do)


def failed(subject: str, error: SpaceError) -> Finding:
    """Return what an error says."""
    where = f" [{error.where}]" if error.where else ""
    return fail(subject, f"{error.what}{where}", error.do)


def of_problems(subject: str, problems: Sequence[str], well: str) -> list[Finding]:
    """Return a failure for each problem; that all is well if there is none."""
    return [fail(subject, problem) for problem in problems] or [ok(subject, well)]


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 if all is well, 1 with warnings, 2 with failures."""
    return max((_CODES[one.verdict] for one in findings), default=0)


def summary(findings: Sequence[Finding]) -> str:
    """Return how many lines are well, in a sentence."""
    counts = {verdict: sum(one.verdict == verdict for one in findings) for verdict in _CODES}
    return (
        f"{counts['ok']} of {len(findings)} are well, {counts['warn']} could be better, "
        f"{counts['fail']} must be corrected."
    )


def in_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Return a line for each, and the summary."""
    yield from map(str, findings)
    yield summary(findings)
