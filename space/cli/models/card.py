"""``spacetomo models card``: what a model was trained on, shown or written down."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from space.cli.models.shared import (
    NOT_KNOWN,
    Say,
    add_space_dir,
    find,
    installed,
    wrapped,
)
from space.errors import SpaceError
from space.files import read_json_or_empty
from space.models.card import CARD, FIELDS, changed_card, read_card, write_card
from space.models.description import RECORD, Model

_MOST_SCORES = 60
_MOST_SHOWN = 20


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    card = actions.add_parser(
        "card",
        help="show or write what a model was trained on",
        description="Shows the card of a model: a small file beside it that says what it was "
        "trained on, at which pixel size, and whatever else its author noted. With --set it is "
        "written or changed; what else stands in it stays.",
        epilog='Example: spacetomo models card yeast --set trained_on=real --set "note=2 grids"',
    )
    card.add_argument("name", metavar="NAME", help="as spacetomo models list shows it, or a path")
    card.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="changes",
        help=f"write a field: {', '.join(FIELDS)}; without a value, it is removed",
    )
    card.add_argument("--json", action="store_true", help="print it as JSON")
    add_space_dir(card)
    card.set_defaults(do=lambda args: run(args, print))


def run(args: argparse.Namespace, say: Say) -> int:
    """Run the action; return the exit code.

    Raises
    ------
    SpaceError
        If there is no such model, or its card cannot be read, changed or written.
    """
    one = find(args.name, installed(args.space_dir), args.space_dir)
    place = one.model.place
    if not place.form:
        raise SpaceError(place.trouble, str(place.path))
    changes = _changes(args.changes)
    card = read_card(place.card)
    if changes:
        changed = changed_card(card, changes)
        if changed != card:
            write_card(place.card, changed)
            if not args.json:
                say(f"{place.card} was written.")
        card = changed
    shown_card = card or one.model.card  # an .onnx file brings its own
    scores = dict(_scores(one.model, shown_card))
    if args.json:
        content = {
            "name": place.name,
            "card": shown_card,
            "file": str(place.card) if place.card.is_file() else "",
            "classes": list(one.model.classes),
            "pixel_nm": shown_card.get("pixel_nm", one.model.pixel_nm),
            "scores": scores,
        }
        say(json.dumps(content, indent=1))
    else:
        for line in _lines(one.model, shown_card, scores):
            say(line)
    return 0


def _changes(given: Sequence[str]) -> dict[str, str]:
    changes = {}
    for text in given:
        name, is_there, value = text.partition("=")
        if not is_there:
            raise SpaceError(
                f"--set {text} has no =.", do="Write --set FIELD=VALUE, as --set trained_on=real."
            )
        changes[name.strip()] = value.strip()
    return changes


def _lines(model: Model, card: Mapping[str, Any], scores: Mapping[str, float]) -> list[str]:
    pixel_nm = card.get("pixel_nm", model.pixel_nm)
    source = "" if "pixel_nm" in card or not pixel_nm else f" ({model.pixel_from})"
    lines = [
        model.place.name,
        f"  trained on: {card.get('trained_on', NOT_KNOWN)}",
        f"  pixel size: {f'{pixel_nm:g} nm{source}' if pixel_nm else NOT_KNOWN}",
    ]
    if card.get("window_px"):
        lines.append(f"  window: {card['window_px']} px")
    if model.classes:
        lines.append(f"  {len(model.classes)} classes: {', '.join(model.classes)}")
    if card.get("note"):
        lines.append(f"  note: {card['note']}")
    for name in [name for name in card if name not in (*FIELDS, "scores")][:_MOST_SHOWN]:
        lines.append(f"  {name}: {json.dumps(card[name], ensure_ascii=False)[:300]}")
    if scores:
        parts = ", ".join(f"{name} {value:g}" for name, value in scores.items())
        lines.append(f"  scores: {parts}")
    if not model.place.card.is_file():
        lines.append("  There is no card. To write one: --set trained_on=real (or simulated).")
    return [part for line in lines for part in wrapped(line)]


def _scores(model: Model, card: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers that say how good a model is: of the card, else of its training."""
    table = card.get("scores")
    if table is None and model.place.card.name == CARD:
        table = read_json_or_empty(model.place.card.with_name(RECORD)).get("validation")
    for number, (name, value) in enumerate(_numbers(table)):
        if number < _MOST_SCORES:
            yield name, value


def _numbers(table: object, above: str = "") -> Iterator[tuple[str, float]]:
    for name, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, bool):
            continue
        if isinstance(value, (int, float)):
            yield f"{above}{name}"[:60], float(value)
        elif not above:
            yield from _numbers(value, f"{name} ")
