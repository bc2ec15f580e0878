"""What RELION 5 has after its import of tilt series: one STAR file of all, and one of each.

Column names and units are those of RELION 5's tomography import (tilt_series.star): pixel size in
angstrom, doses in electrons per square angstrom, defocus in um with under focus positive.
"""

from __future__ import annotations

from collections.abc import Sequence

from space.export.frames import SeriesFrames
from space.export.series import Optics
from space.star import table

_GLOBAL = (
    "rlnTomoName",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnMicrographOriginalPixelSize",
    "rlnTomoHand",
    "rlnOpticsGroupName",
    "rlnTomoTiltSeriesStarFile",
)
_TILT = (
    "rlnMicrographMovieName",
    "rlnTomoTiltMovieFrameCount",
    "rlnTomoNominalStageTiltAngle",
    "rlnTomoNominalTiltAxisAngle",
    "rlnMicrographPreExposure",
    "rlnTomoNominalDefocus",
)
_FOLDER = "tilt_series"


def files(found: Sequence[SeriesFrames], optics: Optics) -> dict[str, str]:
    """Return the files by their path in the folder of the export."""
    texts = {f"{_FOLDER}/{one.series.name}.star": _tilts(one) for one in found}
    texts["tilt_series.star"] = table(
        "global",
        _GLOBAL,
        [
            (
                one.series.name,
                one.series.voltage_kv,
                optics.cs_mm,
                optics.amplitude_contrast,
                one.pixel_nm * 10,
                float(optics.hand),
                "opticsGroup1",
                f"{_FOLDER}/{one.series.name}.star",
            )
            for one in found
        ],
    )
    texts["how_to_import.txt"] = _HOW_TO
    return texts


def _tilts(one: SeriesFrames) -> str:
    return table(
        one.series.name,
        _TILT,
        [
            (
                one.path(image),
                image.picture.n_frames or 1,
                image.tilt_deg,
                one.series.axis_deg,
                image.prior_dose_e_per_a2,
                -(image.picture.target_defocus_um or 0.0),
            )
            for image in one.series.images
        ],
    )


_HOW_TO = """\
RELION 5

These files are what its import of tilt series writes. Put tilt_series.star and the folder
tilt_series into the folder of your RELION project (paths in tilt_series.star start there), and
give tilt_series.star to "Motion correction" as input. The gain reference is given there, too.

Check the sign of rlnTomoHand on your microscope once. If the defocus that is fitted gets worse
with the tilt on one side of the pictures, export again with the other --hand.
"""
