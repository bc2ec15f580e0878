"""The loss, a training, and picking with it, on tomograms of a few blobs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from space.cli import main
from space.errors import SpaceError
from space.learning import risk
from space.picking import PickConfig, Tomogram, heat_map, load_picker, open_tomogram, train
from space.picking.exploring import explore
from space.picking.grey import Grey, grey_of, held, linear
from space.picking.heat import heat_of
from space.picking.loss import MOST_SAMPLED, SURE_WEIGHT, contrast, plain_loss, pu_risk
from space.picking.network import heat_network
from space.picking.outliers import NEVER, range_of, without_outliers
from space.picking.samples import IS_LABELLED, IS_UNWANTED, Scene, marks_of
from space.volumes import Frame, write_mrc

SHAPE, VOXEL_NM, RADIUS_PX = (40, 64, 72), 1.5, 5.0
DIAMETER_NM = 2 * RADIUS_PX * VOXEL_NM


def blobs(seed, count=14, noise=0.35):
    """Return a tomogram with dark balls, and where they are."""
    rng = np.random.default_rng(seed)
    points, data = [], np.zeros(SHAPE, np.float32)
    z, y, x = np.ogrid[tuple(map(slice, SHAPE))]
    while len(points) < count:
        at = rng.uniform(6, np.array(SHAPE) - 6)
        if all(np.linalg.norm(at - other) > 11 for other in points):
            points.append(at)
            far = np.sqrt((z - at[0]) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2)
            data -= np.where(far < RADIUS_PX, 1, 0)
    smooth = gaussian_filter(data, 1) + gaussian_filter(rng.normal(0, 1, SHAPE), 0.7) * noise
    return smooth.astype(np.float32), np.array(points)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("blobs")
    lines, rows = ["image_name\trec_path"], ["image_name\tx_coord\ty_coord\tz_coord"]
    for number in range(2):
        data, points = blobs(number)
        write_mrc(place / f"t{number}.mrc", data, Frame((VOXEL_NM,) * 3))
        np.save(place / f"t{number}.npy", points)
        lines.append(f"t{number}\tt{number}.mrc")
        rows += [f"t{number}\t{x:.2f}\t{y:.2f}\t{z:.2f}" for z, y, x in points]
    (place / "list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (place / "all.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (place / "few.txt").write_text("\n".join(rows[:8]) + "\n", encoding="utf-8")
    return place


SMALL = {"epochs": 4, "steps": 10, "batch": 4, "patch_px": 32, "width": 8, "rate": 1e-2}


def opened(folder) -> list[Tomogram]:
    return [open_tomogram(folder / f"t{n}.mrc") for n in range(2)]


def small_training(folder, out, **changes):
    points = np.load(folder / "t0.npy")[:7]
    config = PickConfig(DIAMETER_NM, **{**SMALL, **changes})
    return train(config, opened(folder), {"t0": points}, out, lambda line: None)


# --- loss -----------------------------------------------------------------------------------------


def test_without_exponent_the_risk_is_that_of_clicks():
    torch.manual_seed(0)
    labelled, everywhere = torch.randn(30) + 1, torch.randn(200)
    none = everywhere[:0]
    assert torch.allclose(
        pu_risk(labelled, everywhere, none, 0.05), risk(labelled, everywhere, none, 0.05)
    )


def test_a_negative_risk_of_unwanted_voxels_is_made_larger():
    labelled, everywhere = torch.full((5,), 8.0), torch.full((50,), -8.0, requires_grad=True)
    pu_risk(labelled, everywhere, everywhere[:0], 0.4).backward()
    assert (everywhere.grad < 0).all()  # a step down the loss lifts these scores


def test_an_exponent_makes_good_voxels_count_less():
    good, bad = torch.tensor([4.0]), torch.tensor([-4.0])
    everywhere = torch.tensor([-4.0])
    none = everywhere[:0]

    def ratio(exponent):
        of = [float(plain_loss(one, everywhere * 9, none, exponent)) for one in (good, bad)]
        return of[0] / of[1]

    assert ratio(2.0) < 0.1 * ratio(0.0)


def test_sure_voxels_enter_with_their_weight():
    ones, none = torch.zeros(4), torch.zeros(0)
    without = pu_risk(ones, ones, none, 0.1)
    worse = pu_risk(ones, ones, ones + 3, 0.1)
    assert float(worse - without) > 0
    assert SURE_WEIGHT < 1


def test_contrast_falls_when_labelled_voxels_are_alike_and_unlike_others():
    torch.manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(40, 8), dim=1)
    one = torch.nn.functional.normalize(torch.ones(1, 8) + 0.05 * torch.randn(12, 8), dim=1)
    other = torch.nn.functional.normalize(-torch.ones(1, 8) + 0.05 * torch.randn(40, 8), dim=1)
    apart = contrast(one, other, 0.0)
    assert apart < contrast(directions[:12], directions, 0.0) - 1
    assert MOST_SAMPLED**2 * 4 <= 4 * 2**20


# --- voxels ---------------------------------------------------------------------------------------


def test_marks_are_about_the_centre_and_its_flanks():
    marks = marks_of((32, 32, 32), np.array([8, 0, 0]), np.array([[24.5, 16.5, 16.5]]), RADIUS_PX)
    assert marks.shape == (16, 16, 16)
    assert marks[8, 8, 8] == IS_LABELLED
    assert marks[8, 8, 11] == IS_UNWANTED
    assert marks[0, 0, 0] == 0


def test_blocks_make_the_heat_of_the_whole(folder):
    torch.manual_seed(0)
    network = heat_network(4)
    grey = held(grey_of(opened(folder)[0]))
    whole = heat_of(network, grey, RADIUS_PX, side_px=80)
    assert np.allclose(heat_of(network, grey, RADIUS_PX, side_px=16), whole, atol=1e-4)
    assert whole.shape == (20, 32, 36)


def test_what_is_darker_than_any_labelled_particle_is_never_picked():
    data, points = blobs(4, noise=0.1)
    z, y, x = np.ogrid[tuple(map(slice, SHAPE))]
    gold = points[-1]
    far = np.sqrt((z - gold[0]) ** 2 + (y - gold[1]) ** 2 + (x - gold[2]) ** 2)
    data -= 6 * np.exp(-(far**2) / (2 * 2.0**2))
    scene = Scene("a", data, points[:7])
    within = range_of([scene], RADIUS_PX)
    scores = np.ones([side // 2 for side in SHAPE], np.float32)
    left = without_outliers(scores, data, within, RADIUS_PX)

    def at(point):
        return left[tuple(np.round((point - 0.5) / 2).astype(int))]

    assert at(gold) == NEVER
    assert all(at(point) == 1 for point in points[:-1])
    assert (left == NEVER).mean() < 0.03
    assert range_of([Scene("a", data, points[:0])], RADIUS_PX) is None
    assert without_outliers(scores, data, None, RADIUS_PX) is scores


def test_grey_values_that_were_drawn_in_are_known_as_they_were():
    whole = np.linspace(-40, 40, 4 * 3 * 3).reshape(4, 3, 3).astype(np.float32)
    drawn_in = Grey(whole, 0.0, 1.0)[slice(0, 4), slice(0, 3), slice(0, 3)]
    assert np.abs(drawn_in).max() < 10
    assert np.allclose(linear(drawn_in), whole, rtol=1e-4, atol=1e-4)


def test_tomograms_are_normalised_by_parts_as_a_whole(folder):
    grey = grey_of(opened(folder)[0])
    whole = held(grey).astype(np.float32)
    assert abs(np.median(whole)) < 0.1
    part = grey[slice(3, 9), slice(0, 64), slice(5, 20)]
    assert np.allclose(part, whole[3:9, :, 5:20], atol=2e-3)


# --- training -------------------------------------------------------------------------------------


def test_a_training_goes_on_as_if_it_had_not_ended(folder, tmp_path):
    terms = {"contrast": 0.1, "consistency": 1.0, "self_training": 0.01, "steps": 2, "epochs": 4}
    whole = load_picker(small_training(folder, tmp_path / "whole", **terms))

    class Ended(Exception):
        pass

    def end_after_three(line):
        if line.startswith("epoch 3"):
            raise Ended

    points = {"t0": np.load(folder / "t0.npy")[:7]}
    config = PickConfig(DIAMETER_NM, **{**SMALL, **terms})
    with pytest.raises(Ended):
        train(config, opened(folder), points, tmp_path / "ended", end_after_three)
    path = train(config, opened(folder), points, tmp_path / "ended", lambda line: None, True)
    again = load_picker(path)
    assert again.prior == whole.prior
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    other = PickConfig(DIAMETER_NM, **{**SMALL, **terms, "rate": 0.001})
    with pytest.raises(SpaceError, match="rate was"):
        train(other, opened(folder), points, tmp_path / "ended", lambda line: None, True)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_has_no_labels_is_learnt_as_unlabelled_only_if_asked(folder, tmp_path, elsewhere):
    def learnt(name):
        few = {"elsewhere": elsewhere, "steps": 2, "epochs": 1}
        return load_picker(small_training(tmp_path, tmp_path / name, **few)).network.state_dict()

    for file in ("t0.mrc", "t0.npy", "t1.mrc"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    before = learnt("before")
    write_mrc(tmp_path / "t1.mrc", blobs(7)[0], Frame((VOXEL_NM,) * 3))
    after = learnt("after")
    same = all(torch.equal(value, after[name]) for name, value in before.items())
    assert same is not elsewhere


def test_a_picker_keeps_how_its_peaks_are_spread(folder, tmp_path):
    path = small_training(folder, tmp_path / "run", epochs=1, steps=4)
    told = load_picker(path).calibration
    assert told is not None
    kept = torch.load(path, weights_only=True)
    del kept["calibration"]
    torch.save(kept, tmp_path / "older.pt")
    assert load_picker(tmp_path / "older.pt").calibration is None
    assert load_picker(path).within == tuple(kept["within"])
    for odd in ({"calibration": {**told.to_dict(), "spread": -1.0}}, {"within": [1.0]}):
        torch.save({**kept, **odd}, tmp_path / "odd.pt")
        with pytest.raises(SpaceError, match="no picker"):
            load_picker(tmp_path / "odd.pt")


def test_too_few_labels_are_refused(folder, tmp_path):
    with pytest.raises(SpaceError, match="at least 5"):
        train(PickConfig(15.0), opened(folder), {"t0": np.ones((3, 3))}, tmp_path / "a", print)


@pytest.mark.parametrize("wrong", [{"loss": "odd"}, {"steps": 1.5}, {"prior": 0.9}, {"width": 0}])
def test_what_cannot_be_asked_is_refused(wrong):
    with pytest.raises(SpaceError):
        PickConfig(25.0, **wrong)


def test_a_picker_refuses_other_voxels(folder, tmp_path):
    picker = load_picker(small_training(folder, tmp_path / "run", epochs=1, steps=1))
    with pytest.raises(SpaceError, match="trained with"):
        heat_map(picker, open_tomogram(folder / "t0.mrc", voxel_nm=3.0))
    torch.save({"format": "other"}, tmp_path / "other.pt")
    with pytest.raises(SpaceError, match="no picker"):
        load_picker(tmp_path / "other.pt")


# --- commands -------------------------------------------------------------------------------------


def said(capsys):
    return json.loads(capsys.readouterr().out)


def test_from_a_few_particles_to_all_by_commands(folder, tmp_path, capsys):
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    listed = str(folder / "list.txt")
    assert not main(
        ["pick", "train", listed, "--coordinates", str(folder / "few.txt"), "--json",
         f"--diameter-nm={DIAMETER_NM}", "--out", str(tmp_path / "run"), *settings]
    )  # fmt: skip
    assert said(capsys)["model"].endswith("picker.pt")
    predict = ["pick", "predict", listed, "--model", str(tmp_path / "run"), "--json",
               "--out", str(tmp_path / "out"), "--kinds", "json", "star", "mod",
               "--pictures", "--filaments", "20", "--count", "14"]  # fmt: skip
    assert not main([*predict, "--threshold", "0.01"])
    assert set(said(capsys)["picks"]) == {"t0", "t1"}
    heat = (tmp_path / "out" / "t1_heat.mrc").stat().st_mtime_ns
    assert not main([*predict, "--threshold", "0.02"])
    capsys.readouterr()
    assert (tmp_path / "out" / "t1_heat.mrc").stat().st_mtime_ns == heat
    assert not main(
        ["pick", "evaluate", listed, "--picks", str(tmp_path / "out" / "picks.json"), "--json",
         "--truth", str(folder / "all.txt"), "--distance-nm", "6", "--plot",
         str(tmp_path / "scores.png")]
    )  # fmt: skip
    (scores,) = said(capsys)["scores"]
    assert scores["f1"] > 0.75
    assert (tmp_path / "out" / "t1_picks.png").exists()


def test_look_alikes_come_into_one_cluster(tmp_path):
    """Small and large balls are told apart by what nobody has labelled."""
    rng = np.random.default_rng(3)
    data = gaussian_filter(rng.normal(0, 1, (40, 120, 120)), 0.7).astype(np.float32)
    z, y, x = np.ogrid[:40, :120, :120]
    for row in range(12, 120, 16):
        for column in range(12, 120, 16):
            far = np.sqrt((z - 20) ** 2 + (y - row) ** 2 + (x - column) ** 2)
            inner = 3.0 if (row // 16 + column // 16) % 2 else -1.0
            data -= 3 * ((far < 5) & (far > inner))
    write_mrc(tmp_path / "a.mrc", data, Frame((1.5,) * 3))
    found = explore(
        [open_tomogram(tmp_path / "a.mrc")], 15.0, 2, lambda line: None, most=49, steps=20
    )
    kinds = (found.points_px[:, 1] // 16 + found.points_px[:, 2] // 16).astype(int) % 2
    # A hollow ball stands out at its middle as a full one does.
    same = np.mean(kinds == found.clusters)
    assert max(same, 1 - same) > 0.85
