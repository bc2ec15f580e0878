"""Where product and simulator meet: whole sessions, run and compared with the truth.

`run_plan` simulates a session and judges it. `Bench` is for tests
and benchmarks: a person at the simulated microscope, with the truth in place of the models.
"""

from space.simulation.bench import Bench, make_project, script_text, without_plots
from space.simulation.deaths import DOINGS, Death, KeptDeaths
from space.simulation.depth_series import phantom, simulated_series, write_truth_of_series
from space.simulation.end_state import EndState, differences
from space.simulation.judge import match
from space.simulation.map_truth import dice_by_class
from space.simulation.night import Night, NightOutcome, faults_of_a_night
from space.simulation.outside import WINDOWS_FOLDER, Outside, OutsideOutcome, grids_of_seeds
from space.simulation.picking_demo import seen_in_tomogram, write_picking_demo
from space.simulation.plan import (
    FOR_TOMOGRAMS,
    MARKER,
    Plan,
    grids_of,
    resumed,
    setup_of,
)
from space.simulation.problems import problems_of_the_simulator
from space.simulation.processing import PROCESSED, process, processed_table
from space.simulation.progress import Progress
from space.simulation.resuming import Resumed, Resuming, spread
from space.simulation.run import (
    LOG,
    TRUST,
    judged,
    pictures_to_open,
    run_plan,
)
from space.simulation.script_report import ScriptReport, WrittenGeometry
from space.simulation.scripts import read_script, with_settings
from space.simulation.series_truth import defocus_errors_um, off_lamella
from space.simulation.summary import summary_table
from space.simulation.truth_worker import TruthWorker, nothing_missing
from space.simulator.judging import (
    DoubleExposure,
    by_series,
    double_exposed,
    judge_session,
    judge_simulation,
)

__all__ = [
    "DOINGS",
    "FOR_TOMOGRAMS",
    "LOG",
    "MARKER",
    "PROCESSED",
    "TRUST",
    "WINDOWS_FOLDER",
    "Bench",
    "Death",
    "DoubleExposure",
    "EndState",
    "KeptDeaths",
    "Night",
    "NightOutcome",
    "Outside",
    "OutsideOutcome",
    "Plan",
    "Progress",
    "Resumed",
    "Resuming",
    "ScriptReport",
    "TruthWorker",
    "WrittenGeometry",
    "by_series",
    "defocus_errors_um",
    "dice_by_class",
    "differences",
    "double_exposed",
    "faults_of_a_night",
    "grids_of",
    "grids_of_seeds",
    "judge_session",
    "judge_simulation",
    "judged",
    "make_project",
    "match",
    "nothing_missing",
    "off_lamella",
    "phantom",
    "pictures_to_open",
    "problems_of_the_simulator",
    "process",
    "processed_table",
    "read_script",
    "resumed",
    "run_plan",
    "script_text",
    "seen_in_tomogram",
    "setup_of",
    "simulated_series",
    "spread",
    "summary_table",
    "with_settings",
    "without_plots",
    "write_picking_demo",
    "write_truth_of_series",
]
