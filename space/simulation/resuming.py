"""One session of several grids that SerialEM's death interrupts at many points, each time once.

The session runs undisturbed, and what a death would have left at chosen commands is kept. Each
copy is then put in the session's place, a person runs the script again and does nothing else, and
the end is compared with that of the undisturbed session.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from space.simulation.bench import make_project
from space.simulation.deaths import Death, KeptDeaths, keep_session, put_back
from space.simulation.end_state import EndState, differences
from space.simulation.night import Night, NightFaults, NightOutcome
from space.simulator.column import Fault, end_process
from space.simulator.specimen import Grid

LIMIT_UM, WITHIN_UM = 240.0, 150.0
_COARSE_NM = 48
_SEED = 20


def small_grids() -> dict[int, Grid]:
    """Two grids, of two lamellae and of one, by slot."""
    return {
        slot: Grid.make(
            _SEED + slot, count, name=f"G{slot}", kinds=["good"] * count, within_um=WITHIN_UM,
            level=True,
        )
        for slot, count in ((1, 2), (2, 1))
    }  # fmt: skip


def spread(commands: int, count: int, seed: int) -> list[int]:
    """Return points among all commands: one in each of `count` equal stretches, at random."""
    edges = np.linspace(0, commands, count + 1)
    random = np.random.default_rng((seed, 300))
    places = edges[:-1] + random.random(count) * np.diff(edges)
    return sorted({1 + int(place) for place in places})


@dataclass(frozen=True)
class Resumed:
    """What became of a session that SerialEM's death interrupted.

    Attributes
    ----------
    death : Death
    problems : tuple of str
        In what its end differs from that of the undisturbed session, and should not.
    cut : tuple of str
        Lamellae whose series the death has cut.
    taken_again : tuple of str
        Maps that the death has cut, of which pictures were taken once more.
    kept : int
        Files that were put aside in favour of new ones.
    cpu_s : float
        CPU time of the run after the death.
    """

    death: Death
    problems: tuple[str, ...]
    cut: tuple[str, ...]
    taken_again: tuple[str, ...]
    kept: int
    cpu_s: float


@dataclass
class Resuming:
    """A session of two small grids at level 5, to be interrupted.

    Parameters
    ----------
    folder : Path
        Where all is kept.
    grids : mapping of int to Grid
        By slot; all sessions share them, since painting them is slow.
    limit_um : float
        How far the stage reaches.
    settings : mapping
        Further settings.

    Attributes
    ----------
    whole : EndState
        The end of the undisturbed session.
    commands : int
        Commands carried out in it.
    """

    folder: Path
    grids: dict[int, Grid] = field(default_factory=small_grids)
    limit_um: float = LIMIT_UM
    settings: dict[str, Any] = field(default_factory=dict)
    commands: int = field(init=False, default=0)
    whole: EndState = field(init=False)

    def __post_init__(self) -> None:
        """Make the project."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._project = self.folder / "project"
        if not self._project.is_dir():
            make_project(self._project, segmentation_pixel_nm=_COARSE_NM)

    def begin(self, at: Iterable[int] = ()) -> list[Death]:
        """Run the session undisturbed; keep what deaths at some commands would have left."""
        deaths: list[Death] = []
        self.commands, self.whole = self._undisturbed(at, deaths)
        return deaths

    @property
    def directory(self) -> Path:
        """The session's folder, always the same one."""
        return self.folder / "work" / "session"

    def keep(self, at: Iterable[int]) -> list[Death]:
        """Run the session undisturbed, and keep what deaths at these commands would have left.

        Raises
        ------
        RuntimeError
            If it ends otherwise than the first time: then there is nothing to compare with.
        """
        deaths: list[Death] = []
        if self._undisturbed(at, deaths) != (self.commands, self.whole):
            raise RuntimeError("The undisturbed session did not end as it did the first time.")
        return deaths

    def resume(self, death: Death) -> Resumed:
        """Let a person run the script again after a death, and compare the end."""
        copy = self.copy_of(death.number)
        put_back(copy, self.directory)
        shutil.rmtree(copy)
        return self.resume_here(death)

    def resume_here(self, death: Death) -> Resumed:
        """Do so with the session as it lies in its folder."""
        at_death = self._state()
        began = time.process_time()
        outcome = self._night().run()
        cpu_s = time.process_time() - began
        found = self._state()
        again = [
            name for name, count in found.taken.items() if count > self.whole.taken.get(name, 1)
        ]
        return Resumed(
            death,
            tuple(differences(self.whole, found, at_death, outcome)),
            tuple(sorted(found.cut)),
            tuple(sorted(again)),
            len(found.kept),
            round(cpu_s, 2),
        )

    def die(self, at: int) -> None:
        """Run the session from its begin to a death, which ends this process."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self._night().run_once(_RealDeath(at), NightOutcome())

    def copy_of(self, number: int) -> Path:
        """Folder of what a death at a command has left."""
        return self.folder / "kept" / f"{number:06d}"

    def _undisturbed(self, at: Iterable[int], deaths: list[Death]) -> tuple[int, EndState]:
        def keep(death: Death) -> None:
            keep_session(self.directory, self.copy_of(death.number))
            deaths.append(death)

        shutil.rmtree(self.directory, ignore_errors=True)
        outcome, night, faults = NightOutcome(), self._night(), KeptDeaths(frozenset(at), keep)
        night.run_once(faults, outcome)
        night.judge(outcome)
        good = outcome.ended and not outcome.double_exposed_px and not outcome.repeated
        if not good or any(one.state != "done" for one in outcome.lamellae):
            raise RuntimeError("The undisturbed session has not ended well: " + outcome.log[-1])
        return faults.carried_out, self._state()

    def _night(self) -> Night:
        return Night(
            self.directory,
            self._project,
            self.grids,
            most_runs=1,
            limit_um=self.limit_um,
            settings={"max_targets": 2, "MM_padding_factor": 1.0, **self.settings},
        )

    def _state(self) -> EndState:
        return EndState.of(self.directory, [grid.name for grid in self.grids.values()])


class _RealDeath(NightFaults):
    """Ends this process at a command."""

    def __init__(self, at: int) -> None:
        super().__init__([Fault("serialem-death", at, at)], seed=0)
        self.die = end_process
