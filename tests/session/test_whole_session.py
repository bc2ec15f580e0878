"""A whole session, judged against the truth: the most valuable test of the project."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image

from benchmarks.demo import missed_bars
from space import pacetomo
from space.cli.screen import Screen
from space.jobs import JobFolder
from space.simulation import LOG, Progress, pictures_to_open, run_plan
from space.simulator.formats import mdoc, navfile

pytestmark = [pytest.mark.session, pytest.mark.models]

SUMMARY_KEYS = """lamellae_true lamellae_found recall precision class_accuracy
position_error_um_median maps segmentations mean_dice targets targets_on_wanted beam_conflicts
tilt_series targets_off_lamella defocus_error_um_median defocus_error_um_max seconds""".split()


@pytest.fixture(scope="module")
def session(plan, tmp_path_factory) -> tuple[Path, dict, list[str]]:
    out = tmp_path_factory.mktemp("whole") / "session"
    lines: list[str] = []
    seen = io.StringIO()
    screen = Screen(seen, Progress(out, 5))

    def show(line: str) -> None:
        lines.append(line)
        screen.hear(line)

    # Pictures of a specimen with depth do not fit on each other over steps of 30 degrees.
    summary = run_plan(plan(out, level=5, tilt_step_deg=20.0), show=show)
    (out / "screen.txt").write_text(seen.getvalue(), encoding="utf-8")
    return out, summary, lines


def targets_of(out: Path) -> list[pacetomo.TargetsFile]:
    files = sorted(out.glob("G1_L*_tgts.txt"))
    return [pacetomo.parse(path.read_text(encoding="utf-8")) for path in files]


def test_the_session_is_as_good_as_asked_for(session):
    _, summary, lines = session
    assert missed_bars(summary, level=5) == [], "\n".join(lines[-30:])
    assert summary["maps"] == 2


def test_the_summary_is_written_whole(session):
    out, summary, _ = session
    written = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert set(SUMMARY_KEYS) <= set(written)
    assert written["targets"] == summary["targets"]
    assert {"level_1", "level_2", "level_4", "level_5"} <= set(written["seconds"])


def test_files_of_the_session_are_there(session):
    out, _, _ = session
    for name in ("G1.nav", "G1.log", "G1.mrc", "G1_lamella_detected.png", "SPACE_queue.txt",
                 "SPACE_runs.txt", "SPACE_settings.json"):  # fmt: skip
        assert (out / name).exists(), name
    for stem in ("G1_L01", "G1_L02"):
        for ending in (".mrc", ".png", "_seg.png", "_SPACE.log", "_tgts.txt",
                       "_mitos_targets.png"):  # fmt: skip
            assert (out / f"{stem}{ending}").exists(), stem + ending
        labels = np.asarray(Image.open(out / f"{stem}_seg.png"))
        assert labels.shape == np.asarray(Image.open(out / f"{stem}.png")).shape
        assert labels.dtype == np.uint8


def test_the_report_was_written_after_the_tilt_series(session):
    out, _, _ = session
    text = (out / "report.html").read_text(encoding="utf-8")
    assert all(name in text for name in ("G1_L01_ts_001.mrc", "Mean counts", "<img "))
    assert not re.search(r"lost from [+-]", text)  # of a series, not a heading


def test_stacks_and_maps_are_valid_mrc_with_an_mdoc_section_for_each_image(session):
    out, _, _ = session
    stacks = sorted(out.glob("G1_L*_ts_*.mrc"))
    names = {target.tsfile for file in targets_of(out) for target in file.targets}
    assert {path.name for path in stacks} == names
    for path in [*stacks, *out.glob("*_view.mrc"), out / "G1.mrc", out / "G1_L01.mrc"]:
        assert mrcfile.validate(path), path
    for path in stacks:
        with mrcfile.open(path, permissive=False) as stack:
            sections = mdoc.read(path.with_name(path.name + ".mdoc")).images
            assert len(sections) == stack.data.shape[0] == 7


def test_pacetomo_finds_what_it_needs(session):
    out, _, _ = session
    items = navfile.read(out / "G1.nav").items
    for path in sorted(out.glob("G1_L*_tgts.txt")):
        targets = pacetomo.parse(path.read_text(encoding="utf-8")).targets
        holders = [item for item in items if item.note == path.name]
        assert len(holders) == 1
        (item,) = holders
        assert item.kind == 2 and item.integer("MapFramesXY") == 0
        assert not item.acquire, "an acquired item is not acquired again"
        assert targets[0].shift_um == (0.0, 0.0)
        # The stage stands the tilt axis offset (1.5 um on this microscope) beside the place.
        aside = np.subtract(item.stage_um[:2], targets[0].stage_um)
        assert np.allclose(aside, (0.0, -1.5 * 1.004), atol=0.02)
        for target in targets:
            assert (out / target.viewfile).exists()
            # A specimen shift is minus the stage shift, but for the calibration's half percent.
            stage = np.subtract(target.stage_um, targets[0].stage_um)
            assert np.allclose(-stage, target.shift_um, rtol=0.006, atol=0.002)
            assert np.hypot(*target.shift_um) <= 15


def test_scripts_ran_without_a_file(session):
    _, _, lines = session
    assert not any("__file__" in line or "Traceback" in line for line in lines)


def test_the_screen_shows_each_level_until_it_is_done(session):
    out, _, lines = session
    screen = (out / "screen.txt").read_text(encoding="utf-8").splitlines()
    for words in ("Level 1: 2 of 2 lamellae looked at", "Level 2: 2 of 2 lamella maps",
                  "Level 5: 2 of 2 lamellae with tilt series",
                  "Level 5: 1 of 2 lamellae with tilt series, tilt 7 of 7"):  # fmt: skip
        assert words in screen
    assert any(line.startswith("Level 4: 1 of 2 lamellae with targets") for line in screen)
    assert not any("Opened" in line for line in screen)
    assert (out / LOG).read_text(encoding="utf-8").splitlines() == lines


def test_the_pictures_to_open_are_those_for_people(session):
    out, _, _ = session
    names = {path.name for path in pictures_to_open(out)}
    assert {"G1_lamella_detected.png", "G1_L01_mitos_targets.png"} <= names
    assert not names & {"G1_wg.png", "G1_PL01_im.png", "G1_L01.png", "G1_L01_seg.png"}


def test_no_worker_is_left(session):
    out, _, _ = session
    assert "Worker " in next(out.glob("SPACE_worker_*.log")).read_text(encoding="utf-8")
    assert not JobFolder(out).workers()
