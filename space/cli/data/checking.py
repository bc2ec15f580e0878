"""``spacetomo data check``: what is wrong with a data set, and how much of each class is in it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from space.learning import Report

_MOST_LINES = 40


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    check = actions.add_parser(
        "check",
        help="say what is wrong with each picture, and count the classes",
        description="Reads every file of a data set: sizes, labels of no class, copies in two "
        "splits, missing pixel sizes and classes. Exit code 1 if something would make training or "
        "testing wrong. Nothing is changed.",
        epilog="Example: spacetomo data check my_set",
    )
    check.add_argument("data", type=Path, metavar="DIR", help="folder of the data set")
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space.learning import check

    report = check(args.data)
    if args.json:
        print(json.dumps({"fit": report.is_fit, **asdict(report)}, indent=1, ensure_ascii=False))
    else:
        for line in lines(report):
            print(line)
    return 0 if report.is_fit else 1


def lines(report: Report) -> list[str]:
    """Return what is printed about a data set."""
    total = sum(report.pictures.values())
    parts = [f"{count} {split or 'without split'}" for split, count in report.pictures.items()]
    text = [f"{total} pictures ({', '.join(parts)}), {report.labelled} with labels."]
    pixels = sum(one.pixels for one in report.classes)
    if report.labelled:
        wide = max(len(one.name) for one in report.classes)
        text.append(f"{'class':{wide}}  value   share  pictures: train  val  test  none")
        for one in report.classes:
            share = f"{100 * one.pixels / pixels:.2f} %" if pixels else "-"
            counts = [one.pictures[split] for split in ("train", "val", "test", "")]
            text.append(
                f"{one.name:{wide}}  {one.value:5d}  {share:>7}            "
                "{:4d} {:4d}  {:4d}  {:4d}".format(*counts)
            )
    text += [f"boxes of {name}: {count}" for name, count in report.boxes.items()]
    found = sorted(report.problems, key=lambda one: not one.is_error)
    for problem in found[:_MOST_LINES]:
        where = f"{problem.picture}: " if problem.picture else ""
        text.append(f"{'WRONG' if problem.is_error else 'look at'}: {where}{problem.what}")
    if len(found) > _MOST_LINES:
        text.append(f"... and {len(found) - _MOST_LINES} more (--json tells of all).")
    if not found:
        text.append("Nothing is wrong with it.")
    return text
