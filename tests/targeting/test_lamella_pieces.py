"""Targets on the lamella's own pieces alone, and least scores for each class."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from space.errors import SpaceError
from space.targeting import (
    ExposureOptics,
    KnownMap,
    TargetArea,
    TargetingOptions,
    review_targets,
    select_targets,
    wanted_mask,
)
from space.targeting.problem import Problem
from space.targeting.scoring import class_tables, on_own_pieces, pieces_unknown

YEAST = (
    "background white black crack coating cell cellwall nucleus vacuole mitos lipiddroplets "
    "vesicles multivesicles membranes dynabeads ice cryst lamella"
).split()
NAMES = {name: number for number, name in enumerate(YEAST)}
OPTICS = ExposureOptics(30.0, (0.86, 0.61), 1.0, tilt_axis_deg=85.0, beam_margin_um=0.0)
MITOS = TargetingOptions(("mitos",))
WHOLE = TargetingOptions(("lamella",), sparse=False)
LAMELLA = (slice(60, 240), slice(60, 300))  # 43 200 px


def map_of(*parts, ground: str = "white") -> np.ndarray:
    """A lamella of 180 x 240 px in vacuum, with further boxes (name, rows, columns)."""
    labels = np.full((300, 520), NAMES[ground], np.uint8)
    labels[LAMELLA] = NAMES["lamella"]
    for name, rows, columns in parts:
        labels[slice(*rows), slice(*columns)] = NAMES[name]
    return labels


def targets_of(choice) -> np.ndarray:
    return np.concatenate([np.empty((0, 2)), *(area.targets_map_px for area in choice.areas)])


def right_of(choice, column: int) -> int:
    return int((targets_of(choice)[:, 1] > column).sum())


SHRED = ("mitos", (100, 160), (400, 460))  # 3600 px, 8 % of the lamella
PIECE = ("lamella", (90, 170), (390, 470))  # 6400 px, 15 %
ON_PIECE = ("mitos", (110, 150), (410, 450))
HOME = ("mitos", (130, 170), (150, 190))


@pytest.mark.parametrize(
    ("parts", "options", "right"),
    [
        ([SHRED], MITOS, False),
        ([SHRED], WHOLE, False),
        ([PIECE, ON_PIECE], MITOS, True),
        ([PIECE], WHOLE, True),
        ([SHRED, ("crack", (120, 130), (300, 400))], MITOS, True),
        ([SHRED, ("coating", (120, 130), (300, 400))], MITOS, True),
        ([SHRED, ("black", (120, 130), (300, 400))], MITOS, False),
        ([SHRED, ("background", (120, 130), (300, 400))], MITOS, False),
        # What is no lamella itself makes no shred a piece of it, however large.
        ([SHRED, ("coating", (165, 290), (380, 500)), ("white", (160, 165), (380, 500))], MITOS, 0),
        ([SHRED, ("crack", (160, 290), (380, 500))], MITOS, False),
        ([("coating", (60, 240), (300, 500))], WHOLE, False),
        ([SHRED], TargetingOptions(("mitos",), on_lamella_only=False), True),
    ],
)  # fmt: skip
def test_what_counts_lies_on_the_lamellas_own_pieces(parts, options, right):
    choice = select_targets(map_of(HOME, *parts), NAMES, options, OPTICS)
    assert bool(right_of(choice, 320)) == bool(right)
    assert right_of(choice, 0) > right_of(choice, 320)  # the lamella has some in any case


def test_a_lamella_that_is_gone_gets_no_targets_on_what_is_left_of_the_film():
    labels = np.full((300, 520), NAMES["black"], np.uint8)
    labels[60:240, 60:460] = NAMES["white"]
    labels[100:103, 100:103] = NAMES["lamella"]  # the largest piece is this
    choice = select_targets(labels, NAMES, WHOLE, OPTICS)
    assert not choice.areas


def test_a_wanted_class_beside_the_lamella_is_told():
    choice = select_targets(map_of(SHRED), NAMES, MITOS, OPTICS)
    assert not choice.areas
    assert choice.counts.beside_um2 == pytest.approx(3600 * 0.03**2)
    assert choice.counts.wanted_um2 == 0
    assert "own pieces" in choice.warnings[0] and "on_lamella_only" in choice.warnings[0]


def test_a_polygon_makes_a_shred_count():
    labels = map_of(HOME, SHRED)
    polygon = [(110, 410), (110, 440), (140, 440), (140, 410)]
    free = TargetingOptions(("mitos",), on_lamella_only=False)
    chosen, expected = (
        select_targets(labels, NAMES, options, OPTICS, polygons_map_px=[polygon])
        for options in (MITOS, free)
    )
    assert len(targets_of(chosen)) and right_of(chosen, 320) == len(targets_of(chosen))
    assert np.array_equal(targets_of(chosen), targets_of(expected))
    again = review_targets(labels, NAMES, MITOS, OPTICS, chosen.areas, polygons_map_px=[polygon])
    assert again.areas[0].scores == pytest.approx(chosen.areas[0].scores)
    mask = wanted_mask(labels, NAMES, MITOS, [np.array(polygon)])
    assert mask[:, 320:].sum() == 3600 and wanted_mask(labels, NAMES, MITOS)[:, 320:].sum() == 0


def test_a_target_that_a_person_puts_beside_the_lamella_is_told():
    area = TargetArea(np.array([(130.0, 430.0)]), np.zeros(1))
    choice = review_targets(map_of(HOME, SHRED), NAMES, MITOS, OPTICS, [area])
    assert any("scores 0, below the threshold" in warning for warning in choice.warnings)


@pytest.mark.parametrize(
    ("classes", "off", "told"),
    [
        (YEAST, {"background", "white", "black"}, ""),
        (["background", "black", "mitos", "lamella"], {"background", "black"}, ""),
        (["background", "white", "mitos"], {"background", "white"}, ""),
        (["black", "mitos"], {"black"}, ""),
        # Nothing tells bare surface from vacuum here.
        (["background", "black", "mitos"], {"black"}, "background counts as lamella"),
        (["nothing", "film", "mitos"], set(), "none of the classes background, white, black"),
    ],
)
def test_classes_off_the_lamella_follow_from_the_class_table(classes, off, told):
    names = {name: number for number, name in enumerate(classes)}
    options = TargetingOptions(("mitos",), ())
    table = class_tables(names, options).piece
    assert {name for name, number in names.items() if table[number] == 0} == off
    assert told in pieces_unknown(names, options) and bool(told) == bool(
        pieces_unknown(names, options)
    )
    labels = np.full((200, 200), names[classes[0]], np.uint8)
    labels[80:120, 80:120] = names["mitos"]
    warnings = select_targets(labels, names, options, OPTICS).warnings
    assert any(told in warning for warning in warnings) if told else True


def test_a_model_with_names_of_its_own_says_which_classes_are_vacuum_and_bulk():
    names = {"background": 0, "hole": 1, "metal": 2, "ice film": 3, "mitos": 4}
    labels = np.full((300, 520), 1, np.uint8)
    labels[LAMELLA] = 3
    labels[130:170, 150:190] = labels[100:160, 400:460] = 4
    own = TargetingOptions(("mitos",), (), off_lamella=("hole", "metal"))
    assert right_of(select_targets(labels, names, own, OPTICS), 320) == 0
    assert not pieces_unknown(names, own)


def test_a_class_that_is_asked_for_by_name_belongs_to_the_sample():
    labels = np.full((200, 200), NAMES["black"], np.uint8)
    labels[50:150, 50:150] = NAMES["white"]
    choice = select_targets(labels, NAMES, TargetingOptions(("white",), ("black",)), OPTICS)
    assert choice.areas


def test_avoided_classes_count_beside_the_lamella_too():
    labels = map_of(("mitos", (130, 170), (260, 300)), ("ice", (130, 170), (303, 320)))
    scores = [
        select_targets(labels, NAMES, options, OPTICS).score.values.max()
        for options in (MITOS, TargetingOptions(("mitos",), on_lamella_only=False))
    ]
    assert scores[0] == pytest.approx(scores[1])


def slow_lamella(labels: np.ndarray) -> np.ndarray:
    """What is on the lamella's own pieces, with the connected parts of an image library."""
    numbers, count = ndimage.label(~np.isin(labels, [0, 1, 2]))
    core = ~np.isin(labels, [0, 1, 2, NAMES["crack"], NAMES["coating"]])
    areas = np.bincount(numbers[core], minlength=count + 1).astype(float)
    areas[0] = 0
    return np.isin(numbers, np.flatnonzero((areas > 0) & (areas >= 0.1 * areas.max())))


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    share=st.floats(0.2, 0.95),
)
def test_pieces_are_those_that_filling_them_pixel_by_pixel_finds(seed, shape, share):
    rng = np.random.default_rng(seed)
    labels = rng.choice([1, 2, 3, 4, 9, 15, 17], shape).astype(np.uint8)
    labels[rng.random(shape) > share] = 0
    tables = class_tables(NAMES, MITOS)
    found, changed, lost = on_own_pieces(labels, tables)
    on = slow_lamella(labels)
    beside = ~on & ~np.isin(labels, [0, 1, 2])
    assert (found[~beside] == labels[~beside]).all()
    assert not np.isin(found[beside], list(NAMES.values())).any()
    assert (changed.avoided[found] == tables.avoided[labels]).all()
    assert np.array_equal(lost, np.bincount(labels[beside], minlength=256))


