"""What ran on the simulated microscope: noted while it runs, and shown on a page."""

from space.simulator.report.kept import noted, noted_run
from space.simulator.report.page import write_page
from space.simulator.report.record import (
    CommandUse,
    Outcome,
    Picture,
    Record,
    RecordError,
    ScriptEnd,
)
from space.simulator.report.recorder import Recorder

__all__ = [
    "CommandUse",
    "Outcome",
    "Picture",
    "Record",
    "RecordError",
    "Recorder",
    "ScriptEnd",
    "noted",
    "noted_run",
    "write_page",
]
