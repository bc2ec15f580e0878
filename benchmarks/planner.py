"""The value of simulated nights with and without the plan of the night.

No picture is taken: a light model of a night, whose grids, places and classes of lamellae are drawn
from the plan of a simulated session (`space.simulation`), is planned by the functions of the
product (`space.replanning.problem_of`, `space.planning`). What the model assumes:

* 40 % of the lamellae are bad: 10 % of their series come out well, of others 90 %.
  Of the bad ones a part (`--seen`) is of a class other than good (broken, contaminated, thick,
  wedge, in turn); the others look good. The detector names the right class in `--right` of cases.
* A lamella has 2 to 16 targets, in areas of at most 8. Scores of a lamella's targets lie about a
  level of its own (0.15 to 0.9). They are known when the grid is visited, as in a session; before,
  what its segmented map shows tells their sum up to a factor of exp(+-`--map-error`).
* Times are those of the prior times a factor of the night (0.7 to 1.5), which the planner does not
  know, and vary by 10 %. A grid is mapped
  when its turn comes, or all of them first (`screen_first`: "screened").
* Value is the sum of the scores of targets whose series were complete within the hours and came
  out well. An area that is being acquired when the hours end counts nothing.

    python -m benchmarks.planner --nights 20 --json planner.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from space import planning
from space.orders import Standing
from space.overview import AreaFacts, GridFacts, LamellaFacts, SeriesFacts, SessionFacts
from space.planning import PRIOR, Pace, Plan
from space.replanning import Became, problem_of
from space.simulation import Plan as SessionPlan
from space.simulation import setup_of

BAD_KINDS = ("broken", "contaminated", "thick", "wedge")
EXCLUDED = ("broken", "gone")
"""Classes that get no map: the default of exclude_lamella_classes."""

BAD_PART, GOOD_OF_BAD, GOOD_OF_OTHERS = 0.4, 0.1, 0.9
MOST_IN_AREA = 8
AGAIN_S = 180.0
"""SPACEtomo runs again before another acquisition on the same grid."""

SCREENED = {
    "grid order": False,
    "plan": False,
    "grid order, screened": True,
    "best grids first": True,
    "plan, screened": True,
}
"""Orders, and whether all grids are mapped before one is acquired (else when their turn comes)."""

ORDERS = tuple(SCREENED)
BASES = {
    "plan": "grid order",
    "best grids first": "grid order, screened",
    "plan, screened": "grid order, screened",
}
"""What an order is compared with."""


@dataclass(frozen=True)
class Area:
    """An area as it is: scores of its targets, which of its series come out well, its seconds."""

    scores: tuple[float, ...]
    good: tuple[bool, ...]
    seconds: float

    @property
    def value(self) -> float:
        """Sum of the scores of the series that come out well."""
        return sum(score for score, good in zip(self.scores, self.good) if good)


@dataclass(frozen=True)
class Lamella:
    """A lamella as it is, and the class and probability that the detector gives it."""

    number: int
    kind: str
    bad: bool
    category: str
    probability: float
    place_um: tuple[float, float]
    areas: tuple[Area, ...]
    shown: float


@dataclass(frozen=True)
class Truth:
    """A night as it is: grids by slot, and how much slower than the prior everything is."""

    grids: dict[str, tuple[Lamella, ...]]
    factor: float


def drawn(seed: int, args: argparse.Namespace) -> Truth:
    """Draw a night."""
    rng = np.random.default_rng([21, seed])
    count = args.grids * args.lamellae
    bad = rng.permutation(count) < round(BAD_PART * count)
    seen = rng.random(count) < args.seen
    kinds = [
        str(rng.choice(BAD_KINDS)) if is_bad and is_seen else "good"
        for is_bad, is_seen in zip(bad, seen)
    ]
    factor = float(rng.uniform(0.7, 1.5))
    grids: dict[str, tuple[Lamella, ...]] = {}
    for slot in range(1, args.grids + 1):
        own = slice((slot - 1) * args.lamellae, slot * args.lamellae)
        plan = SessionPlan(
            Path(), Path(), seed=100 * seed + slot, lamellae=args.lamellae,
            kinds=tuple(kinds[own]),  # type: ignore[arg-type]
        )  # fmt: skip
        sites = [one.site for one in setup_of(plan).grids[0].grid().lamellae]
        grids[str(slot)] = tuple(
            _lamella(rng, number, kind, bool(is_bad), (site.center_um[0], site.center_um[1]),
                     factor, args)
            for number, (kind, is_bad, site) in enumerate(zip(kinds[own], bad[own], sites), 1)
        )  # fmt: skip
    return Truth(grids, factor)


def _lamella(
    rng: np.random.Generator,
    number: int,
    kind: str,
    bad: bool,
    place_um: tuple[float, float],
    factor: float,
    args: argparse.Namespace,
) -> Lamella:
    right = rng.random() < args.right
    others = [name for name in ("good", *BAD_KINDS) if name != kind]
    category = kind if right else str(rng.choice(others))
    probability = float(rng.uniform(0.6, 0.95) if right else rng.uniform(0.3, 0.8))
    level, left = rng.uniform(0.15, 0.9), int(rng.integers(2, 17))
    areas = []
    while left > 0:
        series = min(MOST_IN_AREA, left)
        left -= series
        scores = tuple(float(s) for s in np.clip(level * rng.uniform(0.7, 1.2, series), 0.03, 1))
        good = tuple(bool(g) for g in rng.random(series) < (GOOD_OF_BAD if bad else GOOD_OF_OTHERS))
        seconds = PRIOR.of_area(series) * factor * rng.normal(1.0, 0.1)
        areas.append(Area(scores, good, float(seconds)))
    scores = sum(score for area in areas for score in area.scores)
    shown = scores * float(np.exp(rng.normal(0.0, args.map_error)))
    return Lamella(number, kind, bad, category, probability, place_um, tuple(areas), shown)


# --- a night ----------------------------------------------------------------------------------


@dataclass
class Night:
    """A night on its way: the time, the grid on the stage, what was acquired."""

    truth: Truth
    hours: float
    now_s: float = 0.0
    loaded: str = ""
    seen: set[str] = field(default_factory=set)
    set_up: set[str] = field(default_factory=set)
    done: dict[tuple[str, int, int], float] = field(default_factory=dict)
    taken: list[tuple[int, float]] = field(default_factory=list)
    value: float = 0.0
    series: int = 0
    series_good: int = 0

    @property
    def left_s(self) -> float:
        return self.hours * planning.HOUR_S - self.now_s

    def visited(self, slot: str) -> list[Lamella]:
        """The lamellae of a grid that have maps."""
        return [one for one in self.truth.grids[slot] if one.category not in EXCLUDED]

    def screen(self, slots: Iterable[str]) -> None:
        """Load grids, find and map their lamellae."""
        for slot in slots:
            maps_s = PRIOR.map_s * len(self.visited(slot))
            self.now_s += (PRIOR.load_s + PRIOR.find_s + maps_s) * self.truth.factor
            self.loaded = slot
            self.seen.add(slot)

    def visit(self, slot: str) -> None:
        """Load a grid; find, map and set up what was not before."""
        if slot not in self.seen:
            self.screen([slot])
        if slot != self.loaded:
            self.now_s += PRIOR.load_s * self.truth.factor
            self.loaded = slot
        if slot not in self.set_up:
            self.now_s += PRIOR.targets_s * len(self.visited(slot)) * self.truth.factor
            self.set_up.add(slot)

    def acquire(self, slot: str, lamella: Lamella, number: int) -> None:
        """Acquire an area, from 1."""
        area = lamella.areas[number - 1]
        began_s = self.now_s
        self.now_s += area.seconds + PRIOR.move_s
        self.done[slot, lamella.number, number] = sum(area.good) / len(area.good)
        self.taken.append((len(area.scores), self.now_s - began_s))
        if self.left_s >= 0:
            self.value += area.value
            self.series += len(area.scores)
            self.series_good += sum(area.good)

    # --- what the product sees of it ------------------------------------------------------------

    def facts(self) -> SessionFacts:
        """Return what the files of such a session would say."""
        grids = tuple(
            GridFacts(
                f"G{slot}", slot, Path("G.nav"), None, Path("l.json"),
                lamellae=tuple(self._facts_of(slot, one) for one in self.visited(slot)),
            )
            if slot in self.seen else GridFacts("", slot)
            for slot in self.truth.grids
        )  # fmt: skip
        return SessionFacts(Path(), None, Path(), grids)

    def _facts_of(self, slot: str, one: Lamella) -> LamellaFacts:
        facts = LamellaFacts(
            one.number, one.category, one.probability, one.place_um, (9.0, 9.0), "mapped"
        )
        if slot not in self.set_up:
            return facts
        areas = []
        for number, area in enumerate(one.areas, 1):
            name = Path(f"G{slot}_L{one.number:02d}_area{number}_tgts.txt")
            series = tuple(
                SeriesFacts(f"ts_{k}.mrc", k, score=s) for k, s in enumerate(area.scores, 1)
            )
            begun = (slot, one.number, number) in self.done
            areas.append(
                AreaFacts(number, name, name, len(series), 3, True, not begun, begun, series=series)
            )
        return replace(facts, state="ready", areas=tuple(areas))

    def became(self) -> Became:
        """Return what became of the series so far, as their mdocs would tell."""
        worth: dict[tuple[str, int], tuple[tuple[float, float | None], ...]] = {}
        for slot, number, area in self.done:
            good = self.truth.grids[slot][number - 1].areas[area - 1].good
            worth[slot, number] = (
                *worth.get((slot, number), ()), *((float(g), None) for g in good)
            )  # fmt: skip
        return Became(worth, tuple(self.taken))

    def plan(self) -> Plan:
        """Return the plan, as the product makes it."""
        seen = self.became()
        pace: Pace = planning.measured_pace(
            seen.areas,
            loads_s=[PRIOR.load_s * self.truth.factor] if self.seen else [],
            finds_s=[PRIOR.find_s * self.truth.factor] if self.seen else [],
            maps_s=[PRIOR.map_s * self.truth.factor] if self.seen else [],
        )
        problem = problem_of(
            self.facts(), seen, Standing(), pace, self.left_s, self.loaded,
            wanted_px={
                (slot, one.number): one.shown for slot in sorted(self.seen)
                for one in self.visited(slot)
            },
        )  # fmt: skip
        return planning.make_plan(
            problem, self.hours, "", {slot: f"G{slot}" for slot in sorted(self.seen)}
        )


def in_order(night: Night, slots: Sequence[str]) -> Night:
    """Acquire all of one grid after the other, as without a plan."""
    for slot in slots:
        if night.left_s <= 0:
            break
        night.visit(slot)
        for one in night.visited(slot):
            for number in range(1, len(one.areas) + 1):
                if night.left_s > 0:
                    night.acquire(slot, one, number)
    return night


def planned(night: Night) -> Night:
    """Acquire what the plan says; it is made anew after each area.

    As with SerialEM, items of an acquisition are taken in the Navigator's order, which is that of
    the plan when the grid was visited; what is put off waits for another acquisition.
    """
    places: dict[str, dict[tuple[int, int], int]] = {}
    passed = -1
    while True:
        plan = night.plan()
        if not plan.entries:
            return night
        slot = plan.slots()[0]
        if slot not in night.set_up or slot != night.loaded:
            night.visit(slot)
            passed = -1
            order = [entry.lamella for entry in plan.of_grid(f"G{slot}")]
            places.setdefault(slot, dict(_items(night, slot, order)))
            continue
        visit = planning.visit_of(plan, f"G{slot}")
        waiting = planning.put_off(visit, places[slot])
        now = [entry for entry in visit if entry not in waiting]
        later = [e for e in now if places[slot][e.lamella, e.area] > passed]
        if not later:
            night.now_s += AGAIN_S
            later = now
        following = min(later, key=lambda entry: places[slot][entry.lamella, entry.area])
        passed = places[slot][following.lamella, following.area]
        lamella = night.truth.grids[slot][following.lamella - 1]
        night.acquire(slot, lamella, following.area)


def _items(night: Night, slot: str, order: list[int]) -> Iterator[tuple[tuple[int, int], int]]:
    """Give the items of a grid with their places: lamellae in the order of the plan."""
    lamellae = sorted(
        night.visited(slot),
        key=lambda one: order.index(one.number) if one.number in order else len(order),
    )
    keys = [(one.number, area) for one in lamellae for area in range(1, len(one.areas) + 1)]
    return ((key, place) for place, key in enumerate(keys))


def one_night(truth: Truth, hours: float, how: str) -> Night:
    """Run a night in one of `ORDERS`."""
    night = Night(truth, hours)
    if SCREENED[how]:
        night.screen(truth.grids)
    if how.startswith("plan"):
        return planned(night)
    slots = list(truth.grids)
    if how == "best grids first":
        slots.sort(key=lambda slot: -sum(one.probability for one in night.visited(slot)))
    return in_order(night, slots)


# --- the table --------------------------------------------------------------------------------


def measured(args: argparse.Namespace, orders: Sequence[str] = ORDERS) -> list[dict[str, Any]]:
    """Run all nights in some orders."""
    nights = []
    for seed in range(args.seed, args.seed + args.nights):
        truth = drawn(seed, args)
        found = {how: one_night(truth, args.hours, how) for how in orders}
        nights.append(
            {
                "seed": seed,
                **{how: round(one.value, 2) for how, one in found.items()},
                "series": {how: one.series for how, one in found.items()},
                "good series": {how: one.series_good for how, one in found.items()},
                "all": round(
                    sum(a.value for g in truth.grids.values() for m in g for a in m.areas), 2
                ),
            }
        )
    return nights


def summary(nights: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return means with their spread, and the ratio to grid order with a bootstrap interval."""
    values = {how: np.array([n[how] for n in nights]) for how in ORDERS if how in nights[0]}
    result: dict[str, Any] = {"nights": len(nights)}
    rng = np.random.default_rng(0)
    for how, value in values.items():
        base = values[BASES.get(how, "grid order")]
        again = rng.integers(0, len(nights), (2000, len(nights)))
        ratios = value[again].sum(axis=1) / base[again].sum(axis=1)
        each = value / np.maximum(base, 1e-9)
        result[how] = {
            "value": round(float(value.mean()), 2),
            "sd": round(float(value.std(ddof=1)), 2) if len(nights) > 1 else 0.0,
            "ratio": round(float(value.sum() / base.sum()), 2),
            "ratio_95": [round(float(q), 2) for q in np.percentile(ratios, [2.5, 97.5])],
            "ratio_of_nights": [
                round(float(q), 2) for q in np.percentile(each, [0, 25, 50, 75, 100])
            ],
            "nights_below": int((each < 1).sum()),
            "good_series": round(float(np.mean([n["good series"][how] for n in nights])), 1),
            "series": round(float(np.mean([n["series"][how] for n in nights])), 1),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first night")
    parser.add_argument("--grids", type=int, default=4)
    parser.add_argument("--lamellae", type=int, default=8, help="on each grid")
    parser.add_argument("--hours", type=float, default=16.0)
    parser.add_argument("--seen", type=float, default=0.5, help="part of the bad ones that is seen")
    parser.add_argument("--right", type=float, default=0.85, help="classes that are right")
    parser.add_argument("--map-error", type=float, default=0.4, help="of what a map shows")
    parser.add_argument("--sweep", action="store_true", help="other hours and assumptions, too")
    parser.add_argument("--plot", type=Path, help="picture of the nights")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    args = parser.parse_args()
    nights = measured(args)
    print(f"{'seed':>4}" + "".join(f"{how:>22}" for how in ORDERS) + f"{'all there is':>14}")
    for night in nights:
        print(f"{night['seed']:>4}" + "".join(f"{night[how]:>22.2f}" for how in ORDERS)
              + f"{night['all']:>14.2f}")  # fmt: skip
    result: dict[str, Any] = {"arguments": _plain(args), "summary": summary(nights)}
    print()
    _print(result["summary"])
    sys.stdout.flush()
    if args.sweep:
        result["sweep"] = _sweep(args)
    result["nights"] = nights
    if args.plot:
        draw(nights, args.plot)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _sweep(args: argparse.Namespace) -> list[dict[str, Any]]:
    changes: list[dict[str, float]] = [
        *({"hours": hours} for hours in (10.0, 24.0, 60.0)),
        *({"seen": seen} for seen in (0.0, 1.0)),
        {"right": 0.4},
        {"grids": 2},
    ]
    rows = []
    print(f"\n{'changed':24}{'grid order':>12}{'plan':>8}{'ratio':>7}   95 %          nights below")
    for change in changes:
        changed = argparse.Namespace(**{**vars(args), **change})
        found = summary(measured(changed, ("grid order", "plan")))
        plan, base = found["plan"], found["grid order"]
        name = ", ".join(f"{key} {value:g}" for key, value in change.items())
        low, high = plan["ratio_95"]
        print(f"{name:24}{base['value']:>12.2f}{plan['value']:>8.2f}{plan['ratio']:>7.2f}   "
              f"{low:.2f} to {high:.2f}{plan['nights_below']:>10}", flush=True)  # fmt: skip
        rows.append({"changed": change, **found})
    return rows


def draw(nights: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the value of each night: with the plan over that in the order of grids."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.6), layout="constrained", dpi=110)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    most = 1.08 * max(night[how] for night in nights for how in ORDERS)
    for one, plan in zip(axes, ("plan", "plan, screened")):
        base = BASES[plan]
        one.plot([0, most], [0, most], color="0.6", lw=1)
        one.plot([0, most / 1.3], [0, most], color="0.6", lw=1, ls="--")
        one.annotate("1.3 x", (0.72 * most, 0.95 * most), color="0.4", ha="right", fontsize=8)
        one.annotate("as much", (0.97 * most, 0.91 * most), color="0.4", ha="right", fontsize=8)
        one.scatter(
            [night[base] for night in nights], [night[plan] for night in nights],
            s=26, color="#0a58b5", alpha=0.85, edgecolors="white", linewidths=0.5,
        )  # fmt: skip
        one.set(xlim=(0, most), ylim=(0, most), xlabel=f"value in {base}", aspect="equal")
        screened = "all grids mapped first" if SCREENED[plan] else "each grid mapped in its turn"
        one.set_title(screened, fontsize=9)
    axes[0].set_ylabel("value with the plan")
    figure.savefig(path)


def _print(found: dict[str, Any]) -> None:
    print(f"{'':22}{'value':>8}{'sd':>7}{'series':>8}{'good':>7}{'ratio':>7}   95 %           "
          "each night: least, quartiles, most")  # fmt: skip
    for how in ORDERS:
        one = found[how]
        low, high = one["ratio_95"]
        print(f"{how:22}{one['value']:>8.2f}{one['sd']:>7.2f}{one['series']:>8.1f}"
              f"{one['good_series']:>7.1f}{one['ratio']:>7.2f}   {low:.2f} to {high:.2f}   "
              f"{one['ratio_of_nights']}")  # fmt: skip


def _plain(args: argparse.Namespace) -> dict[str, Any]:
    return {key: str(v) if isinstance(v, Path) else v for key, v in vars(args).items()}


if __name__ == "__main__":
    main()
