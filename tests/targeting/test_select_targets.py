"""What every choice of targets must hold, on random maps."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from space.errors import SpaceError
from space.targeting import ExposureOptics, TargetingOptions, select_targets
from space.targeting.scoring import class_tables, scores_at
from space.targeting.scoring import score as score_module

LABELS = {
    "background": 0,
    "white": 1,
    "black": 2,
    "crack": 3,
    "cell": 4,
    "mitos": 5,
    "ice": 6,
    "lamella": 7,
}
NAMES = {number: name for name, number in LABELS.items()}
AVOID = ("black", "white", "ice", "crack")
QUICK = settings(max_examples=6, suppress_health_check=list(HealthCheck))


def make_map(seed: int, shape=(360, 420), n_mitos=25) -> np.ndarray:
    """A lamella with discs of mitos, cell and ice at 30 nm/px or so."""
    rng = np.random.default_rng(seed)
    labels = np.full(shape, LABELS["black"], np.uint8)
    labels[shape[0] // 8 : -shape[0] // 8, shape[1] // 10 : -shape[1] // 10] = LABELS["lamella"]
    row, column = np.ogrid[: shape[0], : shape[1]]
    for name, count, radii in (
        ("cell", 4, (40, 60)),
        ("mitos", n_mitos, (4, 14)),
        ("ice", 8, (4, 12)),
    ):
        for _ in range(count):
            center = rng.uniform((0, 0), shape)
            disc = (row - center[0]) ** 2 + (column - center[1]) ** 2 < rng.uniform(*radii) ** 2
            labels[disc & (labels != LABELS["black"])] = LABELS[name]
    return labels


def make_optics(**changes) -> ExposureOptics:
    values = {
        "pixel_nm": 30.0,
        "field_um": (0.86, 0.61),
        "beam_diameter_um": 1.0,
        "tilt_axis_deg": 84.0,
        "image_shift_limit_um": 5.0,
        "max_tilt_deg": 60.0,
        "beam_margin_um": 0.0,
    }
    return ExposureOptics(**{**values, **changes})


def all_targets(choice) -> np.ndarray:
    return np.concatenate([np.empty((0, 2)), *(area.targets_map_px for area in choice.areas)])


def ellipses_overlap(first, second, optics) -> bool:
    """Whether two footprints overlap, from the ellipses' definition in the map."""
    angle = math.radians(optics.tilt_axis_deg)
    along = np.array([math.sin(angle), math.cos(angle)])
    across = np.array([math.cos(angle), -math.sin(angle)])
    offset = (second - first) * optics.pixel_nm / 1000
    # Two equal ellipses overlap when the offset lies inside one of twice the size.
    reach = optics.beam_diameter_um
    long_reach = reach / math.cos(math.radians(optics.max_tilt_deg))
    return (offset @ along / reach) ** 2 + (offset @ across / long_reach) ** 2 < 1 - 1e-5


def brute_score(labels, point, optics, options) -> float:
    """The score straight from its definition, on a fine raster of the field."""
    width, height = optics.field_um
    angle = math.radians(optics.field_rotation_deg)
    u, v = np.meshgrid(
        (np.arange(241) + 0.5) / 241 * width - width / 2,
        (np.arange(239) + 0.5) / 239 * height - height / 2,
    )
    weight = np.exp(-(u**2 + v**2) / (2 * (max(width, height) / 2) ** 2))
    weight /= weight.mean()
    column = point[1] + (u * math.cos(angle) - v * math.sin(angle)) * 1000 / optics.pixel_nm
    row = point[0] + (u * math.sin(angle) + v * math.cos(angle)) * 1000 / optics.pixel_nm
    if row.min() < 0 or column.min() < 0:
        return 0.0
    if row.max() > labels.shape[0] or column.max() > labels.shape[1]:
        return 0.0
    under = labels[row.astype(int), column.astype(int)]
    wanted = np.isin(under, [LABELS[name] for name in options.target_list])
    avoided = np.isin(under, [LABELS[name] for name in options.avoid_list])
    penalty = options.penalty_weight * (weight * avoided).mean()
    if not options.target_edge:
        return float((weight * wanted).mean() - penalty)
    best = -1.0
    for turn in range(8):
        ahead = (column - point[1]) * math.cos(turn * math.pi / 4)
        ahead = ahead + (row - point[0]) * math.sin(turn * math.pi / 4)
        best = max(best, float((np.sign(ahead.round(9)) * weight * wanted).mean()))
    return best - penalty


