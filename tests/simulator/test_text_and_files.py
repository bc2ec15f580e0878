"""Text files, folders, several open image files, waiting, mail."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest
from PIL import Image as Picture

from space.simulator.column import SEMerror
from space.simulator.commands import (
    file_dialogs,
    files,
    image_files,
    image_math,
    montage,
    text_files,
    waiting,
)
from space.simulator.program.policy import Policy
from tests.simulator.fakes import textured


@pytest.fixture
def session(make_session):
    return make_session(time_scale=0.0)


def test_lines_written_are_lines_read(session, tmp_path):
    text_files.open_text_file(session, "log", "W", 0, "notes.txt")
    text_files.write_line_to_file(session, "LOG", "one two")
    text_files.write_line_to_file(session, "log")
    text_files.flush_text_file(session, "log")
    assert text_files.is_text_file_open(session, "log", "notes.txt") == 1.0
    assert text_files.is_text_file_open(session, "log", "other.txt") == 0.0
    text_files.close_text_file(session, "log")
    assert text_files.is_text_file_open(session, "log") == 0.0
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "one two\n\n"
    text_files.open_text_file(session, "in", "RT", 0, "notes.txt")
    assert text_files.read_line_to_array(session, "in", "words") == 1.0
    assert session.variables.get("words") == "one\ntwo"
    assert text_files.read_line_to_string(session, "in", "line") == 1.0
    assert session.variables.get("line") == ""
    assert text_files.read_line_to_string(session, "in", "line") == 0.0
    text_files.read_text_file(session, "all", "notes.txt")
    assert session.variables.get("all") == "one\ntwo"
    text_files.read_strings_from_file(session, "all", "notes.txt")
    assert session.variables.get("all") == "one two"


def test_text_files_refuse_what_cannot_be(session, tmp_path):
    (tmp_path / "old.txt").write_text("x\n", encoding="utf-8")
    for mode, name in (("W", "old.txt"), ("R", "missing.txt"), ("Q", "new.txt"), ("W", "no/a.txt")):
        with pytest.raises(SEMerror):
            text_files.open_text_file(session, "a", mode, 0, name)
    text_files.open_text_file(session, "a", "A", 0, "old.txt")
    with pytest.raises(SEMerror):
        text_files.open_text_file(session, "A", "A", 0, "old.txt")
    with pytest.raises(SEMerror):
        text_files.read_line_to_string(session, "a", "line")
    with pytest.raises(SEMerror):
        text_files.write_line_to_file(session, "b", "line")
    text_files.write_line_to_file(session, "a", "y")
    assert (tmp_path / "old.txt").read_text(encoding="utf-8") == "x\ny\n"
    with pytest.raises(SEMerror):
        text_files.close_text_file(session, "b")


def test_text_files_close_with_the_script_unless_they_are_to_stay(make_simulation):
    simulation = make_simulation()
    result = simulation.run(
        "#!Python\nimport serialem as sem\n"
        "sem.OpenTextFile('a', 'O', 0, 'a.txt')\n"
        "sem.OpenTextFile('b', 'O', 1, 'b.txt')\n"
    )
    assert result.ok, result.error
    assert list(simulation.session.workbench.text_files) == ["B"]


def test_folders(session, tmp_path):
    text_files.make_directory(session, "new")
    text_files.make_directory(session, "new")
    assert text_files.is_directory_writable(session, "new") == 1.0
    assert text_files.is_directory_writable(session, "nowhere") == 0.0
    with pytest.raises(SEMerror):
        text_files.make_directory(session, "no/such/parent")
    (tmp_path / "x.txt").write_text("", encoding="utf-8")
    text_files.remove_file(session, "x.txt")
    assert not (tmp_path / "x.txt").exists()
    with pytest.raises(SEMerror):
        text_files.remove_file(session, "x.txt")


def test_folder_of_the_day(make_simulation, tmp_path):
    simulation = make_simulation()
    result = simulation.run(
        "#!Python\nimport serialem as sem\nsem.MakeDateTimeDir()\nsem.SaveLog(0, 'a.log')\n"
    )
    assert result.ok, result.error
    assert len(list(tmp_path.glob("20*-*/a.log"))) == 1


def test_several_open_files(session, tmp_path):
    session.take("V", frame_px=(40, 30))
    for name in ("a.mrc", "b.mrc"):
        files.open_new_file(session, name)
    assert image_files.report_num_open_files(session) == 2.0
    assert files.report_file_number(session) == 2.0
    image_files.switch_to_file(session, 1)
    assert image_files.report_current_filename(session).endswith("a.mrc")
    root, extension, folder, name = image_files.report_current_filename(session, 1)
    assert (extension, name) == (".mrc", "a") and root == folder + "a"
    files.save_to_file(session)
    image_files.save_to_other_file(session, "A", "MRC", "NONE", "c.mrc")
    assert files.report_file_number(session) == 1.0
    assert image_files.report_num_open_files(session) == 2.0
    for made in ("a.mrc", "c.mrc"):
        with mrcfile.open(tmp_path / made) as stack:
            assert stack.data.shape[-2:] == (30, 40)
    with pytest.raises(SEMerror):
        text_files.remove_file(session, "a.mrc")
    with pytest.raises(SEMerror):
        image_files.switch_to_file(session, 3)
    with pytest.raises(SEMerror):
        image_files.save_to_other_file(session, "A", "PNG", "NONE", "d.png")
    files.close_file(session)
    files.close_file(session)
    with pytest.raises(SEMerror):
        image_files.report_current_filename(session)


def test_drift_is_waited_for(make_session):
    session = make_session(textured(pixel_um=0.004, size=1000), time_scale=0.0)
    session.camera.change("T", binning=8)
    session.scope.stage.drift.start(rate_nm_s=20.0, settling_s=8.0)
    waiting.drift_wait_task(session, 2.0, "nm", 120.0, 4.0)
    drift, failed = waiting.get_wait_task_drift(session)
    assert drift < 2.0 and failed == 0.0
    assert len(session.exposures) > 3
    # A restless specimen never stands still.
    session.scope.stage.drift.start(rate_nm_s=30.0, settling_s=10000.0)
    waiting.drift_wait_task(session, 10.0, "A", 20.0, 5.0)
    drift, failed = waiting.get_wait_task_drift(session)
    assert drift == pytest.approx(30.0, rel=0.1) and failed == 1.0
    with pytest.raises(SEMerror, match="still"):
        waiting.drift_wait_task(session, 1.0, "nm", 20.0, 5.0, 1)
    with pytest.raises(SEMerror, match="type"):
        waiting.drift_wait_task(session, 1.0, "nm", 20.0, 5.0, 1, "R")
    with pytest.raises(SEMerror, match="binning"):
        waiting.drift_wait_task(session, 1.0, "nm", 20.0, 5.0, 1, "T", 0, 0, 3)


def restless(make_session, binning=8, rate_nm_s=30.0):
    session = make_session(textured(pixel_um=0.004, size=1000), time_scale=0.0)
    for letter in "TF":
        session.camera.change(letter, binning=binning)
    session.scope.stage.drift.start(rate_nm_s=rate_nm_s, settling_s=10000.0)
    return session


def test_the_longest_wait_comes_before_the_interval(make_session):
    session = restless(make_session)
    begin = session.clock.seconds
    waiting.drift_wait_task(session, 1.0, "nm", 50.0, 10.0)
    assert 50.0 <= session.clock.seconds - begin < 65.0
    assert 5 <= len(session.exposures) <= 7


def test_drift_is_measured_with_the_pictures_asked_for(make_session):
    session = restless(make_session)
    waiting.drift_wait_task(session, 100.0, "nm", 60.0, 5.0, 0, "F")
    assert [exposure.camera_set for exposure in session.exposures] == [1, 1]
    waiting.drift_wait_task(session, 100.0, "nm", 60.0, 5.0, 0, "0", 0, 2, 4)
    image = session.buffers.get("A")
    assert (image.camera_set, image.exposure_s, image.binning) == (2, 2.0, 4.0)
    assert session.camera.exposure_s("T") != 2.0 and session.camera.binning("T") == 8
    focus_before = session.scope.defocus_um
    session.camera.change("F", binning=4)
    waiting.drift_wait_task(session, 100.0, "nm", 60.0, 5.0, 0, "A")
    drift, failed = waiting.get_wait_task_drift(session)
    assert drift == pytest.approx(30.0, rel=0.15) and failed == 0.0
    assert session.scope.defocus_um == focus_before


def test_the_image_shift_follows_drift_only_when_asked(make_session):
    session = restless(make_session)
    waiting.drift_wait_task(session, 1.0, "nm", 30.0, 5.0, 0, "T")
    assert session.scope.image_shift == (0.0, 0.0)
    first = session.exposures[-1].center_um
    waiting.drift_wait_task(session, 1.0, "nm", 30.0, 5.0, 0, "T", 1)
    drift, _ = waiting.get_wait_task_drift(session)
    assert drift == pytest.approx(30.0, rel=0.15)
    moved_um = np.hypot(*session.scope.specimen_shift_um())
    assert moved_um == pytest.approx(0.03 * 30.0, rel=0.25)
    assert session.exposures[-1].center_um == pytest.approx(first, abs=0.4)


def test_time_goes_on(session):
    start = waiting.report_tick_time(session)
    session.clock.advance(150.0)
    assert waiting.elapsed_tick_time(session, start) == pytest.approx(150.0)
    assert waiting.report_minute_time(session) == (start + 150.0) // 60


def test_mail_is_noted(session):
    waiting.mail_subject(session, "Grid 1")
    waiting.send_email(session, "done")
    waiting.error_box_send_email(session, "stopped")
    assert [d.text for d in session.dialogs] == ["Grid 1: done", "stopped"]


def test_open_files_are_found_by_name_and_number(make_session):
    session = make_session()
    for name in ("one.mrc", "two.mrc"):
        files.open_new_file(session, name)
    assert image_files.is_image_file_open(session, "one.mrc") == 1.0
    assert image_files.is_image_file_open(session, str(session.directory / "two.mrc")) == 1.0
    assert image_files.is_image_file_open(session, "three.mrc") == 0.0
    assert image_files.report_open_image_file(session, 1) == str(session.directory / "one.mrc")
    assert image_files.report_open_image_file(session, 2, 1) == image_files.report_current_filename(
        session, 1
    )
    with pytest.raises(SEMerror, match="number 3"):
        image_files.report_open_image_file(session, 3)
    files.close_file(session)
    assert image_files.is_image_file_open(session, "two.mrc") == 0.0


def test_pieces_of_a_montage_that_are_skipped_do_not_count(make_session):
    session = make_session(low_dose=False)
    files.open_new_file(session, "single.mrc")
    with pytest.raises(SEMerror, match="montage file"):
        montage.report_num_montage_pieces(session)
    montage.open_new_montage(session, 3, 2, "six.mrc")
    assert montage.report_num_montage_pieces(session) == 6.0
    montage.setup_full_montage(session, 0.1, "full.mrc")
    columns, rows = session.files.current.montage.layout.counts
    assert 0 < montage.report_num_montage_pieces(session) < columns * rows


def test_pictures_and_spectra_are_saved_for_people_to_look_at(make_session):
    session = make_session(textured())
    session.take("V")
    image_math.fft(session, "A")
    for letter, name in (("A", "seen.jpg"), ("AF", "rings.jpg"), ("af", "rings.tif")):
        kind = "JPG" if name.endswith("jpg") else "TIF"
        image_files.save_to_other_file(session, letter, kind, "NONE", name)
        spectrum = session.workbench.fft.get("A")
        image = session.buffers.get("A") if letter == "A" else spectrum
        with Picture.open(session.directory / name) as picture:
            grey = np.asarray(picture)
        assert grey.shape == image.data.shape
        if kind == "TIF":
            assert np.array_equal(grey, image.data)
        else:
            assert grey.dtype == np.uint8 and grey.std() > 10
            assert np.corrcoef(grey.ravel(), image.data.ravel().astype(float))[0, 1] > 0.8
    with pytest.raises(SEMerror, match="exists"):
        image_files.save_to_other_file(session, "A", "JPG", "NONE", "seen.jpg")
    files.allow_file_overwrite(session, 1)
    image_files.save_to_other_file(session, "A", "JPG", "JPG", "seen.jpg")
    assert len(session.files) == 0
    image_files.save_to_other_file(session, "A", "tif", "-1", "counts.tif")
    with Picture.open(session.directory / "counts.tif") as picture:
        assert np.array_equal(np.asarray(picture), session.buffers.get("A").data)
    with pytest.raises(SEMerror, match="no image"):
        image_files.save_to_other_file(session, "K", "JPG", "NONE", "none.jpg")


def test_files_that_the_user_names_are_opened(make_session):
    policy = Policy(
        texts=(
            ("existing image file", ("old.mrc", "Cancel", "no_such.mrc")),
            ("tilt series", "new.mrc"),
        )
    )
    session = make_session(textured(), policy=policy)
    files.open_new_file(session, "old.mrc")
    session.take("V")
    files.save_to_file(session)
    files.close_file(session)
    file_dialogs.open_chooser_in_current_dir(session)
    file_dialogs.user_open_old_file(session)
    assert image_files.report_current_filename(session).endswith("old.mrc")
    assert files.report_file_z_size(session) == 1.0
    for problem in ("no file", "no_such.mrc"):
        with pytest.raises(SEMerror, match=problem):
            file_dialogs.user_open_old_file(session)
    file_dialogs.enter_name_open_file(session, "Name of the tilt series:")
    assert image_files.report_current_filename(session).endswith("new.mrc")
    with pytest.raises(SEMerror, match="no file"):
        file_dialogs.enter_name_open_file(session)
    assert [d.kind for d in session.dialogs] == ["file"] * 5


@pytest.mark.parametrize("name", ["", " ", "there", "."])
def test_a_folder_is_not_replaced_by_a_new_file(session, tmp_path, name):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "kept.txt").write_text("x", encoding="utf-8")
    files.allow_file_overwrite(session, 1)
    with pytest.raises(SEMerror, match="folder"):
        files.open_new_file(session, name)
    with pytest.raises(SEMerror, match="folder"):
        montage.open_new_montage(session, 2, 2, name)
    assert (tmp_path / "there" / "kept.txt").is_file()
