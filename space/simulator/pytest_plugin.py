"""pytest plugin: a fresh simulated microscope for each test.

Fixtures
--------
sem
    The module `serialem`, connected to the test's own microscope, for calling commands from the
    test and for code under test that imports `serialem`.
simulation
    The `Simulation` behind it: specimen, scripts, log, Acquire at Items, and the truth.
sem_session
    Its session: stage, optics, buffers, Navigator, dialogs, exposures.
run_script
    Function that runs a whole script, given as text or as the path of a file, as SerialEM does:
    in Python, or in SerialEM's own language. A text has more than one line or begins with #.
judge
    Function that holds the tilt series taken so far against the truth.

A test chooses its microscope with a marker, which takes the arguments of `Simulation` and
`answers`, a `Policy` or the path of a file with answers to dialogs::

    @pytest.mark.sem(instrument="talos_ceta", seed=3, lamellae=2)

Defaults for all tests are set by the ini options ``sem_instrument``, ``sem_serialem``,
``sem_seed``, ``sem_lamellae`` and ``sem_answers``. Files are looked for beside the test, those of
ini options beside the ini file. The log is printed to standard output, which pytest shows for
tests that fail. With ``--sem-report FILE``, a page shows what ran.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from space.simulator import Simulation
    from space.simulator.external import ExternalConnection
    from space.simulator.judging import ScriptTruth
    from space.simulator.program.session import Session
    from space.simulator.python.host import ScriptResult
    from space.simulator.python.stand_in import StandIn
    from space.simulator.report import Outcome, Record

INI_OPTIONS = {
    "sem_instrument": "simulated microscope: name of a shipped one or path of a TOML file",
    "sem_serialem": "version of the simulated SerialEM, such as 4.1.25",
    "sem_seed": "seed of the simulated specimen, stage and noise",
    "sem_lamellae": "lamellae on the simulated grid",
    "sem_answers": "TOML file with answers to dialogs",
}
LAMELLAE = 2
NOTED = "sem_noted"
"""Attribute of a test's report with what ran, as plain values."""

