"""Maps that are taken again, as `reacquire` or a mark in the Navigator asks.

A setting stays in the script, so each entry is obeyed once: those that were are kept in a file,
written when the old map is out of the way and before the new one is taken. The mark is taken away
at that moment. Lamellae of which something was exposed are refused: their targets lie on the old
map, and would be exposed again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError
from space.files import read_json, write_text_atomic
from space.lamellae import Mark, without_again
from space.microscope import navigator
from space.settings import MapAgain, map_again
from space.steps import lamella_list
from space.steps.earlier import put_map_aside, was_exposed
from space.steps.grid_names import of_no_grid
from space.steps.session import GridSession

MARK = "a mark in the Navigator"

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Wish:
    """What asks for a new map of a lamella.

    Attributes
    ----------
    number : int
        The lamella.
    words : tuple of str
        Entries of `reacquire` that were not obeyed yet.
    marked : bool
        Whether its note in the Navigator ends with "again".
    """

    number: int
    words: tuple[str, ...] = ()
    marked: bool = False

    def __str__(self) -> str:
        asked = [f'reacquire ("{word}")' for word in self.words]
        return " and ".join([*asked, MARK] if self.marked else asked)


def wishes(session: GridSession, marks: Iterable[Mark]) -> list[Wish]:
    """Return the lamellae of a grid whose maps are to be taken again; reads files only.

    Parameters
    ----------
    session : GridSession
    marks : iterable of Mark
        What the Navigator says of the lamellae to visit.

    Raises
    ------
    SpaceError
        When what is kept of earlier ones cannot be read.
    """
    taken = _taken(session)
    found = []
    for mark in marks:
        words = tuple(
            asked.word
            for asked in _entries(session)
            if asked.number == mark.number and asked.word not in taken.get(mark.number, ())
        )
        if words or mark.again:
            found.append(Wish(mark.number, tuple(dict.fromkeys(words)), mark.again))
    return found


def is_open(session: GridSession, marks: Iterable[Mark]) -> bool:
    """Whether a map of a grid is to be taken again, and may be; reads files only."""
    return any(not was_exposed(session, wish.number) for wish in wishes(session, marks))


def maps_to_take_again(session: GridSession) -> frozenset[int]:
    """Return the lamellae whose maps are to be taken again; say which are not, and why."""
    marks = _marks()
    wanted = wishes(session, marks)
    for remark in _remarks(session, {mark.number for mark in marks}, wanted):
        log.warning("%s", remark)
    if wanted and navigator.is_acquiring():
        log.warning("No map is taken again while Acquire at Items is running.")
        return frozenset()
    return frozenset(wish.number for wish in wanted if not was_exposed(session, wish.number))


def make_way(session: GridSession, number: int) -> str:
    """Put a lamella's old map aside if a new one is asked for; return what asks, "" for nothing."""
    wish = next((one for one in wishes(session, _marks()) if one.number == number), None)
    if wish is None or navigator.is_acquiring() or was_exposed(session, number):
        return ""
    log.info("Lamella %d: its map is taken again, as asked by %s.", number, wish)
    put_map_aside(session, number)
    if wish.words:
        taken = _taken(session)
        _save(session, {**taken, number: (*taken.get(number, ()), *wish.words)})
    if wish.marked:
        _take_marks_away(number)
    return str(wish)


def _marks() -> list[Mark]:
    visited = lamella_list.to_visit(navigator.items())
    return [mark for item in visited if (mark := lamella_list.mark(item)) is not None]


def _take_marks_away(number: int) -> None:
    for item in navigator.items():
        mark = lamella_list.mark(item)
        if mark is not None and mark.again and mark.number == number:
            navigator.describe(item.index, note=without_again(item.note))
    navigator.save()


def _entries(session: GridSession) -> list[MapAgain]:
    """Return the entries of the setting that mean this grid."""
    return [
        asked
        for entry in session.settings.reacquire
        if (asked := map_again(entry)) is not None
        and asked.grid.lower() in ("", session.grid.lower())
    ]


# --- what is said ---------------------------------------------------------------------------------


def _remarks(session: GridSession, known: set[int], wanted: list[Wish]) -> list[str]:
    taken = _taken(session)
    found = [
        f"The map of lamella {wish.number} is not taken again, as asked by {wish}: its tilt series "
        "were begun, and what was exposed would be exposed again. Its map and targets stay."
        for wish in wanted
        if was_exposed(session, wish.number)
    ]
    for asked in _entries(session):
        if asked.number not in known:
            found.append(
                f'reacquire names "{asked.word}", but grid {session.grid} has no lamella '
                f"{asked.number} to visit. Its lamellae: {_listed(known)}."
            )
        elif asked.word in taken.get(asked.number, ()):
            log.info(
                'The map of lamella %d was taken again for "%s" in reacquire already. For once '
                'more, write "%s".',
                asked.number,
                asked.word,
                _next_word(asked.number, taken[asked.number]),
            )
    grids = {
        entry: read.grid
        for entry in session.settings.reacquire
        if (read := map_again(entry)) is not None
    }
    return [*found, *of_no_grid(session, "reacquire", grids)]


def _next_word(number: int, taken: tuple[str, ...]) -> str:
    word, times = f"L{number:02d} again", 1
    while word in taken:
        times += 1
        word = f"L{number:02d} again {times}"
    return word


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none"


# --- what was obeyed ------------------------------------------------------------------------------


def _taken(session: GridSession) -> dict[int, tuple[str, ...]]:
    return read_taken(session.retaken_file)


def read_taken(path: Path) -> dict[int, tuple[str, ...]]:
    """Return the entries of `reacquire` that were obeyed, by lamella.

    Raises
    ------
    SpaceError
        When the file was damaged.
    """
    try:
        values = read_json(path)
        return {int(number): tuple(map(str, words)) for number, words in values.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SpaceError(
            f"The list of maps that were taken again cannot be read: {error!r}.",
            str(path),
            "Delete this file; lamellae that reacquire still names are then taken again.",
        ) from None


def _save(session: GridSession, taken: dict[int, tuple[str, ...]]) -> None:
    values = {str(number): list(words) for number, words in sorted(taken.items())}
    write_text_atomic(session.retaken_file, json.dumps(values, indent=1) + "\n")
