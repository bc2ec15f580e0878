"""Level 1 on a small part of a grid, and what a run does with wrong settings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from space import plots
from space.steps.grid_picture import GONE
from tests.workflow.bench import cached_grid

# The stage of these tests reaches no farther, so that the whole-grid montage is small.
REACH_UM = 200.0
KINDS = ("good", "good", "broken")
SEED = 27  # its lamellae lie within reach


@pytest.fixture
def small(bench):
    session = bench(KINDS, seed=SEED)
    session.simulation.session.scope.stage.limits_um = (-REACH_UM, REACH_UM, -REACH_UM, REACH_UM)
    return session


def labels(session) -> list[str]:
    return sorted(item.label for item in session.items() if item.label[:2] in ("PL", "FL"))


def place(session, label):
    return next(np.array(item.stage_um[:2]) for item in session.items() if item.label == label)


def nearest_um(session, label) -> float:
    point = place(session, label)
    return min(
        float(np.hypot(*(point - lamella.center_um)))
        for lamella in session.grid.lamellae
        if lamella.kind == "good"
    )


@pytest.fixture
def drawn(monkeypatch) -> list[dict[str, str]]:
    """Label, or category, and reason of the lamellae in each picture of the grid."""
    pictures: list[dict[str, str]] = []
    draw = plots.plot_detection

    def plot_detection(path, image, lamellae, *rest, **about):
        if path.name == "G1_lamella_detected.png":
            pictures.append({one.label or one.category: one.left_out for one in lamellae})
        draw(path, image, lamellae, *rest, **about)

    monkeypatch.setattr(plots, "plot_detection", plot_detection)
    return pictures


BROKEN = {"broken": "of an excluded class"}


def test_level_1_finds_the_lamellae_and_corrects_their_positions(small, drawn):
    result = small.run(1, save_plot=True)
    assert result.ok, result.error
    assert labels(small) == ["FL1", "FL2"]
    assert (small.directory / "G1_PL01_im_detected.png").is_file()
    assert all(nearest_um(small, label) < 2.0 for label in ("FL1", "FL2"))
    for name in ("G1.nav", "G1.mrc", "G1_lamella_detected.png", "G1_wg.png", "G1_PL01_im.png"):
        assert (small.directory / name).is_file(), name
    assert any(item.label == "G1" and item.note == "G1.mrc" for item in small.items())
    offset = json.loads((small.directory / "G1_lamellae.json").read_text())["offset_um"]
    truth = small.simulation.session.scope.optics.low_mag_offset_um
    assert np.allclose(offset, truth, atol=2.0)

    assert drawn[-1] == {"L01": "", "L02": "", **BROKEN}

    exposures = small.count_exposures()
    pictures = len(drawn)
    assert small.run(1).ok
    assert small.count_exposures() == exposures
    assert labels(small) == ["FL1", "FL2"]
    assert len(drawn) == pictures  # nothing new

    small.do("i = int(sem.AddStagePosAsNavPoint(40, 30, 0))", "sem.ChangeItemLabel(i, 'FL7')")
    assert small.run(1).ok
    assert drawn[pictures:] == [{"L01": "", "L02": "", "L07": "", **BROKEN}]


def test_a_lamella_that_could_not_be_looked_at_is_not_judged_and_is_looked_at_again(small):
    small.worker.probability = 0.65  # unseen, it would go
    small.worker.failing["G1_PL02_im.png"] = "no more coffee"
    result = small.run(1)
    assert result.ok, result.error
    assert "PL2 could not be visited" in small.log() and "no more coffee" in small.log()
    assert labels(small) == ["FL1", "PL2"]
    assert nearest_um(small, "PL2") < 4.0  # the common shift reached it
    first = place(small, "FL1")
    small.worker.failing.clear()
    result = small.run(1)
    assert result.ok, result.error
    assert labels(small) == ["FL1", "FL2"]
    assert np.allclose(place(small, "FL1"), first, atol=1e-3)  # not shifted a second time
    assert nearest_um(small, "FL2") < 2.0


@pytest.mark.parametrize(("probability", "left"), [(0.9, ["FL1", "FL2"]), (0.65, ["FL1"])])
def test_a_lamella_not_seen_again_stays_only_if_it_was_certain(small, drawn, probability, left):
    small.worker.probability = probability
    small.worker.unseen.add("G1_PL02_im.png")
    result = small.run(1)
    assert result.ok, result.error
    assert labels(small) == left
    assert all(nearest_um(small, label) < 4.0 for label in left)  # the common shift reached both
    found, refined = drawn
    assert found == {"L01": "", "L02": "", **BROKEN}
    assert refined == (found if len(left) == 2 else {"L01": "", "good": GONE, **BROKEN})


def test_a_grid_without_lamellae_ends_with_a_message(small):
    small.worker.unseen.add("G1_wg.png")
    result = small.run(5)
    assert result.ok, result.error
    assert "No lamella was found" in small.log()
    assert labels(small) == []
    assert not any(exposure.area == "V" for exposure in small.simulation.exposures)


def test_without_the_intermediate_magnification_the_first_positions_are_used(small):
    result = small.run(1, WG_offset_via_IM=False)
    assert result.ok, result.error
    assert labels(small) == ["PL1", "PL2"]
    assert small.names("*_im.png") == []


def test_an_empty_slot_is_told_and_the_next_grid_goes_on(bench):
    session = bench(("good",))
    session.place_lamellae()
    result = session.run(2, grid_list=[3, 1])
    assert result.ok, result.error
    assert "Grid 3 failed" in session.log()
    assert session.names("G1_L01.png") == ["G1_L01.png"]


def test_ten_wrong_settings_give_ten_messages_and_move_nothing(bench):
    session = bench(("good",))
    before = session.simulation.session.scope.stage.position_um
    result = session.run(
        9,
        WG_montage_overlap=2,
        grid_list=[],
        target_list=["mitso"],
        avoid_list=["snow"],
        max_tilt=91,
        save_plot="no",
        IM_mag_index=0,
        external_map_dir="/nowhere/at/all",
        exclude_lamella_classes=["brokn"],
    )
    assert not result.ok
    for number in range(1, 11):
        assert f"{number}. " in result.error
    assert "11. " not in result.error
    assert "Traceback" not in session.log()
    assert session.count_exposures() == 0
    assert session.simulation.session.scope.stage.position_um == before
    assert session.names("*") == []


def test_the_same_grid_is_made_once():
    assert cached_grid(KINDS, SEED) is cached_grid(KINDS, SEED)


def test_two_grids_have_their_own_files(small):
    small.simulation.session.grids[2] = cached_grid(KINDS, SEED, "G2")
    result = small.run(1, grid_list=[1, 2])
    assert result.ok, result.error
    for name in (
        "G1.nav",
        "G2.nav",
        "G1.mrc",
        "G2.mrc",
        "G1.log",
        "G2.log",
        "G1_lamellae.json",
        "G2_lamellae.json",
    ):
        assert (small.directory / name).is_file(), name
    assert small.simulation.session.loaded_slot == 2
    assert labels(small) == ["FL1", "FL2"]
    assert "G1.mrc" not in [item.note for item in small.items()]
