"""Pictures for people that another process draws."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from space import drawing, plots
from space.drawing import (
    GridPicture,
    SegmentationPicture,
    TargetsPicture,
    beside,
    failures,
    hand_over,
    pictures,
    wait,
)
from space.drawing.__main__ import main
from space.drawing.requests import as_text, of_text
from space.images import read_png_text, write_png
from space.plots import Shown
from space.steps import wait_for_pictures
from space.targeting import ExposureOptics, TargetArea, TargetingOptions

NAMES = {"black": 0, "white": 1, "cell": 2}


@pytest.fixture
def session(tmp_path):
    """A folder with an odd name, a map and a segmentation."""
    folder = tmp_path / "Süd session 1"
    folder.mkdir()
    grey = np.random.default_rng(1).integers(60, 200, (120, 160)).astype(np.uint8)
    labels = np.zeros(grey.shape, np.uint8)
    labels[40:80, 30:120] = 2
    write_png(folder / "G_L01.png", grey, 12.0, "G_L01")
    write_png(folder / "G_L01_seg.png", labels, 12.0, "model", labels=json.dumps(NAMES))
    return folder


def requests(folder):
    """One of each kind."""
    picture, labels = folder / "G_L01.png", folder / "G_L01_seg.png"
    shown = (
        Shown(10.0, 20.0, 60.0, 70.0, "good", 0.9, "L01"),
        Shown(80.0, 20.0, 99.5, 70.0, "good", None, "", "too close"),
    )
    area = TargetArea(np.array([[60.0, 40.0], [60.5, 90.0]]), np.array([0.5, 0.25]))
    options = TargetingOptions(target_list={"cell": 1, "white": 0.5}, avoid_list=())
    return [
        GridPicture(folder / "grid.png", picture, shown, {"good": "#00ff00"}, "G: 1 lamella", "ab"),
        SegmentationPicture(folder / "seg.png", picture, labels, NAMES, "G_L01", "cd"),
        TargetsPicture(
            folder / "targets.png",
            picture,
            labels,
            NAMES,
            options,
            ExposureOptics(12.0, (0.2, 0.3), 0.4, 5.0),
            (np.array([[5.0, 5.0], [5.0, 110.0], [110.0, 110.0]]),),
            (area,),
            "G_L01: 2 targets",
        ),
    ]


def test_a_request_is_read_as_it_was_written(session):
    for request in requests(session):
        again = of_text(as_text(request))
        assert type(again) is type(request) and as_text(again) == as_text(request)
    assert again.options == request.options and again.optics == request.optics
    np.testing.assert_array_equal(again.areas[0].targets_map_px, request.areas[0].targets_map_px)
    assert again.polygons_map_px[0].dtype == float and again.areas[0].fixed.dtype == bool


@pytest.mark.beside
def test_another_process_draws_all_kinds_of_pictures(session):
    hand_over(session, requests(session))
    assert wait(session, 120.0) == [] and failures(session) == {}
    texts = [read_png_text(session / name) for name in ("grid.png", "seg.png", "targets.png")]
    assert all(texts) and [one.get(drawing.SHOWS) for one in texts] == ["ab", "cd", None]


def test_one_that_fails_is_told_and_the_others_are_drawn(session, caplog):
    first, _, last = requests(session)
    given = [replace(first, picture=session / "none.png"), last]
    waiting(session, given)
    assert main(session) == 0
    assert (session / "targets.png").is_file() and not (session / "grid.png").exists()
    wait_for_pictures(session)
    (said,) = caplog.messages
    assert said.startswith("grid.png was not drawn") and "none.png" in said
    wait_for_pictures(session)
    assert len(caplog.messages) == 1, "it is told once"


def test_learned_targets_are_wanted_where_the_heat_map_is_hot(session, monkeypatch):
    heat = np.zeros((120, 160), np.uint8)
    heat[50:60, 40:60] = 200
    write_png(session / "G_L01_heat.png", heat, 12.0, "G_L01")
    request = requests(session)[2]
    options = replace(request.options, target_list=("learned",), target_weights=(1.0,))
    wanted = []
    monkeypatch.setattr(plots, "plot_targets", lambda path, grey, mask, *rest: wanted.append(mask))
    polygon = (np.array([[0.0, 0.0], [0.0, 159.0], [119.0, 159.0], [119.0, 0.0]]),)
    request = replace(request, options=options, polygons_map_px=polygon)
    pictures.draw(of_text(as_text(replace(request, heat=session / "G_L01_heat.png"))))
    (mask,) = wanted
    assert np.array_equal(np.argwhere(mask), np.argwhere(heat))


def waiting(session, given):
    """Write requests that nobody draws yet."""
    folder = session / beside.FOLDER
    folder.mkdir(exist_ok=True)
    for request in given:
        (folder / f"{request.path.name}.json").write_text(as_text(request), encoding="utf-8")


@pytest.mark.parametrize("path", ["elsewhere", "other kind", "no JSON"])
def test_a_request_that_is_not_ours_draws_nothing(session, path):
    request = requests(session)[0]
    out = {"elsewhere": session.parent / "grid.png", "other kind": session / "grid.py"}
    waiting(session, [replace(request, path=out.get(path, request.path))])
    if path == "no JSON":
        (session / beside.FOLDER / "grid.png.json").write_text("{", encoding="utf-8")
    assert main(session) == 0
    assert len(failures(session)) == 1 and beside.waiting(session) == []
    assert not any(one.exists() for one in (*out.values(), session / "grid.png"))


def test_what_is_requested_meanwhile_is_drawn_too(session, monkeypatch):
    first, second, _ = requests(session)
    drawn = []

    def draw(request):
        drawn.append(request.title)
        if len(drawn) == 1:
            waiting(session, [replace(first, title="newer"), second])

    monkeypatch.setattr("space.drawing.pictures.draw", draw)
    waiting(session, [first])
    main(session)
    assert drawn == [first.title, "newer", second.title] and beside.waiting(session) == []


def test_the_end_of_a_run_does_not_wait_for_nobody(session, monkeypatch, caplog):
    monkeypatch.setattr(beside, "_STARTS_WITHIN_S", 0.2)
    waiting(session, requests(session)[:1])
    with caplog.at_level(logging.WARNING):
        wait_for_pictures(session)
    assert "Not drawn yet: grid.png" in caplog.text and "log.txt" in caplog.text
