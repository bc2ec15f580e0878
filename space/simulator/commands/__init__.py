"""All simulated commands by their name."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from space.simulator.python.command_types import Command, Commands

__all__ = ["all_commands", "command_groups"]


@lru_cache(maxsize=1)
def command_groups() -> tuple[ModuleType, ...]:
    """Modules that define commands; the first line of a module's text is its title."""
    from space.simulator.commands import (
        aberrations,
        absolute_focus,
        acquire_items,
        alignment,
        beam,
        buffers,
        camera,
        camera_modes,
        camera_readout,
        column,
        dewars,
        dialogs,
        display,
        file_dialogs,
        files,
        filter_and_gun,
        focus,
        frame_files,
        holes,
        image_files,
        image_math,
        image_measures,
        image_places,
        image_shift,
        low_dose,
        matrices,
        montage,
        multi_grid,
        nav_changes,
        nav_items,
        nav_montage,
        nav_points,
        navigator,
        processes,
        program,
        scope,
        settings,
        stage,
        text_files,
        text_values,
        tilting,
        waiting,
    )

    return (
        aberrations, absolute_focus, acquire_items, alignment, beam, buffers, camera, camera_modes,
        camera_readout, column, dewars, dialogs, display, file_dialogs, files, filter_and_gun,
        focus, frame_files, holes, image_files, image_math, image_measures, image_places,
        image_shift, low_dose, matrices, montage, multi_grid, nav_changes, nav_items, nav_montage,
        nav_points, navigator, processes, program, scope, settings, stage, text_files, text_values,
        tilting, waiting,
    )  # fmt: skip


@lru_cache(maxsize=1)
def all_commands() -> Commands:
    """Command name → function(session, *arguments).

    Raises
    ------
    ValueError
        If two groups define the same command.
    """
    united: dict[str, Command] = {}
    for group in command_groups():
        double = united.keys() & group.COMMANDS.keys()
        if double:
            raise ValueError(f"Commands defined twice: {sorted(double)}")
        united.update(group.COMMANDS)
    return united
