"""What tilt series need of SerialEM: set by SPACEtomo, or told while somebody is there."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace

import pytest

from space.microscope import series_needs
from space.simulator import Simulation
from space.simulator.column import shipped
from space.simulator.commands import all_commands
from space.simulator.external import external_python
from tests.simulator.fakes import SpotGrid


@pytest.fixture
def connect(tmp_path, monkeypatch):
    """Return a function that connects the module `serialem` to a microscope."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def connect(instrument: str = "krios_k3"):
            simulation = Simulation(tmp_path, grids={1: SpotGrid()}, instrument=instrument)
            session = simulation.session
            sem, _ = stack.enter_context(external_python(session, all_commands()))
            monkeypatch.setitem(sys.modules, "serialem", sem)
            return sem, session

        yield connect


def told(caplog, tmp_path, max_tilt_deg=60.0) -> str:
    caplog.clear()
    series_needs.warn_of_what_is_missing(tmp_path, max_tilt_deg)
    return caplog.text


def test_image_shift_and_new_files_are_as_tilt_series_need_them(connect, caplog):
    sem, session = connect()
    caplog.set_level("INFO", "space")
    sem.SetNewFileType(1)
    for _ in range(2):
        series_needs.prepare_for_series()
    assert session.files.file_type == 0
    assert sem.ReportProperty("ImageShiftLimit") == 20
    assert caplog.text.count("raised from 15 to 20 um") == 1
    # What somebody has set higher stays.
    sem.SetProperty("ImageShiftLimit", 25)
    series_needs.prepare_for_series()
    assert sem.ReportProperty("ImageShiftLimit") == 25


def mdocs_off(sem, session):
    session.files.single_mdocs = False


def no_offset(sem, session):
    sem.SetTiltAxisOffset(0)


def low_limit(sem, session):
    sem.SetProperty("MaximumTiltAngle", 50)


def all_buffers_roll(sem, session):
    sem.SetUserSetting("BuffersToRollOnAcquire", 16)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (mdocs_off, ("no .mdoc file", "File Properties")),
        (no_offset, ("no tilt axis offset", "Measure the offset")),
        (low_limit, ("max_tilt is 60 degrees", "tilts to 50")),
        (all_buffers_roll, ("through 17 buffers", "buffer O")),
    ],
)
def test_what_would_keep_pacetomo_waiting_or_stop_it_is_told(
    connect, caplog, tmp_path, change, words
):
    sem, session = connect("talos_ceta")
    assert told(caplog, tmp_path) == ""
    change(sem, session)
    text = told(caplog, tmp_path)
    assert all(word in text for word in words) and text.count("WARNING") == 1


def test_looking_for_mdocs_leaves_nothing_behind(connect, caplog, tmp_path):
    sem, session = connect("talos_ceta")
    sem.OpenNewFile("mine.mrc")
    (tmp_path / "SPACE_mdoc_test.mrc").write_bytes(b"left over")
    before = {path.name for path in tmp_path.iterdir()} - {"SPACE_mdoc_test.mrc"}
    for on in (True, False):
        session.files.single_mdocs = on
        assert (".mdoc" in told(caplog, tmp_path)) is not on
        assert {path.name for path in tmp_path.iterdir()} == before
        assert session.files.current.path.name == "mine.mrc"


@pytest.mark.parametrize("name", shipped())
def test_a_k2_or_k3_without_a_folder_for_frames_is_told(connect, caplog, tmp_path, name):
    sem, session = connect(name)
    asked = sem.ReportCameraProperty(0, "K2Type") > 0
    assert asked is (name not in ("krios_falcon4", "talos_ceta"))
    if not asked:  # SerialEM refuses to say where frames of other cameras go
        with pytest.raises(sem.SEMerror):
            sem.ReportFrameSavingPath()
    for folder in (None, tmp_path / "frames"):
        session.options.frames = replace(session.options.frames, folder=folder)
        missing = "No folder for frames" in told(caplog, tmp_path)
        assert missing is (asked and folder is None)


def test_a_focus_area_beside_record_is_told_once(connect, caplog):
    sem, _ = connect("talos_ceta")
    series_needs.warn_of_focus_area()
    assert caplog.text == "", "low dose is off: nothing is known"
    sem.SetLowDoseMode(1)
    for _ in range(2):
        series_needs.warn_of_focus_area()
    assert caplog.text.count("2.5 um beside Record") == 1


def test_a_serialem_that_tells_nothing_is_no_reason_to_stop(monkeypatch, caplog, tmp_path):
    class Silent(type(sys)):
        SEMerror = type("SEMerror", (Exception,), {})
        SEMmoduleError = type("SEMmoduleError", (Exception,), {})

        def __getattr__(self, name):
            def refuse(*_):
                raise self.SEMerror("not on this microscope")

            return refuse

    module = Silent("serialem")
    module.SetNewFileType = lambda kind: None
    monkeypatch.setitem(sys.modules, "serialem", module)
    series_needs.prepare_for_series()
    assert "ImageShiftLimit) cannot be set" in caplog.text
    assert told(caplog, tmp_path) == ""
    series_needs.warn_of_focus_area()
    assert caplog.text == ""
