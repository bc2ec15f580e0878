"""The slots of a monitor: bad starts, pauses, and which slot gets the next worker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.jobs.slots import (
    LONGEST_PAUSE_SECONDS,
    MAX_BAD_STARTS,
    Slot,
    ended,
    is_hopeless,
    looked_at,
    make_slots,
    not_started,
    slots_to_fill,
    started,
    waits,
)
from space.jobs.worker import STATUS_FOLDER, STATUS_HUNG, STATUS_TAKEN

BAD = Slot("0", bad_starts=MAX_BAD_STARTS)


def test_each_device_has_a_worker_before_any_has_two_and_the_cpu_has_one():
    assert [s.device for s in make_slots(("0", "cpu"), 2)] == ["0", "cpu", "0"]
    assert [s.device for s in make_slots(("auto",), 0)] == ["auto"]


@pytest.mark.parametrize(
    ("code", "had_job", "after_s", "bad_starts", "pause_s"),
    [
        (0, False, 10, 0, 0),
        (1, False, 10, 3, 20),  # the third bad start in a row
        (1, True, 10, 0, 5),  # it began to work: the job is to blame
        (1, False, 61, 0, 5),
        (-9, False, 10, 3, 20),
        (STATUS_FOLDER, False, 10, 0, 5),
        (STATUS_HUNG, False, 10, 0, 5),
        (STATUS_TAKEN, False, 10, 0, 5),
    ],
)
def test_the_end_of_a_worker(code, had_job, after_s, bad_starts, pause_s):
    slot = ended(Slot("0", started_s=100.0, bad_starts=2), code, had_job, 100.0 + after_s)
    assert (slot.bad_starts, slot.next_start_s) == (bad_starts, 100.0 + after_s + pause_s)


def test_pauses_grow_up_to_a_limit():
    slot, pauses = Slot("0"), []
    for _ in range(9):
        slot = not_started(slot, 0.0)
        pauses.append(slot.next_start_s)
    assert pauses[:3] == [10, 20, 40] and pauses[-1] == LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("slot", "is_alive", "hangs", "now_s", "word"),
    [
        (Slot("0"), True, "", 0.0, ""),
        (Slot("0"), True, "no progress", 0.0, "no progress"),
        (Slot("0"), False, "", 599.0, ""),  # it still imports torch
        (Slot("0"), False, "", 601.0, "not begun to work within 10 min"),
        (Slot("0", seen=True), False, "", 1.0, "no signs of life"),
    ],
)
def test_why_a_worker_must_be_ended(slot, is_alive, hangs, now_s, word):
    after, reason = looked_at(slot, is_alive, hangs, now_s)
    assert bool(reason) == bool(word) and word in reason
    assert after.seen == (is_alive or slot.seen)
    assert not started(after, now_s).seen


def fill(slots, wanted=9, running=None, others=None, now_s=0.0):
    return slots_to_fill(slots, running or [False] * len(slots), others or {}, wanted, now_s)


def test_as_many_workers_as_there_is_work():
    slots = [Slot("0"), Slot("1"), Slot("0")]
    assert fill(slots) == [0, 1, 2]
    assert fill(slots, 2) == [0, 1]
    assert fill(slots, -1) == []
    assert fill(slots, 2, [True, False, False]) == [1, 2]


def test_a_worker_of_somebody_else_keeps_its_device():
    assert fill([Slot("0"), Slot("1"), Slot("0")], others={"0": 1}) == [1, 2]


def test_a_slot_that_waits_or_failed_too_often_is_left_out_while_others_work():
    slots = [replace(Slot("0"), next_start_s=5.0), BAD, Slot("1")]
    assert fill(slots) == [2]
    assert fill(slots, now_s=5.0) == [0, 2]


def test_where_all_slots_are_bad_one_is_tried():
    assert is_hopeless([BAD, BAD], [False, False])
    assert not is_hopeless([BAD, BAD], [True, False])
    assert fill([BAD, BAD]) == [0]
    assert fill([replace(BAD, next_start_s=9.0), BAD]) == [1]


slots_of_all_kinds = st.lists(
    st.builds(
        Slot,
        st.sampled_from(["0", "1", "cpu"]),
        bad_starts=st.integers(0, 7),
        next_start_s=st.sampled_from([0.0, 10.0]),
    ),
    min_size=1,
    max_size=5,
)


@given(slots_of_all_kinds, st.data())
def test_no_slot_gets_two_workers_and_nobody_s_device_is_taken(slots, data):
    running = data.draw(st.lists(st.booleans(), min_size=len(slots), max_size=len(slots)))
    others = data.draw(st.dictionaries(st.sampled_from(["0", "1", "cpu"]), st.integers(0, 3)))
    wanted = data.draw(st.integers(-1, 6))
    chosen = fill(slots, wanted, running, others, 5.0)
    assert len(set(chosen)) == len(chosen) <= max(0, wanted)
    for device in ("0", "1", "cpu"):
        free = sum(s.device == device and not r for s, r in zip(slots, running))
        got = sum(slots[index].device == device for index in chosen)
        assert got <= max(0, free - others.get(device, 0))
    assert all(not running[i] and slots[i].next_start_s <= 5.0 for i in chosen)


def test_a_worker_that_waits_for_a_computer_has_not_begun_to_start():
    slot, reason = started(Slot("0"), 0.0), ""
    for hour in range(48):
        slot = waits(slot, 3600.0 * hour)
        slot, reason = looked_at(slot, False, "", 3600.0 * hour + 500)
        assert not reason
    assert looked_at(slot, False, "", 3600.0 * 49)[1]


def test_a_silence_is_borne_as_long_as_the_engine_may_need_to_start_a_worker_again():
    slot, _ = looked_at(started(Slot("0"), 0.0), True, "", 1.0, 60.0)
    slot, reason = looked_at(slot, False, "", 100.0, 60.0)
    assert not reason
    assert looked_at(slot, False, "", 159.0, 60.0)[1] == ""
    assert "no signs of life" in looked_at(slot, False, "", 160.0, 60.0)[1]
    slot, _ = looked_at(slot, True, "", 159.0, 60.0)  # it is back: the next silence counts anew
    assert looked_at(slot, False, "", 200.0, 60.0)[1] == ""
