"""Slips at the top of the script: names that are nearly right, values of any kind."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from space.errors import SpaceError
from space.settings import SETTINGS_FILE, Settings, check, left_out, load, misspelt, parse, save

NAMES = [one.name for one in fields(Settings)]

SLIPS = {
    # case
    "MAX_TILT": "max_tilt",
    "Max_tilt": "max_tilt",
    "space_dir": "SPACE_DIR",
    "Space_Dir": "SPACE_DIR",
    "wg_image_state": "WG_image_state",
    "WG_Image_State": "WG_image_state",
    "mm_padding_factor": "MM_padding_factor",
    "Target_list": "target_list",
    "AUTOMATION_LEVEL": "automation_level",
    "im_mag_index": "IM_mag_index",
    "External_Map_Dir": "external_map_dir",
    "Beam_Diameter": "beam_diameter",
    # underscores and words run together
    "maxTilt": "max_tilt",
    "targetList": "target_list",
    "gridlist": "grid_list",
    "beamdiameter": "beam_diameter",
    "save_Plot": "save_plot",
    "image_shiftlimit": "image_shift_limit",
    "WG_offset_viaIM": "WG_offset_via_IM",
    # letters left out, doubled, exchanged
    "automation_levl": "automation_level",
    "grid_lst": "grid_list",
    "gird_list": "grid_list",
    "exclude_lamela_classes": "exclude_lamella_classes",
    "exclude_lamella_class": "exclude_lamella_classes",
    "target_lists": "target_list",
    "taget_list": "target_list",
    "avoid_lsit": "avoid_list",
    "target_score_treshold": "target_score_threshold",
    "sparse_target": "sparse_targets",
    "penality_weight": "penalty_weight",
    "max_iteration": "max_iterations",
    "extra_traking": "extra_tracking",
    "max_titl": "max_tilt",
    "pre_tilt": "pretilt",
    "tolerence": "tolerance",
    "apperture_control": "aperture_control",
    "objective_apeture": "objective_aperture",
    "MM_montage_overlapp": "MM_montage_overlap",
    "WG_detection_treshold": "WG_detection_threshold",
    "beam_diamter": "beam_diameter",
    "beam_margins": "beam_margin",
    "external_mapdir": "external_map_dir",
    "hole_patern": "hole_pattern",
}


@pytest.mark.parametrize(("slip", "meant"), SLIPS.items())
@pytest.mark.parametrize("beside", [False, True])
def test_a_misspelt_name_is_told_in_place_of_the_right_one_and_beside_it(slip, meant, beside):
    script = dict.fromkeys(NAMES, 0)
    if not beside:
        del script[meant]
    problems = misspelt({**script, slip: 0})
    assert len(problems) == 1
    assert slip in problems[0] and repr(meant) in problems[0]
    assert ("which is there, too" in problems[0]) == beside


def test_every_setting_in_capitals_or_small_letters_is_told():
    for name in NAMES:
        for slip in {name.upper(), name.lower(), name.capitalize()} - {name}:
            assert repr(name) in misspelt({**dict.fromkeys(NAMES, 0), slip: 1})[0], slip


def test_names_that_a_script_may_have_besides_are_no_slips():
    own = dict.fromkeys(
        ("grid", "lamella", "target", "tilt", "step", "startTilt", "minDefocus", "threshold",
         "my_list", "folder", "level", "session", "defocus", "SEMflush", "overlap"),
        0,
    )  # fmt: skip
    tools = {"sys": sys, "max_tilts": lambda: 0, "check": check, "_max_tilt": 1, "__name__": "x"}
    assert misspelt({**dict.fromkeys(NAMES, 0), **own, **tools}) == []


def test_what_a_script_lacks_is_told_with_the_default_that_counts():
    script = dict.fromkeys(NAMES, 0)
    assert left_out(script) == ""
    del script["beam_margin"], script["avoid_list"]
    told = left_out(script)
    assert "beam_margin = 0.2" in told and "'crack'" in told and "max_tilt" not in told


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [NAN, INF, -INF, None, 1j, b"x", object(), [NAN], {"a": NAN}])
def test_what_can_be_no_setting_is_told_for_every_setting(name, value):
    problems = check(parse({name: value}), None)
    assert any(text.startswith(f"{name} ") for text in problems), problems


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("beam_diameter", 1e-6, "given in um"),
        ("beam_diameter", 0.0016, "given in um"),
        ("beam_diameter", 1600, "at most 100"),
        ("beam_diameter", -1.6, "at least 0"),
        ("beam_margin", 1e9, "at most 100"),
        ("penalty_weight", 1e300, "at most 100"),
        pytest.param("max_targets", 10**5000, "that cannot be shown", id="huge"),
        ("MM_mean_threshold", 1e300, "at most 1000000000"),
        pytest.param("IM_mag_index", 10**400, "at most 10000000", id="large"),
        ("target_list", "nucleus", '["nucleus"]'),
        ("target_list", "mitos, nucleus", '["mitos", "nucleus"]'),
        ("target_list", '["mitos"]', '["mitos"]'),
        ("target_list", {"nucleus"}, '["nucleus"]'),
        ("target_list", ["mitos", "mitos"], "more than once"),
        ("target_list", {1: 1}, "class names in quotes"),
        ("target_list", [["mitos"]], "not a list of class names"),
        ("avoid_list", "crack", '["crack"]'),
        ("avoid_list", {"ice": 1, "crack": 1}, '["ice", "crack"]'),
        ("avoid_list", None, '["ice"]'),
        ("exclude_lamella_classes", "thick", '["thick"]'),
        ("exclude_lamella_classes", False, '["broken"]'),
        ("grid_list", 3, "such as [3]"),
        ("grid_list", "3", "such as [3]"),
        ("grid_list", "1, 2", "such as [1, 2]"),
        ("grid_list", "stage", '["stage"]'),
        ("grid_list", "Stage", '["stage"]'),
        ("grid_list", ["Stage"], "'Stage'"),
        ("grid_list", [1.0], "holds 1.0"),
        ("grid_list", 99, "such as [1, 2]"),
        pytest.param("grid_list", 10**5000, "such as [1, 2]", id="huge slot"),
        ("WG_image_state", "  ", "not an imaging state"),
        ("external_map_dir", "a\0b", "can be reached"),
        ("external_map_dir", "x" * 5000, "can be reached"),
        ("external_map_dir", Path("/nowhere/at/all"), "can be reached"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_right(name, value, words):
    (problem,) = check(parse({"SPACE_DIR": str(Path(__file__).parents[1]), name: value}), None)
    assert name in problem and words in problem and len(problem) < 500


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("max_tilt", np.float64(54.0), 54.0),
        ("max_tilt", np.float32(54.0), 54.0),
        ("max_tilt", np.array(54), 54),
        ("max_targets", np.int64(3), 3),
        ("save_plot", np.bool_(True), True),
        ("grid_list", np.array([1, 2]), (1, 2)),
        ("grid_list", ["stage", np.int32(1)], ("stage", 1)),
        ("grid_list", range(1, 4), (1, 2, 3)),
        ("target_list", np.array(["mitos", "ice"]), ("mitos", "ice")),
        ("target_list", {"mitos": np.float32(0.5)}, {"mitos": 0.5}),
        ("external_map_dir", Path("maps"), "maps"),
    ],
)
def test_numbers_of_numpy_count_as_plain_ones(tmp_path, name, value, plain):
    chosen = parse({name: value}).settings
    assert getattr(chosen, name) == plain
    assert type(getattr(chosen, name)) is type(plain)
    json.loads(save(chosen, tmp_path).read_text(encoding="utf-8"))


odd = st.sampled_from([object(), sys, len, np.float64(NAN), np.array([NAN])])
huge = st.integers(min_value=5000, max_value=5001).map(lambda power: 10**power)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
anything = st.recursive(
    plain | st.complex_numbers() | huge | odd,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(st.dictionaries(st.sampled_from(NAMES), anything))
def test_no_value_whatever_makes_the_checks_fail_themselves(values):
    problems = check(parse(values), None)
    assert all(isinstance(text, str) and text for text in problems)


# --- saved settings -------------------------------------------------------------------------------


def stored(folder: Path, **changes: object) -> Path:
    values = {**replace(Settings(), SPACE_DIR="C:/SPACEtomo").to_dict(), **changes}
    (folder / SETTINGS_FILE).write_text(json.dumps(values), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_tilt": NAN}, "max_tilt"),
        ({"max_tilt": 10**400}, "max_tilt"),
        ({"max_tilt": "60"}, "max_tilt"),
        ({"max_tilt": 91}, "at most 80"),
        ({"beam_diameter": 0.0016}, "given in um"),
        ({"target_list": "mitos"}, '["mitos"]'),
        ({"target_list": ["ice"]}, "in avoid_list"),
        ({"grid_list": []}, "empty"),
        ({"MAX_TILT": 60}, "Did you mean 'max_tilt'"),
        ({"no_such": 1}, "'no_such' is not a setting"),
        ({"pretilt": 30}, "more than 80 degrees"),
        ({"sparse_targets": 1}, "neither True nor False"),
    ],
)
def test_saved_settings_are_checked_as_strictly_as_the_script(tmp_path, changes, words):
    with pytest.raises(SpaceError) as caught:
        load(stored(tmp_path, **changes))
    assert words in str(caught.value) and SETTINGS_FILE in str(caught.value)


def test_all_that_is_wrong_with_saved_settings_is_told_at_once(tmp_path):
    with pytest.raises(SpaceError) as caught:
        load(stored(tmp_path, max_tilt=91, tolerance=2, no_such=1))
    assert all(word in str(caught.value) for word in ("max_tilt", "tolerance", "no_such"))


def test_saved_settings_may_name_folders_that_are_away_now(tmp_path):
    assert load(stored(tmp_path, external_map_dir="/nowhere/at/all")).max_tilt == 60
    assert math.isclose(load(stored(tmp_path)).beam_margin, 0.2)
