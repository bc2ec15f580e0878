"""The kind of the setting `notify`: who is told what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar

from space.settings.kinds import Kind, quoted
from space.webhook import FORMATS, is_address

OCCASIONS = (
    "grid done", "grid failed", "series in trouble", "person needed", "stopped", "finished",
)  # fmt: skip
"""When people can be told."""

_ENTRIES = ("webhook", "format", "email", "on")
_EXAMPLE = '{"webhook": "https://...", "format": "slack", "on": ["person needed", "stopped"]}'


@dataclass(frozen=True)
class Notification(Kind):
    """A table of what is told to people and how; its address is never shown."""

    type = "table"
    secret: ClassVar[bool] = True

    @property
    def range(self) -> str:
        return (
            f"webhook: address; format: {', '.join(FORMATS)}; email: True or False; "
            f"on: {', '.join(OCCASIONS)}"
        )

    def problems(self, name: str, value: object) -> list[str]:
        if value in ((), {}):
            return []
        if not isinstance(value, dict):
            return [f"{name} is not a table. Write it as in {_EXAMPLE}, or {{}} for nobody."]
        problems = [self._unknown(name, key) for key in value if key not in _ENTRIES]
        problems += self._problems_of_ways(name, value)
        occasions = value.get("on", ())
        if not isinstance(occasions, tuple):
            problems.append(f"{name}: on must be a list of occasions. Write it as in {_EXAMPLE}.")
            return problems
        problems += [
            f"{name}: on names {quoted(entry)}. Allowed: {', '.join(OCCASIONS)}."
            for entry in occasions
            if entry not in OCCASIONS
        ]
        return problems

    @staticmethod
    def _unknown(name: str, key: object) -> str:
        near = get_close_matches(str(key).lower()[:30], _ENTRIES, n=1)
        if not near:  # a misplaced address must not be shown
            return f"{name} has an entry that is none of {', '.join(_ENTRIES)}. Remove it."
        return f"{name} has an entry {quoted(key)}. Did you mean {near[0]!r}?"

    @staticmethod
    def _problems_of_ways(name: str, value: Mapping[object, object]) -> list[str]:
        problems = []
        address, form, email = (value.get(key) for key in ("webhook", "format", "email"))
        if address not in (None, "") and not (isinstance(address, str) and is_address(address)):
            problems.append(
                f"{name}: webhook is not an address that begins with https:// or http:// (it is "
                "not shown here, since it is a secret). Copy it once more from the chat program."
            )
        if form is not None and form not in FORMATS:
            problems.append(f"{name}: format = {quoted(form)}. Allowed: {', '.join(FORMATS)}.")
        if address and form is None:
            problems.append(f"{name}: format is missing. Allowed: {', '.join(FORMATS)}.")
        if email is not None and not isinstance(email, bool):
            problems.append(
                f"{name}: email must be True or False; the address is that in SerialEM's settings."
            )
        if not address and email is not True:
            problems.append(
                f'{name} names no way. Give a webhook or "email": True, or {{}} for nobody.'
            )
        return problems
