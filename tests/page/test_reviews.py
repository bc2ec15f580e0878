"""What is asked on the page ends in the files that the run reads, or is refused in words."""

from __future__ import annotations

import json
import threading

import pytest

from space import review
from space.review import Answer, Kind
from space.steps import GridOnDisk, clicks_of, scene_on_disk
from space.targeting import read_choice
from tests.page import maps
from tests.page.maps import MITOS, SHAPE
from tests.page.test_security import contents

PLACE = {"center_um": [60.0, 40.0], "box_um": [10.0, 8.0], "class": "good"}


def asked(folder) -> review.Review:
    path = review.review_path(folder.directory, "G1")
    return review.read_review(path, "G1") or review.Review("G1")


def answer(folder, *ids: str, outcome: str = "applied") -> None:
    answers = {one: Answer(outcome, "done", "2026-03-01T22:10:05") for one in ids}
    review.write_answers(review.answers_path(folder.directory, "G1"), "G1", answers)


@pytest.fixture
def drawn(folder):
    for number in (1, 2):
        maps.draw(folder.directory, number)
        maps.choose(folder.directory, number, [MITOS[0], MITOS[1]])
    return folder


def test_the_page_sees_what_the_run_sees(page, folder):
    table = page.json("/api/review/G1")
    scene = scene_on_disk(GridOnDisk(folder.directory, folder.directory, "G1"))
    assert table["stamp"] == scene.stamp and table["revision"] == 0 and table["edits"] == []
    assert {int(number): one["stamp"] for number, one in table["lamellae"].items()} == {
        number: one.stamp for number, one in scene.lamellae.items()
    }
    assert table["lamellae"]["1"]["may"] == ["visit"]  # it was exposed
    assert "move_lamella" in table["lamellae"]["3"]["may"]
    boxes = {one["number"]: one for one in page.json("/api/grid/G1")["lamellae"]}
    assert boxes[3]["center_um"] == table["lamellae"]["3"]["center_um"]


