"""A failure costs one lamella; the end of the script and a full disk end everything."""

from __future__ import annotations

import errno
import logging

import fake_serialem
import pytest
from fake_serialem import SEMerror

from space.errors import OutOfSpaceError, SpaceError
from space.microscope import StoppedByUserError, failure_text, navigator, survives


@pytest.fixture(autouse=True)
def module(monkeypatch):
    return fake_serialem.install(monkeypatch, SEMexited=type("SEMexited", (Exception,), {}))


def test_a_block_without_failure_says_nothing(caplog):
    with survives("Grid 2 failed") as outcome:
        pass
    assert not outcome.failed and outcome.reason == "" and not caplog.text


@pytest.mark.parametrize(
    ("error", "reason", "is_foreseen"),
    [
        (SpaceError("It is dark.", "View", "Look."), "It is dark. [View] -> Look.", True),
        (SEMerror("*** no such item ***"), "no such item", True),
        (OSError("the folder is away"), "OSError: the folder is away", True),
        (MemoryError("too large"), "MemoryError: too large", True),
        (ZeroDivisionError("of ours"), "ZeroDivisionError: of ours", False),
    ],
)
def test_a_failure_is_logged_and_noted(caplog, error, reason, is_foreseen):
    with survives("Grid 2 failed") as outcome:
        raise error
    assert outcome.failed and outcome.error is error and outcome.reason == reason
    assert f"Grid 2 failed: {reason}" in caplog.text
    assert ("Traceback" in caplog.text) != is_foreseen
    assert caplog.records[-1].levelno == logging.ERROR


def test_what_to_do_follows_the_reason(caplog):
    with survives("The plot was not drawn", "Delete it.", level=logging.WARNING):
        raise SpaceError("The file is empty.")
    assert caplog.messages == ["The plot was not drawn: The file is empty. Delete it."]
    assert caplog.records[0].levelno == logging.WARNING


def test_what_ends_the_script_is_raised(module):
    for error in (module.SEMexited("STOP"), KeyboardInterrupt()):
        with pytest.raises(type(error)), survives("Grid 2 failed"):
            raise error
    with pytest.raises(StoppedByUserError):
        with survives("PL1 could not be visited", unless=StoppedByUserError):
            raise StoppedByUserError("stopped")
    with survives("Grid 2 failed") as outcome:
        raise StoppedByUserError("stopped")
    assert outcome.failed


def test_a_full_disk_is_raised_as_such():
    full = OSError(errno.ENOSPC, "No space left on device", "G1.png")
    with pytest.raises(OutOfSpaceError, match="The disk is full: No space left"):
        with survives("Grid 2 failed"):
            raise full
    assert failure_text(full).startswith("The disk is full: No space left on device. [G1.png]")


def test_the_saved_table_is_read_once_it_is_saved(monkeypatch, tmp_path):
    path = tmp_path / "G1.nav"
    text = "AdocVersion = 2.00\n\n[Item = L01]\nType = 2\nNote = G1_L01.mrc\n"
    fake_serialem.install(
        monkeypatch,
        SaveNavigator=lambda: path.write_text(text, encoding="utf-8"),
        ReportNavFile=lambda: str(path),
    )
    (item,) = navigator.save_and_read()
    assert (item.label, item.note, item.is_map) == ("L01", "G1_L01.mrc", True)
    text = "<?xml"
    with pytest.raises(SpaceError, match="cannot be read") as caught:
        navigator.save_and_read()
    assert caught.value.where == str(path)
