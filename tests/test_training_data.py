"""Data sets of simulated pictures: labels that fit, seeds kept apart, work gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from space.lamellae import Box
from space.simulator.specimen import KINDS, LABEL, LABELS, Grid
from space.simulator.specimen.lamella import paint
from training import (
    calibrate_detector,
    formats,
    grid_maps,
    grid_pictures,
    grid_sites,
    lamella_maps,
    lookalikes,
    make_data,
    mine_errors,
    recording,
    seeds,
)

COARSE_NM = 100.0  # quick to draw


def test_seeds_of_training_validation_and_test_are_apart():
    assert [seeds.part_of(s) for s in (0, 99_999, 100_000, 899_999, 900_000)] == [
        "train", "train", "val", "val", "test",
    ]  # fmt: skip
    assert seeds.parts_for_training([100_001, 5, 3]) == ([3, 5], [100_001])
    with pytest.raises(ValueError, match="900007 is a test seed"):
        seeds.parts_for_training([3, 900_007])
    with pytest.raises(ValueError, match="negative"):
        seeds.part_of(-1)


def test_a_map_is_the_same_for_the_same_seed_and_its_labels_fit():
    picture, labels = lamella_maps.lamella_map(4, COARSE_NM)
    again = lamella_maps.lamella_map(4, COARSE_NM)
    assert np.array_equal(picture, again[0]) and np.array_equal(labels, again[1])
    other = lamella_maps.lamella_map(5, COARSE_NM)[0]
    assert other.shape != picture.shape or not np.array_equal(other, picture)
    assert picture.dtype == labels.dtype == np.uint8 and picture.shape == labels.shape
    assert labels.max() < len(LABELS)
    grey = {name: picture[labels == LABEL[name]].mean() for name in ("white", "lamella", "black")}
    assert grey["white"] > grey["lamella"] > grey["black"]


@pytest.mark.parametrize(
    "fixed",
    [
        {"native_nm": 250.0},
        {"rotation_deg": 45.0, "mirrored": True},
        {"magnification": 1.1, "noise": 3.0},
        {"tile_um": (6.0, 8.0), "faulty": True},
    ],
)
def test_pictures_and_labels_agree_in_all_conditions(fixed):
    picture, labels = lamella_maps.lamella_map(11, COARSE_NM, **fixed)
    assert picture.shape == labels.shape
    assert picture[labels == LABEL["white"]].mean() > 2 * picture[labels == LABEL["black"]].mean()


def test_magnification_and_noise_are_what_was_asked_for():
    small, large = (
        lamella_maps.lamella_map(6, COARSE_NM, magnification=m, rotation_deg=0.0)[0].shape
        for m in (0.9, 1.1)
    )
    assert small[0] / large[0] == pytest.approx(1.1 / 0.9, rel=0.02)
    quiet, usual, noisy = (
        lamella_maps.lamella_map(6, COARSE_NM, noise=noise)[0].astype(float)
        for noise in (0.0, 1.0, 3.0)
    )
    assert 2 < (noisy - quiet).std() / (usual - quiet).std() < 5  # grey levels are stretched


def test_rare_classes_are_frequent_in_a_part_of_the_training_only():
    drawn = [
        lamella_maps._drawn_site(np.random.default_rng(k), Grid.make(1, 1), first).abundance
        for first in (0, 100_000, 50_000, 500_000, 900_000)
        for k in range(12)
    ]
    assert max(drawn[:12]) == max(drawn[12:24]) == lamella_maps.TRAINING_ABUNDANCE
    assert set(drawn[24:]) == {1.0}


def test_abundance_adds_rare_things_and_leaves_the_lamella_as_it_is():
    site = Grid.make(900_301, 1, kinds=["good"]).lamellae[0].site
    natural, rich = (paint(replace(site, abundance=a), 0.05).labels for a in (1.0, 3.0))
    rare = [LABEL[n] for n in ("vesicles", "membranes", "multivesicles", "cryst", "dynabeads")]
    assert np.isin(rich, rare).sum() > 2 * np.isin(natural, rare).sum()
    assert np.array_equal(natural == LABEL["black"], rich == LABEL["black"])


def test_contrast_changes_the_picture_and_not_the_labels():
    site = Grid.make(900_301, 1, kinds=["good"]).lamellae[0].site
    usual, faint = (paint(replace(site, contrast=c), 0.05) for c in (1.0, 0.5))
    assert np.array_equal(usual.labels, faint.labels)
    mitos, cell = (usual.labels == LABEL[name] for name in ("mitos", "cell"))

    def difference(raster):
        tau = -np.log(raster.transmission)
        return tau[mitos].mean() / tau[cell].mean() - 1

    assert difference(faint) < 0.75 * difference(usual)


def test_tiles_cover_the_picture_once_and_show_what_lies_at_their_shift():
    rng = np.random.default_rng(0)
    tiles = recording.draw_tiles(rng, (50, 70), (20, 30), faulty=True)
    covered = np.zeros((50, 70), int)
    for tile in tiles:
        covered[slice(*tile.rows), slice(*tile.cols)] += 1
    assert (covered == 1).all()

    def columns(m, shape):
        return np.broadcast_to(m[0, 2] + m[0, 0] * np.arange(shape[1]), shape)

    shifted = [recording.Tile((0, 4), (0, 5)), recording.Tile((0, 4), (5, 10), (2.0, 0.0))]
    seen = recording.assembled(shifted, np.eye(3)[:2], (4, 10), columns)
    assert seen[0].tolist() == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]


def test_missing_tiles_are_background():
    tile = recording.Tile((0, 4), (2, 5), missing=True)
    seen = recording.with_tile_faults(np.ones((4, 6)), [tile])
    assert np.isnan(seen[:, 2:5]).all() and not np.isnan(seen[:, :2]).any()


def test_boxes_lie_around_lamellae_also_in_shifted_tiles():
    grid_map, rng = grid_maps.draw_map(20_003, milled=True, faulty=False, haze=0.0)
    center = grid_map.grid.lamellae[0].center_um
    shape, whole = (120, 160), [recording.Tile((0, 120), (0, 160), (6.0, 0.0))]
    straight = grid_map.recorded(rng, center, shape, recording.one_tile(shape))
    shifted = grid_map.recorded(rng, center, shape, whole)
    box, moved = straight.boxes[0], shifted.boxes[0]
    assert (box[1] + box[3]) / 2 == pytest.approx(80, abs=0.5)
    assert np.subtract(box, moved)[1:] == pytest.approx([6, 0, 6, 0])
    gone = grid_map.recorded(rng, center, shape, [replace(whole[0], missing=True)])
    assert len(gone.boxes) == len(straight.boxes) - 1


def test_unmilled_grids_have_no_boxes_and_marks_keep_off_lamellae():
    crops = list(grid_maps.grid_crops(_unmilled_seed()))
    assert len(crops) == grid_maps.CROPS_PER_UNMILLED_GRID
    assert all(not boxes for _, boxes in crops)
    grid_map, _ = grid_maps.draw_map(20_003, milled=True)
    centers = np.array([lamella.center_um for lamella in grid_map.grid.lamellae])
    points = np.vstack([mark.points_um for mark in grid_map.marks])
    assert np.linalg.norm(points[:, None] - centers[None], axis=-1).min() > 60


def _unmilled_seed() -> int:
    for seed in range(20_000, 20_100):
        if np.random.default_rng([202, seed]).random() <= grid_maps.UNMILLED_SHARE:
            return seed
    raise AssertionError("no unmilled grid among a hundred")


def test_a_mark_is_drawn_where_it_lies():
    mark = lookalikes.Mark(np.array([[10.0, 20.0], [30.0, 20.0]]), 3.0, 1.0, 1)
    m = np.array([[0.4, 0, 0], [0, 0.4, 0]])
    seen = lookalikes.with_marks(np.zeros((100, 100), np.float32), m, [mark])
    assert seen[50, 50] == 1 and seen[20, 50] == 0 and seen[50, 95] == 0


def test_yolo_lines():
    assert formats.yolo_line((2, 80, 160, 160, 320), 320) == "2 0.375000 0.750000 0.250000 0.500000"
    assert formats.yolo_line((2, -80, 0, 70, 10), 320) is None  # less than half of it is there
    assert formats.yolo_line((2, 400, 0, 500, 10), 320) is None


def test_lamella_data_sets_are_gone_on_with_and_tests_lie_apart(tmp_path):
    make_data.make("lamellae", tmp_path, range(7, 9), 1, COARSE_NM)
    make_data.make("lamellae", tmp_path, range(900_000, 900_001), 1, COARSE_NM)
    root = formats.raw_folder(tmp_path)
    assert sorted(p.name for p in (root / "imagesTr").iterdir()) == [
        "lamella_000007_0000.png", "lamella_000008_0000.png",
    ]  # fmt: skip
    assert [p.name for p in (root / "labelsTs").iterdir()] == ["lamella_900000.png"]
    assert formats.training_seeds(tmp_path) == [7, 8]
    description = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    assert description["numTraining"] == 2 and description["labels"]["mitos"] == LABEL["mitos"]
    mark = root / "labelsTr" / "lamella_000007.png"
    mark.write_bytes(b"done")
    make_data.make("lamellae", tmp_path, range(7, 8), 1, COARSE_NM)
    assert mark.read_bytes() == b"done"
    with pytest.raises(ValueError, match="100 nm/px are there"):
        make_data.make("lamellae", tmp_path, range(7, 8), 1, 12.0)


def test_grid_data_sets_have_a_label_file_for_each_crop(tmp_path):
    make_data.make("grids", tmp_path, range(100_000, 100_001), 1, 0.0)
    images = sorted(p.stem for p in (tmp_path / "images" / "val").iterdir())
    assert images == sorted(p.stem for p in (tmp_path / "labels" / "val").iterdir())
    assert len(images) >= grid_maps.CROPS_PER_UNMILLED_GRID
    assert formats.crop_seeds(tmp_path) == [100_000]
    picture = np.asarray(Image.open(tmp_path / "images" / "val" / f"{images[0]}.png"))
    assert picture.shape == (320, 320) and picture.dtype == np.uint8
    text = (tmp_path / "lamellae.yaml").read_text(encoding="utf-8")
    assert all(f"{k}: {name}" in text for k, name in enumerate(KINDS))


def test_seeds_are_recorded_as_ranges():
    assert formats.as_ranges([3, 1, 2, 7]) == [[1, 3], [7, 7]]


def test_errors_of_a_detector_are_what_it_missed_and_what_is_not_there():
    truth = np.array([[2, 100, 100, 140, 160], [0, 400, 400, 440, 460]], float)
    boxes = [
        Box(105, 98, 143, 158, "thick", 0.9),  # there, only misnamed
        Box(700, 700, 740, 760, "good", 0.2),
        Box(200, 600, 240, 660, "gone", 0.8),
    ]
    assert mine_errors.errors_px(truth, boxes) == [(420, 430), (220, 630), (720, 730)]
    assert mine_errors.errors_px(truth[:0], boxes[:1]) == [(124, 128)]
    assert mine_errors.errors_px(truth, []) == [(120, 130), (420, 430)]


def test_a_coarse_picture_of_a_grid_is_enlarged_and_its_boxes_stay():
    fine, coarse = (
        grid_maps.draw_map(20_001, True, native_nm=native_nm)[0].recorded(
            np.random.default_rng(3), (0.0, 0.0), (200, 240)
        )
        for native_nm in (grid_maps.MODEL_PIXEL_NM, 900.0)
    )
    assert coarse.transmission.shape == fine.transmission.shape == (200, 240)
    assert coarse.boxes == fine.boxes

    def detail(seen):
        return np.abs(np.diff(seen.transmission, 2, axis=1)).mean()

    assert detail(coarse) < 0.6 * detail(fine)
    drawn = [grid_maps.draw_native_nm(np.random.default_rng(k)) for k in range(60)]
    assert 10 < sum(nm > grid_maps.MODEL_PIXEL_NM for nm in drawn) < 30 and max(drawn) < 1000


def test_crops_of_errors_show_the_true_boxes(monkeypatch):
    shape, box = (900, 900), (2, 400.0, 420.0, 440.0, 470.0)
    picture = np.random.default_rng(0).random(shape, np.float32)
    seen = grid_maps.Recorded(picture, np.eye(3)[:2], [box])
    monkeypatch.setattr(mine_errors, "whole_map", lambda seed, **conditions: (seen, None))
    blind = SimpleNamespace(detect=lambda *args: [])
    ((crop, (inside,)),) = mine_errors.crops_of_errors(40_000, blind, None)
    assert crop.shape == (grid_maps.CROP_PX,) * 2
    assert inside[0] == 2 and (inside[3] - inside[1], inside[4] - inside[2]) == (40, 50)
    assert formats.yolo_line(inside, grid_maps.CROP_PX)


# --- new kinds of grids -------------------------------------------------------------------------


def test_a_seed_says_which_kinds_of_grids_it_draws():
    seeds_and_kinds = {20_000: "usual", 60_000: "new", 120_000: "usual", 160_000: "new"}
    assert {seed: grid_maps.kinds_of(seed) for seed in seeds_and_kinds} == seeds_and_kinds
    assert grid_maps.kinds_of(900_000) == grid_maps.kinds_of(950_009) == "usual"
    usual, new = (grid_maps.draw_map(900_000, True, kinds)[0] for kinds in ("usual", "new"))
    assert usual.display is None and new.display is not None
    assert usual.grid.lamellae[0].site != new.grid.lamellae[0].site
    assert calibrate_detector.seeds_of_both_kinds(150_000, 5) == [
        150_000, 150_001, 150_002, 160_000, 160_001,
    ]  # fmt: skip


def milled(geometry: str, seed: int = 7):
    return grid_sites.milled_otherwise(np.random.default_rng(seed), Grid.make(900_301, 6), geometry)


def test_geometries_differ_where_their_names_say():
    sites = {g: [k.site for k in milled(g)[0].lamellae] for g in grid_sites.GEOMETRIES}
    assert min(site.width_um for site in sites["wide"]) >= 19
    assert all(site.width_um < 9 or site.length_um < 16 for site in sites["strips"])
    assert min(min(site.window_um) for site in sites["waffle"]) >= 15
    assert all(not site.slit_width_um for site in sites["waffle"])
    assert len(sites["row"]) >= 12 and len(sites["uneven"]) == 6
    assert [site.number for site in sites["row"]] == list(range(1, len(sites["row"]) + 1))


def test_lamellae_of_a_row_lie_in_one_square_and_do_not_overlap():
    for seed in range(5):
        grid, _ = milled("row", seed)
        centers = np.array([lamella.center_um for lamella in grid.lamellae])
        apart = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
        np.fill_diagonal(apart, np.inf)
        assert 10 < apart.min(axis=1).max() < 45
        for k, lamella in enumerate(grid.lamellae):
            other = grid.lamellae[int(apart[k].argmin())].site
            s, t = lamella.site.site_from_grid @ (*other.center_um, 1.0)
            clear_t = abs(t) > (lamella.site.width_um + other.width_um) / 2
            assert clear_t or abs(s) > (lamella.site.length_um + other.length_um) / 2


def test_a_part_of_a_window_beside_its_line_is_bright_and_its_ends_are_straight():
    points = np.array([[10.0, 20.0], [30.0, 20.0]])
    m = np.array([[0.4, 0, 0], [0, 0.4, 0]])
    dark = np.zeros((100, 100), np.float32)
    round_, straight = (
        lookalikes.with_marks(dark, m, [lookalikes.Mark(points, 5.0, 1.0, 1, cut)])
        for cut in (False, True)
    )
    assert straight[50, 50] == 1 and straight[58, 50] == 1 and straight[50, 15] == 0
    assert round_[50, 17] == 1 and straight.sum() < round_.sum()


def test_frames_are_painted_over_from_what_lies_around_them():
    pytest.importorskip("cv2")
    dark = np.full((120, 120), 0.02, np.float32)
    dark[40:80, 50:70] = 0.9
    framed = [(0, 45.0, 45.0, 75.0, 75.0)]

    def shown(**how):
        rng = np.random.default_rng(2)
        return grid_pictures.Display(line_px=4, **how).shown(rng, dark, framed, (0.0, 1.0))

    painted, left = shown(), shown(painted="left")
    assert abs(painted[60, 60] - 0.9) < 0.02 and abs(painted[10, 10] - 0.02) < 0.01
    changed = np.abs(left - dark) > 0.1
    assert changed[45:75, 45:75].any() and not changed[:35].any()
    assert (np.abs(painted - left) > 0.1).any()
    assert (shown(plates=True)[:33, 87:] != painted[:33, 87:]).any()


def test_jpeg_and_light_change_a_picture_and_nothing_else_does():
    picture = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.float32) / 255
    rng = np.random.default_rng(1)
    same = grid_pictures.Display().shown(rng, picture, [], (0.0, 1.0))
    assert np.abs(same - picture).max() < 0.003
    coarse = grid_pictures.Display(jpeg=25).shown(rng, picture, [], (0.0, 1.0))
    uneven = grid_pictures.Display(light=0.3).shown(rng, picture, [], (0.0, 1.0))
    assert np.abs(coarse - picture).mean() > 0.03 and np.abs(uneven - picture).mean() > 0.02


def test_boxes_at_the_edge_are_cut_or_left_out():
    boxes = [(1, 0.0, 0.0, 20.0, 10.0), (2, 40.0, 40.0, 60.0, 60.0)]
    assert grid_pictures.boxes_in(boxes, (10, 0, 100, 50)) == [
        (1, 10, 0, 20.0, 10.0), (2, 40.0, 40.0, 60.0, 50),
    ]  # fmt: skip
    assert grid_pictures.boxes_in(boxes, (15, 0, 100, 45)) == []
    picture = np.arange(320 * 320, dtype=np.float32).reshape(320, 320) % 200 + 1
    box = (3, 150.0, 150.0, 190.0, 190.0)
    cut = [
        grid_maps.with_edge(np.random.default_rng(k), picture.astype(np.uint8), [box])
        for k in range(40)
    ]
    flat = [
        crop for crop, _ in cut if (crop.std(axis=0) == 0).any() or (crop.std(axis=1) == 0).any()
    ]
    assert 2 < len(flat) < 20
    assert any(boxes and boxes[0] != box for _, boxes in cut)


def test_a_whole_map_of_the_new_kinds_is_a_part_with_its_own_frame():
    seen, grid_map = grid_maps.whole_map(900_003, True, "new", magnification=1.0, faulty=False)
    rows, cols = seen.transmission.shape
    assert 2500 < min(rows, cols) and max(rows, cols) < 3600
    assert seen.boxes
    for _, x0, y0, x1, y1 in seen.boxes:
        assert 0 <= x0 < x1 <= cols and 0 <= y0 < y1 <= rows
    centers = np.array([lamella.center_um for lamella in grid_map.grid.lamellae])
    inner = [b for b in seen.boxes if 1 < b[1] and b[3] < cols - 1 and 1 < b[2] and b[4] < rows - 1]
    middle = np.array([(b[1] + b[3], b[2] + b[4]) for b in inner]) / 2
    at = middle @ seen.px_to_grid[:, :2].T + seen.px_to_grid[:, 2]
    nearest = np.linalg.norm(at[:, None] - centers[None], axis=-1).min(axis=1)
    assert nearest.max() < 1.5