_RECORD: pytest.StashKey[dict[str, Any]] = pytest.StashKey()


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `serialem` where it is not installed, so that tests can import what uses it."""

    def __init__(self) -> None:
        self.made: StandIn | None = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing but `serialem`."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == "serialem" else None

    def create_module(self, spec: ModuleSpec) -> StandIn:
        """Make the module that commands go on from to the microscope of the test."""
        from space.simulator.python.stand_in import StandIn

        self.made = made = StandIn()
        return made

    def exec_module(self, module: ModuleType) -> None:
        """The module is complete when it has been made."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    parser.getgroup("serialem", "simulated microscope").addoption(
        "--sem-report", metavar="FILE", help="page (.html) that shows what ran on it"
    )
    for name, description in INI_OPTIONS.items():
        parser.addini(name, description, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and make `serialem` importable."""
    config.addinivalue_line(
        "markers",
        "sem(**options): the simulated microscope of a test, e.g. instrument, seed, lamellae",
    )
    report = config.getoption("sem_report", None)
    if report and not hasattr(config, "workerinput"):  # of several processes, the first writes
        path = config.invocation_params.dir / report
        if path.is_dir():
            raise pytest.UsageError(f"--sem-report {report} is a folder. Name a file in it.")
        config.pluginmanager.register(_Report(path, config.rootpath.name), "sem_report")
    finder = _Finder()
    # Last: where there is a real module, it is the one that is found.
    sys.meta_path.append(finder)
    config.add_cleanup(lambda: _remove(finder))


def _remove(finder: _Finder) -> None:
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)
    if finder.made is not None and sys.modules.get("serialem") is finder.made:
        del sys.modules["serialem"]


class _Report:
    """Collects what tests noted, also in other processes, and writes the page."""

    def __init__(self, path: Path, project: str) -> None:
        self._path = path
        self._project = project
        self._ends: dict[str, tuple[Outcome, str]] = {}
        self._records: list[Record] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of one phase of a test; what it noted comes with the last."""
        self._ends.setdefault(report.nodeid, ("passed", ""))
        if report.outcome != "passed" and self._ends[report.nodeid][0] != "failed":
            reason = report.longrepr
            text = reason[2] if isinstance(reason, tuple) else report.longreprtext
            self._ends[report.nodeid] = report.outcome, text
        noted = getattr(report, NOTED, None)
        if noted is not None:
            from space.simulator.report import Record

            outcome, details = self._ends[report.nodeid]
            record = Record.from_dict(noted)
            self._records.append(replace(record, outcome=outcome, details=details))

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        from space.simulator.report import write_page

        write_page(self._path, f"Tests of {self._project}", self._records)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where it is."""
        terminalreporter.write_line(f"What ran on the simulated microscope: {self._path}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let what a test noted travel with the report of its end."""
    report = yield
    if call.when == "teardown" and _RECORD in item.stash:
        setattr(report, NOTED, item.stash[_RECORD])
    return report


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Arguments of `Simulation` for a test: ini options, then markers from the outside in."""
    options: dict[str, Any] = {
        "seed": 1,
        "lamellae": LAMELLAE,
        "time_scale": 0.0,
        "progress": print,
    }
    options.update(_from_ini(request.config))
    for marker in reversed(list(request.node.iter_markers("sem"))):
        if marker.args:
            raise pytest.UsageError("The marker sem takes named options only")
        options.update(_with_files(marker.kwargs, request.path.parent))
    answers = options.pop("answers", None)
    if answers is not None:
        from space.simulator.program.policy import Policy

        made = isinstance(answers, Policy)
        options["policy"] = answers if made else Policy.from_file(Path(answers))
    return options


def _from_ini(config: pytest.Config) -> dict[str, Any]:
    given = {name: config.getini(f"sem_{name}") for name in ("instrument", "serialem", "answers")}
    numbers = {name: config.getini(f"sem_{name}") for name in ("seed", "lamellae")}
    options = {name: text for name, text in given.items() if text}
    options |= {name: int(text) for name, text in numbers.items() if text}
    return _with_files(options, config.rootpath)


def _with_files(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options whose names of files are paths; they are looked for in the folder first."""
    paths = {
        name: Path(folder, value)
        for name, value in options.items()
        if name in ("instrument", "answers") and isinstance(value, (str, Path))
    }
    return {**options, **{name: path for name, path in paths.items() if path.is_file()}}


@pytest.fixture
def simulation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Simulation]:
    """Return a simulated microscope of the test's own, with its files in `tmp_path`."""
    from space.simulator import Simulation
    from space.simulator.requirements import packages_missing

    missing = packages_missing()
    if missing is not None:
        raise pytest.UsageError(" ".join(missing))
    try:
        made = Simulation(tmp_path, **_options(request))
    except TypeError as error:
        raise pytest.UsageError(f"The marker sem: {error}") from error
    with closing(made):
        if not request.config.getoption("sem_report", None):
            yield made
            return
        from space.simulator.report import Recorder

        made.session.watcher = recorder = Recorder(made.session)
        yield made
        request.node.stash[_RECORD] = recorder.record(request.node.nodeid, "passed").to_dict()


@pytest.fixture
def sem_session(simulation: Simulation) -> Session:
    """Return what all commands act on, and the truth about it."""
    return simulation.session


@pytest.fixture
def _external(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[StandIn, ExternalConnection]]:
    """Control from outside: the stand-in module and the connection."""
    from space.simulator.commands import all_commands
    from space.simulator.external import external_python

    monkeypatch.chdir(simulation.session.directory)
    with external_python(simulation.session, all_commands()) as control:
        yield control


@pytest.fixture
def sem(_external: tuple[StandIn, ExternalConnection]) -> StandIn:
    """Return the module `serialem`, connected to the test's microscope."""
    return _external[0]


@pytest.fixture
def run_script(
    request: pytest.FixtureRequest, simulation: Simulation
) -> Callable[..., ScriptResult]:
    """Return a function that runs a script: ``run_script(path_or_text)`` gives a ScriptResult."""

    def run(script: str | Path, name: str | None = None) -> ScriptResult:
        if "_external" in request.fixturenames:
            # SerialEM runs a script of its own only when nobody else controls it.
            request.getfixturevalue("_external")[1].release()
        path = _as_path(script)
        if path is None:
            return simulation.run(str(script), name or "script")
        return simulation.run(path.read_text(encoding="utf-8-sig"), name or path.stem)

    return run


@pytest.fixture
def judge(simulation: Simulation) -> Callable[..., ScriptTruth]:
    """Return a function that judges tilt series: ``judge()`` gives a ScriptTruth.

    It takes what the defocus should have been, if that is not what the script set as target.
    """
    from space.simulator.judging import judge_simulation

    def ask(defocus_um: float | None = None) -> ScriptTruth:
        return judge_simulation(simulation, defocus_um)

    return ask


def _as_path(script: str | Path) -> Path | None:
    """The script's path, None when it is the text itself."""
    if isinstance(script, Path):
        return script
    return None if "\n" in script or script.startswith("#") else Path(script)
