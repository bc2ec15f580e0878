"""The file that the run writes: what became of each edit.

It is the run's memory, too: an edit with a final answer is never looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from space.errors import SpaceError
from space.files import parse_json, read_bytes_bounded, write_text_atomic
from space.review.edits import NotAnEditError, is_id, read_edit

ANSWERS_FORMAT = "SPACEtomo review answers 1"
ANSWERS_ENDING = "_review_answers.json"

Outcome = Literal["applied", "refused", "waits"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_LARGEST_BYTES = 4_000_000
_MOST_ANSWERS = 5000
_MOST_OLD = 1000
_LONGEST = 1000


@dataclass(frozen=True)
class Answer:
    """What became of an edit.

    Attributes
    ----------
    answer : str
        "applied", "refused", or "waits": it is looked at again.
    why : str
        A sentence for people.
    when : str
        ISO time.
    of, became : str
        Stamps of the thing before and after it was applied; empty if it was not.
    opposite : mapping
        What takes it back, as plain values of an edit without its id; empty if nothing does.
    """

    answer: Outcome
    why: str
    when: str
    of: str = ""
    became: str = ""
    opposite: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether the edit is done with."""
        return self.answer != "waits"


def answers_path(directory: Path, grid: str) -> Path:
    """Return the file of a grid in the directory of a session."""
    return Path(directory) / f"{grid}{ANSWERS_ENDING}"


def read_answers(path: Path) -> dict[str, Answer]:
    """Return the answers by the id of their edit; empty when there is no file.

    Raises
    ------
    SpaceError
        When it cannot be understood: without it, edits would be applied twice.
    """
    try:
        values = parse_json(read_bytes_bounded(path, _LARGEST_BYTES).decode("utf-8-sig"))
        return _answers(values)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The answers to what was asked in the page cannot be read: {error}. Nothing that is "
            "asked there is done.",
            Path(path).name,
            "Delete this file. Edits that were answered are looked at once more; those that are "
            "done already stay done.",
        ) from None


def write_answers(path: Path, grid: str, answers: Mapping[str, Answer]) -> None:
    """Write all answers, whole or not at all."""
    entries = {id_: {k: v for k, v in asdict(one).items() if v} for id_, one in answers.items()}
    values = {"format": ANSWERS_FORMAT, "grid": grid, "answers": entries}
    write_text_atomic(path, json.dumps(values, indent=1) + "\n")


def kept(answers: Mapping[str, Answer], asked: Iterable[str]) -> dict[str, Answer]:
    """Return the answers to keep: those to edits that are still asked, and the last others."""
    wanted = set(asked)
    old = [one for one in answers if one not in wanted]
    dropped = set(old[: max(0, len(old) - _MOST_OLD)])
    return {id_: one for id_, one in answers.items() if id_ not in dropped}


def _answers(values: Any) -> dict[str, Answer]:
    entries = values.get("answers") if isinstance(values, dict) else None
    if not isinstance(entries, dict) or values.get("format") != ANSWERS_FORMAT:
        raise ValueError(f'it is no "{ANSWERS_FORMAT}"')
    if len(entries) > _MOST_ANSWERS:
        raise ValueError(f"it has {len(entries)} answers, more than {_MOST_ANSWERS}")
    return {id_: _answer(id_, entry) for id_, entry in entries.items()}


def _answer(id_: str, entry: Any) -> Answer:
    if not is_id(id_) or not isinstance(entry, dict) or entry.get("answer") not in OUTCOMES:
        raise ValueError("an entry is no answer")
    texts = [entry.get(key, "") for key in ("why", "when", "of", "became")]
    if not all(isinstance(text, str) and len(text) <= _LONGEST for text in texts):
        raise ValueError("an entry holds something else than short texts")
    opposite = entry.get("opposite", {})
    try:
        if opposite:
            read_edit({**opposite, "id": id_, "of": ""})
    except (TypeError, NotAnEditError) as error:
        raise ValueError(f"an opposite is no edit: {error}") from None
    return replace(Answer(cast("Outcome", entry["answer"]), *texts), opposite=opposite)
