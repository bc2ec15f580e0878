"""SPACEtomo_config.py as a checked value."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from space.config import CONFIG_FILE, UNKNOWN_CATEGORY, Category, load_config
from space.errors import SpaceError
from space.models import PRESETS

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
    assert config.category("good") == Category("#96D682", 1)
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
        ("categories = {'new': '#55963A'}", "categories"),
        ("categories = {'good': ('green', 1)}", "categories"),
        ("categories = {'good': ('#55963A', 6)}", "categories"),
        ("segmentation_folds = []", "segmentation_folds"),
        ("segmentation_folds = [-1]", "segmentation_folds"),
        ("segmentation_pixel_nm = '16'", "segmentation_pixel_nm"),
        ("off_lamella_classes = 'white'", "off_lamella_classes"),
        ("tidy_segmentation = 1", "tidy_segmentation = 1 must be True or False"),
        ("off_lamella_classes = [1]", "off_lamella_classes"),
        ("inference_preset = 'quick'", '"accurate", "balanced" or "fast"'),
        ("inference_preset = ['fast']", "inference_preset"),
        ("inference_runtime = 'gpu'", '"auto", "torch" or "onnx"'),
        ("inference_runtime = True", "inference_runtime"),
        ("runs_per_gpu = 0", "runs_per_gpu"),
        ("runs_per_gpu = 0x" + "f" * 9000, "runs_per_gpu"),
        (r"detection_weights = 'models\new\new.pt'", "with forward slashes"),
        ("segmentation_folds = [0, 0]", "each once"),
        ("segmentation_folds = 'all'", r'or \["all"\]'),
        ("segmentation_folds = ['best']", "segmentation_folds"),
        ("segmentation_folds = [True]", "segmentation_folds"),
        ("segmentation_folds = {0, 1}", "segmentation_folds"),
        ("segmentation_folds = [[0]]", "segmentation_folds"),
        ("segmentation_checkpoint = 'fold_0/checkpoint_best.pth'", "a file in each fold"),
        ("segmentation_checkpoint = 'best'", "a file in each fold"),
        ("segmentation_model = ''", "segmentation_model"),
        ("learned_targets_model = 3", 'learned_targets_model = 3 must be .* or "" for none'),
    ],
)
def test_each_mistake_is_named(folder, line, name):
    change(folder, line)
    with pytest.raises(SpaceError, match=name):
        load_config(folder)


def test_a_configuration_from_before_need_not_say_what_is_off_the_lamella(folder):
    assert load_config(folder).off_lamella_classes == ("background", "white", "black")
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8").replace("off_lamella_classes", "classes_of_my_own")
    path.write_text(text, encoding="utf-8")
    assert load_config(folder).off_lamella_classes is None


def test_segmentations_are_tidied_unless_the_configuration_forbids_it(folder):
    assert load_config(folder).tidy_segmentation is True
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("tidy_segmentation = True", ""), encoding="utf-8")
    assert load_config(folder).tidy_segmentation is True
    path.write_text(
        text.replace("tidy_segmentation = True", "tidy_segmentation = False"), encoding="utf-8"
    )
    assert load_config(folder).tidy_segmentation is False


def test_a_configuration_from_before_runs_as_balanced_on_what_fits_the_computer(folder):
    assert load_config(folder).preset is PRESETS["balanced"]
    path = folder / CONFIG_FILE
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(x for x in lines if not x.startswith("inference_")), "utf-8")
    assert load_config(folder).preset is PRESETS["balanced"]
    assert load_config(folder).inference_runtime == "auto"
    change(folder, "inference_preset = 'accurate'\ninference_runtime = 'onnx'")
    assert load_config(folder).preset is PRESETS["accurate"]
    assert load_config(folder).inference_runtime == "onnx"


def test_all_mistakes_are_told_at_once(folder):
    change(folder, "runs_per_gpu = 0\nsegmentation_folds = []")
    with pytest.raises(SpaceError, match=r"segmentation_folds.*runs_per_gpu"):
        load_config(folder)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SpaceError, match=CONFIG_FILE):
        load_config(tmp_path)


def test_there_is_a_model_of_learned_targets_where_one_is_named(folder):
    assert load_config(folder).learned_targets_model is None
    change(folder, 'learned_targets_model = "runs/clicks/model.onnx"')
    assert load_config(folder).learned_targets_model == folder / "runs/clicks/model.onnx"


def test_folds_and_checkpoints_have_names(folder):
    assert load_config(folder).segmentation_checkpoint == "checkpoint_final.pth"
    change(
        folder, 'segmentation_folds = ["all", 2]\nsegmentation_checkpoint = "checkpoint_best.pth"'
    )
    config = load_config(folder)
    assert config.segmentation_folds == ("all", 2)
    assert config.segmentation_checkpoint == "checkpoint_best.pth"


# --- read as data ---------------------------------------------------------------------------------


def test_nothing_in_the_file_is_run(folder, tmp_path):
    ran = tmp_path / "ran"
    change(folder, f"segmentation_folds = [open({str(ran)!r}, 'w').fileno()]")
    change(folder, f"open({str(ran)!r}, 'w')\nimport this\nwhile True: pass")
    with pytest.raises(SpaceError) as caught:
        load_config(folder)
    assert not ran.exists()
    assert str(caught.value).count("Line ") == 4, "all are told"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("segmentation_folds = range(5)", "must be a plain value. Write [0, 1, 2, 3, 4]."),
        ("segmentation_folds = list(range(1, 3))", "Write [1, 2]."),
        ("segmentation_folds = range(10**9)", "Write the value that range(...) would give."),
        ("segmentation_folds = range(1000000000)", "Write the value that range(...) would give."),
        ("segmentation_folds = [i for i in range(5)]", "numbers, strings in quotes"),
        ("segmentation_folds = [0, int('1')]", "Write the value that int(...) would give."),
        ("segmentation_folds = [all]", "Write 'all' in quotes"),
        ("segmentation_folds = [0, *[1]]", "numbers, strings in quotes"),
        ("import os", "import has no effect"),
        ("from pathlib import Path", "import has no effect"),
        (
            "segmentation_model = Path('models') / 'mine'",
            "(for paths: the whole path)",
        ),
        ("segmentation_model = Path('models/mine')", "Write the path as a string in quotes."),
        ("segmentation_model = os.path.join('models', 'mine')", "path as a string in quotes."),
        ("segmentation_model = f'models/{1}'", "without f"),
        ("segmentation_model = 'models/' + 'mine'", "Write the result"),
        ("segmentation_model = detection_weights", "instead of detection_weights."),
        ("segmentation_model = models", "Write 'models' in quotes"),
        ("off_lamella_classes = none", "Write None instead of none."),
        ("segmentation_pixel_nm = 2.0 * 6", "Write the result"),
        ("segmentation_pixel_nm += 1", "write the whole value, as name = value."),
        ("categories['new'] = ('#55963A', 1)", "write this entry into categories = ... itself."),
        ("runs_per_gpu, detection_pixel_nm = 1, 400", "assign one name per line"),
        ("runs_per_gpu: int", "only lines such as name = value"),
        ("del runs_per_gpu", "only lines such as name = value"),
        ("if True:\n    runs_per_gpu = 2", "only lines such as name = value"),
        ("print(1)", "only lines such as name = value"),
        ("(lambda: 1)()", "only lines such as name = value"),
        ("categories = {[]: 1}", "numbers, strings in quotes"),
    ],
)
def test_what_is_no_constant_is_told_with_its_line_and_what_to_write(folder, line, words):
    number = len((folder / CONFIG_FILE).read_text(encoding="utf-8").splitlines()) + 2
    change(folder, line)
    with pytest.raises(SpaceError) as caught:
        load_config(folder)
    assert f"Line {number}: " in str(caught.value) and words in str(caught.value)
    assert "is missing" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("this is no python", "is not valid Python"),
        ("runs_per_gpu = (1", "is not valid Python"),
        ('segmentation_model = "C:\\Users\\me"', "Write paths with forward slashes."),
        ("runs_per_gpu = " + "-" * 150_000 + "1", "ested too deeply"),
        ("runs_per_gpu = " + "(" * 90_000 + ")" * 90_000, "parenthes"),
        ("runs_per_gpu = 1\x00", "null byte"),
        ("# \udce4", "Save the file as UTF-8"),
        ("# " + "x" * 300_000, "larger than"),
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_cannot_be_read_is_told_without_more(folder, line, words):
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8") + line
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SpaceError) as caught:
        load_config(folder)
    assert words in str(caught.value)
    assert "is missing" not in str(caught.value) and len(str(caught.value)) < 1000


def test_slips_of_the_keyboard_are_told_and_never_an_error(folder):
    path = folder / CONFIG_FILE
    whole = path.read_text(encoding="utf-8")
    random = Random(7)
    for _ in range(200):
        text = list(whole)
        for _ in range(random.randint(1, 6)):
            slip = random.choice(
                ["(", "]", '"', "'", "\n", " ", "=", "\\", "{", "*", "-", "0", "f'", "x."]
            )
            text[random.randrange(len(text))] = slip
        path.write_text("".join(text), encoding="utf-8")
        try:
            load_config(folder)
        except SpaceError as error:
            assert len(str(error)) < 3000


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("segmentation_fold", "segmentation_folds"),
        ("Segmentation_Model", "segmentation_model"),
        ("detection_weight", "detection_weights"),
        ("segmentation_pixels_nm", "segmentation_pixel_nm"),
        ("run_per_gpu", "runs_per_gpu"),
        ("segmentation_checkpoints", "segmentation_checkpoint"),
        ("off_lamela_classes", "off_lamella_classes"),
    ],
)
def test_a_misspelt_name_is_told(folder, name, meant):
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text + f"\n{name} = 1\n", encoding="utf-8")
    with pytest.raises(SpaceError, match=f"{name} is not known. Did you mean {meant}"):
        load_config(folder)
    path.write_text(text.replace(f"\n{meant} =", f"\n{name} ="), encoding="utf-8")
    if f"\n{meant} =" in text:
        with pytest.raises(SpaceError, match=f"Did you mean {meant}[?]"):
            load_config(folder)


def test_names_of_ones_own_are_left_alone(folder):
    change(folder, "category_colors = {'good': 'green'}\nmy_notes: str = 'weights of May'")
    load_config(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_file_may_be_a_link(folder, tmp_path):
    (folder / CONFIG_FILE).rename(tmp_path / "mine.py")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / CONFIG_FILE).symlink_to(tmp_path / "mine.py")
    load_config(tmp_path / "project")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_any_editor_are_read(folder, encoding):
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8") + '\n"""Gitter für Zellen"""\nruns_per_gpu = +2\n'
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert load_config(folder).runs_per_gpu == 2


def test_backslashes_in_a_path_are_read_as_python_reads_them(folder, recwarn):
    change(folder, r'segmentation_model = "models\lamella"')
    assert load_config(folder).segmentation_model == folder / r"models\lamella"
    assert not recwarn.list
