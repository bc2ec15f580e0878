"""The page: what became of a session, for a person in the morning.

One file without scripts; its policy forbids the browser to ask anybody for anything. All text of
files goes through `markup`, which escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from space import __version__
from space.overview import attention, plan_of
from space.report.charts import Spot, plan
from space.report.events import events_section, timings
from space.report.facts import GridReport, LamellaReport, SessionReport
from space.report.lamella import anchor, figure, lamella_card
from space.report.markup import Markup, Part, join, table, tag
from space.report.plan import plan_section
from space.report.shots import Shots
from space.report.style import STYLE
from space.series import VERDICTS

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'"
_MOST_NAMED = 12


def page(report: SessionReport, shots: Shots, written: datetime, charts: bool = True) -> str:
    """Return the page of a session.

    Parameters
    ----------
    report : SessionReport
    shots : Shots
        Its pictures.
    written : datetime
        When it is written, in local time.
    charts : bool
        Whether good series get charts, too: without, many thousand pictures find room.
    """
    title = f"SPACEtomo report: {_names(report)}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    body = tag(
        "main",
        _heading(report, written),
        _counts(report),
        _attention(report),
        _overview(report),
        plan_section(plan_of(report.facts)),
        *(_grid(grid, shots, charts) for grid in report.grids),
        events_section("What else happened", report.events),
        _notes(shots, charts),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{body}</body></html>\n'


def _names(report: SessionReport) -> str:
    names = [grid.facts.title for grid in report.grids]
    if len(names) == 1:
        return names[0]
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return f"{len(names)} grids ({shown})" if names else "no grid yet"


def _heading(report: SessionReport, written: datetime) -> Markup:
    return join(
        tag("h1", f"SPACEtomo report: {_names(report)}"),
        tag(
            "p",
            str(report.facts.directory),
            tag("br"),
            f"Written {written:%Y-%m-%d %H:%M} by SPACEtomo {__version__}",
            class_="soft path",
        ),
    )


def _counts(report: SessionReport) -> Markup:
    lamellae = [one for grid in report.grids for one in grid.lamellae]
    series = [one for lamella in lamellae for one in lamella.series]
    acquired = sum(one.facts.state == "acquired" for one in lamellae)
    numbers: list[tuple[Part, str]] = [
        (len(report.grids), "grid" if len(report.grids) == 1 else "grids"),
        (f"{acquired} of {len(lamellae)}", "lamellae acquired"),
        (len(series), "tilt series"),
        (report.count("good"), "of them good"),
        (report.count("spoilt"), "with single pictures spoilt"),
        (report.count("lost"), "lost from a tilt on"),
    ]
    return tag("div", *(tag("div", tag("b", n), tag("span", t)) for n, t in numbers),
               class_="numbers")  # fmt: skip


def _attention(report: SessionReport) -> Markup:
    """What a person should look at first."""
    lines: list[Part] = []
    for grid in report.grids:
        for lamella in grid.lamellae:
            lost = [one for one in lamella.series if one.quality and one.quality.losses]
            for one in lost:
                words = one.quality.text if one.quality else ""
                link = tag("a", one.facts.name, href=f"#{anchor(grid.facts, lamella.facts)}")
                lines.append(join(link, ": ", words))
    lines += attention(report.facts)
    if not lines:
        return Markup("")
    more = len(lines) - _MOST_NAMED
    shown = [tag("li", line) for line in lines[:_MOST_NAMED]]
    if more > 0:
        rest = tag("ul", *(tag("li", line) for line in lines[_MOST_NAMED:]))
        shown.append(tag("li", tag("details", tag("summary", f"{more} more"), rest)))
    return tag("section", tag("h3", "Look at this first"), tag("ul", *shown),
               class_="card attention")  # fmt: skip


def _overview(report: SessionReport) -> Markup:
    rows: list[tuple[Part, ...]] = []
    for grid in report.grids:
        if not grid.lamellae:
            rows.append((grid.facts.title, "", _badge(grid.facts.state), "", "", "", ""))
        for lamella in grid.lamellae:
            facts = lamella.facts
            link = tag("a", facts.label, href=f"#{anchor(grid.facts, facts)}")
            rows.append(
                (grid.facts.title, link, _badge(facts.state), _class(lamella),
                 facts.targets or "", _series_words(lamella), facts.why)
            )  # fmt: skip
    head = ("Grid", "Lamella", "State", "Class", "Targets", "Tilt series", "Why")
    return join(
        tag("h2", "Overview"),
        tag("div", table(head, rows, "what"), class_="card scroll"),
    )


def _class(lamella: LamellaReport) -> str:
    facts = lamella.facts
    return (
        f"{facts.category}, by hand"
        if facts.by_hand
        else (f"{facts.category} {100 * facts.probability:.0f} %")
    )


def _series_words(lamella: LamellaReport) -> str:
    counts = [(lamella.count(verdict), verdict) for verdict in VERDICTS]
    unread = sum(one.quality is None for one in lamella.series)
    words = [f"{number} {verdict}" for number, verdict in counts if number]
    return ", ".join(words + ([f"{unread} without mdoc"] if unread else []))


def _badge(state: str) -> Markup:
    return tag("span", state, class_="state " + state.split(maxsplit=1)[0])


def _grid(grid: GridReport, shots: Shots, charts: bool) -> Markup:
    facts = grid.facts
    slot = f" (slot {facts.slot})" if facts.slot and facts.name and facts.slot != "stage" else ""
    picture = figure(grid.picture, shots, "The grid with its lamellae", "grid")
    spots = [
        Spot(one.facts.label, one.facts.position_um, one.facts.size_um, _spot_kind(one),
             anchor(facts, one.facts))
        for one in grid.lamellae
    ]  # fmt: skip
    drawn = plan(spots)
    caption = tag("figcaption", "Stage positions of the lamellae; a click leads to them")
    left_out = len(facts.lamellae) - len(facts.visited)
    return tag(
        "section",
        tag("h2", f"Grid {facts.title}", tag("span", slot, class_="soft")),
        tag(
            "div",
            tag("p", _badge(facts.state), " ", _grid_words(grid, left_out)),
            *(tag("p", problem, class_="path") for problem in facts.problems),
            tag("div", picture, tag("figure", drawn, caption) if drawn else "", class_="pictures"),
            timings(grid.events),
            class_="card",
        ),
        *(lamella_card(facts, one, shots, charts) for one in grid.lamellae),
        events_section(f"What happened on grid {facts.title}", grid.events),
        id="g-" + anchor(facts),
    )


def _spot_kind(lamella: LamellaReport) -> str:
    return "lost" if lamella.count("lost") else lamella.facts.state.split()[0]


def _grid_words(grid: GridReport, left_out: int) -> str:
    if not grid.lamellae:
        return "no lamella yet"
    words = "1 lamella" if len(grid.lamellae) == 1 else f"{len(grid.lamellae)} lamellae"
    if left_out:
        words += f", {left_out} left out"
    series = sum(len(one.series) for one in grid.lamellae)
    return f"{words}, {series} tilt series ({grid.count('lost')} lost)" if series else words


def _notes(shots: Shots, charts: bool) -> Markup:
    """Say how the page was made to fit, and what its words mean."""
    lines: list[Part] = [
        join(tag("b", verdict), f": {meaning}.") for verdict, meaning in VERDICTS.items()
    ]
    lines.append(
        "Line in the chart of counts: what a plate of even thickness lets through. Thickness is in "
        "mean free paths of the electrons; 1 is about 300 nm of ice at 300 kV with a filter."
    )
    if shots.width_px:
        lines.append(f"Pictures were made small, {shots.width_px} pixels wide; the files beside "
                     "this page have all of them.")  # fmt: skip
    if shots.left_out:
        lines.append(f"No room for {_list(shots.left_out)}.")
    if shots.unreadable:
        lines.append(f"Not whole or no picture: {_list(shots.unreadable)}.")
    if not charts:
        lines.append("Charts of good tilt series were left out for lack of room.")
    return tag("section", tag("h2", "Notes"), tag("ul", *(tag("li", line) for line in lines)),
               class_="soft path")  # fmt: skip


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