def test_edits_are_written_as_the_run_reads_them_and_taken_back(page, folder):
    table = page.json("/api/review/G1")
    one = table["lamellae"]["3"]
    edits = [
        {"kind": "add_lamella", "of": table["stamp"], **PLACE},
        {"kind": "class", "of": one["stamp"], "number": 3, "class": "broken"},
        {"kind": "visit", "of": one["stamp"], "number": 3, "visit": False},
        {"kind": "order", "of": table["stamp"], "numbers": [3, 2]},
    ]
    now = page.post("/api/review/G1", {"revision": 0, "add": edits})
    assert [edit["kind"] for edit in now["edits"]] == [edit["kind"] for edit in edits]
    kept = asked(folder)
    assert (kept.revision, [edit.kind for edit in kept.edits]) == (
        1, [Kind.ADD, Kind.CLASS, Kind.VISIT, Kind.ORDER],
    )  # fmt: skip
    assert kept.edits[0].center_um == (60.0, 40.0) and kept.edits[0].at
    first, second = now["edits"][0]["id"], now["edits"][1]["id"]
    answer(folder, second)
    now = page.post("/api/review/G1", {"revision": 1, "undo": [first]})
    assert [edit["answer"] and edit["answer"]["answer"] for edit in now["edits"]] == [
        "applied", None, None,
    ]  # fmt: skip
    told = page.post("/api/review/G1", {"revision": 2, "undo": [second]}, 409)["error"]
    assert "opposite" in told["what"]
    boxes = {number: one["stamp"] for number, one in table["lamellae"].items()}
    approved = {"lamellae": boxes, "targets": {"2": ""}}
    # Nobody has seen targets that are not chosen yet, or that are going to be others.
    told = page.post("/api/review/G1", {"revision": 2, "approved": approved}, 409)["error"]
    assert "no targets yet" in told["what"] and "when they are chosen" in told["do"]
    maps.choose(folder.directory, 2, [MITOS[0], MITOS[1]])
    told = page.post("/api/review/G1", {"revision": 2, "approved": approved}, 409)["error"]
    assert "others than the page showed" in told["what"]
    approved["targets"]["2"] = page.json("/api/review/G1")["lamellae"]["2"]["choice"]
    now = page.post("/api/review/G1", {"revision": 2, "approved": approved})
    there = {"lamellae": True, "other_lamellae": False, "of_others": []}
    assert now["approved"] == {**there, "targets": approved["targets"]}
    assert asked(folder).lamellae_approved and list(asked(folder).targets_approved) == [2]
    # The run has chosen others meanwhile: those were not approved.
    maps.choose(folder.directory, 2, [MITOS[0], MITOS[2]])
    seen = page.json("/api/review/G1")["approved"]
    assert seen == {**there, "targets": {}, "of_others": [2]}
    # Of a lamella that is mapped anew other targets are chosen, which nobody has seen yet.
    of = now["lamellae"]["2"]["stamp"]
    resize = {"kind": "resize_lamella", "of": of, "number": 2, "box_um": [9.0, 9.0]}
    now = page.post("/api/review/G1", {"revision": 3, "add": [resize]})
    assert now["approved"] == {**there, "targets": {}}
    told = page.post("/api/review/G1", {"revision": 4, "approved": approved}, 409)["error"]
    assert "Other targets of lamella 2" in told["what"]
    now = page.post("/api/review/G1", {"revision": 4, "approved": {"lamellae": False}})
    assert now["approved"] == {**there, "lamellae": False, "targets": {}}
    approved = {"lamellae": {**boxes, "3": "as it was"}}
    told = page.post("/api/review/G1", {"revision": 5, "approved": approved}, 409)["error"]
    assert "lamellae are others than the page showed" in told["what"]


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"revision": 1, "add": []}, 409, "meanwhile"),
        ({"add": []}, 400, "revision"),
        ({"revision": True}, 400, "revision"),
        ({"revision": 0, "edits": []}, 400, "may have"),
        ({"revision": 0, "add": {}}, 400, "no list"),
        ({"revision": 0, "add": [3]}, 400, "something else"),
        ({"revision": 0, "add": [{"id": "mine", "kind": "delete_lamella"}]}, 400, "without id"),
        ({"revision": 0, "add": [{"kind": "fly", "of": "x"}]}, 400, "no kind"),
        ({"revision": 0, "add": [{"kind": "delete_lamella", "of": "x"}]}, 400, "missing number"),
        ({"revision": 0, "add": [{"kind": "delete_lamella", "of": "x", "number": 3}]}, 409,
         "not as the page showed it"),
        ({"revision": 0, "add": [{"kind": "delete_lamella", "of": "x", "number": 1}]}, 409,
         "stays as it is"),
        ({"revision": 0, "add": [{"kind": "delete_lamella", "of": "x", "number": 77}]}, 409,
         "no lamella 77"),
        ({"revision": 0, "add": [{"kind": "visit", "of": "x", "number": 3, "visit": 1}]}, 400,
         "visit"),
        ({"revision": 0, "undo": ["x"]}, 400, "not asked"),
        ({"revision": 0, "approved": []}, 400, "approved"),
        ({"revision": 0, "approved": {"lamellae": 1}}, 400, "approved"),
        ({"revision": 0, "approved": {"targets": ["1"]}}, 400, "numbers"),
        ({"revision": 0, "add": [{}] * 201}, 400, "at most 200"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_would_be_refused_is_told_and_not_written(
    page, folder, values, status, words
):
    before = contents(folder.directory)
    told = page.post("/api/review/G1", values, status)["error"]
    assert words in told["what"]
    assert contents(folder.directory) == before


def test_a_place_off_the_map_or_on_another_lamella_is_refused(page, folder):
    of = page.json("/api/review/G1")["stamp"]
    for center, words in (([500.0, 5.0], "outside the map"), ([31.0, 6.0], "from lamella 3")):
        edit = {"kind": "add_lamella", "of": of, **PLACE, "center_um": center}
        told = page.post("/api/review/G1", {"revision": 0, "add": [edit]}, 409)["error"]
        assert words in told["what"]
    assert not review.review_path(folder.directory, "G1").exists()


def test_of_many_who_save_at_once_one_wins_and_all_others_are_told(page, folder):
    of = page.json("/api/review/G1")["lamellae"]["3"]["stamp"]
    edit = {"kind": "visit", "of": of, "number": 3, "visit": True}
    saved, refused, half = [], [], []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                asked(folder)
            except Exception as error:
                half.append(error)

    def save() -> None:
        for _ in range(6):
            revision = page.json("/api/review/G1")["revision"]
            sent = {"origin": "http://127.0.0.1:8765", "content-type": "application/json"}
            body = json.dumps({"revision": revision, "add": [edit]})
            got = page.client.post("/api/review/G1", content=body, headers=sent)
            (saved if got.status_code == 200 else refused).append(got.status_code)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=save) for _ in range(3)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    done.set()
    reader.join()
    assert half == [] and set(refused) <= {409}
    assert asked(folder).revision == len(saved) == len(asked(folder).edits)
    assert len(saved) + len(refused) == 18


