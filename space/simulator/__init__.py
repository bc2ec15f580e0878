"""A microscope without a microscope: the module `serialem`, a specimen, and the truth.

Imports nothing else of this project, so that an error in one half cannot hide in the other.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from space.simulator.imaging.pictures import Exposure
    from space.simulator.program.policy import Dialog, Policy
    from space.simulator.program.session import Script, Session
    from space.simulator.python.host import ScriptResult
    from space.simulator.simulation import Simulation
else:
    # Loaded when they are used: the pytest plugin must cost nothing where there is no such test.
    _HOMES = {
        "Dialog": "program.policy",
        "Exposure": "imaging.pictures",
        "Policy": "program.policy",
        "Script": "program.session",
        "ScriptResult": "python.host",
        "Session": "program.session",
        "Simulation": "simulation",
    }

    def __getattr__(name: str) -> type:
        """Import a public class."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Dialog", "Exposure", "Policy", "Script", "ScriptResult", "Session", "Simulation"]
