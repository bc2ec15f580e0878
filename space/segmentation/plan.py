"""How a network is run on a device, and what needs less memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from space.models.presets import Copies
from space.segmentation.memory import is_device_fault, is_memory_full


@dataclass(frozen=True)
class TilePlan:
    """How to run the network: where, how many tiles at once, where scores are collected."""

    device: str
    batch: int
    collect_on: str
    copies: Copies = "one"

    def __str__(self) -> str:
        """Return the plan as a log shows it."""
        scores = "" if self.collect_on == self.device else ", scores on the CPU"
        return f"{self.batch} tile{'s' * (self.batch > 1)} at a time on {self.device}{scores}"


def first_plan(device: str, copies: Copies = "one") -> TilePlan:
    """Return the fastest way for a device."""
    return TilePlan(device, 1 if device == "cpu" else 8, device, copies)


def smaller_plan(plan: TilePlan) -> TilePlan | None:
    """Return a way that needs less memory: smaller batches, scores on the CPU, all on the CPU.

    None when there is nothing smaller.
    """
    if plan.device == "cpu":
        return None
    if plan.batch > 1:
        return replace(plan, batch=max(1, plan.batch // 4))
    if plan.collect_on != "cpu":
        return replace(plan, collect_on="cpu")
    return _on_cpu(plan)


def plan_after(plan: TilePlan, problem: BaseException) -> TilePlan | None:
    """Return how to go on after a failure: smaller, or on the CPU if the device itself failed."""
    if is_device_fault(problem) and not is_memory_full(problem) and plan.device != "cpu":
        return _on_cpu(plan)
    return smaller_plan(plan)


def _on_cpu(plan: TilePlan) -> TilePlan:
    return replace(plan, device="cpu", batch=1, collect_on="cpu")


def mirrored_axes(axes: Sequence[int], copies: Copies) -> list[tuple[int, ...]]:
    """Return along which axes each copy of a tile is mirrored; the first one is the tile itself."""
    result: list[tuple[int, ...]] = [()]
    if copies == "turned" and axes:
        result.append(tuple(axes))
    elif copies == "mirrored":
        for axis in axes:
            result += [(*copy, axis) for copy in result]
    return result
