"""Orders of a person: what a line means, what changes by it, and the file it is written into."""

from __future__ import annotations

import os

import pytest

from space import orders
from space.orders import NotAnOrderError, Order, Scene, Standing, StopAfter, Verb

SCENE = Scene("Yeast_2", (1, 2, 5), {"2": "Yeast_2", "3": "", "stage": "G0"})


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("pause", Order(Verb.PAUSE)),
        ("  Go   ON # now", Order(Verb.GO_ON)),
        ("skip L03", Order(Verb.SKIP_LAMELLA, "", 3)),
        ("skip fl3", Order(Verb.SKIP_LAMELLA, "", 3)),
        ("skip Yeast_2_L12", Order(Verb.SKIP_LAMELLA, "Yeast_2", 12)),
        ("skip Yeast_2 L12", Order(Verb.SKIP_LAMELLA, "Yeast_2", 12)),
        ("Stop after g1  fl3", Order(Verb.STOP_AFTER_LAMELLA, "g1", 3)),
        ("take L01_L02", Order(Verb.TAKE_LAMELLA, "L01", 2)),  # a grid may be called so
        ("skip grid L03", Order(Verb.SKIP_GRID, "L03")),
        ("take L3", Order(Verb.TAKE_LAMELLA, "", 3)),
        ("skip grid 2", Order(Verb.SKIP_GRID, "2")),
        ("take grid stage", Order(Verb.TAKE_GRID, "stage")),
        ("stop after L05", Order(Verb.STOP_AFTER_LAMELLA, "", 5)),
        ("stop after grid", Order(Verb.STOP_AFTER_GRID)),
        ("STOP", Order(Verb.STOP)),
        ("pin L03", Order(Verb.PIN_LAMELLA, "", 3)),
        ("pin G1 L03", Order(Verb.PIN_LAMELLA, "G1", 3)),
        ("G1_L03 first", Order(Verb.PIN_LAMELLA, "G1", 3)),
        ("unpin L3", Order(Verb.UNPIN_LAMELLA, "", 3)),
        ("forbid G1_L03", Order(Verb.SKIP_LAMELLA, "G1", 3)),
        ("L03 never", Order(Verb.SKIP_LAMELLA, "", 3)),
        ("forbid grid 2", Order(Verb.SKIP_GRID, "2")),
        ("grid G2 never", Order(Verb.SKIP_GRID, "G2")),
        ("pin grid 2", Order(Verb.PIN_GRID, "2")),
        ("grid 2 first", Order(Verb.PIN_GRID, "2")),
        ("unpin grid 2", Order(Verb.UNPIN_GRID, "2")),
    ],
)
def test_an_order_is_read(line, order):
    assert orders.read_order(line) == order


def test_every_example_is_an_order():
    assert {orders.read_order(line).verb for line in orders.EXAMPLES} == set(Verb)


@pytest.mark.parametrize(
    "line",
    [
        "puase", "stop it", "skip", "skip 3", "skip L", "skip L03 L04", "skip fl3 L4",
        "stop after", "do not stop", "skip grid", "p\0a\0u\0s\0e", "stop\u200b",
        "stop " * 1000, "L03", "skip L9999999",
        "–pause",
    ],
)  # fmt: skip
def test_what_is_no_order_is_never_taken_for_one(line):
    with pytest.raises(NotAnOrderError, match="is no order and was not obeyed.*Possible: pause"):
        orders.read_order(line)


def test_a_slip_is_answered_with_what_may_be_meant():
    with pytest.raises(NotAnOrderError, match="Did you mean an order like: pause"):
        orders.read_order("puase")


# --- what holds -----------------------------------------------------------------------------------


def after(*lines: str, scene: Scene = SCENE) -> Standing:
    standing = Standing()
    for line in lines:
        standing, answer = orders.applied(standing, orders.read_order(line), scene)
        assert answer.endswith(".")
    return standing


def test_pins_keep_their_order_until_they_are_withdrawn(tmp_path):
    standing = after("pin L05", "L02 first", "pin grid 3", "grid Yeast_2 first", "pin L5")
    assert standing.pinned == (("Yeast_2", 2), ("Yeast_2", 5))  # pinned again: behind the others
    assert standing.pinned_grids == ("3", "2")
    orders.write_standing(tmp_path, standing)
    assert orders.read_standing(tmp_path) == standing
    gone = after("pin L05", "pin grid 3", "unpin L05", "unpin grid 3", "unpin grid 2")
    assert gone == Standing()


def test_orders_hold_until_they_are_withdrawn():
    standing = after("pause", "stop", "stop after L05", "skip L02", "skip grid 3")
    assert standing.pause and standing.stop
    assert standing.stop_after == StopAfter("Yeast_2", 5)
    assert standing.skipped == {("Yeast_2", 2)} and standing.skipped_grids == {"3"}
    gone = after("pause", "stop", "stop after L05", "skip L02", "skip grid 3", "go on", "take L2",
                 "take grid 3")  # fmt: skip
    assert gone == Standing()


def test_a_grid_may_be_called_by_slot_or_name():
    assert after("skip grid yeast_2").skipped_grids == {"2"}
    assert after("skip G0_L07").skipped == {("G0", 7)}
    assert after("skip stage L07").skipped == {("G0", 7)}
    assert after("stop after grid").stop_after == StopAfter("Yeast_2")