@QUICK
@given(
    seed=st.integers(0, 10_000),
    sparse=st.booleans(),
    edge=st.booleans(),
    extra=st.booleans(),
    wanted=st.sampled_from([("mitos",), ("cell", "mitos"), ("lamella",)]),
    tilt_axis=st.floats(-180, 180),
    rotation=st.floats(-180, 180),
    beam=st.floats(0.9, 2.5),
    limit=st.floats(0, 12),
    threshold=st.floats(0, 0.5),
    max_tilt=st.floats(0, 70),
)
def test_no_choice_breaks_a_rule(
    seed, sparse, edge, extra, wanted, tilt_axis, rotation, beam, limit, threshold, max_tilt
):
    labels = make_map(seed)
    optics = make_optics(
        tilt_axis_deg=tilt_axis,
        field_rotation_deg=rotation,
        beam_diameter_um=beam,
        image_shift_limit_um=limit,
        max_tilt_deg=max_tilt,
    )
    options = TargetingOptions(
        target_list=wanted,
        avoid_list=AVOID,
        sparse=sparse,
        target_edge=edge,
        extra_tracking=extra,
        target_score_threshold=threshold,
        max_iterations=3,
    )
    choice = select_targets(labels, LABELS, options, optics)
    targets = all_targets(choice)
    for index, first in enumerate(targets):
        assert not any(ellipses_overlap(first, second, optics) for second in targets[:index])
    reach = np.array(optics.field_reach_um) * 1000 / optics.pixel_nm
    assert (targets >= reach).all() and (targets <= np.array(labels.shape) - reach).all()
    tables = class_tables(LABELS, options)
    for area in choice.areas:
        distance = np.hypot(*(area.targets_map_px - area.targets_map_px[0]).T)
        assert (distance * 0.03 <= limit + 1e-6).all()
        first = 1 if area.extra_tracking else 0
        assert (area.scores[first:] >= threshold).all() and (area.scores[first:] > 0).all()
        again = scores_at(area.targets_map_px, labels, tables, options, optics)
        assert np.allclose(again, area.scores)
        points = area.geometry_points_map_px
        assert len(points) <= 10
        for point in points:
            assert np.hypot(*(targets - point).T).min() * 0.03 >= beam / 2 - 1e-6
            assert np.hypot(*(area.targets_map_px[0] - point)) * 0.03 <= limit + 1e-6
            name = NAMES[labels[tuple(point.astype(int))]]
            assert name not in AVOID and name != "background"
            assert wanted[0] == "lamella" or name not in wanted
    if not len(targets):
        assert choice.areas == () and "No targets" in choice.warnings[0]
    assert choice.n_targets == choice.counts.targets == len(targets)


def test_same_question_same_answer():
    labels, optics = make_map(3), make_optics()
    first, second = (
        select_targets(labels.copy(), LABELS, TargetingOptions(avoid_list=AVOID), optics)
        for _ in range(2)
    )
    assert len(first.areas) == len(second.areas) > 0
    for a, b in zip(first.areas, second.areas):
        assert np.array_equal(a.targets_map_px, b.targets_map_px)
        assert np.array_equal(a.geometry_points_map_px, b.geometry_points_map_px)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_turning_and_mirroring_the_map_keeps_the_total(seed, sparse):
    labels = make_map(seed)
    wanted = ("mitos",) if sparse else ("cell",)
    options = TargetingOptions(target_list=wanted, avoid_list=AVOID, sparse=sparse)

    def total(array, axis_deg, rotation_deg):
        optics = make_optics(tilt_axis_deg=axis_deg, field_rotation_deg=rotation_deg)
        return select_targets(array, LABELS, options, optics).counts.total_score

    plain = total(labels, 70.0, 10.0)
    # rot90 turns +column to -row; flipping the columns mirrors angles at the row axis.
    turned = total(np.rot90(labels), 70.0 - 90, 10.0 - 90)
    mirrored = total(labels[:, ::-1], 180 - 70.0, 180 - 10.0)
    upside_down = total(np.rot90(labels, 2), 70.0, 10.0)
    assert plain > 1
    assert turned == pytest.approx(plain, rel=0.02)
    assert mirrored == pytest.approx(plain, rel=0.02)
    assert upside_down == pytest.approx(plain, rel=0.02)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("seed", [1, 4])
