"""Labels corrected on the page: what is drawn ends in files that the run reads, or is refused."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from space import labelling, review
from space.images import read_png
from space.plots import class_colors, rgb
from space.review import Kind
from space.simulator.specimen import LABEL
from space.steps import GridOnDisk, scene_on_disk
from tests.page import maps
from tests.page.maps import MITOS, SHAPE
from tests.page.test_reviews import asked
from tests.page.test_security import contents

BRUSH = {"kind": "brush", "class": "lamella", "radius_px": 40, "points": [list(MITOS[0])]}
SQUARE = [[380.0, 100.0], [380.0, 160.0], [400.0, 160.0], [400.0, 100.0]]
FILL = {"kind": "fill", "class": "lamella", "points": [[120, 150]]}


@pytest.fixture
def drawn(folder):
    """Lamella 1, acquired, and 2, set up, with maps and choices."""
    for number in (1, 2):
        maps.draw(folder.directory, number)
        maps.choose(folder.directory, number, [MITOS[0], MITOS[1]])
    return folder


@pytest.fixture
def seen(drawn, page):
    return page.json("/api/labels/G1/2")


def sent(seen, *strokes, **other) -> dict:
    return {"of": seen["of"], "revision": seen["revision"], "strokes": list(strokes), **other}


def test_what_is_drawn_counts_at_once_and_is_asked_of_the_run(drawn, page, seen):
    assert seen["revision"] == 0 and seen["strokes"] == [] and seen["problem"] == ""
    assert [one["name"] for one in seen["classes"]] == [*LABEL]
    model = drawn.directory / "G1_L02_seg.png"
    before = model.read_bytes()
    mitos = {"settings": {"target_list": ["mitos"], "beam_margin": 0.0}}
    was = page.post("/api/choose_again/G1/2", mitos)["proposal"]
    lamellae = page.json("/api/review/G1")["lamellae"]
    shown = {number: lamellae[number]["choice"] for number in ("1", "2")}
    page.post("/api/review/G1", {"revision": 0, "approved": {"targets": shown}})
    corner = {"kind": "polygon", "class": "mitos", "points": SQUARE}
    made = page.post("/api/labels/G1/2", sent(seen, BRUSH, corner))
    assert made["revision"] == 1 and made["not_asked"] == ""
    labels, _ = read_png(labelling.labels_that_count(model).path)
    expected, _ = read_png(model)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    row, column = MITOS[0]
    expected[np.hypot(rows - row, columns - column) <= 40] = LABEL["lamella"]
    expected[380:400, 100:160] = LABEL["mitos"]
    assert (labels == expected).all() and model.read_bytes() == before
    (edit,) = asked(drawn).edits
    assert asked(drawn).targets_approved.keys() == {1}  # others were approved than will be chosen
    scene = scene_on_disk(GridOnDisk(drawn.directory, drawn.directory, "G1"))
    assert (edit.kind, edit.number, edit.of) == (Kind.LABELS, 2, scene.lamellae[2].labels)
    assert review.verdict(edit, scene).do == "apply"
    # The page shows and uses them at once.
    facts = page.json("/api/lamella/G1/2")
    assert facts["labels"]["corrected"] and facts["problems"] == []
    for place, name in ((seen["tiles"], "mitos"), (facts["labels"]["tiles"], "lamella")):
        answer = page.get("/" + place["url"].format(z=2, x=0, y=0))
        tile = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))
        assert tuple(tile[120, 150, :3]) == rgb(class_colors(LABEL)[name])
        assert "immutable" in answer.headers["cache-control"]
    now = page.post("/api/choose_again/G1/2", mitos)["proposal"]

    def near(answer) -> bool:
        targets = [one for area in answer["areas"] for one in area["targets"]]
        return any(abs(t["row"] - row) < 40 and abs(t["column"] - column) < 40 for t in targets)

    assert near(was) and not near(now) and now["targets"] >= 3
    # What is asked later of the same lamella takes its place.
    again = page.json("/api/labels/G1/2")
    assert again["revision"] == 1 and again["strokes"] == [BRUSH, corner]
    page.post("/api/labels/G1/2", sent(again))
    (other,) = asked(drawn).edits
    assert other.id != edit.id and not page.json("/api/lamella/G1/2")["labels"]["corrected"]
    of = page.json("/api/review/G1")["lamellae"]["2"]["choice"]
    page.post("/api/choice/G1/2", {"of": of, "areas": facts["choice"]["areas"]})
    (targets,) = asked(drawn).edits
    assert targets.kind is Kind.TARGETS


def test_labels_of_what_was_exposed_are_kept_to_learn_from_and_no_more(drawn, page):
    seen = page.json("/api/labels/G1/1")
    made = page.post("/api/labels/G1/1", sent(seen, BRUSH))
    assert made["review"] is None and "would be exposed again" in made["not_asked"]
    assert asked(drawn).edits == ()
    assert labelling.labels_that_count(drawn.directory / "G1_L01_seg.png").corrected


def test_a_fill_is_shown_before_it_is_saved_and_writes_nothing(drawn, page, seen):
    before = contents(drawn.directory)
    answer = page.post("/api/fill/G1/2", {"strokes": [FILL]})
    row, column = MITOS[0]
    assert answer["box_px"] == [row - 29, column - 29, 59, 59] and answer["step_px"] == 1
    data = base64.b64decode(answer["png"].split(",")[1])
    mask = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3] > 0
    labels, _ = read_png(drawn.directory / "G1_L02_seg.png")
    part = labels[row - 29 : row + 30, column - 29 : column + 30]
    assert (mask == (part == LABEL["mitos"])).all()
    # What was drawn before is a part of it, and of another answer no more when it is undone.
    wall = {**BRUSH, "class": "white", "radius_px": 2,
            "points": [[row - 40, column], [row + 40, column]]}  # fmt: skip
    side = {**FILL, "points": [[row, column - 10]]}
    assert page.post("/api/fill/G1/2", {"strokes": [wall, side]})["box_px"][3] < 30
    assert page.post("/api/fill/G1/2", {"strokes": [side]})["box_px"] == answer["box_px"]
    page.post("/api/fill/G1/2", {"strokes": [wall]}, 400)
    outside = {**FILL, "points": [[-5, 3]]}
    assert page.post("/api/fill/G1/2", {"strokes": [outside]})["png"] == ""
    assert contents(drawn.directory) == before


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"of": "0" * 64}, 409, "segmented again"),
        ({"revision": 1}, 409, "corrected elsewhere"),
        ({"revision": "0"}, 400, "revision"),
        ({"revision": True}, 400, "revision"),
        ({"of": 3}, 400, "have of, revision, strokes"),
        ({"more": 1}, 400, "have of, revision, strokes"),
        ({"strokes": [{**BRUSH, "class": "gold"}]}, 400, "class is 'gold'"),
        ({"strokes": [{**BRUSH, "class": "../x"}]}, 400, "class is"),
        ({"strokes": [BRUSH] * 2001}, 400, "at most 2000"),
        ({"strokes": 7}, 400, "no list"),
    ],
)
def test_what_is_stale_or_makes_no_sense_is_refused_and_not_written(
    drawn, page, seen, change, status, words
):
    before = contents(drawn.directory)
    told = page.post("/api/labels/G1/2", sent(seen, BRUSH, **change), status)["error"]
    assert words in told["what"]
    assert contents(drawn.directory) == before


def test_a_correction_of_an_earlier_segmentation_is_told_and_can_be_drawn_again(drawn, page, seen):
    page.post("/api/labels/G1/2", sent(seen, BRUSH))
    maps.draw(drawn.directory, 2, {MITOS[3]: "vesicles"})
    page.page.session.look(now=True)
    facts = page.json("/api/lamella/G1/2")
    assert not facts["labels"]["corrected"] and "another segmentation" in facts["problems"][0]
    now = page.json("/api/labels/G1/2")
    assert (now["revision"], now["strokes"], now["outdated"]) == (1, [], [BRUSH])
    page.post("/api/labels/G1/2", sent(now, *now["outdated"]))
    assert page.json("/api/lamella/G1/2")["labels"]["corrected"]


def test_a_read_only_page_saves_none_and_one_without_segmentation_says_so(drawn, open_page):
    page = open_page(read_only=True)
    seen, before = page.json("/api/labels/G1/2"), contents(drawn.directory)
    told = page.post("/api/labels/G1/2", sent(seen, BRUSH), 403)["error"]
    assert "--read-only" in told["what"]
    assert page.post("/api/fill/G1/2", {"strokes": [FILL]})["png"]
    assert contents(drawn.directory) == before
    (drawn.directory / "G1_L02_seg.png").unlink()
    page.page.session.look(now=True)
    assert page.get("/api/labels/G1/2").status_code == 422
    assert page.get("/api/labels/G1/77").status_code == 404
