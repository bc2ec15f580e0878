"""What could stop a session, looked at before one begins: the doctor.

`of_computer` asks the computer, its folders, Pythons and models (``spacetomo check``);
`of_microscope` asks SerialEM as well (`automation_level = 0`). Nothing is moved or exposed.
"""

from space.checkup.computer import Places, of_computer
from space.checkup.finding import Finding, exit_code, in_lines, summary
from space.checkup.microscope import expected_size, of_microscope
from space.checkup.session import run_check
from space.checkup.size import Expected

__all__ = [
    "Expected",
    "Finding",
    "Places",
    "exit_code",
    "expected_size",
    "in_lines",
    "of_computer",
    "of_microscope",
    "run_check",
    "summary",
]
