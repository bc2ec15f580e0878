"""Where a monitor runs its workers: what happens in a slot, and which slot gets the next worker.

Nothing here touches a process, a file or a clock: times and exit codes come in, slots and
decisions go out.

A worker that dies while it does a job counts against that job. Only workers that cannot even
start say something about this computer: after some of them in a row, on every slot, no worker
can be had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from space.jobs.launch import START_SECONDS
from space.jobs.worker import STATUS_FOLDER, STATUS_HUNG, STATUS_TAKEN

#: A worker that ended by an error within this time did not start well.
QUICK_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
#: Bad starts in a row, on every slot, before the waiting jobs are given up.
MAX_BAD_STARTS = 5


@dataclass(frozen=True)
class Slot:
    """Room for one worker process on one device.

    Attributes
    ----------
    device : str
        ``cpu``, ``auto`` or the number of a GPU.
    started_s : float
        When its last worker was started.
    seen : bool
        Whether that worker has given a sign of life.
    bad_starts : int
        Starts in a row that failed before the worker began to work.
    next_start_s : float
        No worker is started before.
    silent_since_s : float or None
        When it was first seen to give no sign of life any more; None while it gives them.
    """

    device: str
    started_s: float = 0.0
    seen: bool = False
    bad_starts: int = 0
    next_start_s: float = 0.0
    silent_since_s: float | None = None

    @property
    def is_bad(self) -> bool:
        """Whether so many starts failed that only a last resort tries it once more."""
        return self.bad_starts >= MAX_BAD_STARTS


def make_slots(devices: Sequence[str], per_gpu: int) -> list[Slot]:
    """Return the slots: one on each device before a second one on any; the CPU has one only."""
    return [
        Slot(device)
        for run in range(max(1, per_gpu))
        for device in devices
        if run == 0 or device != "cpu"
    ]


# --- events -------------------------------------------------------------------------------------


def started(slot: Slot, now_s: float) -> Slot:
    """A worker was started."""
    return replace(slot, started_s=now_s, seen=False, silent_since_s=None)


def waits(slot: Slot, now_s: float) -> Slot:
    """Its worker waits for a computer to run on: its start has not begun yet."""
    return started(slot, now_s)


def not_started(slot: Slot, now_s: float) -> Slot:
    """The process of a worker could not be made."""
    bad_starts = slot.bad_starts + 1
    return replace(slot, bad_starts=bad_starts, next_start_s=now_s + _pause_s(bad_starts + 1))


def ended(slot: Slot, code: int, had_job: bool, now_s: float) -> Slot:
    """A worker has ended.

    Parameters
    ----------
    slot : Slot
    code : int
        Its exit status.
    had_job : bool
        Whether it had taken a job.
    now_s : float
    """
    if code == 0:
        return replace(slot, bad_starts=0, next_start_s=now_s)
    is_quick = now_s - slot.started_s < QUICK_SECONDS
    if code in (STATUS_FOLDER, STATUS_HUNG, STATUS_TAKEN) or had_job or not is_quick:
        return replace(slot, bad_starts=0, next_start_s=now_s + _pause_s(1))
    bad_starts = slot.bad_starts + 1
    return replace(slot, bad_starts=bad_starts, next_start_s=now_s + _pause_s(bad_starts))


def looked_at(
    slot: Slot, is_alive: bool, hangs: str, now_s: float, silence_s: float = 0.0
) -> tuple[Slot, str]:
    """Return a slot with a running worker as it is seen now, and why the worker must be ended.

    Parameters
    ----------
    slot : Slot
    is_alive : bool
        Whether the worker gives signs of life.
    hangs : str
        How its job hangs; empty if it does not.
    now_s : float
    silence_s : float
        For how long it may give no signs of life, as while a cluster starts it again.

    Returns
    -------
    slot : Slot
    reason : str
        Empty if the worker goes on.
    """
    if is_alive:
        return replace(slot, seen=True, silent_since_s=None), hangs
    if slot.seen:
        since_s = now_s if slot.silent_since_s is None else slot.silent_since_s
        slot = replace(slot, silent_since_s=since_s)
        is_long = now_s - since_s >= silence_s
        return slot, "it gives no signs of life any more" if is_long else ""
    if now_s - slot.started_s > START_SECONDS:
        return slot, f"it has not begun to work within {START_SECONDS / 60:.0f} min"
    return slot, hangs


def _pause_s(bad_starts: int) -> float:
    return min(FIRST_PAUSE_SECONDS * 2.0 ** (bad_starts - 1), LONGEST_PAUSE_SECONDS)


# --- decisions ----------------------------------------------------------------------------------


def is_hopeless(slots: Sequence[Slot], running: Sequence[bool]) -> bool:
    """Whether no worker runs and none could be started, on any slot."""
    return all(slot.is_bad and not runs for slot, runs in zip(slots, running))


def slots_to_fill(
    slots: Sequence[Slot],
    running: Sequence[bool],
    others: Mapping[str, int],
    wanted: int,
    now_s: float,
) -> list[int]:
    """Return the indices of the slots that get a worker now.

    Parameters
    ----------
    slots : sequence of Slot
    running : sequence of bool
        Whether a worker of this monitor runs in each.
    others : mapping of str to int
        How many workers that somebody else started use a device; their slots stay free.
    wanted : int
        How many workers there is work for.
    now_s : float
    """
    taken = Counter(others)
    tries_bad = is_hopeless(slots, running)  # one of them, else nothing would ever be tried again
    chosen: list[int] = []
    for index, slot in enumerate(slots):
        if running[index]:
            continue
        if taken[slot.device] > 0:
            taken[slot.device] -= 1
        elif len(chosen) < wanted and now_s >= slot.next_start_s and (tries_bad or not slot.is_bad):
            chosen.append(index)
            tries_bad = False
    return chosen
