"""Levels 2 to 5 from lamellae that are known, on the simulated microscope."""

from __future__ import annotations

import io
import json
import re
import threading

import mrcfile
import numpy as np
import pytest
from PIL import Image

from space import jobs, journal, pacetomo, plots
from space.images import read_png, write_png
from space.jobs import JobFolder
from space.microscope import pieces, seams
from space.microscope.seams import Seam
from space.simulation import script_text
from space.simulator import Policy, Script
from space.simulator.specimen.labels import LABEL

RECORD_HALF_UM = (0.43, 0.31)


@pytest.fixture(autouse=True)
def pictures_for_people() -> None:
    """Draw them all, as in a session."""


def holds_wanted(grid, point_um, label="mitos") -> bool:
    """Whether the truth holds a class within a Record field around a point."""
    pixel = 0.02
    shape = tuple(round(2 * half / pixel) for half in RECORD_HALF_UM[::-1])
    px_to_grid = np.array(
        [[pixel, 0, point_um[0] - RECORD_HALF_UM[0]], [0, pixel, point_um[1] - RECORD_HALF_UM[1]]]
    )
    return bool((grid.label_map(px_to_grid, shape) == LABEL[label]).any())


def test_level_4_sets_targets_on_the_wanted_class(bench):
    session = bench(instrument="krios_k3")  # with its pictures whole
    session.place_lamellae()
    result = session.run(4)
    assert result.ok, result.error
    assert "ERROR" not in session.log(), session.log()

    targets = pacetomo.parse((session.directory / "G1_L01_tgts.txt").read_text()).targets
    assert targets and targets[0].shift_um == (0, 0)
    hits = [holds_wanted(session.grid, session.place_um(target)) for target in targets]
    assert np.mean(hits) >= 0.8

    acquired = [item for item in session.items() if item.acquire]
    assert [item.note for item in acquired] == ["G1_L01_tgts.txt"]
    for target in targets:
        path = session.directory / target.viewfile
        with mrcfile.open(path) as mrc:  # strict
            assert mrc.data.shape[-2:] == (1023, 1440)
            assert abs(float(mrc.voxel_size.x) - 76) < 0.1
        assert path.with_name(path.name + ".mdoc").is_file()
    for name in (
        "G1_L01.mrc",
        "G1_L01.png",
        "G1_L01.json",
        "G1_L01_seg.png",
        "G1_L01_mitos_targets.png",
        "G1_L01_segmentation.png",
        "SPACE_settings.json",
        "G1.log",
    ):
        assert (session.directory / name).is_file(), name


def test_the_view_of_a_target_shows_what_the_stage_centres_there(bench):
    session = bench(stage_error_um=0.0)
    session.place_lamellae()
    assert session.run(4).ok
    target = pacetomo.parse((session.directory / "G1_L01_tgts.txt").read_text()).targets[0]
    session.do(
        "sem.GoToImagingState('2')",
        f"sem.MoveStageTo({target.stage_um[0]}, {target.stage_um[1]})",
        "sem.V()",
        f"sem.ReadOtherFile(0, 'O', {target.viewfile!r})",
        "sem.AlignTo('O', 1)",
        "x = sem.ReportAlignShift()",
        "sem.EchoBreakLines('SHIFT %g %g' % (x[4], x[5]))",
    )
    shift_nm = next(line for line in reversed(session.simulation.log) if line.startswith("SHIFT"))
    x_nm, y_nm = (float(word) for word in shift_nm.split()[1:])
    assert np.hypot(x_nm, y_nm) < 150


def test_a_second_run_repeats_nothing(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4).ok
    exposures, items = session.count_exposures(), len(session.items())
    written = {path: path.stat().st_mtime_ns for path in session.directory.glob("G1_L01*")}
    assert session.run(4).ok
    assert session.count_exposures() == exposures
    assert len(session.items()) == items
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert "skipped" in session.log()


