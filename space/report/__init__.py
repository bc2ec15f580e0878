"""The report of a session: one page that tells what happened."""

from space.report.facts import SessionReport, gather
from space.report.plain import as_table
from space.report.writing import (
    LARGEST_BYTES,
    REPORT_FILE,
    Written,
    grid_report_file,
    only_grid,
    update,
    update_grid,
    write_report,
)

__all__ = [
    "LARGEST_BYTES",
    "REPORT_FILE",
    "SessionReport",
    "Written",
    "as_table",
    "gather",
    "grid_report_file",
    "only_grid",
    "update",
    "update_grid",
    "write_report",
]