# --- thresholds for each class ------------------------------------------------------------------

TWO = [("mitos", (100, 116), (100, 124)), ("vesicles", (180, 196), (200, 224))]


def classes_hit(labels: np.ndarray, choice) -> set[str]:
    points = targets_of(choice).astype(int)
    return {YEAST[label] for label in labels[tuple(points.T)]}


@pytest.mark.parametrize(
    ("threshold", "hit"),
    [
        (0.03, {"mitos", "vesicles"}),
        ({"mitos": 0.9}, {"vesicles"}),
        ({"vesicles": 0.99, "nucleus": 0.1}, {"mitos"}),
        ({"mitos": 0.1, "vesicles": 0.2}, {"mitos", "vesicles"}),
        ({"mitos": 0.9, "vesicles": 0.99}, set()),
        ({}, {"mitos", "vesicles"}),
    ],
)
def test_each_class_may_have_its_own_threshold(threshold, hit):
    labels = map_of(*TWO)
    options = TargetingOptions(("mitos", "vesicles"), target_score_threshold=threshold)
    choice = select_targets(labels, NAMES, options, OPTICS)
    assert classes_hit(labels, choice) == hit
    assert choice.rejected.get("threshold", 0) == 2 - len(hit)
    if not hit:
        assert "mitos 0.9, vesicles 0.99" in choice.warnings[0]


