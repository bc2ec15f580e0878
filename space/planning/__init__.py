"""The best use of a night: an order and a number of tilt series by expected value for their time.

Pure, but for the plan's file: what there is to do is given, and a plan is returned
(docs/planner.md). Nothing here knows the microscope or the files of a session.
"""

from space.planning.chances import (
    CLASS_PRIORS,
    Candidate,
    Chance,
    Result,
    chance_of,
    value_of_thickness,
)
from space.planning.ordering import EARLY, Timed, best_order, expected_value, timed
from space.planning.pace import PRIOR, Pace, measured_pace
from space.planning.plan import Entry, Plan, make_plan
from space.planning.plan_file import PLAN_FILE, plan_table, read_plan, write_plan
from space.planning.problem import HOUR_S, Job, Problem, Ways, Wishes
from space.planning.rounds import put_off, visit_of
from space.planning.wording import clock, lines, rows, summary

__all__ = [
    "CLASS_PRIORS",
    "EARLY",
    "HOUR_S",
    "PLAN_FILE",
    "PRIOR",
    "Candidate",
    "Chance",
    "Entry",
    "Job",
    "Pace",
    "Plan",
    "Problem",
    "Result",
    "Timed",
    "Ways",
    "Wishes",
    "best_order",
    "chance_of",
    "clock",
    "expected_value",
    "lines",
    "make_plan",
    "measured_pace",
    "plan_table",
    "put_off",
    "read_plan",
    "rows",
    "summary",
    "timed",
    "value_of_thickness",
    "visit_of",
    "write_plan",
]
