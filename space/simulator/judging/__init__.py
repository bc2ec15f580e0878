"""The truth about what a script did at the simulated microscope, whatever script it was."""

from space.simulator.judging.exposed import (
    DOSE_PIXEL_UM,
    DoubleExposure,
    SharedArea,
    double_exposed,
    shared_areas,
)
from space.simulator.judging.geometry import defocus_at_um
from space.simulator.judging.report import (
    NOTHING,
    USUAL,
    Limits,
    plain,
    remarks,
    report,
    summed_up,
    tables,
    text_table,
    title,
    worst_first,
)
from space.simulator.judging.series import Series, by_series, tilt_series
from space.simulator.judging.truth import (
    PictureTruth,
    ScriptTruth,
    SeriesTruth,
    judge_pictures,
    judge_session,
    judge_simulation,
)

__all__ = [
    "DOSE_PIXEL_UM",
    "NOTHING",
    "USUAL",
    "DoubleExposure",
    "Limits",
    "PictureTruth",
    "ScriptTruth",
    "Series",
    "SeriesTruth",
    "SharedArea",
    "by_series",
    "defocus_at_um",
    "double_exposed",
    "judge_pictures",
    "judge_session",
    "judge_simulation",
    "plain",
    "remarks",
    "report",
    "shared_areas",
    "summed_up",
    "tables",
    "text_table",
    "tilt_series",
    "title",
    "worst_first",
]