def test_more_wanted_pixels_never_lower_the_total(seed, sparse):
    labels = make_map(seed)
    wanted = "mitos" if sparse else "cell"
    options = TargetingOptions(target_list=(wanted,), avoid_list=AVOID, sparse=sparse)
    fewer = labels.copy()
    fewer[:, 200:][fewer[:, 200:] == LABELS[wanted]] = LABELS["lamella"]
    more = labels.copy()
    more[100:140, 150:330] = LABELS[wanted]
    few, usual, many = (
        select_targets(array, LABELS, options, make_optics()).counts.total_score
        for array in (fewer, labels, more)
    )
    assert usual >= 0.98 * few and many >= 0.98 * usual


@pytest.mark.parametrize(
    ("rotation", "edge", "pixel"),
    [(0, False, 16.0), (33, False, 16.0), (0, True, 16.0), (90, True, 6.0), (-71, False, 6.0)],
)
def test_score_is_that_of_the_definition(rotation, edge, pixel):
    labels = make_map(11, n_mitos=60)
    optics = make_optics(pixel_nm=pixel, field_rotation_deg=float(rotation))
    options = TargetingOptions(
        target_list=("mitos", "cell"),
        avoid_list=AVOID,
        target_edge=edge,
    )
    from space.targeting.scoring import cell_factor, coverage, score_map

    tables = class_tables(LABELS, options)
    scores = score_map(coverage(labels, tables, cell_factor(optics)), options, optics)
    rng = np.random.default_rng(0)
    cells = rng.integers((0, 0), scores.values.shape, (60, 2))
    # Not where the field only just touches the rim of the map: there rounding decides.
    rim = np.array([scores.reach_px, np.array(labels.shape) - scores.reach_px])
    cells = cells[(np.abs((cells + 0.5) * scores.factor - rim[:, None]) > 1).all(axis=(0, 2))]
    points = (cells + 0.5) * scores.factor
    brute = np.array([brute_score(labels, point, optics, options) for point in points])
    assert (brute != 0).sum() > 5
    assert np.abs(scores.values[tuple(cells.T)] - brute).max() < 0.01
    exact = scores_at(points + 0.3, labels, tables, options, optics)
    brute = [brute_score(labels, point, optics, options) for point in points + 0.3]
    assert np.abs(exact - brute).max() < 0.01


@pytest.mark.parametrize("edge", [False, True])
def test_points_share_weights_where_a_shift_is_of_no_account(monkeypatch, edge):
    calls = []
    original = score_module.field_weights
    monkeypatch.setattr(score_module, "field_weights", lambda *a: calls.append(a) or original(*a))
    labels = make_map(5, n_mitos=60)
    optics = make_optics(pixel_nm=7.0, field_rotation_deg=20.0)
    options = TargetingOptions(("mitos", "cell"), AVOID, target_edge=edge)
    points = np.random.default_rng(1).uniform((70, 80), (290, 340), (40, 2))
    scores = scores_at(points, labels, class_tables(LABELS, options), options, optics)
    assert len(calls) <= 16
    brute = [brute_score(labels, point, optics, options) for point in points]
    assert np.abs(scores - brute).max() < 0.01 and np.ptp(brute) > 0.3


def test_a_full_field_scores_one_and_avoided_costs_the_penalty():
    labels = np.full((200, 200), LABELS["mitos"], np.uint8)
    options = TargetingOptions(avoid_list=("ice",), penalty_weight=0.3)
    tables = class_tables(LABELS, options)
    optics = make_optics()
    assert scores_at([(100, 100)], labels, tables, options, optics) == pytest.approx(1, abs=1e-5)
    labels[:] = LABELS["ice"]
    assert scores_at([(100, 100)], labels, tables, options, optics) == pytest.approx(-0.3)
    assert scores_at([(100, 5)], labels, tables, options, optics) == 0


def test_edge_mode_aims_at_the_boundary_from_either_side():
    for mirrored in (False, True):
        labels = np.full((200, 300), LABELS["lamella"], np.uint8)
        labels[:, :150] = LABELS["cell"]
        if mirrored:
            labels = labels[:, ::-1]
        for edge, on_boundary in ((True, True), (False, False)):
            options = TargetingOptions(
                target_list=("cell",),
                avoid_list=AVOID,
                target_edge=edge,
                target_score_threshold=0.4,
            )
            targets = all_targets(select_targets(labels, LABELS, options, make_optics()))
            assert len(targets)
            best = targets[0, 1]
            assert (abs(best - 150) < 3) == on_boundary
        tables = class_tables(LABELS, TargetingOptions(target_list=("cell",), avoid_list=AVOID))
        options = TargetingOptions(target_list=("cell",), avoid_list=AVOID, target_edge=True)
        score = scores_at([(100, 150)], labels, tables, options, make_optics())
        assert score == pytest.approx(0.5, abs=0.01)