def test_classes_that_are_not_named_have_the_default_threshold():
    options = TargetingOptions(("mitos", "vesicles"), target_score_threshold={"mitos": 0.2})
    assert options.thresholds == (0.2, 0.03) and options.least_threshold == 0.03
    assert TargetingOptions().thresholds == (0.03,)


def test_the_class_that_contributes_most_to_a_field_tells_the_threshold():
    labels = map_of(("mitos", (100, 106), (100, 130)), ("vesicles", (106, 120), (100, 130)))
    area = TargetArea(np.array([(110.0, 115.0)]), np.zeros(1))

    def told(**thresholds) -> bool:
        options = TargetingOptions({"mitos": 1, "vesicles": 0.8}, target_score_threshold=thresholds)
        warnings = review_targets(labels, NAMES, options, OPTICS, [area]).warnings
        return any("below the threshold" in warning for warning in warnings)

    assert told(vesicles=0.99) and not told(mitos=0.99)


def test_with_the_whole_lamella_first_its_threshold_is_for_what_is_not_named():
    labels = map_of(("mitos", (100, 120), (100, 130)))
    options = TargetingOptions(
        {"lamella": 0.1, "mitos": 1}, target_score_threshold={"lamella": 0.2}
    )
    choice = select_targets(labels, NAMES, options, OPTICS)
    assert classes_hit(labels, choice) == {"mitos"}  # a field of surface scores 0.1


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000), low=st.floats(0.03, 0.5), high=st.floats(0.03, 0.5))
def test_every_target_reaches_the_threshold_of_its_class(seed, low, high):
    rng = np.random.default_rng(seed)
    labels = map_of()
    for name in ("mitos", "vesicles") * 6:
        row, column = rng.integers((60, 60), (220, 270))
        labels[row : row + rng.integers(3, 30), column : column + rng.integers(3, 30)] = NAMES[name]
    options = TargetingOptions(
        ("mitos", "vesicles"), target_score_threshold={"mitos": low, "vesicles": high}
    )
    choice = select_targets(labels, NAMES, options, OPTICS)
    assert not any("below the threshold" in warning for warning in choice.warnings)
    alone = [
        review_targets(
            labels, NAMES, TargetingOptions((name,), (), on_lamella_only=False), OPTICS,
            choice.areas,
        )
        for name in ("mitos", "vesicles")
    ]  # fmt: skip
    for number, area in enumerate(choice.areas):
        shares = np.array([other.areas[number].scores for other in alone])
        least = np.where(shares[0] >= shares[1], low, high)
        assert (area.scores >= least - 1e-6).all()


