"""Settings: defaults, all problems at once, saving."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from space.config import load_config
from space.errors import SpaceError
from space.models import is_simulated_only
from space.settings import (
    SETTINGS_FILE,
    ParsedSettings,
    Settings,
    check,
    doubted_targets,
    load,
    misspelt,
    parse,
    save,
)

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = {"SPACEtomo": 1, "PACEtomo": 2, "post action": 3}
CLASSES = ("background", "white", "black", "crack", "mitos", "ice", "lamella")


@pytest.fixture
def project(tmp_path):
    """A project folder whose models are there by name."""
    folder = tmp_path / "project"
    (folder / "models/lamella_detector").mkdir(parents=True)
    (folder / "models/lamella_segmentation").mkdir()
    (folder / "models/lamella_detector/weights.pt").write_bytes(b"")
    table = {"labels": {name: value for value, name in enumerate(CLASSES)}}
    (folder / "models/lamella_segmentation/dataset.json").write_text(json.dumps(table))
    (folder / "models/lamella_segmentation/plans.json").write_text("{}")
    (folder / "models/lamella_segmentation/fold_0").mkdir()
    (folder / "models/lamella_segmentation/fold_0/checkpoint_final.pth").write_bytes(b"")
    text = (ROOT / "SPACEtomo_config.py").read_text(encoding="utf-8")
    (folder / "SPACEtomo_config.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def good(project):
    return Settings(SPACE_DIR=str(project))


def parsed(good: Settings, **changes: object) -> ParsedSettings:
    """The settings of a script with some changed."""
    return parse({**good.to_dict(), **changes})


@pytest.fixture
def config(project):
    return load_config(project)


def test_the_defaults_are_well(good, config):
    assert check(parsed(good), config) == []


def test_the_script_and_the_defaults_agree():
    values: dict = {}
    text = (ROOT / "SPACEtomo.py").read_text(encoding="utf-8").split("import sys")[0]
    exec(text, values)
    assert parse(values).problems == () and parse(values).settings == Settings()
    missing = [name for name in vars(Settings()) if name not in values]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("automation_level", 9, "at most 5"),
        ("automation_level", True, "not a whole number"),
        ("automation_level", 2.0, "not a whole number"),
        ("automation_level", "4", "not a whole number"),
        ("WG_montage_overlap", 2, "less than 0.5"),
        ("MM_montage_overlap", 0, "more than 0"),
        ("WG_detection_threshold", 1.0, "less than 1"),
        ("max_tilt", 90, "at most 80"),
        ("pretilt", 50, "at most 45"),
        ("pretilt", -21, "more than 80 degrees"),  # with the default max_tilt of 60
        ("max_targets", -1, "at least 0"),
        ("max_targets", 2.5, "not a whole number"),
        ("target_polygons", "yes", "neither True nor False"),
        ("hole_pattern", 1, "neither True nor False"),
        ("target_list", {}, "empty"),
        ("target_list", {"mitos": 2}, "above 0 and at most 1"),
        ("target_list", {"mitos": True}, "above 0 and at most 1"),
        ("target_list", {"mitso": 1}, "'mitos'"),
        ("target_list", {"ice": 1}, "in avoid_list"),
        ("avoid_list", {"ice": 1}, "not a list"),
        ("target_score_threshold", 1, "less than 1"),
        ("target_score_threshold", {}, "names no classes"),
        ("target_score_threshold", {"mitos": 1}, "for 'mitos' = 1 is out of range"),
        ("target_score_threshold", {"mitos": True}, "not a number"),
        ("target_score_threshold", {"mitos": {"mitos": 0.1}}, "not a number"),
        ("target_score_threshold", {1: 0.1}, "names no classes"),
        ("target_score_threshold", {"mitso": 0.1}, "'mitos'"),
        ("penalty_weight", {"mitos": 0.1}, "not a number"),
        ("on_lamella_only", "yes", "neither True nor False"),
        ("max_tilt", float("nan"), "not a number"),
        ("penalty_weight", -0.1, "at least 0"),
        ("image_shift_limit", None, "not a number"),
        ("image_shift_limit", 20, "at most 19.5"),  # PACEtomo would leave the targets out
        ("sparse_targets", 1, "neither True nor False"),
        ("aperture_control", "yes", "neither True nor False"),
        ("grid_list", (), "empty"),
        ("grid_list", 1, "not a list"),
        ("grid_list", (0,), "grid_list holds 0"),
        ("grid_list", (True,), "grid_list holds True"),
        ("grid_list", (1, 1), "more than once"),
        ("grid_list", (1, "stage"), "Put it first"),
        ("grid_default_name", 7, "must be a string"),
        ("screen_first", 1, "neither True nor False"),
        ("inspect", "maybe", 'is not known. Allowed: "no" or "if there" or "wait"'),
        ("inspect", True, "is not known"),
        ("inspect_limit", 0, "out of range"),
        ("grid_order", "bset", "no order of grids"),
        ("grid_order", (0,), "no order of grids"),
        ("grid_order", (1, 1), "names a slot twice"),
        ("grid_order", (5,), "which grid_list does not hold"),
        ("grid_order", "best", "Set screen_first = True"),
        ("reacquire", "L03", "not a list"),
        ("reacquire", ("L03", 3), "holds 3"),
        ("reacquire", ("FL3",), "holds 'FL3', which is no lamella"),
        ("reacquire", ("L03 agian",), "no lamella"),
        ("restitch", "L03 close", "not a list"),
        ("restitch", ("L03 close", "L03"), "holds 'L03'"),
        ("restitch", ("L03 clsoe",), "aligned, close or nominal"),
        ("restitch", ("L03 nominal", 3), "holds 3"),
        ("script_numbers", (1, 2, 3), "not a table"),
        ("script_numbers", {"SPACEtomo": 1, "PACEtomo": 2}, "no number for post action"),
        ("script_numbers", {**NUMBERS, "postAction": 4}, "'postAction'"),
        ("script_numbers", {**NUMBERS, "PACEtomo": 0}, "holds 0"),
        ("script_numbers", {**NUMBERS, "PACEtomo": True}, "holds True"),
        ("script_numbers", {**NUMBERS, "PACEtomo": [2]}, "whole numbers"),
        ("script_numbers", {**NUMBERS, "PACEtomo": 1}, "two scripts one number"),
        ("target_list", (), "empty"),
        ("target_list", "mitos", "not a list"),
        ("target_list", ("mitso",), "'mitos'"),
        ("avoid_list", ("snow",), "does not know"),
        ("avoid_list", ("mitos",), "in avoid_list"),
        ("exclude_lamella_classes", ("brokn",), "'broken'"),
        ("WG_image_state", 0, "not an imaging state"),
        ("MM_image_state", "", "a list of two"),
        ("MM_image_state", (2,), "a list of two"),
        ("MM_image_state", (2, 2), "a list of two"),
        ("MM_image_state", (2, 3, 4), "a list of two"),
        ("MM_image_state", (2, 0), "a list of two"),
        ("MM_image_state", (2, ("R",)), "a list of two"),
        ("WG_image_state", (1, 2), "not an imaging state"),
        ("IM_image_state", -1, '"" to use IM_mag_index'),
        ("IM_image_state", False, '"" to use IM_mag_index'),
        ("IM_image_state", (3, 4), '"" to use IM_mag_index'),
        ("external_map_dir", "/nowhere/at/all", "not a folder"),
        ("SPACE_DIR", "/nowhere/at/all", "holds no SPACEtomo_config.py"),
        ("SPACE_DIR", None, "must be a string"),
    ],
)
def test_each_wrong_setting_is_named(good, config, name, value, word):
    problems = check(parsed(good, **{name: value}), config)
    assert len(problems) == 1, problems
    assert name in problems[0] and word in problems[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MM_image_state", "View"),
        ("MM_image_state", (2, 3)),
        ("MM_image_state", ("View", 3)),
        ("IM_image_state", 0),
        ("IM_image_state", ""),
        ("IM_image_state", 3),
        ("IM_image_state", "580"),
    ],
)
def test_imaging_states_in_all_forms(good, config, tmp_path, name, value):
    settings = replace(good, **{name: value})
    assert check(parsed(settings), config) == []
    save(settings, tmp_path)
    assert getattr(load(tmp_path), name) == value


def test_lamella_may_be_the_first_target_of_a_model_without_such_a_class(good, config, project):
    path = project / "models/lamella_segmentation/dataset.json"
    path.write_text(
        json.dumps(
            {"labels": {"background": 0, "white": 1, "black": 2, "crack": 3, "ice": 4, "mitos": 5}}
        )
    )
    assert check(parsed(good, target_list=("lamella", "mitos")), config) == []
    assert check(parsed(good, target_list={"lamella": 0.2, "mitos": 1}), config) == []
    assert len(check(parsed(good, target_list=("mitos", "lamella")), config)) == 1


def test_thresholds_may_be_given_for_classes_that_are_not_wanted_now(good, config):
    for value in ({"mitos": 0.1, "lamella": 0.2}, {"crack": 0}, 0):
        assert check(parsed(good, target_score_threshold=value), config) == []


def test_a_night_of_several_grids(good, config, tmp_path):
    settings = replace(
        good, grid_list=(2, 4), screen_first=True, grid_order="best", script_numbers=NUMBERS
    )
    assert check(parsed(settings), config) == []
    save(settings, tmp_path)
    assert load(tmp_path) == settings
    (problem,) = check(parsed(settings, grid_list=("stage", 2)), config)
    assert "screen_first loads each grid again" in problem


def test_broad_series_need_a_way_back_and_a_dose_that_can_be_counted(good, config):
    usual = {"broad_area": "Search", "MM_image_state": (2, "Record")}
    assert check(parsed(good, **usual), config) == []
    assert check(parsed(good, broad_order="before"), config) == []  # there are none
    for changes, words in (
        ({"MM_image_state": 2}, "Set MM_image_state to a list of two"),
        ({"broad_order": "before"}, "needs broad_dose"),
        ({"broad_targets": ("ice",)}, "in broad_targets and in avoid_list"),
        ({"broad_targets": ("moon",)}, "moon"),
        ({"night_hours": 5, "automation_level": 5}, "does not know broad series"),
    ):
        (problem,) = check(parsed(good, **{**usual, **changes}), config)
        assert words in problem


def test_a_lamella_to_map_again_is_named_with_its_grid_where_there_are_several(good, config):
    assert check(parsed(good, reacquire=("L03", "G1_L04 again")), config) == []
    several = parsed(good, grid_list=(1, 2), reacquire=("a_b_l3", "l4  AGAIN 2"))
    (problem,) = check(several, config)
    assert "reacquire names L04 again 2 without its grid" in problem


def test_a_lamella_to_stitch_anew_is_named_with_its_grid_where_there_are_several(good, config):
    assert check(parsed(good, restitch=("L03 nominal", "G1_l4  CLOSE")), config) == []
    several = parsed(good, grid_list=(1, 2), restitch=("a_b_l3 aligned", "l4 close"))
    (problem,) = check(several, config)
    assert "restitch names L04 close without its grid" in problem


def test_ten_wrong_settings_give_ten_messages(good, config):
    wrong = parsed(
        good,
        automation_level=9,
        WG_montage_overlap=2,
        grid_list=(),
        target_list=("mitso",),
        avoid_list=("snow",),
        max_tilt=91,
        save_plot="no",
        IM_mag_index=0,
        external_map_dir="/nowhere/at/all",
        exclude_lamella_classes=("brokn",),
    )
    assert len(check(wrong, config)) == 10


@pytest.mark.parametrize(("level", "count"), [(1, 0), (2, 0), (3, 1), (4, 1)])
def test_the_segmentation_model_is_needed_from_level_3(good, config, project, level, count):
    (project / "models/lamella_segmentation/dataset.json").unlink()
    problems = check(parsed(good, automation_level=level), config)
    assert len(problems) == count
    assert all("segmentation model" in text for text in problems)


def say_trained_on(project: Path, text: str) -> None:
    (project / "models/lamella_segmentation/card.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("card", "targets", "level", "trust", "refused"),
    [
        ('{"trained_on": "simulated"}', ("mitos",), 5, False, True),
        ('{"trained_on": "simulated"}', {"lamella": 0.2, "mitos": 1}, 5, False, True),
        ('{"trained_on": "simulated"}', ("mitos", "lamella"), 5, False, True),
        ('{"trained_on": "simulated"}', ("mitos",), 5, True, False),
        ('{"trained_on": "simulated"}', ("mitos",), 4, False, False),
        ('{"trained_on": "simulated"}', ("lamella",), 5, False, False),
        ('{"trained_on": "real"}', ("mitos",), 5, False, False),
        (None, ("mitos",), 5, False, False),
    ],
)
def test_organelles_of_a_model_that_saw_no_real_map_are_acquired_only_if_it_is_meant(
    good, config, project, card, targets, level, trust, refused
):
    if card:
        say_trained_on(project, card)
    wanted = replace(good, target_list=targets, automation_level=level, trust_simulated_model=trust)
    problems = check(parsed(wanted), config)
    assert len(problems) == refused
    if refused:
        assert problems[0].startswith("trust_simulated_model") and "noise" in problems[0]
    doubted = bool(card) and "simulated" in card and targets != ("lamella",)
    assert bool(doubted_targets(wanted, config)) == doubted


@pytest.mark.parametrize("text", ["", "[]", "{}", '"simulated"'])
def test_a_card_that_cannot_be_read_is_told(good, config, project, text):
    say_trained_on(project, text)
    problems = check(parsed(good), config)
    assert len(problems) == 1 and "card" in problems[0]


def test_the_shipped_segmentation_model_says_what_it_was_trained_on():
    assert is_simulated_only(ROOT / "models/lamella_segmentation")


def test_with_an_external_machine_the_class_table_alone_is_needed_here(
    good, config, project, tmp_path
):
    external = replace(good, external_map_dir=str(tmp_path))
    model = project / "models/lamella_segmentation"
    (project / "models/lamella_detector/weights.pt").unlink()
    (model / "plans.json").unlink()
    (model / "fold_0/checkpoint_final.pth").unlink()
    assert check(parsed(external), config) == []
    (model / "dataset.json").unlink()
    (problem,) = check(parsed(external), config)
    assert "the only file of the segmentation model that is needed here" in problem
    assert str(model / "dataset.json") in problem
    assert check(parsed(external, automation_level=2), config) == []


def test_a_slip_in_a_settings_name_is_told_instead_of_taking_the_default():
    text = (ROOT / "SPACEtomo.py").read_text(encoding="utf-8")
    names = {line.split(" = ")[0]: 0 for line in text.splitlines() if " = " in line}
    assert misspelt(names) == []
    assert misspelt({"sys": 1, "serialem": 2, "SEMflush": 3}) == []  # an older, shorter script
    names["automation_levl"] = names.pop("automation_level")
    names["WG_image_State"] = names.pop("WG_image_state")
    first, second = misspelt(names)
    assert "automation_levl" in first and "'automation_level'" in first
    assert "WG_image_State" in second


def test_settings_survive_saving(good, tmp_path):
    settings = replace(
        good, grid_list=("stage", 3), target_list=("lamella", "mitos"), grid_default_name="Größe"
    )
    assert save(settings, tmp_path) == tmp_path / SETTINGS_FILE
    assert load(tmp_path) == settings
    settings = replace(settings, target_list={"mitos": 1, "ice": 0.5}, avoid_list=())
    save(settings, tmp_path)
    assert load(tmp_path) == settings and list(load(tmp_path).target_list) == ["mitos", "ice"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"no_such": 1}'])
def test_damaged_settings_are_told(tmp_path, text):
    (tmp_path / SETTINGS_FILE).write_text(text)
    with pytest.raises(SpaceError):
        load(tmp_path)


def test_missing_settings_are_told(tmp_path):
    with pytest.raises(SpaceError, match="no saved settings"):
        load(tmp_path)


def test_learned_targets_need_a_model_here_or_on_another_computer(good, config, tmp_path):
    wanted = {"target_list": ("learned", "mitos")}
    (problem,) = check(parsed(good, **wanted), config)
    assert "learned_targets_model in SPACEtomo_config.py names no model" in problem
    missing = replace(config, learned_targets_model=tmp_path / "clicks.onnx")
    (problem,) = check(parsed(good, **wanted), missing)
    assert "The model of learned targets is missing" in problem
    assert check(parsed(good, **wanted, external_map_dir=str(tmp_path)), config) == []
    thresholds = {"mitos": 0.1, "learned": 0.2}
    elsewhere = {**wanted, "external_map_dir": str(tmp_path), "target_score_threshold": thresholds}
    assert check(parsed(good, **elsewhere), config) == []
