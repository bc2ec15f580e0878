"""SerialEM's own script language: the part that scripts for tomography and mapping use."""

from space.simulator.language.run import run_own_function, run_own_language

__all__ = ["run_own_function", "run_own_language"]
