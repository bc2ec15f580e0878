"""The line that a command which reports something prints in the log."""

from __future__ import annotations

import re
from collections.abc import Sequence

_REPORTS = re.compile(
    r"Report|\w+(Properties|Conditions|Matrix)$|ElectronStats$|CtfFind$|Ctfplotter$"
)
"""Commands that print what they report, by their names."""

_PHRASES = {
    "ReportAlignShift": "Alignment shift of A: {0} {1} unbinned pixels, {4} {5} nm on the specimen",
    "ReportAutoFocus": "Autofocus measured {0} um (status {1})",
    "ReportBeamShift": "Beam shift = {0} {1}",
    "ReportBeamTilt": "Beam tilt = {0} {1}",
    "ReportClock": "Elapsed time = {0} s",
    "ReportDefocus": "Defocus = {0} um",
    "ReportDirectory": "Current directory: {0}",
    "ReportExposure": "Exposure {0} s, drift settling {1} s",
    "ReportFocusDrift": "Drift in the last autofocus = {0} {1} nm/s",
    "ReportImageShift": "Image shift = {0} {1} units; {2} {3} pixels; stage {4} {5} um",
    "ReportMag": "Magnification {0}",
    "ReportMagIndex": "Magnification index {0}",
    "ReportNavItem": "Navigator item {0}: stage {1} {2} {3}",
    "ReportNumTableItems": "Navigator table has {0} items",
    "ReportOtherItem": "Navigator item {0}: stage {1} {2} {3}",
    "ReportPercentC2": "Intensity = {0} %",
    "ReportSpecimenShift": "Image shift on the specimen = {0} {1} um",
    "ReportSpotSize": "Spot size {0}",
    "ReportStageXYZ": "Stage at X {0}, Y {1}, Z {2}",
    "ReportTargetDefocus": "Target defocus = {0} um",
    "ReportTiltAngle": "Tilt = {0} degrees",
}
"""What some of them say; the others give their name."""


def report_line(name: str, values: Sequence[float | str]) -> str | None:
    """Give the line of a command, None for one that prints nothing.

    Parameters
    ----------
    name : str
        The command.
    values : sequence of float or str
        What it has reported.
    """
    if not values or not _REPORTS.match(name):
        return None
    texts = [value if isinstance(value, str) else f"{value:.6g}" for value in values]
    phrase = _PHRASES.get(name)
    if phrase is not None:
        return phrase.format(*texts)
    return f"{name.removeprefix('Report')}: {' '.join(texts)}"
