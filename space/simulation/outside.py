"""A session controlled from outside: the simulated SerialEM in a process of its own.

This process runs the workflow, and its commands go over a line to the other one, which may be cut.
There, the microscope can name its folders as a Windows computer does. The truth answers in place of
the models, in the process of the microscope, which knows it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from space import jobs
from space.files import write_text_atomic
from space.jobs import JobFolder
from space.microscope import external
from space.project import AFTER_EXTERNAL, project_folder
from space.remote import Remote, Rhythm
from space.simulation.bench import without_plots
from space.simulation.night import SCRIPT_NUMBERS, Night, NightFaults, NightOutcome
from space.simulation.scripts import read_script, with_settings
from space.simulation.truth_worker import TruthWorker, nothing_missing
from space.simulator import Policy, Script, Simulation
from space.simulator.keeping import open_session
from space.simulator.program import Drive
from space.simulator.serving import Cut, Server, client_module
from space.simulator.specimen import Grid

WINDOWS_FOLDER = "C:\\data"

_WANTED, _PORT, _END, _TOLD = "truth_wanted", "port.json", "end", "told.json"
_PATIENCE_S = 120.0
_PROCESS = "from space.simulation.outside import main; main()"


@dataclass(frozen=True)
class OutsideOutcome:
    """How a session from outside has ended.

    Attributes
    ----------
    done : bool
        Whether nothing was left undone.
    commands : list of str
        What has come over the line.
    losses : int
        How often the line was lost.
    new_runs : int
        How often the workflow had to begin anew.
    night : NightOutcome
        What the truth says.
    said : list of str
        What was told to the person in front of this computer.
    """

    done: bool
    commands: list[str]
    losses: int
    new_runs: int
    night: NightOutcome
    said: list[str] = field(default_factory=list)


@dataclass
class Outside(Night):
    """A night that is controlled from outside.

    Parameters
    ----------
    grid_seeds : mapping of int to tuple
        Slot → seed, number of lamellae and range in µm of the grids, which both processes make.
    cuts : sequence of Cut
    named : str
        How the microscope's computer names the session's folder; "" as it is.
    """

    grid_seeds: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    cuts: Sequence[Cut] = ()
    named: str = ""

    def run_outside(self) -> OutsideOutcome:
        """Run the session: SerialEM in another process, the workflow here."""
        work = self.directory.parent / "serving"
        work.mkdir(parents=True, exist_ok=True)
        said: list[str] = []
        with self._other_process(work) as port, self._truth(work), without_plots():
            folders = [external.SharedFolder(self.named, self.directory)] if self.named else []
            line = external.Line(
                client_module(),
                external.Address(port=port),
                external.PathTranslation.of(folders),
                patience_s=_PATIENCE_S,
                show=said.append,
            )
            remote = Remote(line, self._values(), said.append, Rhythm(0.02, 0.3))
            done = remote.run()
        told = json.loads((work / _TOLD).read_text(encoding="utf-8"))
        outcome = NightOutcome()
        self.judge(outcome)
        outcome.log = told["log"]
        new_runs = sum("begins anew" in one for one in said)
        return OutsideOutcome(done, told["commands"], line.losses, new_runs, outcome, said)

    def _values(self) -> dict[str, Any]:
        return {
            "SPACE_DIR": str(self.space_dir),
            "automation_level": 5,
            "grid_list": sorted(self.grid_seeds),
            "screen_first": len(self.grid_seeds) > 1,
            "script_numbers": SCRIPT_NUMBERS,
            "target_score_threshold": 0.25,
            "image_shift_limit": 19,
            **self.settings,
        }

    @contextmanager
    def _other_process(self, work: Path) -> Iterator[int]:
        for name in (_PORT, _END, _TOLD, _WANTED):
            (work / name).unlink(missing_ok=True)
        order = {
            "directory": str(self.directory),
            "space_dir": str(self.space_dir),
            "seed": self.seed,
            "limit_um": self.limit_um,
            "grid_seeds": {str(slot): seeds for slot, seeds in self.grid_seeds.items()},
            "cuts": [asdict(cut) for cut in self.cuts],
            "named": self.named,
        }
        write_text_atomic(work / "order.json", json.dumps(order))
        with (work / "process.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROCESS, str(work)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                yield _port_of(work, process)
            finally:
                (work / _END).touch()
                try:
                    process.wait(_PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @contextmanager
    def _truth(self, work: Path) -> Iterator[None]:
        """Let the other process answer all jobs at once."""

        def ask(folder: JobFolder, space_dir: Path, devices: Sequence[str] | None = None) -> None:
            wanted, began = work / _WANTED, time.monotonic()
            write_text_atomic(wanted, str(folder.map_dir))
            while wanted.exists():
                if time.monotonic() - began > _PATIENCE_S:
                    raise RuntimeError("The truth is not told.")
                time.sleep(0.01)

        with (
            mock.patch.object(jobs, "ensure_worker", ask),
            mock.patch.object(jobs, "missing_here", nothing_missing),
        ):
            yield

    # --- in the process of the microscope ---------------------------------------------------------

    def serve(self, work: Path) -> None:
        """Serve until the other process wants no more."""
        faults = NightFaults((), self.seed)
        with open_session(
            self.directory,
            self._setup(),
            faults=faults,
            policy=Policy(key_after_s=2 * 3600.0),
            progress=print,
            time_scale=0.0,
            grids=self.grids,
        ) as simulation:
            session = simulation.session
            if self.named:
                session.drive = Drive(self.named, session.directory)
            self._choose_outside_scripts(simulation)
            worker, wanted = TruthWorker(simulation), work / _WANTED

            def tell() -> None:
                if wanted.is_file():
                    folder = JobFolder(Path(wanted.read_text(encoding="utf-8")))
                    worker(folder, self.space_dir)
                    wanted.unlink()

            server = Server(simulation, cuts=self.cuts, idle=tell)
            write_text_atomic(work / _PORT, json.dumps(server.port))
            server.serve(until=(work / _END).exists)
            server.close()
            told = {"commands": server.names, "log": list(simulation.log)}
            write_text_atomic(work / _TOLD, json.dumps(told))

    def _choose_outside_scripts(self, simulation: Simulation) -> None:
        after = with_settings(
            read_script(project_folder() / AFTER_EXTERNAL),
            {"FOLDER": str(self.directory / external.RELAY), "WAIT_S": 60},
        )
        self._choose_scripts(simulation, "#!Python\n")
        simulation.scripts[SCRIPT_NUMBERS["post action"]] = Script("after", after)
        if self.named:
            # Python here cannot open a file by the name that another computer has for it.
            number = SCRIPT_NUMBERS["PACEtomo"]
            text = simulation.scripts[number].text
            text = text.replace("sem.ReportDirectory()", repr(str(self.directory)))
            simulation.scripts[number] = Script("PACEtomo", text)


def grids_of_seeds(seeds: dict[int, tuple[int, int, float]]) -> dict[int, Grid]:
    """Make the grids that a session from outside has, by slot."""
    return {
        slot: Grid.make(
            seed, count, name=f"G{slot}", kinds=["good"] * count, within_um=within_um, level=True
        )
        for slot, (seed, count, within_um) in seeds.items()
    }


def _port_of(work: Path, process: subprocess.Popen[bytes]) -> int:
    began = time.monotonic()
    while not (work / _PORT).is_file():
        if process.poll() is not None or time.monotonic() - began > _PATIENCE_S:
            raise RuntimeError((work / "process.log").read_text(encoding="utf-8")[-2000:])
        time.sleep(0.02)
    return int(json.loads((work / _PORT).read_text(encoding="utf-8")))


def main() -> None:
    """Run the process of the microscope."""
    work = Path(sys.argv[1])
    order = json.loads((work / "order.json").read_text(encoding="utf-8"))
    seeds = {
        int(slot): (int(a), int(b), float(c)) for slot, (a, b, c) in order["grid_seeds"].items()
    }
    Outside(
        Path(order["directory"]),
        Path(order["space_dir"]),
        grids_of_seeds(seeds),
        seed=order["seed"],
        limit_um=order["limit_um"],
        grid_seeds=seeds,
        cuts=[Cut(**one) for one in order["cuts"]],
        named=order["named"],
    ).serve(work)