@pytest.mark.parametrize(
    ("line", "scene", "why"),
    [
        ("skip L03", SCENE, "no lamella 3 .it has L01, L02, L05"),
        ("stop after L07", SCENE, "no lamella 7"),
        ("skip grid 4", SCENE, r"no grid '4' in this session; it has 2 .Yeast_2., 3, stage"),
        ("skip 3_L01", SCENE, "name of grid 3 is not known yet"),
        ("skip L01", Scene(), "No grid is in work"),
        ("stop after grid", Scene(), "No grid is in work"),
    ],
)
def test_what_is_not_there_is_answered_and_changes_nothing(line, scene, why):
    with pytest.raises(NotAnOrderError, match=why):
        orders.applied(Standing(), orders.read_order(line), scene)


def test_before_lamellae_are_found_any_number_may_be_named():
    assert after("skip L03", scene=Scene("G1")).skipped == {("G1", 3)}


def test_what_holds_is_kept_in_a_file(tmp_path):
    standing = after("pause", "stop", "stop after L05", "skip L02", "skip grid 3")
    orders.write_standing(tmp_path, standing)
    assert orders.read_standing(tmp_path) == standing


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "{", '{"pause": 1, "skipped": [["a"], 3, ["b", true], ["c", 1.5]], "read": ["a"]}',
     '{"stop_after": {"grid": 3}, "skipped": "L03", "turned_off": {"a": 1}, "stop": "yes"}'],
)  # fmt: skip
def test_an_order_that_cannot_be_read_is_not_obeyed(tmp_path, text):
    (tmp_path / orders.STANDING_FILE).write_text(text, encoding="utf-8")
    assert orders.read_standing(tmp_path) == Standing()


# --- the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"pause\r\nskip L03\r\n",
        b"pause\nskip L03",
        b"pause\rskip L03\r",
        b"\xef\xbb\xbfpause\n\n# a remark\nskip L03\n",
        "pause\r\nskip L03\r\n".encode("utf-16"),  # as PowerShell writes by >
        b"\xfe\xff" + "pause\nskip L03\n".encode("utf-16-be"),
    ],
)
def test_any_editor_will_do(tmp_path, data):
    (tmp_path / orders.CONTROL_FILE).write_bytes(data)
    assert orders.take(tmp_path).lines == ("pause", "skip L03")


def test_other_encodings_spoil_only_their_line(tmp_path):
    (tmp_path / orders.CONTROL_FILE).write_bytes(b"p\xe4use\nskip L03\n")
    odd, plain = orders.take(tmp_path).lines
    with pytest.raises(NotAnOrderError):
        orders.read_order(odd)
    assert orders.read_order(plain).lamella == 3


def test_no_order_is_read_twice_and_none_is_lost(tmp_path):
    orders.give(tmp_path, "pause")
    with (tmp_path / orders.CONTROL_FILE).open("a", encoding="utf-8") as stream:
        stream.write("skip L03")  # without an end of line
    orders.give(tmp_path, "go on")
    first = orders.take(tmp_path)
    assert first.lines == ("pause", "skip L03", "go on")
    orders.give(tmp_path, "stop")  # while the others are being obeyed
    assert orders.take(tmp_path).lines == first.lines  # a program that was ended reads them again
    orders.finish(tmp_path, [("pause", "The run pauses.")])
    assert orders.take(tmp_path).lines == ("stop",)
    orders.finish(tmp_path, [("stop\x07 ", "It\nstops.")])
    assert orders.take(tmp_path) == orders.take(tmp_path)
    assert orders.take(tmp_path).lines == () and orders.stamp(tmp_path) is None
    done = (tmp_path / orders.DONE_FILE).read_text(encoding="utf-8").splitlines()
    assert [line.split("  ", 1)[1] for line in done] == [
        "pause  ->  The run pauses.", "stop  ->  It stops.",
    ]  # fmt: skip


def test_a_file_that_cannot_be_removed_is_not_obeyed_again(tmp_path, monkeypatch):
    orders.give(tmp_path, "pause")
    first = orders.take(tmp_path)
    assert orders.take(tmp_path, first.stamp) == orders.take(tmp_path)
    assert orders.stamp(tmp_path) is None


@pytest.mark.parametrize("content", [b"x" * 70_000, b"pause\n" * 201])
def test_what_is_no_list_of_orders_is_kept_and_not_obeyed(tmp_path, content):
    (tmp_path / orders.CONTROL_FILE).write_bytes(content)
    taken = orders.take(tmp_path)
    assert taken.lines == () and "no short text file" in taken.problem
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [content]
    assert orders.take(tmp_path) == orders.take(tmp_path)


def test_a_folder_of_that_name_is_answered(tmp_path):
    (tmp_path / orders.CONTROL_FILE).mkdir()
    assert "no short text file" in orders.take(tmp_path).problem
    assert orders.take(tmp_path).problem == ""


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be renamed there anyway")
def test_a_file_in_use_is_read_later(tmp_path, monkeypatch):
    orders.give(tmp_path, "pause")

    def refuse(*names):
        raise PermissionError("in use")

    with monkeypatch.context() as patched:
        patched.setattr("space.orders.control_file.os.replace", refuse)
        assert orders.take(tmp_path).lines == ()
    assert orders.take(tmp_path).lines == ("pause",)
