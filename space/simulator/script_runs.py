"""One script on a session that is kept on disk, as from the script window of SerialEM."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space.simulator import options
from space.simulator.options import OptionError

if TYPE_CHECKING:
    from space.simulator.keeping import Setup
    from space.simulator.program.session import Script
    from space.simulator.python.host import ScriptResult
    from space.simulator.simulation import Simulation

RUN_SCRIPT, PRIMARY_SCRIPT, AFTER_SCRIPT = 1, 2, 3
"""Numbers in the script list."""
_CHOSEN = (RUN_SCRIPT, PRIMARY_SCRIPT, AFTER_SCRIPT)

_OPTIONS = {"within_um": "--within"}


@dataclass(frozen=True)
class ScriptRun:
    """One script on a session that is kept on disk.

    Attributes
    ----------
    session : Path
        The session's folder.
    setup : Setup or None
        What a new session is made of; None to go on with an old one.
    script : Path or None
        The script; None to press GO in Acquire at Items at once.
    acquire : bool
        Whether to press GO in Acquire at Items (after the script).
    primary, after : Path or None
        Scripts to choose in its dialog, from here on.
    library : tuple of Path
        Scripts that others can call, from here on.
    faults : tuple of str
        What goes wrong in this run; see `space.simulator.column.faults`.
    answers : Path or None
        File with the answers to dialogs.
    serve : int or None
        Port at which to listen for Python outside, until this is interrupted.
    modules : Path or None
        Folder into which the module for the other process is written.
    """

    session: Path
    setup: Setup | None = None
    script: Path | None = None
    acquire: bool = False
    primary: Path | None = None
    after: Path | None = None
    library: tuple[Path, ...] = ()
    faults: tuple[str, ...] = ()
    answers: Path | None = None
    serve: int | None = None
    modules: Path | None = None


def script_run(args: argparse.Namespace) -> ScriptRun:
    """Make the order to run a script; for a new session, the options define its setup.

    Raises
    ------
    OptionError
        If options cannot be followed, or contradict the session.
    """
    from space.simulator.keeping import Setup, is_session

    if args.run is None and not args.acquire and args.serve is None:
        raise OptionError(
            "There is nothing to run.", do="Add --run SCRIPT, --acquire or --serve PORT."
        )
    made_of = options.made_of(args)
    setup = None
    if is_session(args.session):
        refuse_contradictions(args.session, made_of)
    else:
        setup = Setup.of(**made_of)
    return ScriptRun(
        session=args.session,
        setup=setup,
        script=args.run,
        acquire=args.acquire,
        primary=args.primary,
        after=args.after,
        library=tuple(args.library),
        faults=options.faults(args.fault),
        answers=options.existing(args.answer, "--answer"),
        serve=args.serve,
        modules=args.modules,
    )


def run_on_session(order: ScriptRun, show: Callable[[str], None] = print) -> ScriptResult:
    """Run a script as from the script window of a program that keeps running.

    Parameters
    ----------
    order : ScriptRun
    show : callable
        Gets every line of the log.

    Raises
    ------
    OptionError
        If session or script cannot be opened.
    """
    from space.simulator import Script, ScriptResult
    from space.simulator.keeping import SessionError, open_session
    from space.simulator.report import noted_run

    chosen = (
        (RUN_SCRIPT, "--run", order.script),
        (PRIMARY_SCRIPT, "--primary", order.primary),
        (AFTER_SCRIPT, "--after", order.after),
    )
    scripts = {
        number: Script(path.stem, options.read_script(path, option))
        for number, option, path in chosen
        if path is not None
    }
    library = [Script(path.stem, options.read_script(path, "--library")) for path in order.library]
    try:
        with open_session(
            order.session,
            order.setup,
            faults=order.faults,
            policy=options.read_answers(order.answers),
            progress=show,
        ) as simulation:
            simulation.scripts.update(scripts)
            for script in library:
                simulation.scripts[_number(script, simulation.scripts)] = script
            if order.primary or order.after:
                simulation.acquire_params(
                    primary=PRIMARY_SCRIPT if PRIMARY_SCRIPT in simulation.scripts else 0,
                    after=AFTER_SCRIPT if AFTER_SCRIPT in simulation.scripts else 0,
                )
            with noted_run(order.session, _title(order), simulation.session) as ended:
                result = ScriptResult(True)
                if order.script is not None:
                    result = simulation.run(scripts[RUN_SCRIPT].text, scripts[RUN_SCRIPT].name)
                if order.acquire and result.ok:
                    result = simulation.run_acquire()
                if order.serve is not None and result.ok:
                    _serve(simulation, order.serve, order.modules, show)
                ended(result.ok)
            for line in simulation.session.faults.report():
                show(line)
            return result
    except SessionError as error:
        raise OptionError(str(error), str(order.session)) from error


def _serve(
    simulation: Simulation, port: int, modules: Path | None, show: Callable[[str], None]
) -> None:
    """Listen until Ctrl-C, which is the end of the program as usual."""
    from space.simulator.serving import Server, write_module

    try:
        server = Server(simulation, port=port)
    except (OSError, OverflowError) as error:
        raise OptionError(f"Nobody can listen there: {error}.", f"--serve {port}") from error
    if modules is not None:
        show(f"The module for the other process: {write_module(modules.resolve())}")
    show(f"SerialEM listens at 127.0.0.1:{server.port}. Ctrl-C ends it.")
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(server):
        server.serve()


def _title(order: ScriptRun) -> str:
    scripts = [order.script.name] if order.script is not None else []
    return " and ".join([*scripts, *(["Acquire at Items"] if order.acquire else [])])


def write_report(session: Path, page: Path) -> None:
    """Write the page that shows all runs of a session so far.

    Raises
    ------
    OptionError
        If there is no session, or the page cannot be written.
    """
    from space.simulator.keeping import SessionError, is_session
    from space.simulator.report import noted, write_page

    if not is_session(session):
        raise OptionError("There is no session.", f"--session {session}", "Add --run SCRIPT.")
    try:
        write_page(page, f"Session {Path(session).resolve().name}", list(noted(session).values()))
    except SessionError as error:
        raise OptionError(str(error), str(session)) from error
    except OSError as error:
        raise OptionError(f"It cannot be written: {error.strerror}.", f"--report {page}") from error


def _number(script: Script, scripts: Mapping[int, Script]) -> int:
    """Number for a script of the library: that of the one of its name, or a free one."""
    others = {n: each for n, each in scripts.items() if n not in _CHOSEN}
    same = [number for number, each in others.items() if each.name == script.name]
    return same[0] if same else max((*_CHOSEN, *others)) + 1


def session_made_of(folder: Path) -> dict[str, Any]:
    """Read what the session in a folder is made of: the arguments of `Setup.of` by name.

    Raises
    ------
    OptionError
        If it cannot be read.
    """
    from space.simulator.keeping import SessionError, stored_setup

    try:
        setup = stored_setup(folder)
    except SessionError as error:
        raise OptionError(str(error), str(folder)) from error
    grid = setup.grids[0]
    return {
        "seed": setup.seed,
        "grids": len(setup.grids),
        "lamellae": grid.lamellae,
        "kinds": grid.kinds,
        "unmilled": grid.unmilled,
        "within_um": None if setup.stage_limit_um is None else grid.within_um,
        "instrument": setup.instrument,
        "serialem": setup.serialem,
    }


def refuse_contradictions(folder: Path, given: Mapping[str, Any]) -> None:
    """Refuse values that contradict what the session in a folder is made of.

    Parameters
    ----------
    folder : Path
    given : mapping
        Values by name; those of which a session is not made do not matter.

    Raises
    ------
    OptionError
        With everything that does not agree.
    """
    wrong = [
        f"{_OPTIONS.get(name, f'--{name}')} {_shown(given[name])} (it has {_shown(value)})"
        for name, value in session_made_of(folder).items()
        if name in given and given[name] != value
    ]
    if wrong:
        raise OptionError(
            f"The session in this folder was begun with other values: {', '.join(wrong)}.",
            str(folder),
            "Leave these options out to continue it, or begin a session in another folder.",
        )


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return ",".join(value) if isinstance(value, tuple) else str(value)
