import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from space.lamellae import (
    Lamella,
    best_match,
    drop_close,
    filter_lamellae,
    renumbered,
    shifted,
    stays_unseen,
)


def lamella(number, x, y, probability=0.8, category="good", size=(15.0, 20.0)):
    return Lamella(number, (x, y), size, category, probability)


def test_of_two_close_lamellae_the_less_probable_goes():
    sure, unsure, far = lamella(2, 3, 4, 0.9), lamella(1, 0, 0, 0.3), lamella(3, 100, 0, 0.2)
    assert drop_close([unsure, sure, far]) == [sure, far]
    assert drop_close([sure, unsure, far]) == [sure, far]


def test_ten_micrometres_apart_both_stay():
    assert len(drop_close([lamella(1, 0, 0), lamella(2, 10, 0)])) == 2
    assert len(drop_close([lamella(1, 0, 0), lamella(2, 9.99, 0)])) == 1


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 9)), max_size=10),
    st.randoms(use_true_random=False),
)
def test_dropping_does_not_depend_on_order(places, rng):
    items = [lamella(i, x, y, p / 10) for i, (x, y, p) in enumerate(places)]
    kept = drop_close(items)
    mixed = list(items)
    rng.shuffle(mixed)
    assert drop_close(mixed) == kept
    for one in items:  # whatever goes has a better neighbour that stays
        if one not in kept:
            near = [
                k
                for k in kept
                if np.hypot(k.stage_um[0] - one.stage_um[0], k.stage_um[1] - one.stage_um[1]) < 10
            ]
            assert any(k.probability >= one.probability for k in near)


def test_choose_counts_reasons():
    items = [
        lamella(1, 0, 0, 0.1),
        lamella(2, 0, 0, 0.0999),
        lamella(3, 0, 0, category="broken"),
        lamella(4, 900, 0),
    ]
    kept, dropped = filter_lamellae(items, 0.1, ["broken"], (-800, 800, -800, 800))
    assert [k.number for k in kept] == [1]
    assert dropped == {"threshold": 1, "category": 1, "stage": 1}


def test_match_gives_the_offset():
    expected = lamella(1, 100, 200)
    found = lamella(0, 109, 195, 0.6)
    match = best_match(expected, [found, lamella(0, 100, 240, 0.9)])
    assert match is not None
    assert match.lamella == found
    assert match.offset_um == (9.0, -5.0)


def test_nothing_near_means_no_match():
    assert best_match(lamella(1, 0, 0), [lamella(0, 50, 0)]) is None
    assert best_match(lamella(1, 0, 0), []) is None


def test_neighbours_tell_which_lamella_it_is():
    """Two lamellae 16 um apart, displaced by 11 um: the nearest detection is the wrong one."""
    first, second = lamella(1, 0, 0), lamella(2, 0, -16)
    offset = (0.0, 11.0)
    found = [lamella(0, 0, 11, 0.7), lamella(0, 0, -5, 0.75)]
    assert best_match(first, found).offset_um != offset
    assert best_match(first, found, others=[second]).offset_um == offset


def test_match_does_not_depend_on_order():
    found = [lamella(0, 5, 5), lamella(0, -5, 5), lamella(0, 5, -5)]
    assert best_match(lamella(1, 0, 0), found) == best_match(lamella(1, 0, 0), found[::-1])


def test_small_helpers():
    assert shifted([lamella(1, 1, 2)], (3, -1))[0].stage_um == (4, 1)
    assert [k.number for k in renumbered([lamella(7, 0, 0), lamella(3, 0, 0)])] == [1, 2]
    assert stays_unseen(lamella(1, 0, 0, 0.71)) and not stays_unseen(lamella(1, 0, 0, 0.7))
