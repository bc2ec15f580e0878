"""The model card: what a model is, what it was trained on, how good it is, and on which data.

``card.json`` beside the model gets the scores, and a page of Markdown says all of it to people.
Whatever else stands in either of them stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Union

from space.errors import SpaceError
from space.files import read_bytes_bounded, refuse_link, write_text_atomic
from space.learning.comparing import Comparison
from space.learning.comparing_boxes import BoxComparison
from space.learning.dataset import Sample
from space.learning.evaluate_boxes import NEAR_PX
from space.models.card import CARD, FIELDS, SIMULATED, read_card, write_card
from space.models.description import Model, describe
from space.models.place import RUN
from space.models.store import FOLDER, place_of

BEGIN, END = (
    "<!-- written by spacetomo evaluate -->",
    "<!-- end of what spacetomo evaluate wrote -->",
)
_LONGEST_PAGE_BYTES = 1_000_000
_LONGEST_RUN_BYTES = 20_000_000
_MOST_SHOWN = 40
_SHORT_HASH = 12


Evaluated = Union[Comparison, BoxComparison]
"""How good a model is, whatever it finds."""


@dataclass(frozen=True)
class EvaluatedOn:
    """The pictures that a model was looked at with.

    Attributes
    ----------
    name : str
        Of the data set.
    split : str
    pictures : int
    hash : str
        Of all these pictures and their labels, so that others are not taken for them.
    day : str
        When, as ``2026-11-28``.
    version : str
        Of this program.
    """

    name: str
    split: str
    pictures: int
    hash: str
    day: str
    version: str


def data_hash(samples: Sequence[Sample]) -> str:
    """Return a hash of pictures and labels, whatever their order and their names."""
    pairs = sorted(f"{one.picture_hash} {one.label_hash}" for one in samples)
    return sha256("\n".join(pairs).encode("ascii")).hexdigest()


def card_problem(path: Path) -> str:
    """Say why no card can be written for a model; empty if one can.

    Parameters
    ----------
    path : Path
        The model.

    Raises
    ------
    SpaceError
        If there is no model, or its card cannot be read.
    """
    model = _model(path)
    card = read_card(model.place.card)
    if not isinstance(card.get("scores", {}), dict):
        return (
            "The scores in the card of the model are no table, and nothing in it is to be lost: "
            "give them another name."
        )
    if model.place.form == FOLDER and "trained_on" not in card:
        return (
            "The card of the model would not say what it was trained on, which is asked before "
            f"targets are acquired. Run spacetomo models card {path} --set trained_on=real "
            f"(or {SIMULATED}) first."
        )
    return ""


def write_model_card(path: Path, found: Evaluated, tested: EvaluatedOn) -> tuple[Path, Path]:
    """Write the scores into the card of a model, and a page for people beside it.

    Parameters
    ----------
    path : Path
        The model.
    found : Comparison or BoxComparison
    tested : EvaluatedOn

    Returns
    -------
    card, page : Path

    Raises
    ------
    SpaceError
        If `card_problem` says why, or a file cannot be read or written.
    """
    problem = card_problem(path)
    if problem:
        raise SpaceError(problem, str(path))
    model = _model(path)
    where = model.place.card
    page = where.with_name(f"{where.name[: -len(CARD)]}CARD.md")
    kept = _page(page)
    card = dict(model.card)  # of an .onnx file without one, what the file says itself
    name = f"{tested.name} {tested.split}"
    card["scores"] = {**card.get("scores", {}), name: scores_of(found, tested)}
    write_card(where, card)
    own = markdown(model, card, _run_of(where.parent), found, tested)
    try:
        refuse_link(page)
        write_text_atomic(page, _replaced(kept, own))
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The page about the model cannot be written ({error}).",
            str(page),
            "Run this as a user who may write there.",
        ) from None
    return where, page


def scores_of(found: Evaluated, tested: EvaluatedOn) -> dict[str, Any]:
    """Return what the card says of an evaluation; what has no number is left out."""
    numbers = _of_boxes(found) if isinstance(found, BoxComparison) else _of_labels(found)
    return {
        "pictures": tested.pictures,
        **{name: round(value, 4) for name, value in numbers.items() if value is not None},
        "data_hash": tested.hash,
        "day": tested.day,
        "version": tested.version,
    }


def _of_boxes(found: BoxComparison) -> dict[str, float | None]:
    at = found.any_class.at_threshold(found.threshold)
    return {
        "map50": found.mean_ap[0],
        "map50_95": found.mean_ap[1],
        **{f"ap50 {one.scores.category}": one.scores.ap50 for one in found.classes},
        f"recall at {found.threshold:g}": at.recall,
        f"precision at {found.threshold:g}": at.precision,
        "centre_median_px": found.any_class.centres.median_px,
    }


def _of_labels(found: Comparison) -> dict[str, float | None]:
    return {
        "mean_dice": found.mean_dice,
        **{f"dice {one.name}": one.score.dice for one in found.classes},
        "calibration_error": found.calibration.ece if found.calibration else None,
        "hit_rate": found.hits.hit_rate if found.hits else None,
        "reached_rate": found.hits.reached_rate if found.hits else None,
    }


def markdown(
    model: Model,
    card: Mapping[str, Any],
    run: Mapping[str, Any],
    found: Evaluated,
    tested: EvaluatedOn,
) -> str:
    """Return the page about a model.

    Parameters
    ----------
    model : Model
    card : mapping
        Its card.
    run : mapping
        Of the folder that it was trained in; empty if there is none.
    found : Comparison or BoxComparison
    tested : EvaluatedOn
    """
    parts = [
        f"# {_plain(model.place.name)}",
        *_what(model, card),
        *_trained(card, run),
        *_how_good(found, tested),
        *_limits(model, card, found, tested),
    ]
    return "\n\n".join(parts)


def _what(model: Model, card: Mapping[str, Any]) -> list[str]:
    pixel_nm = card.get("pixel_nm", model.pixel_nm)
    lines = [
        f"* form: {model.place.form}",
        f"* classes: {', '.join(map(_plain, model.classes))}",
        f"* pixel of the pictures that it knows: {f'{pixel_nm:g} nm' if pixel_nm else 'not known'}",
    ]
    note = [_plain(card["note"])] if card.get("note") else []
    return ["## What it is", "\n".join(lines), *note]


def _trained(card: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    lines = [f"* kind of pictures: {_plain(card.get('trained_on', 'not known'))}"]
    config, pictures = run.get("config"), run.get("pictures")
    if isinstance(pictures, dict):
        lines.append(
            f"* {len(pictures)} pictures, those for validation among them; their hashes are in "
            f"{RUN}"
        )
    if isinstance(config, dict):
        told = ("data", "engine", "encoder", "pixel_nm", "steps", "epochs", "seed")
        settings = [f"{name} {config[name]}" for name in told if config.get(name) is not None]
        lines.append(f"* settings: {_plain(', '.join(settings))}")
    if run.get("start_from"):
        lines.append(f"* began with {_plain(run['start_from'])}")
    others = [name for name in card if name not in (*FIELDS, "scores")][:_MOST_SHOWN]
    lines += [
        f"* {_plain(name)}: {_plain(json.dumps(card[name], ensure_ascii=False))}" for name in others
    ]
    return ["## What it was trained on", "\n".join(lines)]


def _how_good(found: Evaluated, tested: EvaluatedOn) -> list[str]:
    mean = (
        f"mAP50 {_number(found.mean_ap[0])}, mAP50-95 {_number(found.mean_ap[1])}"
        if isinstance(found, BoxComparison)
        else f"mean Dice {_number(found.mean_dice)}"
    )
    text = (
        f"On {tested.pictures} pictures ({tested.split}) of {_plain(tested.name)}, hash "
        f"{tested.hash[:_SHORT_HASH]}, on {tested.day} by SPACEtomo {tested.version}: {mean}."
    )
    rest = _boxes_found(found) if isinstance(found, BoxComparison) else _labels_found(found)
    return ["## How good it is", text, *rest]


def _boxes_found(found: BoxComparison) -> list[str]:
    near = min(NEAR_PX)
    rows = [
        f"| class | boxes | AP50 | AP50-95 | recall | precision | centre within {near:g} px |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in (*found.classes, found.any_class):
        scores, at = one.scores, one.at_threshold(found.threshold)
        numbers = (scores.ap50, scores.ap50_95, at.recall, at.precision, one.centres.within[near])
        listed = " | ".join(map(_number, numbers))
        rows.append(f"| {_plain(scores.category)} | {scores.true} | {listed} |")
    return [
        "\n".join(rows),
        f"Recall, precision and centres are of boxes from a probability of {found.threshold:g} on.",
    ]


def _labels_found(found: Comparison) -> list[str]:
    rows = [
        "| class | Dice | IoU | precision | recall | outline F1 |",
        "|---|---|---|---|---|---|",
    ]
    for one in found.classes:
        score = one.score
        numbers = (score.dice, score.iou, score.precision, score.recall, one.boundary.f1)
        rows.append(f"| {_plain(one.name)} | {' | '.join(map(_number, numbers))} |")
    parts = ["\n".join(rows)]
    if found.calibration:
        parts.append(
            f"Expected calibration error: {_number(found.calibration.ece)}. By so much its "
            "confidence differs from how often it is right."
        )
    if found.hits:
        hits, best = found.hits, found.best_hits
        parts.append(
            f"Of {hits.targets} targets that a session would choose on what it finds, "
            f"{hits.hits} hit; {hits.reached} of {hits.places} places got one"
            + (f" (on the true labels: {best.reached})." if best else ".")
        )
    return parts


def _limits(
    model: Model, card: Mapping[str, Any], found: Evaluated, tested: EvaluatedOn
) -> list[str]:
    lines = [f"* {_plain(remark)}" for remark in found.remarks]
    if card.get("trained_on") == SIMULATED:
        lines.append("* It has seen simulated pictures only.")
    if isinstance(found, BoxComparison):
        measure, scores = "AP50", {one.scores.category: one.scores.ap50 for one in found.classes}
    else:
        measure, scores = "Dice", {one.name: one.score.dice for one in found.classes}
    weak = [name for name, score in scores.items() if score is not None and score < 0.5]
    if weak:
        lines.append(f"* {measure} below 0.5: {', '.join(map(_plain, weak))}.")
    if tested.pictures < 10:
        lines.append("* Few pictures were looked at: another ten may give other numbers.")
    lines.append("* Nothing is known of pictures that look otherwise than those it was tested on.")
    return ["## Limits", "\n".join(lines)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(text: object) -> str:
    """Return a text as it stands in one line of a page; nothing in it is markup."""
    line = " ".join(str(text).split())
    line = line if len(line) <= 2000 else f"{line[:1997]}..."
    return re.sub(r"([\\`*_<>\[\]|#])", r"\\\1", line)


def _model(path: Path) -> Model:
    model = describe(place_of(path))
    if not model.place.form:
        raise SpaceError(model.place.trouble, str(path))
    return model


def _page(path: Path) -> str:
    try:
        return read_bytes_bounded(path, _LONGEST_PAGE_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The page about the model cannot be read ({error}).", str(path), "Move it away."
        ) from None


def _replaced(page: str, own: str) -> str:
    """Return a page with another part of its own; what stands around it stays."""
    part = f"{BEGIN}\n{own}\n{END}"
    before, there, rest = page.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if there and ends:
        return f"{before}{part}{after}"
    return f"{part}\n" if not page.strip() else f"{page.rstrip()}\n\n{part}\n"


def _run_of(folder: Path) -> dict[str, Any]:
    """Return what a training has written beside its model or above it; empty without any use."""
    for place in (folder, folder.parent):
        try:
            run = json.loads(read_bytes_bounded(place / RUN, _LONGEST_RUN_BYTES).decode("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(run, dict):
            return run
    return {}
