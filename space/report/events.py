"""What the journal tells: how long things took, warnings and errors, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from space.journal import Event, Kind
from space.report.markup import Markup, Part, join, table, tag

MOST_EVENTS = 300
"""Of one grid; the latest are shown."""

_IN_WORDS = {
    1: "finding lamellae",
    2: "collecting maps",
    3: "segmentation",
    4: "setting up targets",
    5: "acquisition",
}
_TIMED = (Kind.LEVEL_DONE,)


def timings(events: Sequence[Event]) -> Markup:
    """Return how long each level took, and the acquisition."""
    rows: list[tuple[Part, ...]] = [
        (_level(event), _duration(event.numbers["seconds"]), _time(event.when_utc))
        for event in events
        if event.kind in _TIMED and "seconds" in event.numbers
    ]
    begun: datetime | None = None
    for event in events:
        if event.kind is Kind.ACQUISITION_STARTED:
            begun = event.when_utc
        elif event.kind is Kind.ACQUISITION_ENDED and begun is not None:
            seconds = (event.when_utc - begun).total_seconds()
            rows.append(("acquisition", _duration(seconds), _time(event.when_utc)))
            begun = None
    shown = table(("Work", "Took", "Done at"), rows)
    return join(tag("h4", "How long it took"), shown) if rows else Markup("")


def _level(event: Event) -> str:
    level = event.numbers.get("level")
    name = _IN_WORDS.get(int(level), "") if level is not None else ""
    return f"level {level:g}: {name}" if level is not None else event.text or "a level"


def events_section(title: str, events: Sequence[Event]) -> Markup:
    """Return warnings and errors, those that came again and again once, and all other events."""
    if not events:
        return Markup("")
    troubles = [event for event in events if event.kind in (Kind.WARNING, Kind.ERROR)]
    others = [event for event in events if event.kind not in (Kind.WARNING, Kind.ERROR)]
    rest = table(("Time", "What", "Lamella", "About it"), [_row(e) for e in others[-MOST_EVENTS:]])
    listed = tag("div", rest, class_="scroll")
    return tag(
        "section",
        tag("h3", title),
        table(("First", "Times", "Warning or error"), _grouped(troubles), "what"),
        tag("details", tag("summary", f"All {len(others)} events"), listed) if others else "",
        class_="card",
    )


def _grouped(events: Sequence[Event]) -> list[tuple[Part, ...]]:
    groups: dict[tuple[Kind, str], list[Event]] = {}
    for event in events:
        groups.setdefault((event.kind, event.text), []).append(event)
    return [
        (_time(same[0].when_utc), len(same), join(tag("b", kind.value), ": ", text))
        for (kind, text), same in list(groups.items())[-MOST_EVENTS:]
    ]


def _row(event: Event) -> tuple[Part, ...]:
    numbers = ", ".join(f"{name} {value:g}" for name, value in event.numbers.items())
    about = ", ".join(part for part in (event.text, numbers) if part)
    lamella = "" if event.lamella is None else f"L{event.lamella:02d}"
    return _time(event.when_utc), event.kind.value.replace("_", " "), lamella, about


def _time(when: datetime) -> str:
    try:
        return f"{when.astimezone():%d %b %H:%M}"
    except (OSError, OverflowError, ValueError):  # a year that this computer cannot show
        return when.isoformat(" ", "minutes")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
