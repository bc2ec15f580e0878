"""What SerialEM remembers for and during Acquire at Items."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AcquireParams:
    """Choices in the Acquire at Items dialog.

    Attributes
    ----------
    action : int
        0 save image, 1 save map, 2 run script, 3 tilt series, 4 multiple Records.
    primary, before, after : int
        Script numbers, 0 = none.
    """

    action: int = 2
    primary: int = 0
    before: int = 0
    after: int = 0


@dataclass
class AcquireState:
    """State of Acquire at Items; item indexes count from 1."""

    params: dict[str, AcquireParams] = field(
        default_factory=lambda: {"M": AcquireParams(action=1), "F": AcquireParams()}
    )
    last_used: str = "F"
    prepared: AcquireParams | None = None
    prepared_kind: str = "F"
    start_at_end: bool = False
    script_after: int = 0
    acquiring: bool = False
    item_index: int = 0
    last_index: int = 0
    end_requested: bool = False
    skip_item: bool = False
    run_end_script: bool = True
    script_running: bool = False
    acquired: list[int] = field(default_factory=list)

    def used_params(self) -> AcquireParams:
        """Parameters of the next acquisition."""
        return self.prepared or self.params[self.last_used]
