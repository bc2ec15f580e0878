"""A session at the simulated microscope as scripts, tests and benchmarks use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.acquire.items import run_acquire, run_with_acquisitions
from space.simulator.column.faults import Faults
from space.simulator.column.installation import NEWEST, Installation
from space.simulator.column.instrument_file import load_instrument
from space.simulator.commands import all_commands
from space.simulator.program.session import Session
from space.simulator.specimen import Grid

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from space.simulator.column.instrument import Instrument
    from space.simulator.imaging.pictures import Exposure
    from space.simulator.program.acquire_state import AcquireChoices
    from space.simulator.program.policy import Policy
    from space.simulator.program.session import Script
    from space.simulator.python.host import ScriptResult
    from space.simulator.specimen.interface import Specimen


class Simulation:
    """A session at the simulated microscope.

    Parameters
    ----------
    directory : Path
        Folder in which the session starts; it is made if need be.
    seed : int
        Seed of specimen, stage errors and noise: the same seed and scripts, the same pictures.
    grids : int or mapping
        Number of grids in the slots from 1 on, or slot → grid.
    lamellae : int
        Lamellae on each grid that is made here.
    level : bool
        Those lamellae lie level in the film (see `Grid.make`); by default as they are milled.
    grid_names : sequence of str, optional
        Names in the autoloader.
    time_scale : float
        Real seconds slept per simulated second of a Delay.
    policy : Policy, optional
        Answers to dialogs.
    progress : callable, optional
        Called with each line of the log.
    noise : bool
        Whether pictures have noise.
    loaded : int or None
        Slot of the grid that is on the stage at the start; None = the stage is empty.
    stage_error_um : float, optional
        Standard deviation of a stage move per axis, in place of the instrument's.
    stage_limit_um : float, optional
        How far the stage reaches from the centre along each axis, in place of the instrument's
        limits; full-grid montages fill it.
    instrument : str, Path or Instrument
        Scope, stage and camera: a shipped microscope (``"krios_k3"``, ``"krios_falcon4"``,
        ``"talos_ceta"``, ``"glacios_k2"``, ``"jeol_cryoarm_k3"``) or a file like theirs.
    faults : Faults or sequence of str
        What goes wrong, for example ``["camera-timeout@5"]``; see `space.simulator.column.faults`.
    serialem : str or Installation
        Version of SerialEM, for example ``"4.1.25"``: the module lacks commands that came later.
    """

    def __init__(
        self,
        directory: Path,
        seed: int = 1,
        grids: int | Mapping[int, Specimen] = 1,
        lamellae: int = 6,
        grid_names: Sequence[str] | None = None,
        time_scale: float = 0.02,
        policy: Policy | None = None,
        progress: Callable[[str], None] | None = None,
        noise: bool = True,
        loaded: int | None = 1,
        stage_error_um: float | None = None,
        stage_limit_um: float | None = None,
        instrument: str | Path | Instrument = "krios_k3",
        faults: Faults | Sequence[str] = (),
        serialem: str | Installation = NEWEST,
        level: bool = False,
    ) -> None:
        directory = Path(directory).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        if isinstance(grids, Mapping):
            slots = grids
        else:
            slots = _make(seed, grids, lamellae, grid_names, level)
        self.session: Session = Session(
            directory,
            seed=seed,
            grids=dict(slots),
            time_scale=time_scale,
            policy=policy,
            progress=progress,
            noise=noise,
            loaded=loaded if loaded in slots else None,
            stage_error_um=stage_error_um,
            instrument=load_instrument(instrument),
            faults=faults if isinstance(faults, Faults) else Faults(faults, seed),
            installation=Installation.of(serialem) if isinstance(serialem, str) else serialem,
        )
        if stage_limit_um is not None:
            limit = float(stage_limit_um)
            self.session.scope.stage.limits_um = (-limit, limit, -limit, limit)

    @property
    def grids(self) -> dict[int, Specimen]:
        """Autoloader slot → grid: the truth about the specimen."""
        return self.session.grids

    @property
    def scripts(self) -> dict[int, Script]:
        """Script number → Script, as in SerialEM's script list."""
        return self.session.scripts

    @property
    def exposures(self) -> list[Exposure]:
        """The truth about every picture taken."""
        return self.session.exposures

    @property
    def log(self) -> list[str]:
        """Lines of the log."""
        return self.session.log

    def acquire_params(
        self,
        primary: int = 0,
        after: int = 0,
        before: int = 0,
        action: int = 2,
        **choices: Unpack[AcquireChoices],
    ) -> None:
        """Set what a user chooses in the Acquire at Items dialog for final data.

        Parameters
        ----------
        primary, after, before, action, **choices
            As in `space.simulator.program.acquire_state.AcquireParams`.
        """
        params = replace(
            self.session.acquire.params["F"],
            primary=primary,
            after=after,
            before=before,
            action=action,
            **choices,
        )
        self.session.acquire.params["F"] = params

    def run(self, text: str, name: str = "script") -> ScriptResult:
        """Run a script as SerialEM does, then the acquisition that it asked for."""
        return self._noted(name, run_with_acquisitions(self.session, text, name, all_commands()))

    def run_acquire(self) -> ScriptResult:
        """Press GO in the Acquire at Items dialog."""
        return self._noted("Acquire at Items", run_acquire(self.session, all_commands()))

    def _noted(self, name: str, result: ScriptResult) -> ScriptResult:
        if self.session.watcher is not None:
            self.session.watcher.script(name, result)
        return result

    def close(self) -> None:
        """Close the program, which ends the processes that its scripts have started."""
        self.session.children.end()


def _make(
    seed: int, count: int, lamellae: int, names: Sequence[str] | None, level: bool
) -> Mapping[int, Specimen]:
    given = list(names or [])
    return {
        slot: Grid.make(
            seed * 100 + slot,
            lamellae,
            name=given[slot - 1] if slot <= len(given) else f"G{slot}",
            level=level,
        )
        for slot in range(1, count + 1)
    }