def test_dense_area_is_packed_nearly_as_tight_as_hexagons():
    labels = np.full((500, 700), LABELS["cell"], np.uint8)
    optics = make_optics(beam_diameter_um=0.9)
    options = TargetingOptions(
        target_list=("cell",), avoid_list=AVOID, sparse=False, target_score_threshold=0.9
    )
    count = select_targets(labels, LABELS, options, optics).n_targets
    rows_um, columns_um = (side * 0.03 for side in labels.shape)
    hexagon_um2 = 2 * math.sqrt(3) / 2 * 0.9**2
    reach_um = optics.field_reach_um
    free_um2 = (rows_um - 2 * reach_um[0]) * (columns_um - 2 * reach_um[1])
    assert count >= free_um2 / hexagon_um2


def test_total_is_near_the_exact_optimum():
    from scipy.optimize import Bounds, LinearConstraint, milp

    from space.targeting.packing import TiltFrame, candidate_grid, conflicts
    from space.targeting.scoring import cell_factor, coverage, score_map

    optics = make_optics(beam_diameter_um=1.4, image_shift_limit_um=100.0)
    options = TargetingOptions(avoid_list=AVOID, target_score_threshold=0.05)
    for seed in (5, 6):
        labels = make_map(seed, (200, 240), n_mitos=10)
        total = select_targets(labels, LABELS, options, optics).counts.total_score
        tables = class_tables(LABELS, options)
        scores = score_map(coverage(labels, tables, cell_factor(optics)), options, optics)
        grid = candidate_grid(scores, TiltFrame.of(optics), 1.4, 0.61, 0.05)
        index = np.argwhere(grid.scores > 0)[::2]
        weights = grid.scores[tuple(index.T)].astype(float)
        pairs = conflicts(grid.nodes(index), 1.4)
        rows = np.zeros((len(pairs), len(index)), np.float32)
        rows[np.arange(len(pairs)), pairs[:, 0]] = 1
        rows[np.arange(len(pairs)), pairs[:, 1]] = 1
        best = milp(
            -weights,
            constraints=LinearConstraint(rows, ub=1),
            bounds=Bounds(0, 1),
            integrality=np.ones(len(index)),
            options={"time_limit": 20},
        )
        assert total >= 0.97 * -best.fun


def test_targets_beyond_image_shift_become_fewest_areas():
    labels = np.full((200, 1400), LABELS["lamella"], np.uint8)
    for column in (100, 200, 300, 1100, 1200, 1300):
        labels[90:110, column - 10 : column + 10] = LABELS["mitos"]
    options = TargetingOptions(avoid_list=AVOID)
    choice = select_targets(labels, LABELS, options, make_optics(image_shift_limit_um=3.2))
    assert [len(area.targets_map_px) for area in choice.areas] == [3, 3]
    assert sorted(round(area.targets_map_px[0, 1], -1) for area in choice.areas) == [200, 1200]
    assert any("split into 2 areas" in warning for warning in choice.warnings)
    choice = select_targets(labels, LABELS, options, make_optics(image_shift_limit_um=1e6))
    assert [len(area.targets_map_px) for area in choice.areas] == [6]


def test_tracking_target_avoids_what_tilting_brings_into_view():
    labels = np.full((300, 700), LABELS["lamella"], np.uint8)
    for column in (250, 350, 450):
        labels[140:160, column - 10 : column + 10] = LABELS["mitos"]
    # Just outside of the middle target's field, across the vertical tilt axis.
    labels[120:180, 367:380] = LABELS["ice"]
    optics = make_optics(field_um=(0.86, 0.86), tilt_axis_deg=90.0, image_shift_limit_um=10.0)
    options = TargetingOptions(avoid_list=AVOID)
    area = select_targets(labels, LABELS, options, optics).areas[0]
    assert len(area.targets_map_px) == 3
    assert abs(area.targets_map_px[0, 1] - 350) > 50
    labels[labels == LABELS["ice"]] = LABELS["lamella"]
    area = select_targets(labels, LABELS, options, optics).areas[0]
    assert abs(area.targets_map_px[0, 1] - 350) < 5


