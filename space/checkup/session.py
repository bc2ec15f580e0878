"""The check as SPACEtomo.py runs it inside SerialEM, at level 0."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space import settings as settings_module
from space.checkup.computer import Places, of_computer
from space.checkup.finding import Finding, exit_code, failed, summary
from space.checkup.microscope import expected_size, of_microscope
from space.errors import SpaceError
from space.microscope import log_to_serialem, scope

_CHECKED_LEVEL = 4
_LEVELS = {"ok": logging.INFO, "warn": logging.WARNING, "fail": logging.ERROR}
log = logging.getLogger("space.checkup")


def run_check(script_globals: Mapping[str, Any]) -> None:
    """Write into SerialEM's log what could stop a session; nothing is moved or exposed.

    Raises
    ------
    SpaceError
        When something must be corrected.
    """
    with log_to_serialem():
        scope.work_unattended()
        log.info("Checking; nothing will be moved or exposed.")
        found = findings(script_globals)
        for one in found:
            log.log(_LEVELS[one.verdict], "%s", one)
        if exit_code(found) > 1:
            raise SpaceError(
                summary(found),
                "automation_level = 0",
                "Correct the lines marked fail, then run the script again.",
            )
        log.info("%s", summary(found))


def findings(script_globals: Mapping[str, Any]) -> list[Finding]:
    """Return what was found on the computer and at the microscope."""
    # What a session up to targets needs is looked at.
    asked = {**script_globals, "automation_level": _CHECKED_LEVEL}
    settings = settings_module.parse(asked).settings
    directory = scope.working_directory()
    places = Places("", asked, Path(settings.SPACE_DIR), directory=directory, in_serialem=True)
    found = list(of_computer(places, expected_size()))
    try:
        found += of_microscope(settings, directory)
    except SpaceError as error:
        found.append(failed("SerialEM", error))
    return found
