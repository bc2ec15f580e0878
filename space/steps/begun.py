"""Items with which PACEtomo has begun, but which are not done."""

from __future__ import annotations

import logging

from space.microscope import navigator
from space.steps.session import GridSession
from space.steps.target_facts import begun_files

log = logging.getLogger("space.workflow")
_TARGETS_FILE_ENDING = "_tgts.txt"


def begun_items(session: GridSession) -> dict[int, list[str]]:
    """Return the items that are set to be acquired although PACEtomo has begun with them.

    SerialEM turns Acquire off when an item is done. It stays on when the tilt series were cut
    off: by an error, by the end of SerialEM, also between their end and the saving of the
    Navigator.

    Returns
    -------
    dict of int to list of str
        Item's index: names of the tilt series and run files that show it.
    """
    found = {}
    for item in navigator.items():
        if not item.note.endswith(_TARGETS_FILE_ENDING) or not navigator.acquire_is_on(item.index):
            continue
        evidence = begun_files(session.directory / item.note)
        if evidence:
            found[item.index] = [path.name for path in evidence]
    return found


def keep_begun_off(session: GridSession) -> None:
    """Turn Acquire off for items with which PACEtomo has begun, unless the user wants them.

    Before Acquire at Items is started, never while it is running: acquired again, all their
    targets would be exposed twice.
    """
    if navigator.is_acquiring():
        return
    begun = begun_items(session)
    wanted = session.settings.acquire_begun_items
    for index, evidence in begun.items():
        name = navigator.item(index).note
        if wanted:
            log.warning(
                "%s was begun before (%s): it is acquired again, as acquire_begun_items says.",
                name,
                _some(evidence),
            )
        elif navigator.set_acquire(index, on=False):
            log.warning(
                "%s was begun before, but is not marked as done: there is %s. Its Acquire was "
                "turned off, so that no target is exposed twice. Check its tilt series. To "
                "continue, turn its Acquire on and start Acquire at Items by hand: PACEtomo asks "
                "whether to resume. To have it acquired from the start, turn its Acquire on, set "
                "acquire_begun_items = True and run the script again.",
                name,
                _some(evidence),
            )
    if begun and not wanted:
        navigator.save()


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"