def test_extra_tracking_comes_first_and_on_clean_lamella():
    labels = np.full((300, 700), LABELS["lamella"], np.uint8)
    labels[140:160, 240:260] = labels[140:160, 440:460] = LABELS["mitos"]
    labels[:, 330:345] = LABELS["ice"]
    options = TargetingOptions(avoid_list=AVOID, extra_tracking=True)
    choice = select_targets(labels, LABELS, options, make_optics(image_shift_limit_um=10.0))
    area = choice.areas[0]
    assert area.extra_tracking and len(area.targets_map_px) == 3
    reach = int(0.43 / 0.03)
    row, column = area.targets_map_px[0].astype(int)
    field = labels[row - reach : row + reach, column - reach : column + reach]
    assert (field == LABELS["ice"]).mean() < 0.01


def test_geometry_points_span_the_lamella():
    choice = select_targets(make_map(1), LABELS, TargetingOptions(avoid_list=AVOID), make_optics())
    points = choice.areas[0].geometry_points_map_px
    assert len(points) >= 3
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    assert spread.min() * 0.03 > 1.0


@pytest.mark.parametrize(
    ("labels", "optics", "said"),
    [
        (np.empty((0, 0), np.uint8), {}, "empty"),
        (np.empty((0, 50), np.uint8), {}, "empty"),
        (np.zeros((300, 300), np.uint8), {}, "nothing of the wanted"),
        (np.full((10, 10), LABELS["mitos"], np.uint8), {}, "smaller than the Record field"),
        (np.full((1, 1), LABELS["mitos"], np.uint8), {}, "smaller than the Record field"),
        (np.full((300, 300), LABELS["ice"], np.uint8), {}, "avoided"),
    ],
)
def test_no_target_is_no_error_and_says_why(labels, optics, said):
    for edge in (False, True):
        options = TargetingOptions(avoid_list=AVOID, target_edge=edge, extra_tracking=True)
        choice = select_targets(labels, LABELS, options, make_optics(**optics))
        assert choice.areas == () and choice.n_targets == 0
        assert said in choice.warnings[0]


def test_one_pixel_wanted_is_below_the_threshold_or_one_target():
    labels = np.full((300, 300), LABELS["lamella"], np.uint8)
    labels[150, 160] = LABELS["mitos"]
    options = TargetingOptions(avoid_list=AVOID)
    choice = select_targets(labels, LABELS, options, make_optics())
    assert choice.n_targets == 0 and "below the threshold" in choice.warnings[0]
    options = TargetingOptions(avoid_list=AVOID, target_score_threshold=0.0)
    choice = select_targets(labels, LABELS, options, make_optics())
    assert choice.n_targets == 1
    assert np.abs(all_targets(choice)[0] - (150.5, 160.5)).max() < 15


def test_beam_larger_than_the_map_leaves_one_target():
    options = TargetingOptions(target_list=("lamella",), avoid_list=AVOID, sparse=False)
    optics = make_optics(beam_diameter_um=100.0)
    assert select_targets(make_map(0), LABELS, options, optics).n_targets == 1


def test_whole_lamella_takes_all_but_void_and_avoided():
    tables = class_tables(LABELS, TargetingOptions(target_list=("lamella",), avoid_list=("ice",)))
    assert sorted(np.flatnonzero(tables.wanted)) == [4, 5, 7]
    assert np.flatnonzero(tables.avoided).tolist() == [6]


def test_questions_that_make_no_sense_are_told_in_words():
    labels, optics = make_map(0), make_optics()
    with pytest.raises(SpaceError, match="unicorns"):
        select_targets(labels, LABELS, TargetingOptions(("unicorns",), AVOID), optics)
    with pytest.raises(SpaceError, match="Both wanted and avoided"):
        select_targets(labels, LABELS, TargetingOptions(("ice",), AVOID), optics)
    with pytest.raises(SpaceError, match="2-D"):
        select_targets(labels.astype(float), LABELS, TargetingOptions(("cell",), AVOID), optics)
    with pytest.raises(SpaceError, match="pixel size"):
        make_optics(pixel_nm=0)
    with pytest.raises(SpaceError, match="max_tilt"):
        make_optics(max_tilt_deg=90)
