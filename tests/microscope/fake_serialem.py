"""A module `serialem` of a few functions, for what the simulator would not do wrong."""

from __future__ import annotations

import sys
from types import ModuleType


class SEMerror(Exception):
    pass


class SEMmoduleError(Exception):
    pass


def install(monkeypatch, **functions) -> ModuleType:
    """Put a module with these functions, and variables, in place of `serialem`."""
    module = ModuleType("serialem")
    module.SEMerror, module.SEMmoduleError = SEMerror, SEMmoduleError
    variables: dict[str, str] = {}
    module.IsVariableDefined = lambda name: float(name in variables)
    module.GetVariable = variables.__getitem__
    module.SetVariable = module.SetPersistentVar = variables.__setitem__
    for name, function in functions.items():
        setattr(module, name, function)
    monkeypatch.setitem(sys.modules, "serialem", module)
    return module
