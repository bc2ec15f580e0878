"""``spacetomo data collect``: what people corrected and approved in sessions, as a data set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

_MOST_LINES = 30


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action."""
    collect = actions.add_parser(
        "collect",
        help="gather what people corrected and approved in sessions",
        description="Adds to a data set: maps whose labels a person corrected on the page, maps "
        "whose targets a person approved as they are, and maps of grids whose lamellae a person "
        "corrected or approved. Grids with corrections are trained on, others held out for the "
        "test. Collected again, nothing is there twice. No file of a session is changed.",
        epilog="Example: spacetomo data collect D:/sessions/may D:/sessions/june --to my_set",
    )
    collect.add_argument(
        "sessions", type=Path, nargs="+", metavar="SESSION", help="SerialEM's directory"
    )
    collect.add_argument("--to", type=Path, required=True, metavar="DIR", help="the data set")
    collect.add_argument(
        "--maps",
        type=Path,
        metavar="DIR",
        help="folder of the maps, where external_map_dir is another path on this computer",
    )
    collect.add_argument("--json", action="store_true", help="print what was done as JSON")
    collect.set_defaults(do=_run)


def _run(args: argparse.Namespace) -> int:
    from space.learning import collect

    told: list[str] = []
    found = collect(args.sessions, args.to, told.append, args.maps)
    if args.json:
        facts = {**vars(found.done), "not_looked_at": found.not_looked_at, "told": told}
        print(json.dumps(facts, indent=1, ensure_ascii=False))
        return 1 if found.done.problems else 0
    for text in told[:_MOST_LINES]:
        print(f"Look at this: {text}")
    if len(told) > _MOST_LINES:
        print(f"... and {len(told) - _MOST_LINES} more (--json tells of all).")
    done = found.done
    print(
        f"{len(done.added)} added, {len(done.updated)} renewed, {len(done.there)} were there as "
        f"they are: {args.to}"
    )
    if found.not_looked_at:
        print(
            f"{len(found.not_looked_at)} maps were left out: nobody has corrected their labels or "
            "approved their targets."
        )
    return 1 if done.problems else 0
