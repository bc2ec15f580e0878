"""The plan of the night, made anew from what the files of a session say (docs/planner.md).

`work` says what there is to do and what it is worth, `became` what the series so far became and how
long they took, `renewing` reads, plans and writes. What a plan is, `space.planning` knows.
"""

from space.replanning.became import Became, became
from space.replanning.renewing import order_of_slots, renew
from space.replanning.work import problem_of

__all__ = ["Became", "became", "order_of_slots", "problem_of", "renew"]
