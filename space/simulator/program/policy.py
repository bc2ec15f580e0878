"""Answers to dialogs and keys pressed, since nobody sits in front of the simulator.

A dialog never waits. Without an answer in the policy, Yes/No boxes and pauses get Yes, messages
are acknowledged, texts to enter stay empty, numbers keep the default that the dialog shows,
folders stay the present one, and an unnamed log is not saved. Every dialog is kept in
`session.dialogs`, with whether the policy had an answer.

Policies can be written in files in TOML::

    yes = true                      # Yes/No boxes that nothing below answers
    folder = "data"                 # chosen in folder dialogs
    keys = ["b"]                    # pressed one after another when the script looks for them
    awaited = ["b"]                 # keys that end a wait: pressed when looked for ...
    key_after_polls = 0             # ... this often; 0 = never
    key_after_s = 600.0             # ... or for this long

    [questions]                     # part of the text of a Yes/No box or pause = answer
    "start over" = "no"
    "Proceed" = ["yes", "no"]       # yes the first time, no from then on

    [entries]                       # part of the prompt of a box to type in = what is typed
    "name of the grid" = "G9"
    "how many" = 12
    "give up" = "Cancel"            # cancels the dialog

The texts are regular expressions, searched without regard to case; the first that fits counts.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

if TYPE_CHECKING:
    from space.simulator.program.session import Session

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CANCEL = "Cancel"
OVERDUE_S = 20.0
"""A key that is looked for this long in real time is told in the log."""
QUESTIONS = ("yes/no", "pause")
Single = Union[bool, float, str]
Answer = Union[Single, Sequence[Single]]
"""One answer; or several, for the first time, the second time and so on."""

DialogKind = Literal[
    "yes/no", "pause", "ok", "enter", "file", "folder", "message", "error", "mail", "mail on error"
]


class PolicyError(ValueError):
    """A file of answers cannot be read or is wrong; the message says where."""


@dataclass(frozen=True)
class Dialog:
    """A dialog that came up and how it was answered.

    Attributes
    ----------
    kind : str
        One of `DialogKind`.
    text : str
        What it says.
    answer : str
        What was answered.
    foreseen : bool
        Whether the policy had an answer; otherwise the default was taken.
    """

    kind: DialogKind
    text: str
    answer: str
    foreseen: bool = False


@dataclass(frozen=True)
class Policy:
    """What the absent user would answer.

    Attributes
    ----------
    yes : bool
        Answer to Yes/No questions and pauses that no pattern matches.
    answers : tuple of (pattern, answer)
        Regular expressions searched in the text of Yes/No questions; the first match counts.
        An answer is a bool or several bools in turn, of which the last is repeated.
    texts : tuple of (pattern, answer)
        What is entered where a prompt matches; the default number or "" otherwise.
        The answer "Cancel" cancels.
    keys : tuple of str
        Keys pressed in the script window, each found by one KeyBreak.
    awaited : tuple of str
        Keys that end a wait. Only these are pressed unasked: any other may mean an order, as the
        key that pauses a run, for which a script looks now and then all night.
    key_after_polls : int
        An awaited key that a script asks for this often is pressed; 0 = never.
    key_after_s : float
        An awaited key that a script asks for during this real time is pressed, so that no loop
        waits for ever.
    folder : str
        Folder chosen in a folder dialog; "" = the present one.
    respond : callable, optional
        Called with kind and text of each dialog, and with "key" and the letter whenever a script
        looks for a key; None leaves the answer to the rest of the policy. It may act as a user
        does meanwhile. It may raise `ScriptStopped`, as a user who presses STOP.
    """

    yes: bool = True
    answers: tuple[tuple[str, Answer], ...] = ()
    texts: tuple[tuple[str, Answer], ...] = ()
    keys: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ("B",)
    key_after_polls: int = 0
    key_after_s: float = 600.0
    folder: str = ""
    respond: Callable[[str, str], Single | None] | None = None

    @classmethod
    def from_file(cls, path: Path) -> Policy:
        """Read answers from a TOML file; the module's docstring lists what it holds.

        Raises
        ------
        PolicyError
            If there is no such file, or it holds something else.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise PolicyError(f"The answers cannot be read: {error}") from error
        except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: huge numbers
            raise PolicyError(f"{path} is not a TOML file: {error}") from error
        try:
            return cls.from_mapping(values)
        except PolicyError as error:
            raise PolicyError(f"{path}: {error}") from error

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Policy:
        """Make a policy of what a file holds.

        Raises
        ------
        PolicyError
            If there is a name or a value that is not known.
        """
        read: dict[str, Any] = {}  # each value of the type that its field has
        for name, value in values.items():
            if name in _TABLES:
                target, convert = _TABLES[name]
                read[target] = _patterns(name, value, convert)
            elif name in _PLAIN:
                read[name] = _checked(name, value, _PLAIN[name])
            else:
                known = ", ".join([*_PLAIN, *_TABLES])
                raise PolicyError(f"'{name}' is not known; there are {known}")
        return cls(**read)

    def answer(self, kind: DialogKind, text: str, earlier: Sequence[Dialog] = ()) -> Single | None:
        """What the user answers to a dialog.

        Parameters
        ----------
        kind, text : str
            Which dialog.
        earlier : sequence of Dialog
            Those that came before, for answers that change from one time to the next.

        Returns
        -------
        bool, str or number
            None when the policy has no answer.
        """
        if self.respond is not None:
            at_once = self.respond(kind, text)
            if at_once is not None:
                return at_once
        for pattern, given in self.answers if kind in QUESTIONS else self.texts:
            if not _fits(pattern, text):
                continue
            if isinstance(given, (str, bool, int, float)):
                return given
            times = sum(d.kind == kind and _fits(pattern, d.text) for d in earlier)
            return given[min(times, len(given) - 1)]
        return None


