"""The page that shows what ran: one file, which needs nothing else and fetches nothing."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from string import Template

from space.simulator.formats.atomic import write_text_atomic
from space.simulator.report.record import CommandUse, Picture, Record, ScriptEnd

TEMPLATE = Path(__file__).with_name("page.html")
MOST_PICTURES = 300
"""On one page; those of tests that failed come first."""

_STATES = {"passed": "good", "skipped": "mild", "failed": "bad", "did not end": "bad"}


def write_page(path: Path, title: str, records: Sequence[Record]) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        Where to; its folder is made if need be.
    title : str
        Headline.
    records : sequence of Record
        Tests or runs, in their order.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    shown = _with_pictures_of_a_page(records)
    write_text_atomic(
        path,
        Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
            title=escape(title),
            made=escape(f"What ran on the simulated microscope. {now}"),
            numbers=_numbers(records),
            overall=_overall(records),
            runs="\n".join(map(_run, shown)) or "<p>Nothing ran on it.</p>",
        ),
    )


def _with_pictures_of_a_page(records: Sequence[Record]) -> list[Record]:
    """Leave pictures out that are too many for one page."""
    left = MOST_PICTURES
    allowed: dict[int, int] = {}
    for index in sorted(range(len(records)), key=lambda i: records[i].outcome == "passed"):
        allowed[index] = min(left, len(records[index].pictures))
        left -= allowed[index]
    return [
        replace(record, pictures=record.pictures[: allowed[index]])
        for index, record in enumerate(records)
    ]


# --- all together --------------------------------------------------------------------------------


def _numbers(records: Sequence[Record]) -> str:
    counted = [
        (sum(record.outcome == state for record in records), state, colour)
        for state, colour in _STATES.items()
    ]
    items = [(str(count), state, colour) for count, state, colour in counted if count]
    items.append((str(sum(record.pictures_taken for record in records)), "pictures", ""))
    calls = sum(use.calls for record in records for use in record.commands)
    items.append((str(calls), "commands", ""))
    items.append((_duration(sum(record.scope_s for record in records)), "at the microscope", ""))
    items.append((_duration(sum(record.seconds for record in records)), "real time", ""))
    return "".join(
        f'<li><b class="{colour}">{escape(number)}</b><span>{escape(name)}</span></li>'
        for number, name, colour in items
    )


def _overall(records: Sequence[Record]) -> str:
    missing = sorted({name for record in records for name in record.not_simulated})
    if not missing:
        return ""
    names = ", ".join(f"<code>{escape(name)}</code>" for name in missing)
    return f'<p><b class="bad">Not simulated:</b> {names}</p>'


# --- one test or run -----------------------------------------------------------------------------


def _run(record: Record) -> str:
    open_now = " open" if record.outcome != "passed" else ""
    facts = f"{_plural(record.pictures_taken, 'picture')}, {_duration(record.scope_s)}"
    parts = [
        f'<p class="faint">{escape(record.microscope)}</p>' if record.microscope else "",
        _text("Why", record.details),
        _scripts(record.scripts),
        _dialogs(record.dialogs),
        _faults(record.faults),
        _pictures(record.pictures, record.pictures_taken),
        _commands(record.commands),
        _text("Log", "\n".join(record.log)),
    ]
    return (
        f'<details class="run"{open_now}><summary>'
        f'<span class="state {_STATES[record.outcome]}">{escape(record.outcome)}</span>'
        f'<span class="name">{escape(record.title)}</span><span class="faint">{facts}</span>'
        f'</summary><div class="inside">{"".join(parts)}</div></details>'
    )


def _text(title: str, text: str) -> str:
    return f"<h2>{title}</h2><pre>{escape(text)}</pre>" if text.strip() else ""


def _scripts(ends: Iterable[ScriptEnd]) -> str:
    rows = [
        _row(
            _cell(end.name),
            _cell(end.how, "good" if end.ok else "bad"),
            f'<td class="text">{_error(end.error)}</td>',
        )
        for end in ends
    ]
    return _table("Scripts", ("script", "ended", "message"), rows)


def _error(text: str) -> str:
    """Give the last line of a message, and all of it where there are more."""
    lines = text.strip().splitlines()
    if len(lines) < 2:
        return escape(text.strip())
    whole = f"<pre>{escape(text.strip())}</pre>"
    return f"<details><summary>{escape(lines[-1])}</summary>{whole}</details>"


def _dialogs(dialogs: Iterable[tuple[str, str, str, bool]]) -> str:
    rows = [
        _row(
            _cell(kind),
            _cell(text, "text"),
            _cell(answer),
            _cell("given" if foreseen else "default"),
        )
        for kind, text, answer, foreseen in dialogs
    ]
    return _table("Dialogs", ("kind", "text", "answer", "which is"), rows)


def _faults(faults: Iterable[str]) -> str:
    return _table("Faults on demand", (), [_row(_cell(line)) for line in faults])


def _pictures(pictures: Sequence[Picture], taken: int) -> str:
    if not pictures:
        return ""
    figures = "".join(
        f'<figure><img alt="picture {p.number}" src="data:image/png;base64,{escape(p.png)}">'
        f"<figcaption><b>{p.number}</b> {_words(p.words)}</figcaption></figure>"
        for p in pictures
    )
    count = f"{len(pictures)} of {taken}" if len(pictures) < taken else str(taken)
    return f'<h2>Pictures ({count})</h2><div class="pictures">{figures}</div>'


def _words(words: Iterable[str]) -> str:
    return " · ".join(f"<span>{escape(word)}</span>" for word in words)


def _commands(uses: Iterable[CommandUse]) -> str:
    rows = [
        _row(
            _cell(use.name) if use.simulated else _cell(f"{use.name}: not simulated", "bad"),
            _cell(use.calls, "number"),
            _cell(use.failures or "", "number bad"),
            _cell(_duration(use.scope_s), "number"),
            _cell(_duration(use.real_s), "number"),
        )
        for use in uses
    ]
    heads = ("command", "#calls", "#failed", "#at the microscope", "#real time")
    return _table("Commands", heads, rows)


def _cell(value: object, kind: str = "") -> str:
    """Give a cell of a table; what is in it is text, whatever it looks like."""
    return f'<td class="{kind}">{escape(str(value))}</td>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _table(title: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """Give a table; a heading with # in front stands over numbers."""
    if not rows:
        return ""
    cells = "".join(
        f'<th class="number">{head[1:]}</th>' if head.startswith("#") else f"<th>{head}</th>"
        for head in heads
    )
    top = f"<tr>{cells}</tr>" if heads else ""
    return f'<h2>{title}</h2><div class="wide"><table>{top}{"".join(rows)}</table></div>'


def _plural(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    if not seconds:
        return "0"
    if seconds < 0.95:
        return f"{1e3 * seconds:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
