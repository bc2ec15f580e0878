"""The card beside the weights, which says what a model was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from space.errors import SpaceError, shown
from space.files import is_name, read_json, refuse_link, write_text_atomic
from space.models.onnx_file import is_onnx, read_onnx_facts
from space.predicates import is_number, is_whole
from space.spelling import slip

CARD, SIMULATED = "card.json", "simulated"
"""File beside the weights that says what a model was trained on, and one of the answers."""


def is_simulated_only(model: Path) -> bool:
    """Whether a model's card says that it has seen nothing but simulated maps.

    A model without a card, as published ones are, says nothing about this.

    Parameters
    ----------
    model : Path
        The model's folder, or an .onnx file; unless it has a card, what it holds itself counts.

    Raises
    ------
    SpaceError
        When there is a card that cannot be understood.
    """
    if is_onnx(model):
        card = _card_of_file(model)
        own = card["trained_on"] if "trained_on" in card else read_onnx_facts(model).trained_on
        return bool(own == SIMULATED)
    path = Path(model) / CARD
    try:
        trained_on = read_json(path, follow_links=True)["trained_on"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpaceError(
            f"The card of the segmentation model cannot be read: {error!r}.",
            str(path),
            f'Write {{"trained_on": "{SIMULATED}"}} or {{"trained_on": "real"}} into it.',
        ) from None
    return trained_on == SIMULATED


def _card_of_file(model: Path) -> dict[str, Any]:
    """Return the card of a single file: of its own name, or that of the folder it has alone."""
    model = Path(model)
    return read_card(model.with_name(f"{model.stem}.{CARD}")) or read_card(model.with_name(CARD))


_LONGEST_NOTE = 2000
_REAL = "real"
_FITS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "trained_on": (lambda v: isinstance(v, str) and is_name(v), f'"{_REAL}" or "{SIMULATED}"'),
    "pixel_nm": (lambda v: is_number(v) and 0 < v < 1e6, "a length in nm above 0"),
    "window_px": (
        lambda v: is_whole(v) and 32 <= v <= 8192 and v % 32 == 0,
        "a whole number of pixels that 32 divides",
    ),
    "note": (
        lambda v: isinstance(v, str) and len(v) <= _LONGEST_NOTE,
        f"a text of at most {_LONGEST_NOTE} characters",
    ),
}
"""What this program reads from a card; whatever else stands there is kept."""

FIELDS = tuple(_FITS)


def read_card(path: Path) -> dict[str, Any]:
    """Return what a card says; empty if there is none.

    Raises
    ------
    SpaceError
        If it cannot be read, or a field that this program knows holds something else.
    """
    try:
        values = read_json(path, follow_links=True)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The card of the model cannot be read: {error}.", str(path), "Correct or delete it."
        ) from None
    if not isinstance(values, dict):
        raise SpaceError(
            f"The card of the model holds {shown(values)[:40]}, not a table.",
            str(path),
            f'Write {{"trained_on": "{SIMULATED}"}} or {{"trained_on": "{_REAL}"}} into it.',
        )
    for name, (fits, allowed) in _FITS.items():
        if name in values and not fits(values[name]):
            raise SpaceError(
                f"In the card of the model, {name} is {shown(values[name])}; it must be {allowed}.",
                str(path),
                "Correct it.",
            )
    return values


def changed_card(values: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """Return a card with other values; an empty text removes a field.

    Parameters
    ----------
    values : mapping
        What the card says.
    changes : mapping of str to str
        Field of `FIELDS` -> its value as a person types it.

    Raises
    ------
    SpaceError
        If a field is not known, a value does not fit, or the card would not say what the model
        was trained on.
    """
    card = dict(values)
    for name, text in changes.items():
        if name not in _FITS:
            meant = slip(name, _FITS, {})
            hint = f"Did you mean {meant}?" if meant else f"There are {', '.join(FIELDS)}."
            raise SpaceError(f"A card has no field {shown(name)} that can be set.", do=hint)
        card.pop(name, None)
        if not text:
            continue
        fits, allowed = _FITS[name]
        value = _number(text) if name.endswith(("_nm", "_px")) else text
        if not fits(value) or (name == "trained_on" and value not in (_REAL, SIMULATED)):
            raise SpaceError(f"{name} is {shown(value)}; it must be {allowed}.")
        card[name] = value
    if "trained_on" not in card:
        raise SpaceError(
            "The card would not say what the model was trained on, which is asked before targets "
            "are acquired.",
            do=f"Add --set trained_on={_REAL} or --set trained_on={SIMULATED}.",
        )
    return card


def write_card(path: Path, values: Mapping[str, Any]) -> None:
    """Write a card; it appears whole.

    Raises
    ------
    SpaceError
        If it cannot be written.
    """
    try:
        refuse_link(path)
        write_text_atomic(path, json.dumps(dict(values), indent=1, ensure_ascii=False) + "\n")
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The card cannot be written ({error}).",
            str(path),
            "Run this as a user who may write there.",
        ) from None


def _number(text: str) -> float | int | str:
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value
