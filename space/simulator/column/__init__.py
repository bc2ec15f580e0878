"""The column: what a microscope is made of, how it is set, and what goes wrong with it."""

from space.simulator.column.errors import (
    ScriptStopped,
    SEMerror,
    SEMexited,
    SEMmoduleError,
    TaskError,
)
from space.simulator.column.faults import (
    DEATH_EXIT_CODE,
    FAULT_KINDS,
    Fault,
    FaultName,
    Faults,
    FaultSpecError,
    end_process,
    parse_fault,
)
from space.simulator.column.installation import Installation
from space.simulator.column.instrument import CAMERA_KINDS, Controls, Instrument
from space.simulator.column.instrument_file import (
    INSTRUMENT_FOLDER,
    load_instrument,
    present_name,
    shipped,
)
from space.simulator.column.lying import AS_DRAWN, LoadModel, Lying
from space.simulator.column.toml_table import InstrumentError

__all__ = [
    "AS_DRAWN",
    "CAMERA_KINDS",
    "DEATH_EXIT_CODE",
    "FAULT_KINDS",
    "INSTRUMENT_FOLDER",
    "Controls",
    "Fault",
    "FaultName",
    "FaultSpecError",
    "Faults",
    "Installation",
    "Instrument",
    "InstrumentError",
    "LoadModel",
    "Lying",
    "SEMerror",
    "SEMexited",
    "SEMmoduleError",
    "ScriptStopped",
    "TaskError",
    "end_process",
    "load_instrument",
    "parse_fault",
    "present_name",
    "shipped",
]
