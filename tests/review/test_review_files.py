"""The two files between page and run: read strictly, written whole, never by two at once."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space import review
from space.errors import SpaceError
from space.review import Answer, Edit, Kind, Review, StaleError, Unreadable

NUMBERS = st.integers(1, 999_999)
PAIRS = st.tuples(st.floats(0.5, 500), st.floats(0.5, 500))
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=30)
TEXTS = TEXTS.filter(str.isprintable).filter(lambda text: text == " ".join(text.split()))
FIELDS = {
    Kind.ADD: {"center_um": PAIRS, "box_um": PAIRS, "category": TEXTS},
    Kind.MOVE: {"number": NUMBERS, "center_um": PAIRS},
    Kind.RESIZE: {"number": NUMBERS, "box_um": PAIRS},
    Kind.DELETE: {"number": NUMBERS},
    Kind.CLASS: {"number": NUMBERS, "category": TEXTS},
    Kind.VISIT: {"number": NUMBERS, "visit": st.booleans()},
    Kind.ORDER: {"numbers": st.lists(NUMBERS, min_size=1, max_size=9, unique=True).map(tuple)},
    Kind.TARGETS: {"number": NUMBERS, "redo": st.booleans()},
    Kind.LABELS: {"number": NUMBERS},
}


@st.composite
def edits(draw) -> Edit:
    kind = draw(st.sampled_from(list(Kind)))
    about = {name: draw(values) for name, values in FIELDS[kind].items()}
    return Edit(draw(TEXTS), kind, draw(TEXTS), draw(st.just("") | TEXTS), **about)


REVIEWS = st.builds(
    Review,
    grid=st.just("G1"),
    revision=st.integers(0, 10**9),
    lamellae_approved=st.none() | st.dictionaries(NUMBERS, TEXTS, max_size=5),
    targets_approved=st.dictionaries(NUMBERS, st.just("") | TEXTS, max_size=5),
    edits=st.lists(edits(), max_size=6, unique_by=lambda edit: edit.id).map(tuple),
)


@given(REVIEWS)
def test_what_is_written_is_read_again(asked):
    text = review.review_file.render(asked)
    assert review.parse_review(text.encode("utf-8"), "G1") == asked


@given(st.binary(max_size=300) | REVIEWS.map(lambda r: review.review_file.render(r).encode()[:-3]))
def test_no_bytes_do_more_than_be_refused(data):
    with pytest.raises(SpaceError, match=r"Nothing that was asked in the page is taken: .+\."):
        review.parse_review(data, "G1")


GOOD = {"id": "a", "kind": "move_lamella", "of": "x", "number": 3, "center_um": [1, 2]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "fly"}, "'fly' is no kind of edit"),
        ({"kind": ["class"]}, "is no kind of edit"),
        ({"number": "3"}, "number is '3'. Allowed: the number of a lamella"),
        ({"number": True}, "number is True"),
        ({"number": 0}, "number is 0"),
        ({"number": 10**9}, "number is 1000000000"),
        ({"center_um": [1]}, r"center_um is \[1\]. Allowed: two numbers from -2000 to 2000 um"),
        ({"center_um": [1, 1e9]}, "center_um is"),
        ({"center_um": {"x": 1}}, "center_um is"),
        ({"of": "x" * 65}, "of is 'xxx"),
        ({"at": "\n"}, "at is"),
        ({"what": 1}, "unknown 'what'"),
        ({"kind": "delete_lamella"}, "unknown 'center_um'"),
        ({"kind": "class"}, "unknown 'center_um'"),
        ({"kind": "order", "center_um": None}, "unknown"),
    ],
)
def test_an_edit_that_is_wrong_costs_only_itself(change, words):
    entries = [{**GOOD, **change}, {**GOOD, "id": "b"}]
    wrong, good = review.parse_review(file_of(entries), "G1").edits
    assert isinstance(wrong, Unreadable) and wrong.id == "a"
    assert re.search(words, wrong.why)
    assert good == Edit("b", Kind.MOVE, "x", number=3, center_um=(1.0, 2.0))


def file_of(entries, **change) -> bytes:
    values = {
        "format": review.FORMAT, "grid": "G1", "revision": 1,
        "approved": {"lamellae": False, "targets": []}, "edits": entries,
    }  # fmt: skip
    return json.dumps({**values, **change}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (file_of([])[:-5], "it is no whole JSON"),
        (b"[" * 100_000, "it is no whole JSON"),
        (b"\xff\xfe\x00", "it is no whole JSON"),
        (b"[]", 'its format is not "SPACEtomo review 1"'),
        (file_of([], format="SPACEtomo review 2"), "its format is not"),
        (file_of([], extra=1), "its names must be approved, edits, format, grid, revision"),
        (file_of([], grid="G2"), "it is of grid 'G2', not G1"),
        (file_of([], revision=1.5), "its revision is 1.5"),
        (file_of([], revision=-1), "its revision is -1"),
        (file_of({}), "its edits are no list of at most 1000"),
        (file_of([GOOD] * 1001), "its edits are no list of at most 1000"),
        (file_of([GOOD, GOOD]), "two edits have the same id"),
        (file_of([GOOD, {"kind": "class"}]), "edit 2 is no table with an id"),
        (file_of([], approved=[]), '"approved" is no table of lamellae and targets'),
        (file_of([], approved={"lamellae": 1, "targets": []}), "approved lamellae are 1"),
        (
            file_of([], approved={"lamellae": True, "targets": ["3"]}),
            "approved targets are not all numbers",
        ),
        (
            file_of([], approved={"lamellae": True, "targets": {"03": "a"}}),
            "approved targets are not all numbers",
        ),
        (
            file_of([], approved={"lamellae": {"3": None}, "targets": []}),
            "approved lamellae have something else than stamps",
        ),
        (
            file_of([], approved={"lamellae": True, "targets": {"3": 1}}),
            "approved targets have something else than stamps",
        ),
        (file_of([], approved={"lamellae": True, "targets": 3}), "approved targets are no table"),
    ],
)
def test_a_file_that_is_wrong_says_what_and_how(data, words):
    with pytest.raises(SpaceError, match=f"is taken: {words}.*-> Delete it, and ask again"):
        review.parse_review(data, "G1")


def test_approval_counts_for_the_targets_that_were_seen():
    """What the run writes into the file of a choice besides them makes them no others."""
    targets = [{"row": 10, "column": 20.5, "score": 0.5}, {"row": 30, "column": 40}]

    def stamp(targets, map_mark="map", **more) -> str:
        values = {"areas": [{"targets": targets, "geometry_points": []}], **more}
        return review.targets_stamp(json.dumps(values).encode(), map_mark)

    seen = stamp(targets)
    fixed = [{**one, "row": float(one["row"]), "score": 0.1, "fixed": True} for one in targets]
    assert stamp(fixed, made_with={"max_targets": 3}) == seen
    others = [targets[:1], targets[::-1], [*targets, targets[0]], [{**targets[0], "row": 10.01}]]
    for other in [*map(stamp, others), stamp(targets, "map taken again")]:
        assert other != seen
    alone = [{**targets[0], "for_tracking_alone": True}, targets[1]]
    assert stamp(alone) != seen
    for data in (b"", b"[]", b'{"areas": [1]}', b'{"areas": [{"targets": [{"row": "x"}]}]}'):
        assert review.targets_stamp(data, "map") not in ("", seen)
    assert review.targets_count({3: seen}, 3, seen)
    assert not review.targets_count({3: seen}, 4, seen) and not review.targets_count(
        {3: seen}, 3, "other"
    )
    # Of a file of an earlier version nobody knows what was seen.
    data = file_of([], approved={"lamellae": True, "targets": [3]})
    earlier = review.parse_review(data, "G1")
    assert list(earlier.targets_approved) == [3] and earlier.lamellae_approved == {}
    assert not review.targets_count(earlier.targets_approved, 3, seen)
    assert not review.targets_count(earlier.targets_approved, 3, "")


def test_a_file_that_is_too_large_or_no_file_is_refused(tmp_path):
    path = review.review_path(tmp_path, "G1")
    assert review.read_review(path, "G1") is None
    path.write_bytes(b" " * 1_000_001)
    with pytest.raises(SpaceError, match="larger than 1000000 bytes"):
        review.read_review(path, "G1")
    path.unlink()
    path.mkdir()
    with pytest.raises(SpaceError, match="not a regular file"):
        review.read_review(path, "G1")


# --- writing --------------------------------------------------------------------------------------


def test_a_thousand_saves_beside_a_reader(tmp_path, monkeypatch):
    """Two pages save; a reader sees no half file, and who is behind is refused each time."""
    monkeypatch.setattr("space.files.os.fsync", lambda handle: None)
    path, saves, done = review.review_path(tmp_path, "G1"), 500, threading.Event()
    seen: list[int] = []
    outcome = {"saved": 0, "stale": 0}
    lock = threading.Lock()

    def read() -> None:
        while not done.is_set():
            found = review.read_review(path, "G1")
            seen.append(found.revision if found else 0)
            done.wait(0.001)

    def save(name: str) -> None:
        own = Review("G1")
        for number in range(saves):
            edit = Edit(f"{name}{number}", Kind.DELETE, "x", number=1)
            try:
                own = review.save_review(path, replace(own, edits=(*own.edits[-5:], edit)))
                what = "saved"
            except StaleError:
                own, what = review.read_review(path, "G1") or own, "stale"
            with lock:
                outcome[what] += 1

    reader = threading.Thread(target=read)
    pages = [threading.Thread(target=save, args=(name,)) for name in "ab"]
    for thread in (reader, *pages):
        thread.start()
    for thread in pages:
        thread.join()
    done.set()
    reader.join()
    last = review.read_review(path, "G1")
    assert last is not None and last.revision == outcome["saved"] and outcome["stale"] > 0
    assert sum(outcome.values()) == 2 * saves
    assert seen == sorted(seen) and len(set(seen)) > 10


def test_who_has_not_seen_the_last_file_is_refused(tmp_path):
    path = review.review_path(tmp_path, "G1")
    first = review.save_review(path, Review("G1", lamellae_approved={3: "seen"}))
    assert first.revision == 1 and review.read_review(path, "G1") == first
    with pytest.raises(StaleError, match="changed meanwhile"):
        review.save_review(path, Review("G1"))
    with pytest.raises(StaleError):
        review.save_review(path, replace(first, revision=2))
    assert review.read_review(path, "G1") == first
    path.write_bytes(b"{")
    with pytest.raises(SpaceError, match="no whole JSON"):
        review.save_review(path, first)
    assert path.read_bytes() == b"{"


@pytest.mark.parametrize(
    "wrong",
    [
        Review("G1", edits=(Edit("a", Kind.RESIZE, "x", number=1, box_um=(0.1, 5.0)),)),
        Review("G1", edits=(Edit("a", Kind.DELETE, "x", number=1),) * 2),
        Review("G1", revision=0, targets_approved={0: "seen"}),
    ],
)
def test_what_would_not_be_read_is_not_written(tmp_path, wrong):
    path = review.review_path(tmp_path, "G1")
    with pytest.raises(SpaceError):
        review.save_review(path, wrong)
    assert not path.exists()


def test_an_edit_that_nobody_understands_is_not_written_again(tmp_path):
    good = Edit("b", Kind.DELETE, "x", number=1)
    saved = review.save_review(
        review.review_path(tmp_path, "G1"), Review("G1", edits=(Unreadable("a", "why"), good))
    )
    assert saved.edits == (good,)


def test_undo_takes_out_what_has_no_answer():
    asked = Review("G1", edits=tuple(Edit(one, Kind.DELETE, "x", number=1) for one in "abc"))
    left = review.undo(asked, ["a", "b"], answered={"a"})
    assert [edit.id for edit in left.edits] == ["a", "c"]
    assert [edit.id for edit in review.open_edits(left, {"a"})] == ["c"]


# --- answers --------------------------------------------------------------------------------------


def test_answers_are_kept_as_long_as_they_are_asked_for(tmp_path):
    path = review.answers_path(tmp_path, "G1")
    assert review.read_answers(path) == {}
    answers = {str(n): Answer("applied", "Done.", "now", "a", "b") for n in range(1500)}
    answers["w"] = Answer("waits", "Not yet.", "now")
    assert not answers["w"].is_final and answers["1"].is_final
    left = review.kept(answers, ["3", "w"])
    assert len(left) == 1002 and {"3", "w", "1499"} <= set(left) and "4" not in left
    review.write_answers(path, "G1", left)
    assert review.read_answers(path) == left


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"answers": {}}', '{"format": "SPACEtomo review answers 1", "answers": []}',
        '{"format": "SPACEtomo review answers 1", "answers": {"a": {"answer": "maybe"}}}',
        '{"format": "SPACEtomo review answers 1", "answers": {"a": {"answer": "waits", "why": 3}}}',
    ],
)  # fmt: skip
def test_answers_that_cannot_be_read_are_no_empty_ones(tmp_path, text):
    path = review.answers_path(tmp_path, "G1")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpaceError, match="Nothing that is asked there is done"):
        review.read_answers(path)