def test_a_threshold_that_is_no_number_is_refused():
    for value in ({"mitos": "high"}, {"mitos": float("nan")}, "0.1", True):
        with pytest.raises(SpaceError, match="target_score_threshold"):
            TargetingOptions(target_score_threshold=value)


RIM = (("coating", (60, 240), (60, 90)), ("mitos", (120, 180), (90, 96)))


def under(choice, labels: np.ndarray) -> list[str]:
    rows, columns = np.floor(targets_of(choice)).astype(int).T
    return [YEAST[label] for label in labels[rows, columns]]


@pytest.mark.parametrize("beside", ["coating", "white", "black", "background"])
@pytest.mark.parametrize("edge", [False, True])
def test_no_target_is_centred_beside_the_lamella_however_much_its_field_holds(beside, edge):
    # A mitochondrion of 0.18 um at the lamella's edge: fields of 0.86 um hold it from both sides.
    labels = map_of((beside, (60, 240), (60, 90)), ("mitos", (120, 180), (90, 96)), ground="black")
    options = TargetingOptions(("mitos",), target_edge=edge)
    everywhere = Problem.of(
        KnownMap(labels), NAMES, replace(options, on_lamella_only=False), OPTICS
    )
    at_rim = everywhere.usable_scores.values[everywhere.cover.classes == NAMES[beside]]
    assert (at_rim > 0.03).any()  # fields there hold enough
    choice = select_targets(labels, NAMES, options, OPTICS)
    assert choice.n_targets
    assert beside not in under(choice, labels)


@given(st.integers(0, 1000))
@settings(max_examples=4)
def test_targets_of_any_map_are_centred_on_the_lamella(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.choice(
        [NAMES[n] for n in ("coating", "mitos", "lamella", "white", "crack")], (8, 10)
    )
    labels = np.kron(coarse, np.ones((30, 30), int)).astype(np.uint8)
    for options in (MITOS, TargetingOptions(("mitos",), extra_tracking=True)):
        assert not {"coating", "white"} & set(
            under(select_targets(labels, NAMES, options, OPTICS), labels)
        )


def test_coating_that_is_asked_for_by_name_may_be_centred():
    labels = map_of(("coating", (60, 240), (60, 120)))
    choice = select_targets(labels, NAMES, TargetingOptions(("coating",)), OPTICS)
    assert "coating" in under(choice, labels)


def test_a_target_of_a_person_beside_the_lamella_is_warned_of():
    labels = map_of(*RIM)
    area = TargetArea(np.array([[150.0, 93.0], [150.0, 75.0]]), np.ones(2))
    choice = review_targets(labels, NAMES, MITOS, OPTICS, [area])
    beside = [text for text in choice.warnings if "centred in vacuum" in text]
    assert len(beside) == 1 and "Target 2" in beside[0]


def test_places_with_their_centre_beside_the_lamella_are_counted_by_that_reason():
    labels = map_of(("coating", (60, 240), (60, 90)), ("mitos", (120, 180), (90, 96)))
    coating = np.array([[125.0, 82.0], [125.0, 89.0], [175.0, 89.0], [175.0, 82.0]])
    choice = select_targets(labels, NAMES, MITOS, OPTICS, polygons_map_px=[coating])
    assert choice.n_targets == 0
    assert choice.rejected["outside polygons"] > 0
    best_beside = map_of(("coating", (60, 240), (60, 300)), ("lamella", (60, 90), (60, 300)))
    best_beside[120:180, 100:103] = best_beside[120:180, 115:118] = NAMES["mitos"]
    one = TargetingOptions(("mitos",), max_targets=1)
    assert select_targets(best_beside, NAMES, one, OPTICS).rejected.get("beside lamella")
