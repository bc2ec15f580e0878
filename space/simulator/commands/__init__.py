"""All simulated commands by their name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=1)
def all_commands() -> dict[str, Callable]:
    """Command name → function(session, *arguments).

    Raises
    ------
    ValueError
        If two groups define the same command.
    """
    from space.simulator.commands import (
        acquire_items,
        alignment,
        buffers,
        camera,
        dialogs,
        files,
        focus,
        image_shift,
        low_dose,
        matrices,
        montage,
        navigator,
        program,
        scope,
        stage,
    )

    groups = (
        acquire_items, alignment, buffers, camera, dialogs, files, focus, image_shift, low_dose,
        matrices, montage, navigator, program, scope, stage,
    )  # fmt: skip
    united: dict[str, Callable] = {}
    for group in groups:
        double = united.keys() & group.COMMANDS.keys()
        if double:
            raise ValueError(f"Commands defined twice: {sorted(double)}")
        united.update(group.COMMANDS)
    return united
