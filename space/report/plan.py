"""The plan of the night in the report: what is to come, what is left out, and why."""

from __future__ import annotations

from space.planning import Plan, rows, summary
from space.report.markup import Markup, join, table, tag

_HEAD = ("After", "What", "Series", "Value", "Why", "How the value comes about")


def plan_section(plan: Plan | None) -> Markup:
    """Return the section about a plan; nothing without one."""
    if plan is None:
        return Markup("")
    left_out = rows(plan, plan.left_out)
    folded = tag(
        "details",
        tag("summary", f"{len(left_out)} left out"),
        table(_HEAD[1:], [row[1:] for row in left_out], "what"),
    )
    return join(
        tag("h2", "Plan"),
        tag(
            "div",
            tag("p", f"{summary(plan)}."),
            table(_HEAD, list(rows(plan)), "what"),
            folded if left_out else "",
            tag("p", "; ".join(plan.notes), class_="soft") if plan.notes else "",
            class_="card scroll",
        ),
    )
