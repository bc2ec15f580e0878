"""What SerialEM remembers for and during Acquire at Items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

SAVE_IMAGE, SAVE_MAP, RUN_SCRIPT, TILT_SERIES, MULTIPLE_RECORDS = range(5)
GROUP_START, GROUP_END = "start", "end"
SCRIPT = "script"


@dataclass(frozen=True)
class Step:
    """Something done at items besides the primary action.

    Attributes
    ----------
    action : str
        One of `acquire_steps.ACTIONS`, or "script".
    script : int
        Number of the script to run.
    every : int
        Done at the first item and at every so many-th after it.
    group : str
        "start" or "end": done only at the first or last item of each group.
    minutes : float
        Done only if this long has passed since the last time.
    separation_um : float
        Done only if this far from where it was last done.
    after : bool
        Done after the primary action instead of before.
    """

    action: str
    script: int = 0
    every: int = 1
    group: str = ""
    minutes: float = 0.0
    separation_um: float = 0.0
    after: bool = False


@dataclass(frozen=True)
class AcquireParams:
    """Choices in the Acquire at Items dialog.

    Attributes
    ----------
    action : int
        0 save image, 1 save map, 2 run script, 3 tilt series, 4 multiple Records.
    primary, before, after : int
        Script numbers, 0 = none. The script before runs after the other steps that come before
        the primary action, the one after before the others that come after it.
    steps : tuple of Step
        Further steps, in the user's order.
    relax_stage : bool
        Whether the stage is relaxed before the primary action.
    skip_initial_move : bool
        Leave the move to an item to a step that moves there anyway: realigning, or a script.
    go_on_after_failure : bool
        Whether a failure of autofocus, hole finder or multiple Records only costs the item.
    """

    action: int = RUN_SCRIPT
    primary: int = 0
    before: int = 0
    after: int = 0
    steps: tuple[Step, ...] = ()
    relax_stage: bool = False
    skip_initial_move: bool = False
    go_on_after_failure: bool = False

    def __post_init__(self) -> None:
        """Take steps as mappings too, as they come from a file."""
        made = (Step(**step) if isinstance(step, Mapping) else step for step in self.steps)
        object.__setattr__(self, "steps", tuple(made))

    def steps_before(self) -> Sequence[Step]:
        """All steps before the primary action, in their order."""
        script = (Step(SCRIPT, self.before),) if self.before else ()
        return (*(step for step in self.steps if not step.after), *script)

    def steps_after(self) -> Sequence[Step]:
        """All steps after the primary action, in their order."""
        script = (Step(SCRIPT, self.after, after=True),) if self.after else ()
        return (*script, *(step for step in self.steps if step.after))


class AcquireChoices(TypedDict, total=False):
    """Choices of `AcquireParams` besides the action and its scripts."""

    steps: tuple[Step, ...]
    relax_stage: bool
    skip_initial_move: bool
    go_on_after_failure: bool


@dataclass
class LastDone:
    """When and where a step was done last, and at how many items it could have been."""

    items: int = 0
    seconds: float | None = None
    place_um: tuple[float, float] = (0.0, 0.0)


@dataclass
class AcquireState:
    """State of Acquire at Items; item indexes count from 1.

    Attributes
    ----------
    params : dict
        Choices for mapping ("M") and final data ("F").
    last_used : str
        Which of them was used last.
    prepared : AcquireParams or None
        Temporary copy that scripts have changed for the next acquisition.
    start_at_end : bool
        Whether to start when the script has completed.
    script_after : int
        Script to run when the next acquisition has ended well.
    acquiring : bool
        Whether items are being acquired.
    item_index : int
        The item being acquired; when it was deleted, the one before it in the table.
    last_index : int
        Last item of the table when the acquisition began.
    end_requested, skip_item : bool
        What scripts have asked for.
    quiet_end : bool
        No message when a script ends the acquisition.
    skipped_groups : set of int
        Groups of which no more items are acquired.
    run_end_script : bool
        Whether `script_after` runs at the end.
    script_running : bool
        Whether one of the scripts of the acquisition runs.
    acquired : list of int
        Map IDs of the items done so far.
    """

    params: dict[str, AcquireParams] = field(
        default_factory=lambda: {"M": AcquireParams(action=SAVE_MAP), "F": AcquireParams()}
    )
    last_used: str = "F"
    prepared: AcquireParams | None = None
    start_at_end: bool = False
    script_after: int = 0
    acquiring: bool = False
    item_index: int = 0
    last_index: int = 0
    end_requested: bool = False
    quiet_end: bool = False
    skip_item: bool = False
    skipped_groups: set[int] = field(default_factory=set)
    run_end_script: bool = True
    script_running: bool = False
    acquired: list[int] = field(default_factory=list)

    def used_params(self) -> AcquireParams:
        """Parameters of the next acquisition."""
        return self.prepared or self.params[self.last_used]

    def item_deleted(self, index: int) -> None:
        """Keep track of the items when one is taken out of the table."""
        if not self.acquiring:
            return
        if index <= self.item_index:
            self.item_index -= 1
        if index <= self.last_index:
            self.last_index -= 1
