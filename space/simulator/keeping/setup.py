"""What a session that is kept on disk is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from space.simulator.column.instrument_file import DEFAULT, present_name

GRID_REACH_UM, STAGE_MARGIN_UM = 720.0, 110.0

if TYPE_CHECKING:
    from space.simulator.specimen import Grid
    from space.simulator.specimen.labels import LamellaKind


@dataclass(frozen=True)
class GridPlan:
    """How a grid is drawn; see `Grid.make` and `unmilled_grid` of `space.simulator.specimen`."""

    seed: int
    lamellae: int
    name: str
    kinds: tuple[LamellaKind, ...] | None = None
    within_um: float = GRID_REACH_UM
    level: bool = False
    unmilled: bool = False

    def grid(self) -> Grid:
        """Draw the grid."""
        from space.simulator.specimen import Grid, unmilled_grid

        if self.unmilled:
            return unmilled_grid(self.seed, self.name)
        return Grid.make(
            self.seed,
            self.lamellae,
            name=self.name,
            kinds=self.kinds,
            within_um=self.within_um,
            level=self.level,
        )


@dataclass(frozen=True)
class Setup:
    """What a session is made of; it stays the same for good.

    Attributes
    ----------
    seed : int
        Of stage errors and noise.
    grids : tuple of GridPlan
        In the slots from 1 on.
    instrument, stage_limit_um, stage_error_um, noise, loaded :
        As for `space.simulator.Simulation`; a file of one's own with its whole path.
    serialem : str
        Version of SerialEM, "" for a recent one.
    """

    seed: int = 1
    grids: tuple[GridPlan, ...] = ()
    instrument: str = DEFAULT
    stage_limit_um: float | None = None
    stage_error_um: float | None = None
    noise: bool = True
    loaded: int | None = 1
    serialem: str = ""

    def __post_init__(self) -> None:
        """Give the instrument its present name."""
        object.__setattr__(self, "instrument", present_name(self.instrument))

    @classmethod
    def of(
        cls,
        seed: int = 1,
        grids: int = 1,
        lamellae: int = 6,
        kinds: Sequence[LamellaKind] | None = None,
        within_um: float | None = None,
        level: bool = False,
        unmilled: bool = False,
        **others: Any,  # further fields
    ) -> Setup:
        """Plan grids named G1, G2 … with seeds that follow from the session's.

        Those that are `unmilled` have no lamellae.

        With `within_um`, only this part of the grid has lamellae, and the stage reaches little
        further: montages of the whole grid are quicker.
        """
        plans = tuple(
            GridPlan(seed * 100 + slot, 0 if unmilled else lamellae, f"G{slot}",
                     tuple(kinds) if kinds is not None else None,
                     within_um or GRID_REACH_UM, level, unmilled)
            for slot in range(1, grids + 1)
        )  # fmt: skip
        if within_um:
            others.setdefault("stage_limit_um", within_um + STAGE_MARGIN_UM)
        return cls(seed, plans, **others)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Setup:
        """Read plain values."""
        given = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        plans = tuple(
            GridPlan(**{**plan, "kinds": tuple(plan["kinds"]) if plan["kinds"] else None})
            for plan in given.pop("grids")
        )
        return cls(grids=plans, **given)
