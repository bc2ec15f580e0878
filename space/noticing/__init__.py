"""Tilt series that go wrong while they are being taken are noticed, and told once.

While SerialEM acquires, no script of ours runs: a process of its own looks at the mdocs as they
grow (`python -m space.noticing SESSION`), and the post action once more after each item. Nothing
that runs is stopped. What was noticed is in the journal (docs/planner.md).
"""

from space.noticing.beside import LOG, start
from space.noticing.looking import Noticed, is_wanted, look

__all__ = ["LOG", "Noticed", "is_wanted", "look", "start"]