def _fits(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None


# --- reading a file ------------------------------------------------------------------------------


def _checked(name: str, value: object, kinds: tuple[type, ...]) -> object:
    if name in ("keys", "awaited") and isinstance(value, (list, tuple)):
        if all(isinstance(key, str) and len(key) == 1 for key in value):
            return tuple(value)
    elif isinstance(value, kinds) and isinstance(value, bool) == (bool in kinds):
        return value
    raise PolicyError(f"{value!r} is not possible for '{name}'")


def _patterns(
    table: str, value: object, convert: Callable[[str, object], Single]
) -> tuple[tuple[str, Answer], ...]:
    if not isinstance(value, Mapping):
        raise PolicyError(f"'{table}' must be a table of texts and answers")
    found = []
    for pattern, answer in value.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise PolicyError(
                f"{pattern!r} in '{table}' is not a regular expression: {error}"
            ) from error
        several = isinstance(answer, (list, tuple))
        answers = tuple(convert(table, part) for part in (answer if several else [answer]))
        if not answers:
            raise PolicyError(f"{pattern!r} in '{table}' has no answer")
        found.append((pattern, answers if several else answers[0]))
    return tuple(found)


def _as_yes_no(table: str, value: object) -> bool:
    word = str(value).lower()
    if word in ("yes", "true"):
        return True
    if word in ("no", "false"):
        return False
    raise PolicyError(f"{value!r} in '{table}' is neither yes nor no")


def _as_text(table: str, value: object) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise PolicyError(f"{value!r} in '{table}' is neither text nor number")


_TABLES: dict[str, tuple[str, Callable[[str, object], Single]]] = {
    "questions": ("answers", _as_yes_no),
    "entries": ("texts", _as_text),
}
_PLAIN: dict[str, tuple[type, ...]] = {
    "yes": (bool,),
    "folder": (str,),
    "keys": (list,),
    "awaited": (list,),
    "key_after_polls": (int,),
    "key_after_s": (int, float),
}


# --- asking --------------------------------------------------------------------------------------


def ask_yes_no(session: Session, text: str, kind: DialogKind = "yes/no") -> bool:
    """Answer to a question; Yes by default."""
    given = session.policy.answer(kind, text, session.dialogs)
    answer = session.policy.yes if given is None else _truth(given)
    _note(session, Dialog(kind, text, "yes" if answer else "no", given is not None))
    return answer


def _truth(given: Single) -> bool:
    return given.strip().lower() in ("yes", "true") if isinstance(given, str) else bool(given)


def ask_text(
    session: Session, prompt: str, default: str = "", kind: DialogKind = "enter"
) -> str | None:
    """Text entered at a prompt, None when the dialog is cancelled."""
    given = session.policy.answer(kind, prompt, session.dialogs)
    answer = default if given is None else str(given)
    _note(session, Dialog(kind, prompt, answer, given is not None))
    return None if answer == CANCEL else answer


def _note(session: Session, dialog: Dialog) -> None:
    session.dialogs.append(dialog)
    session.write_log(f"[{dialog.kind}] {dialog.text} -> {dialog.answer}")


# --- keys ----------------------------------------------------------------------------------------


@dataclass
class Keyboard:
    """Keys for KeyBreak.

    Attributes
    ----------
    planned : list of str
        Keys that will be pressed, in turn, when a script looks for them.
    pressed : list of str
        Keys pressed since the last look; looking for any key forgets them.
    """

    planned: list[str] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)
    polls: dict[str, int] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def is_overdue(self, key: str) -> bool:
        """Whether the key has been looked for in vain for `OVERDUE_S`; True once for a key."""
        name, now = key.upper(), time.monotonic()
        if name in self.told or now - self.since.get(name, now) < OVERDUE_S:
            return False
        self.told.add(name)
        return True

    def press(self, key: str) -> None:
        """Press a key."""
        self.pressed.append(key.upper())

    def test(self, key: str, policy: Policy) -> bool:
        """Whether the key was pressed since the last test of any key."""
        name, now = key.upper(), time.monotonic()
        self.polls[name] = self.polls.get(name, 0) + 1
        start = self.since.setdefault(name, now)
        often = bool(policy.key_after_polls) and self.polls[name] >= policy.key_after_polls
        was_pressed = name in self.pressed
        self.pressed.clear()
        if not was_pressed and name in self.planned:
            self.planned.remove(name)
            was_pressed = True
        awaited = name in (key.upper() for key in policy.awaited)
        in_vain = often or now - start >= policy.key_after_s
        if not was_pressed and not (awaited and in_vain):
            return False
        self.polls.pop(name)
        self.since.pop(name)
        return True
