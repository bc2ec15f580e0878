"""SPACEtomo_config.py as a checked value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from space.config import CONFIG_FILE, UNKNOWN_CATEGORY, Category, labels, load_config
from space.errors import SpaceError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path):
    text = (ROOT / CONFIG_FILE).read_text(encoding="utf-8")
    (tmp_path / CONFIG_FILE).write_text(text, encoding="utf-8")
    return tmp_path


def change(folder: Path, line: str) -> None:
    path = folder / CONFIG_FILE
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")


def test_the_shipped_configuration(folder):
    config = load_config(folder)
    assert config.detection_weights == folder / "models/lamella_detector/weights.pt"
    assert config.segmentation_model == folder / "models/lamella_segmentation"
    assert config.category("good") == Category("#55963A", 1)
    assert config.category("of other weights") == UNKNOWN_CATEGORY


def test_published_weights_need_only_this_file(folder, tmp_path):
    change(folder, f'segmentation_model = r"{tmp_path / "elsewhere"}"')
    change(folder, "segmentation_folds = [0, 1, 2, 3, 4]")
    change(folder, "segmentation_pixel_nm = 2.283")
    config = load_config(folder)
    assert config.segmentation_model == tmp_path / "elsewhere"
    assert config.segmentation_folds == (0, 1, 2, 3, 4)
    assert config.segmentation_pixel_nm == 2.283


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("detection_weights = 3", "detection_weights"),
        ("detection_pixel_nm = 0", "detection_pixel_nm"),
        ("detection_window_px = 1000", "detection_window_px"),
        ("detection_window_px = True", "detection_window_px"),
        ("categories = {}", "categories"),
        ("categories = ['good']", "categories"),
        ("categories['new'] = '#55963A'", "categories"),
        ("categories['good'] = ('green', 1)", "categories"),
        ("categories['good'] = ('#55963A', 6)", "categories"),
        ("segmentation_folds = []", "segmentation_folds"),
        ("segmentation_folds = [-1]", "segmentation_folds"),
        ("segmentation_pixel_nm = '16'", "segmentation_pixel_nm"),
        ("off_lamella_classes = 'white'", "off_lamella_classes"),
        ("off_lamella_classes = [1]", "off_lamella_classes"),
        ("runs_per_gpu = 0", "runs_per_gpu"),
        ("del runs_per_gpu", "runs_per_gpu is missing"),
        ("this is no python", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_each_mistake_is_named(folder, line, name):
    change(folder, line)
    with pytest.raises(SpaceError, match=name):
        load_config(folder)


def test_a_configuration_from_before_need_not_say_what_is_off_the_lamella(folder):
    assert load_config(folder).off_lamella_classes == ("background", "white", "black")
    change(folder, "del off_lamella_classes")
    assert load_config(folder).off_lamella_classes is None


def test_all_mistakes_are_told_at_once(folder):
    change(folder, "runs_per_gpu = 0\nsegmentation_folds = []")
    with pytest.raises(SpaceError, match=r"segmentation_folds.*runs_per_gpu"):
        load_config(folder)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SpaceError, match=CONFIG_FILE):
        load_config(tmp_path)


def test_labels_come_from_the_model_in_label_order(folder):
    config = load_config(folder)
    config.segmentation_model.mkdir(parents=True)
    path = config.segmentation_model / "dataset.json"
    path.write_text(json.dumps({"labels": {"mitos": 2, "background": 0, "black": 1}}))
    assert list(labels(config).items()) == [("background", 0), ("black", 1), ("mitos", 2)]


@pytest.mark.parametrize("text", ["", "{}", '{"labels": []}', '{"labels": {"a": "x"}}'])
def test_a_damaged_class_table_is_told(folder, text):
    config = load_config(folder)
    config.segmentation_model.mkdir(parents=True)
    (config.segmentation_model / "dataset.json").write_text(text)
    with pytest.raises(SpaceError, match="class table"):
        labels(config)


def test_a_missing_model_is_told(folder):
    with pytest.raises(SpaceError, match="missing"):
        labels(load_config(folder))