def test_saved_targets_are_in_the_choice_file_and_asked_of_the_run(drawn, page):
    path = drawn.directory / "G1_L02_choice.json"
    before = path.read_bytes()
    of = page.json("/api/review/G1")["lamellae"]["2"]["choice"]
    assert of == review.choice_stamp(before) == page.json("/api/lamella/G1/2")["choice"]["stamp"]
    areas = page.json("/api/lamella/G1/2")["choice"]["areas"]
    areas[0]["targets"][1].update(row=300.25, column=250.5, fixed=True)
    made = page.post("/api/choice/G1/2", {"of": of, "areas": areas})
    read = read_choice(path, SHAPE)
    assert read.take == "all" and read.areas[0].targets_map_px.tolist() == [
        [120.0, 150.0], [300.25, 250.5],
    ]  # fmt: skip
    assert list(read.areas[0].fixed) == [False, True] and read.areas[0].scores[1] > 0.1
    assert (drawn.directory / "G1_L02_choice_earlier.json").read_bytes() == before
    (edit,) = asked(drawn).edits
    assert (edit.kind, edit.number, edit.redo) == (Kind.TARGETS, 2, True)
    assert edit.of == made["stamp"] == review.choice_stamp(path.read_bytes())
    # The run would do this, and what was seen before is stale now.
    scene = scene_on_disk(GridOnDisk(drawn.directory, drawn.directory, "G1"))
    assert review.verdict(edit, scene).do == "apply"
    told = page.post("/api/choice/G1/2", {"of": of, "areas": areas}, 409)["error"]
    assert "changed meanwhile" in told["what"]
    # Saved once more, the first edit is of a choice that is no more.
    page.post("/api/choice/G1/2", {"of": made["stamp"], "areas": areas[:1], "take": "fixed"})
    (edit,) = asked(drawn).edits
    assert edit.of == review.choice_stamp(path.read_bytes())
    assert read_choice(path, SHAPE).take == "fixed"


def test_what_was_clicked_is_kept_for_learning_save_after_save(drawn, page):
    files = GridOnDisk(drawn.directory, drawn.directory, "G1")

    def save(areas, code=200, **more):
        of = page.json("/api/review/G1")["lamellae"]["2"]["choice"]
        return page.post("/api/choice/G1/2", {"of": of, "areas": areas, **more}, code)

    areas = page.json("/api/lamella/G1/2")["choice"]["areas"]
    save(areas)
    assert not clicks_of(files, 2, SHAPE), "nothing was clicked"
    taken = areas[0]["targets"].pop()
    areas[0]["targets"].append({"row": 300.25, "column": 250.5, "clicked": True})
    save(areas, removed=[{"row": taken["row"], "column": taken["column"]}])
    clicks = clicks_of(files, 2, SHAPE)
    assert clicks.added_map_px.tolist() == [[300.25, 250.5]]
    assert clicks.removed_map_px.tolist() == [[taken["row"], taken["column"]]]
    save(areas)
    assert len(clicks_of(files, 2, SHAPE).added_map_px) == 1
    for removed in ("all", [7], [{"row": -3, "column": 5}], [{"row": 3}]):
        save(areas, 400, removed=removed)


def test_what_was_exposed_keeps_its_targets(drawn, page):
    before = contents(drawn.directory)
    of = page.json("/api/review/G1")["lamellae"]["1"]["choice"]
    areas = page.json("/api/lamella/G1/1")["choice"]["areas"]
    told = page.post("/api/choice/G1/1", {"of": of, "areas": areas}, 409)["error"]
    assert "exposed" in told["what"]
    of = page.json("/api/review/G1")["lamellae"]["2"]["choice"]
    for values in ({"of": of, "areas": areas, "take": "nothing"}, {"of": of, "areas": 3},
                   {"of": of, "areas": areas, "redo": 1}):  # fmt: skip
        page.post("/api/choice/G1/2", values, 400)
    told = page.post("/api/choice/G1/2", {"of": "", "areas": areas, "redo": False}, 409)["error"]
    assert "set up anew" in told["what"]
    assert contents(drawn.directory) == before


def test_files_that_cannot_be_read_are_told(page, folder):
    review.review_path(folder.directory, "G1").write_text("{", encoding="utf-8")
    table = page.json("/api/review/G1")
    assert "no whole JSON" in table["problems"][0] and table["edits"] == []
    boxes = {number: one["stamp"] for number, one in table["lamellae"].items()}
    told = page.post("/api/review/G1", {"revision": 0, "approved": {"lamellae": boxes}}, 422)
    assert "no whole JSON" in told["error"]["what"]
    # What a person is told to do helps.
    assert told["error"]["do"].startswith("Delete it, and ask again")
    review.review_path(folder.directory, "G1").unlink()
    page.post("/api/review/G1", {"revision": 0, "approved": {"lamellae": boxes}})
