"""``spacetomo targets``: targets chosen again on maps that are there, without a microscope."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from space import overview, pacetomo, plots, steps
from space.cli import given
from space.config import Config, load_config
from space.errors import SpaceError
from space.images import read_png
from space.journal import read as read_journal
from space.microscope import RecordOptics, read_navigator_file
from space.overview import GridFacts, LamellaFacts, SessionFacts
from space.project import project_folder
from space.settings import Settings
from space.steps import ChosenAgain, GridSession

FORMAT = 1
"""Of the JSON; a new number means that something was renamed or left out."""

_HEADS = ("lamella", "targets before", "now", "score before", "by new settings", "now", "")


@dataclass(frozen=True)
class Outcome:
    """What became of a lamella: its new choice, or why there is none."""

    grid: str
    lamella: LamellaFacts
    again: ChosenAgain | None = None
    picture: Path | None = None
    remark: str = ""
    failed: bool = False


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    targets = commands.add_parser(
        "targets",
        help="choose targets again on the maps of a session, without a microscope",
        description="Chooses targets with other settings on the segmented maps of a session, and "
        "compares them with those that were chosen. Writes a picture of each lamella outside of "
        "the session, and nothing into it unless --write is given. The exit status is 0, 1 if a "
        "lamella could not be done, 2 if none could.",
        epilog="Example: spacetomo targets D:/sessions/today --set target_list='[\"nucleus\"]'",
    )
    given.add_session(targets)
    targets.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value of a setting that concerns targets; several times",
    )
    targets.add_argument(
        "--lamella", action="append", default=[], metavar="L03", help="only this; several times"
    )
    targets.add_argument("--grid", help="only the grid of this name")
    targets.add_argument(
        "--out", type=Path, metavar="DIR", help="for the pictures (default: SESSION_targets here)"
    )
    targets.add_argument(
        "--write",
        action="store_true",
        help="have the next run of SPACEtomo.py set these targets up, except for lamellae whose "
        "acquisition has begun",
    )
    targets.add_argument(
        "--acquisition-ended",
        action="store_true",
        help="with --write: SerialEM acquires nothing at present, whatever the journal says",
    )
    targets.add_argument(
        "--ignore-edits",
        action="store_true",
        help="choose also where a person has given targets (take in the choice file)",
    )
    targets.add_argument(
        "--record-field-um",
        type=float,
        nargs=2,
        metavar=("WIDTH", "HEIGHT"),
        help="what a Record picture covers, where the session does not say it",
    )
    targets.add_argument(
        "--record-rotation", type=float, default=0.0, metavar="DEG", help="its image rotation"
    )
    targets.add_argument(
        "--space-dir",
        type=given.folder,
        metavar="DIR",
        help="folder of the project (default: this one)",
    )
    targets.add_argument("--json", action="store_true", help="print the table as JSON")
    targets.set_defaults(do=_targets)


def _targets(args: argparse.Namespace) -> int:
    session = overview.read_session(args.session, args.maps)
    chosen = _chosen(session, args.grid, args.lamella)
    space_dir = args.space_dir or project_folder()
    config = load_config(space_dir)
    settings = overview.settings_with(session, given.named_values(args.set), config, space_dir)
    out = _out(args)
    if args.write and not args.acquisition_ended:
        _refuse_while_acquiring(session)
    outcomes = [
        _one(args, session, grid, lamella, settings, config, out) for grid, lamella in chosen
    ]
    if args.json:
        print(json.dumps({"format": FORMAT, "lamellae": [_plain(o) for o in outcomes]}, indent=1))
    else:
        print("\n".join(_table(outcomes)))
        print(f"Pictures: {out}")
        if args.write:
            print(
                "Run SPACEtomo.py at the microscope with the same settings before anything is "
                "acquired: it sets these targets up."
            )
    failures = sum(one.failed for one in outcomes)
    return 0 if not failures else 2 if failures == len(outcomes) else 1


# --- what is asked --------------------------------------------------------------------------------


def _chosen(
    session: SessionFacts, grid_name: str | None, labels: Sequence[str]
) -> list[tuple[GridFacts, LamellaFacts]]:
    """Return the lamellae that are asked for and have a segmentation."""
    wanted = {label.strip().upper() for label in labels}
    pairs = [
        (grid, lamella)
        for grid in session.grids
        if grid_name in (None, grid.name)
        for lamella in grid.visited
        if not wanted or lamella.label in wanted
    ]
    if (wanted or grid_name is not None) and not pairs:
        raise SpaceError(
            f"There is no {', '.join(sorted(wanted)) or 'lamella to visit'} "
            f"{'on grid ' + grid_name if grid_name is not None else 'in this session'}.",
            str(session.directory),
            "Name lamellae as L03, and grids, as spacetomo status does.",
        )
    found = [(grid, lamella) for grid, lamella in pairs if lamella.labels is not None]
    if not found:
        raise SpaceError(
            f"None of {len(pairs)} lamellae has a segmented map here.",
            str(session.map_dir),
            "Name lamellae as L03, the folder of the maps with --maps; spacetomo status says more.",
        )
    return found


def _out(args: argparse.Namespace) -> Path:
    """Return the folder of the pictures, which must not be the session."""
    out = (args.out or Path.cwd() / f"{args.session.resolve().name}_targets").resolve()
    inside = args.session.resolve()
    if out == inside or inside in out.parents:
        raise SpaceError(
            "Pictures would be written into the session.", str(out), "Name another folder: --out."
        )
    out.mkdir(parents=True, exist_ok=True)
    return Path(out)


def _refuse_while_acquiring(session: SessionFacts) -> None:
    """Refuse to change a session whose items are being acquired, as far as files tell."""
    if overview.may_be_acquiring(session, read_journal(session.directory)):
        raise SpaceError(
            "Tilt series of this session may be being acquired: nothing was written.",
            str(session.directory),
            "Wait for the end; if nothing is being acquired, add --acquisition-ended.",
        )


# --- each lamella ---------------------------------------------------------------------------------


def _one(
    args: argparse.Namespace,
    session: SessionFacts,
    grid: GridFacts,
    lamella: LamellaFacts,
    settings: Settings,
    config: Config,
    out: Path,
) -> Outcome:
    outcome = Outcome(grid.name, lamella)
    files = GridSession(
        settings, config, session.directory, session.map_dir, grid.name, grid.map_root
    )
    try:
        record = _record(args, session, lamella, settings)
        items = read_navigator_file(grid.navigator_file) if grid.navigator_file else ()
        if lamella.labels is None:
            raise SpaceError("It is not segmented.", lamella.label)
        again = steps.choose_again(
            files, lamella.number, lamella.labels, record, items, args.ignore_edits
        )
        outcome = replace(outcome, again=again, picture=_draw(files, lamella.number, again, out))
        outcome = replace(outcome, remark=_remark(again, args.ignore_edits))
        if args.write:
            outcome = replace(outcome, remark=_written(files, lamella, again, outcome.remark))
    except (SpaceError, OSError, ValueError) as error:
        return replace(outcome, remark=str(error), failed=True)
    return outcome


def _record(
    args: argparse.Namespace, session: SessionFacts, lamella: LamellaFacts, settings: Settings
) -> RecordOptics:
    """Return the optics of Record: as given, as noted for this lamella, or for another one."""
    if args.record_field_um:
        width, height = args.record_field_um
        beam_um = settings.beam_diameter or (width**2 + height**2) ** 0.5
        return RecordOptics((width, height), args.record_rotation, beam_um)
    record = overview.noted_record(session, lamella, settings)
    if record is None:
        raise SpaceError(
            "What a Record picture covers is not noted in this session (no lamella was set up by "
            "this version).",
            lamella.label,
            "Give --record-field-um and --record-rotation, and beam_diameter with --set.",
        )
    return record


def _draw(files: GridSession, number: int, again: ChosenAgain, out: Path) -> Path:
    path = out / pacetomo.plot_name(files.map_stem(number), files.settings.classes_wanted)
    picture, _ = read_png(files.map_png(number))
    question, choice = again.question, again.choice
    plots.plot_targets(
        path,
        picture,
        question.wanted(choice.polygons_map_px),
        choice,
        question.optics,
        f"{files.map_stem(number)}: {choice.n_targets} targets, chosen again",
    )
    return path


def _remark(again: ChosenAgain, ignore_edits: bool) -> str:
    if again.before is not None and again.before.take != "nothing" and not ignore_edits:
        taken = "all targets" if again.before.take == "all" else "the fixed targets"
        return f"{taken} of its choice file stay (--ignore-edits chooses again)"
    return "" if again.choice.areas else " ".join(again.choice.warnings[-1:])


def _written(files: GridSession, lamella: LamellaFacts, again: ChosenAgain, remark: str) -> str:
    """Hand a choice back to the session; return what was done."""
    if lamella.state in ("begun", "acquired"):
        return f"{lamella.state}: its targets stay as they are"
    steps.hand_back(files, lamella.number, again)
    return "; ".join(text for text in (remark, "handed back to the session") if text)


# --- what is shown --------------------------------------------------------------------------------


def _table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    rows = [_HEADS, *(_row(one) for one in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
    for row in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(row, widths)]
        yield "  ".join((*cells, row[-1])).rstrip()


def _row(one: Outcome) -> tuple[str, ...]:
    values = _numbers(one)
    return (
        f"{one.grid} {one.lamella.label}",
        *(_cell(values[name]) for name in values),
        one.remark,
    )


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _numbers(one: Outcome) -> dict[str, float | None]:
    again = one.again
    return {
        "targets_before": None if again is None else again.targets_before,
        "targets": None if again is None else again.choice.n_targets,
        "score_before": None if again is None else again.stored_score,
        "score_before_by_new_settings": None if again is None else again.before_score,
        "score": None if again is None else float(again.choice.counts.total_score),
    }


def _plain(one: Outcome) -> Mapping[str, Any]:
    return {
        "grid": one.grid,
        "lamella": one.lamella.number,
        **_numbers(one),
        "picture": str(one.picture) if one.picture else None,
        "failed": one.failed,
        "remark": one.remark,
    }
