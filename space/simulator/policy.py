"""Answers to dialogs, since nobody sits in front of the simulator."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dialog:
    """A dialog that came up and how it was answered."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True)
class Policy:
    """What the absent user would answer.

    Attributes
    ----------
    yes : bool
        Answer to Yes/No questions and pauses that no pattern matches.
    answers : tuple of (pattern, bool)
        Regular expressions searched in the text of Yes/No questions; the first match counts.
    texts : tuple of (pattern, str)
        Texts entered where a prompt matches; the default number or "" otherwise.
        The answer "Cancel" cancels.
    keys : tuple of str
        Keys pressed in the script window, each found by one KeyBreak.
    key_after_polls : int
        A key that a script asks for this often in a row is pressed; 0 = never.
    key_after_s : float
        A key that a script asks for during this real time is pressed, so that no loop waits
        for ever.
    folder : str
        Folder chosen in a folder dialog; "" = the present one.
    """

    yes: bool = True
    answers: tuple[tuple[str, bool], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    keys: tuple[str, ...] = ()
    key_after_polls: int = 0
    key_after_s: float = 600.0
    folder: str = ""

    def yes_no(self, text: str) -> bool:
        """Answer to a Yes/No question."""
        for pattern, answer in self.answers:
            if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
                return answer
        return self.yes

    def entered(self, prompt: str, default: str = "") -> str | None:
        """Text entered at a prompt, None when the dialog is cancelled."""
        for pattern, answer in self.texts:
            if re.search(pattern, prompt, re.IGNORECASE | re.DOTALL):
                return None if answer == "Cancel" else answer
        return default


@dataclass
class Keyboard:
    """Keys that wait to be seen by KeyBreak."""

    pressed: list[str] = field(default_factory=list)
    polls: dict[str, int] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)

    def press(self, key: str) -> None:
        """Press a key."""
        self.pressed.append(key.upper())

    def test(self, key: str, policy: Policy) -> bool:
        """Whether the key was pressed since the last test; forgets it."""
        name, now = key.upper(), time.monotonic()
        self.polls[name] = self.polls.get(name, 0) + 1
        start = self.since.setdefault(name, now)
        often = bool(policy.key_after_polls) and self.polls[name] >= policy.key_after_polls
        if name in self.pressed:
            self.pressed.remove(name)
        elif not often and now - start < policy.key_after_s:
            return False
        self.polls.pop(name)
        self.since.pop(name)
        return True