def test_levels_one_after_the_other_end_like_one_run(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    assert session.names("*_seg.png") == [] and session.names("G1_L01.png") == ["G1_L01.png"]
    assert session.worker.done == []
    exposures = session.count_exposures()
    assert session.run(3).ok
    assert session.names("*_seg.png") == ["G1_L01_seg.png"]
    assert session.names("*_tgts.txt") == []
    picture = session.directory / "G1_L01_segmentation.png"
    drawn = picture.stat().st_mtime_ns
    assert session.run(4).ok
    assert session.names("*_tgts.txt") == ["G1_L01_tgts.txt"]
    assert picture.stat().st_mtime_ns == drawn
    assert session.worker.done == ["G1_L01.png"]
    assert session.count_exposures() == exposures


def test_nothing_wanted_gives_an_empty_targets_file(bench):
    session = bench()
    session.place_lamellae()
    result = session.run(4, target_list=["cryst"], target_score_threshold=0.9)
    assert result.ok, result.error
    assert (session.directory / "G1_L01_tgts.txt").read_text() == ""
    assert not any(item.acquire for item in session.items())
    assert session.run(5, target_list=["cryst"], target_score_threshold=0.9).ok
    assert "Acquire at Items starts" not in session.log()


def test_a_set_up_that_was_cut_short_is_done_again(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4).ok
    before = [item.note for item in session.items()]
    # As after a crash before the last step: the note that marks completion is missing.
    session.do(
        "i = int(sem.NavIndexWithNote('G1_L01_tgts.txt'))",
        "sem.ChangeItemNote(i, 'G1_L01_tgt_001_view.mrc')",
        "sem.SetItemAcquire(i, 0)",
    )
    assert session.run(4).ok
    assert [item.note for item in session.items()] == before
    assert sum(bool(item.acquire) for item in session.items()) == 1


def test_a_montage_that_was_cut_short_is_collected_again(bench):
    session = bench()
    session.place_lamellae()
    (session.directory / "G1_L01.mrc").write_bytes(b"cut short")
    result = session.run(2)
    assert result.ok, result.error
    with mrcfile.open(session.directory / "G1_L01.mrc", permissive=True) as mrc:
        assert mrc.data.ndim == 3
    assert session.names("G1_L01.png") == ["G1_L01.png"]


def test_a_missing_picture_is_saved_from_the_map_without_a_new_montage(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    exposures = session.count_exposures()
    first = (session.directory / "G1_L01.png").read_bytes()
    facts = json.loads((session.directory / "G1_L01.json").read_text())
    (session.directory / "G1_L01.png").unlink()
    (session.directory / "G1_L01.json").unlink()
    assert session.run(2).ok
    assert session.count_exposures() == exposures
    assert (session.directory / "G1_L01.png").read_bytes() == first
    again = json.loads((session.directory / "G1_L01.json").read_text())
    # With which settings it was collected stood there alone, and is not made up.
    assert again == {**facts, "made_with": {}}


def read_colors(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_a_missing_or_cut_picture_of_the_targets_is_drawn_again(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4).ok
    plot = session.directory / "G1_L01_mitos_targets.png"
    whole = plot.read_bytes()
    for content in (None, whole[: len(whole) // 2]):
        plot.unlink() if content is None else plot.write_bytes(content)
        assert session.run(4).ok
        # The choice file rounds places to a hundredth of a pixel: lines are shaded otherwise.
        again = read_colors(plot.read_bytes())
        assert np.abs(again - read_colors(whole)).max() <= 16
    assert session.run(4, target_list=["nucleus"]).ok  # of other targets there is no picture
    assert session.names("*_targets.png") == [plot.name]


def test_a_segmentation_has_a_picture_of_its_own(bench, monkeypatch):
    session = bench()
    session.place_lamellae()
    assert session.run(3).ok
    picture, labels = (session.directory / f"G1_L01_{name}.png" for name in ("segmentation", "seg"))
    whole = picture.read_bytes()
    with Image.open(picture) as drawn:
        assert max(drawn.size) <= 2000
    for content in (None, whole[: len(whole) // 2]):
        picture.unlink() if content is None else picture.write_bytes(content)
        assert session.run(3).ok
        assert picture.read_bytes() == whole
    # Segmented anew, with another outcome.
    known, info = read_png(labels)
    write_png(labels, np.zeros_like(known), info.pop("pixel_nm"), info.pop("source"), **info)
    assert session.run(3).ok
    assert picture.read_bytes() != whole

    def draw(*args, **about):
        raise ValueError("out of crayons")

    monkeypatch.setattr(plots, "plot_segmentation", draw)
    picture.unlink()
    assert session.run(4).ok
    assert session.names("*_tgts.txt") == ["G1_L01_tgts.txt"]
    assert "G1_L01_segmentation.png was not drawn" in session.log()


def test_a_failed_segmentation_blocks_nothing(bench):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    session.worker.failing["G1_L01.png"] = "out of ink"
    result = session.run(4)
    assert result.ok, result.error
    assert session.names("*_tgts.txt") == ["G1_L02_tgts.txt"]
    assert "out of ink" in session.log()


def test_the_post_action_sets_up_what_was_segmented_during_acquisition(bench):
    session = bench(("good", "good"))
    session.place_lamellae(6.0)
    session.worker.held_back.add("G1_L02.png")
    release = (
        "#!Python\nimport serialem as sem\n"
        "sem.ReportNavItem()\n"
        "sem.EchoBreakLines('ACQUIRED ' + sem.GetVariable('navNote'))\n"
    )
    session.simulation.scripts[2] = Script("stand-in", release)
    session.simulation.scripts[3] = Script(
        "post", script_text("SPACEtomo_postAction.py", SPACE_DIR=str(session.space_dir))
    )
    session.simulation.acquire_params(primary=2, after=3)

    seen = []
    original = session.simulation.session.write_log

    def write_log(text):
        seen.append(text)
        if "ACQUIRED G1_L01" in str(text):
            session.worker.held_back.clear()
        original(text)

    session.simulation.session.write_log = write_log
    result = session.run(5)
    assert result.ok, result.error
    assert session.names("*_tgts.txt") == ["G1_L01_tgts.txt", "G1_L02_tgts.txt"]
    acquired = [line for line in session.simulation.log if line.startswith("ACQUIRED")]
    assert acquired == ["ACQUIRED G1_L01_tgts.txt", "ACQUIRED G1_L02_tgts.txt"]


def test_a_dark_view_asks_a_person_and_goes_on_with_the_b_key(bench):
    session = bench(policy=Policy(key_after_polls=3))
    session.place_lamellae()
    result = session.run(2, MM_mean_threshold=1e9)
    assert result.ok, result.error
    assert "then press B" in session.log()
    assert session.names("G1_L01.png") == ["G1_L01.png"]


def test_inference_in_a_shared_folder_is_left_to_a_monitor(bench, tmp_path, monkeypatch):
    session = bench()
    session.place_lamellae()
    shared = tmp_path / "shared"
    shared.mkdir()

    def forbidden(*_):
        raise AssertionError("a worker was started although a monitor is there")

    monkeypatch.setattr(jobs, "ensure_worker", forbidden)
    done = threading.Event()

    def monitor():
        while not done.wait(0.1):
            session.worker(JobFolder(shared), session.space_dir)

    thread = threading.Thread(target=monitor)
    thread.start()
    try:
        result = session.run(4, external_map_dir=str(shared))
    finally:
        done.set()
        thread.join()
    assert result.ok, result.error
    assert (shared / "G1_L01_seg.png").is_file() and (shared / "SPACE_settings.json").is_file()
    assert session.names("G1_L01.png") == []
    assert session.names("*_tgts.txt") == ["G1_L01_tgts.txt"]
    assert (session.directory / "SPACE_settings.json").is_file()


def test_a_grid_counts_as_acquired_only_when_nothing_is_left(bench):
    session = bench()
    session.place_lamellae()
    session.simulation.scripts[2] = Script("stand-in", "#!Python\nimport serialem as sem\n")
    session.simulation.acquire_params(primary=2)
    assert session.run(5).ok
    assert not any(item.acquire for item in session.items())
    session.do("sem.SaveNavigator()")
    exposures = session.count_exposures()
    assert session.run(5).ok
    assert "acquired already" in session.log()
    assert session.count_exposures() == exposures


@pytest.mark.parametrize("mended", [True, False])
def test_a_map_whose_pieces_do_not_fit_is_taken_again_with_more_overlap(bench, monkeypatch, mended):
    bad = (Seam((0, 1), 0.9, 0.1, 1.4), Seam((1, 2), 0.9, 0.9, 0.0))
    found = iter([bad, bad[1:] if mended else bad])
    monkeypatch.setattr(seams, "seams_of", lambda *_: next(found))
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    log = session.log()
    assert "pieces do not fit at 1 of 2 seams, by up to 1.4 um" in log
    assert ("This happened twice: the result is kept." in log) is not mended
    assert len(re.findall(r"L01: collecting \d+ x \d+ pieces", log)) == 2
    places = pieces.read(session.directory / "G1_L01.mrc")
    rows = places[0].frame_px[1]
    apart = {abs(b.corner_px[1] - a.corner_px[1]) for a, b in zip(places, places[1:])} - {0}
    assert 1 - min(apart) / rows == pytest.approx(1.5 * 0.25, abs=0.01)
    mapped = [e for e in journal.read(session.directory) if e.kind is journal.Kind.LAMELLA_MAPPED]
    assert mapped[0].numbers["worst_step_um"] == (0.0 if mended else 1.4)
