"""Target selection: how quick, how near the optimum, how much better than the obvious method.

python -m benchmarks.targeting [--n 20] [--small 60] [--parts maps areas small] [--json FILE]

`areas`: lamellae that need 10 to 50 image-shift areas (`benchmarks/many_areas.py`). `small`: the
choice against the proven optimum of small problems of every kind, with places a twentieth of the
beam apart (`benchmarks/small_problems.py`). `maps`: three questions, on label maps of simulated
lamellae (the labels of the specimen, no model):

* Speed and memory: `select_targets` on maps of 5300 x 4400 px (7 nm/px) and of 15 000 x 7000 px
  (2.283 nm/px): sparse mitochondria, cells and whole lamellae in turn, beams of 0.7 and 1.6 µm in
  turn. CPU seconds of one thread; memory is what the choice needs beyond the label map (peak of
  the process, where the system does not report it what Python asked for).
* Optimum: cut-outs small enough for an exact solution over the chooser's own candidate places by
  mixed-integer programming (scipy's HiGHS). A ratio above 1 means that the chooser, whose targets
  may lie between the candidates, found more.
* The obvious method: a hexagonal lattice (dense) or a scan of the map with fields side by side
  (sparse), improved by Nelder-Mead (the lattice as a whole, each field on its own), then
  conflicting targets removed, the lower score first. `gain_dense` is that over a lattice already
  stretched for the tilt, `gain_dense_unstretched` that over a lattice of round beams.
  `gain_..._of_optimum` is what the exact solutions of the cut-outs gain over the obvious method
  there: no choice among the same places can gain more.

Also reported: how far the geometry points of areas reach along the shorter axis of their plane (the
lever arms), and how many areas have none.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.simulator.specimen import LABELS, Grid
from space.targeting import ExposureOptics, TargetingOptions, lever_arm_um, select_targets
from space.targeting.packing import TiltFrame, conflicts
from space.targeting.scoring import (
    ScoreMap,
    cell_factor,
    class_tables,
    coverage,
    on_own_pieces,
    score_map,
)

from . import many_areas, small_problems
from .common import PROJECT, parser, report
from .exact_choice import optimum
from .obvious_choice import obvious_total

NAMES = {name: number for number, name in enumerate(LABELS)}
FIELD_UM = (0.86, 0.61)
AVOID = ("black", "white", "ice", "crack")
USUAL_SHAPE, USUAL_PIXEL_NM = (4400, 5300), 7.0
LARGE_SHAPE, LARGE_PIXEL_NM = (7000, 15000), 2.283
# Sides of the cut-outs: such that the solver proves its answer within seconds. (A field that is
# wanted all over has so many equal answers that only few targets can be solved.)
SMALL_UM = {
    ("mitos", 0.7): 3.6,
    ("mitos", 1.6): 5.0,
    ("cell", 0.7): 2.7,
    ("cell", 1.6): 5.0,
    ("lamella", 0.7): 2.1,
    ("lamella", 1.6): 3.5,
}
CUT_OUTS = 2
PARTS = ("areas", "small", "maps")
LARGE_MAPS = 3


@dataclass(frozen=True)
class Solved:
    """Total scores on a cut-out: the exact optimum, the choice, the obvious method."""

    optimum: float
    chosen: float
    obvious: float


@dataclass(frozen=True)
class Problem:
    """A question to the chooser; the same seed gives the same map."""

    seed: int
    target: str
    sparse: bool
    beam_um: float

    @property
    def options(self) -> TargetingOptions:
        return TargetingOptions((self.target,), AVOID, sparse=self.sparse)

    def optics(self, pixel_nm: float) -> ExposureOptics:
        return ExposureOptics(
            pixel_nm, FIELD_UM, self.beam_um, tilt_axis_deg=85.0, beam_margin_um=0.0
        )


def problems(seed_start: int, n: int) -> list[Problem]:
    """Modes and beams in turn."""
    modes = (("mitos", True), ("cell", False), ("lamella", False))
    beams = (0.7, 1.6)
    return [
        Problem(seed_start + k, *modes[k % 3], beams[(k // 3) % 2])
        for k in range(n)
    ]  # fmt: skip


def label_map(seed: int, shape: tuple[int, int], pixel_nm: float) -> np.ndarray:
    """Labels (rows, columns) uint8 of a simulated lamella, its long side along the columns."""
    lamella = Grid.make(seed, 1, kinds=["good"]).lamellae[0]
    rng = np.random.default_rng([41, seed])
    angle = math.radians(lamella.angle_deg + rng.normal(0, 6))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turn *= pixel_nm / 1000
    corner = np.asarray(lamella.center_um) - turn @ (shape[1] / 2, shape[0] / 2)
    labels = lamella.label_map(np.column_stack([turn, corner]), shape)
    labels[labels == 0] = NAMES["black"]
    return labels


def scores_of(labels: np.ndarray, problem: Problem, optics: ExposureOptics) -> ScoreMap:
    """The score at every place."""
    labels, tables, _ = on_own_pieces(labels, class_tables(NAMES, problem.options))
    cover = coverage(labels, tables, cell_factor(optics))
    return score_map(cover, problem.options, optics)


def total_score(choice) -> float:
    """Sum of the scores of all targets."""
    return float(sum(area.scores.sum() for area in choice.areas))


def conflict_count(choice, optics: ExposureOptics) -> int:
    """Pairs of targets whose beams overlap at the highest tilt."""
    points = [area.targets_map_px for area in choice.areas]
    if not points:
        return 0
    frame = TiltFrame.of(optics)
    return len(conflicts(frame.from_map(np.concatenate(points)), optics.beam_diameter_um))


def cut_out(scores: ScoreMap, labels: np.ndarray, problem: Problem, number: int = 0) -> np.ndarray:
    """Part of a label map around one of its good places, small enough to be solved exactly."""
    pixel_um = USUAL_PIXEL_NM / 1000
    side = int(SMALL_UM[problem.target, problem.beam_um] / pixel_um)
    rng = np.random.default_rng([42, problem.seed, number])
    good = np.argwhere(scores.values > 0.5 * scores.values.max())
    row, column = good[rng.integers(len(good))] * scores.factor
    top = int(np.clip(row - side // 2, 0, labels.shape[0] - side))
    left = int(np.clip(column - side // 2, 0, labels.shape[1] - side))
    return np.ascontiguousarray(labels[top : top + side, left : left + side])


def measured(labels: np.ndarray, problem: Problem, pixel_nm: float) -> dict[str, float]:
    """Seconds and memory of one choice, in a process of its own with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.npy"
        np.save(path, labels)
        command = [sys.executable, "-m", "benchmarks.targeting", "--measure", str(path)]
        command += [str(problem.seed), problem.target, str(int(problem.sparse))]
        command += [str(problem.beam_um), str(pixel_nm)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        run = subprocess.run(
            command, cwd=PROJECT, env={**os.environ, **threads}, capture_output=True, check=True
        )
    return json.loads(run.stdout)


def measure(arguments: list[str]) -> None:
    """Answer of the process that `measured` starts."""
    path, seed, target, is_sparse, beam_um, pixel_nm = arguments
    problem = Problem(int(seed), target, bool(int(is_sparse)), float(beam_um))
    optics = problem.optics(float(pixel_nm))
    labels = np.load(path)
    # Imports do not count: a small choice, at a good place, is made first.
    corner = [int(np.clip(i - 300, 0, None)) for i in _somewhere(labels, problem)]
    part = np.ascontiguousarray(labels[corner[0] :, corner[1] :][:600, :600])
    select_targets(part, NAMES, problem.options, optics)
    peak = PeakMemory()
    start = time.process_time()
    choice = select_targets(labels, NAMES, problem.options, optics)
    seconds = time.process_time() - start
    print(
        json.dumps(
            {
                "seconds": seconds,
                "memory_gb": peak.extra_gb(),
                "targets": choice.n_targets,
                "total": total_score(choice),
                "conflicts": conflict_count(choice, optics),
                "lever_arms_um": [
                    lever_arm_um(area.geometry_points_map_px, optics) for area in choice.areas
                ],
            }
        )
    )


def _somewhere(labels: np.ndarray, problem: Problem) -> np.ndarray:
    wanted = np.argwhere(labels[::8, ::8] == NAMES[problem.target]) * 8
    return wanted[len(wanted) // 2] if len(wanted) else np.zeros(2, int)


class PeakMemory:
    """Peak of the process's memory beyond what it holds when this is made.

    Where the system does not report it, the peak of what Python and numpy ask for.
    """

    def __init__(self) -> None:
        self._before_gb = _status_gb("VmRSS")
        if self._before_gb is None:
            tracemalloc.start()

    def extra_gb(self) -> float:
        """GB beyond the start; too much rather than too little if there was a peak before."""
        if self._before_gb is None:
            return tracemalloc.get_traced_memory()[1] / 1e9
        return _status_gb("VmHWM") - self._before_gb


def _status_gb(name: str) -> float | None:
    """A value of the process's status in GB, None where the system has no such file."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(name))


def main() -> None:
    """Command line."""
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2:])
        return
    command_line = parser(__doc__, n=20)
    command_line.add_argument("--small", type=int, default=60, help="number of small problems")
    command_line.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    args = command_line.parse_args()
    parts = {
        "areas": many_areas.everything,
        "small": lambda: small_problems_solved(args.small),
        "maps": lambda: maps(args.seed_start, args.n),
    }
    found: dict = {}
    for name in args.parts:
        found |= parts[name]()
    report(found, args.json)


def small_problems_solved(count: int) -> dict:
    """Shares of the optimum that the choice reaches on small problems, by kind."""
    shares: dict[str, list[float]] = {kind: [] for kind in small_problems.KINDS}
    seconds = []
    for seed in range(count):
        problem = small_problems.small_problem(seed)
        labels, optics, options = problem.labels, problem.optics, problem.options
        tables = class_tables(small_problems.NAMES, options)
        scores = score_map(coverage(labels, tables, cell_factor(optics)), options, optics)
        best = optimum(scores, options, optics, small_problems.NODES_PER_BEAM)
        if not best:
            continue
        begun = time.process_time()
        choice = select_targets(labels, small_problems.NAMES, options, optics)
        seconds.append(time.process_time() - begun)
        shares[problem.kind].append(total_score(choice) / best)
        print(
            f"small problem {seed} {problem.kind:6s}: optimum {best:6.3f}, "
            f"share {shares[problem.kind][-1]:.4f}, {seconds[-1]:.2f} s",
            flush=True,
        )
    everything = [share for part in shares.values() for share in part]
    return {
        "small_solved_exactly": len(everything),
        "small_optimal_ratio_min": round(min(everything), 4),
        "small_optimal_ratio_mean": round(float(np.mean(everything)), 4),
        "small_below_0.99": sum(share < 0.99 for share in everything),
        **{
            f"small_{kind}": {"solved": len(part), "ratio_min": round(min(part), 4)}
            for kind, part in shares.items()
            if part
        },
        "small_seconds_median": round(float(np.median(seconds)), 2),
        "small_seconds_max": round(max(seconds), 2),
    }


@dataclass(frozen=True)
class MapAnswer:
    """What was measured on one map of the usual size.

    Attributes
    ----------
    found : dict
        What `measure` printed.
    obvious, unstretched : float
        Totals of the obvious method; of a lattice of round beams (0 for scans).
    parts : tuple of Solved or None
        Of each cut-out, None where the optimum was not proven.
    """

    problem: Problem
    found: dict
    obvious: float
    unstretched: float
    parts: tuple[Solved | None, ...]

    @property
    def proven(self) -> list[Solved]:
        """Cut-outs with a proven optimum."""
        return [part for part in self.parts if part is not None]

    def line(self) -> str:
        """The answer for a person who waits."""
        shares = (f"{p.chosen / p.optimum:.3f}" if p else "not solved" for p in self.parts)
        return (
            f"{self.problem.seed} {self.problem.target:8s} {self.problem.beam_um} um: "
            f"{self.found['targets']:4d} targets, "
            f"{self.found['seconds']:5.2f} s, {self.found['memory_gb']:5.2f} GB, "
            f"{self.found['total'] / max(self.obvious, 1e-9):5.2f} x obvious, of the optimum "
            + ", ".join(shares)
        )


def maps(seed_start: int, n: int) -> dict:
    """Time, memory, share of the optimum and gain over the obvious method."""
    answers = []
    for problem in problems(seed_start, n):
        answers.append(usual_map(problem))
        print(answers[-1].line(), flush=True)
    large = []
    for problem in problems(seed_start, min(n, LARGE_MAPS)):
        labels = label_map(problem.seed, LARGE_SHAPE, LARGE_PIXEL_NM)
        large.append(measured(labels, problem, LARGE_PIXEL_NM))
        print(f"{problem.seed} {problem.target:8s} large: {large[-1]['seconds']:.2f} s", flush=True)
    usual = [answer.found for answer in answers]
    return {
        "maps": n,
        **_costs(usual, ""),
        **_costs(large, "_large"),
        **_shares_of_optimum(answers),
        **{f"gain_{mode}": _geometric_mean(values) for mode, values in _gains(answers).items()},
        "conflicts": sum(found["conflicts"] for found in usual + large),
        **_lever_arms(usual + large),
    }


def usual_map(problem: Problem) -> MapAnswer:
    """Measure one map of the usual size, and solve parts of it exactly."""
    optics = problem.optics(USUAL_PIXEL_NM)
    labels = label_map(problem.seed, USUAL_SHAPE, USUAL_PIXEL_NM)
    found = measured(labels, problem, USUAL_PIXEL_NM)
    scores = scores_of(labels, problem, optics)
    parts = [cut_out(scores, labels, problem, number) for number in range(CUT_OUTS)]
    return MapAnswer(
        problem,
        found,
        obvious_total(scores, problem.options, optics),
        0.0 if problem.sparse else obvious_total(scores, problem.options, optics, stretched=False),
        tuple(solved(part, problem, optics) for part in parts),
    )


def _costs(found: list[dict], of: str) -> dict[str, float]:
    seconds = [one_map["seconds"] for one_map in found]
    return {
        f"seconds{of or '_median'}": round(float(np.median(seconds)), 2),
        f"seconds{of}_max": round(max(seconds), 2),
        f"memory_gb{of}": round(max(one_map["memory_gb"] for one_map in found), 3),
    }


def _shares_of_optimum(answers: list[MapAnswer]) -> dict[str, float | None]:
    shares = [part.chosen / part.optimum for answer in answers for part in answer.proven]
    return {
        "solved_exactly": len(shares),
        "optimal_ratio_min": round(min(shares), 4) if shares else None,
        "optimal_ratio_mean": round(float(np.mean(shares)), 4) if shares else None,
    }


def _gains(answers: list[MapAnswer]) -> dict[str, list[float]]:
    """Ratios to the obvious method, by mode."""
    gains: dict[str, list[float]] = {"dense": [], "dense_unstretched": [], "sparse": []}
    gains |= {"dense_of_optimum": [], "sparse_of_optimum": []}
    for answer in answers:
        mode = "sparse" if answer.problem.sparse else "dense"
        if answer.obvious > 0:
            gains[mode].append(answer.found["total"] / answer.obvious)
        if answer.unstretched > 0:
            gains["dense_unstretched"].append(answer.found["total"] / answer.unstretched)
        gains[f"{mode}_of_optimum"] += [
            part.optimum / part.obvious for part in answer.proven if part.obvious > 0
        ]
    return gains


def _lever_arms(found: list[dict]) -> dict[str, float | None]:
    everything_um = [arm_um for one_map in found for arm_um in one_map["lever_arms_um"]]
    arms_um = [arm_um for arm_um in everything_um if arm_um]
    return {
        "lever_arm_um_min": round(min(arms_um), 2) if arms_um else None,
        "lever_arm_um_median": round(float(np.median(arms_um)), 2) if arms_um else None,
        "areas_with_geometry_points": len(arms_um),
        "areas_without": everything_um.count(0),
    }


def solved(part: np.ndarray, problem: Problem, optics: ExposureOptics) -> Solved | None:
    """What the exact solution, the choice and the obvious method reach on a cut-out.

    None if there is no place for a target or the optimum was not proven in time.
    """
    options = problem.options
    scores = scores_of(part, problem, optics)
    best = optimum(scores, options, optics)
    if not best:
        return None
    chosen = total_score(select_targets(part, NAMES, options, optics))
    return Solved(best, chosen, obvious_total(scores, options, optics))


def _geometric_mean(values: list[float]) -> float | None:
    return round(float(np.exp(np.mean(np.log(values)))), 3) if values else None


if __name__ == "__main__":
    main()
