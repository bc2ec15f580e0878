"""The script that stands in for PACEtomo reads targets files as `space.pacetomo` does."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.errors import SpaceError
from space.pacetomo import parse, with_shifts
from tests import test_pacetomo

SCRIPT = Path(__file__).parents[1] / "examples" / "parallel_tilt_series.py"
MATRIX = (-1.0, 0.02, -0.02, -1.0)


def functions():
    """The functions and settings of the script, which itself is not run."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    kept = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))
    ]
    names = {}
    exec("import glob, math, os", names)
    exec(compile(ast.Module(kept, []), str(SCRIPT), "exec"), names)
    return names


@pytest.fixture
def script():
    """The script on a microscope that has a matrix and a log."""
    said = []
    names = functions()
    names["sem"] = SimpleNamespace(StageToSpecimenMatrix=lambda _: MATRIX, Echo=said.append)
    return SimpleNamespace(names=names, said=said, read=names["read_targets"])


def cases(test):
    return [text for text, _ in test.pytestmark[0].args[1]]


@pytest.mark.parametrize(
    "text",
    [
        *cases(test_pacetomo.test_files_of_others_are_read_as_pacetomo_reads_them),
        test_pacetomo.RUN_FILE,
    ],
)
def test_it_finds_the_same_targets_and_points(script, tmp_path, text):
    path = tmp_path / "a_tgts.txt"
    path.write_bytes(text.encode("utf-8"))
    targets, points = script.read(path)
    expected = with_shifts(parse(text), MATRIX)
    files = ("tsfile", "viewfile", "tgtfile")
    assert [[t.get(key, "") for key in files] for t in targets] == [
        [getattr(t, key) for key in files] for t in expected.targets
    ]
    assert [(t["SSX"], t["SSY"]) for t in targets] == [
        pytest.approx(t.shift_um) for t in expected.targets
    ]
    assert [t.get("skip") == "True" for t in targets] == [t.skip for t in expected.targets]
    assert [(p["SSX"], p["SSY"]) for p in points] == [
        pytest.approx(p.shift_um) for p in expected.geo_points
    ]
    if targets:
        assert (targets[0]["stageX"], targets[0]["stageY"]) == expected.targets[0].stage_um


@pytest.mark.parametrize(
    "text",
    [
        text
        for text in cases(test_pacetomo.test_what_pacetomo_would_stumble_over_is_told_with_its_line)
        if "_tgt" in text or "_geo" in text
    ],
)
def test_it_refuses_the_same_files(script, tmp_path, text):
    path = tmp_path / "a_tgts.txt"
    path.write_bytes(text.encode("utf-8"))
    with pytest.raises(SpaceError):
        parse(text)
    with pytest.raises(ValueError, match="a_tgts.txt"):
        script.read(path)


def test_settings_in_a_file_replace_those_of_the_script(script, tmp_path):
    path = tmp_path / "a_tgts.txt"
    head = "_set step = 2\n_bset measureGeo = True\n_set unheard = 1\n"
    path.write_text(head + test_pacetomo.TARGET, encoding="utf-8")
    script.read(path)
    assert script.names["step"] == 2.0 and script.names["measureGeo"] is True
    assert script.said == ["WARNING: There is no setting unheard"]


def test_a_range_of_tilts_begins_anywhere_and_goes_to_both_ends(script):
    tilts = script.names["dose_symmetric"]
    assert tilts(-6, 0, 6, 3) == [0, 3, -3, -6, 6]
    assert tilts(-9, 6, 12, 3) == [6, 9, 3, 0, 12, -3, -6, -9]
    assert tilts(-60, 0, 60, 3) == tilts(-61, 0, 61, 3) and len(tilts(-60, 0, 60, 3)) == 41


def test_the_newest_run_file_stands_for_a_targets_file(script, tmp_path):
    path = tmp_path / "a[1]_tgts.txt"
    assert script.names["newest"](str(path)) == str(path)
    for name in ("a[1]_tgts_run01.txt", "a[1]_tgts_run02.txt", "a[1]_tgts_run02_earlier.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert script.names["newest"](str(path)) == str(tmp_path / "a[1]_tgts_run02.txt")


@given(
    pretilt=st.floats(-20, 20).filter(lambda angle: abs(angle) > 0.5),
    rotation=st.floats(-80, 80),
    places=st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=3, max_size=10),
)
def test_it_finds_the_plane_that_it_would_focus_by(pretilt, rotation, places):
    names = functions()
    names.update(pretilt=pretilt, rotation=rotation)
    heights = [-4.0 + names["height_at"]({"SSX": x, "SSY": y}) for x, y in places]
    rise = names["rises"](places, heights)
    spread = np.linalg.svd(np.subtract(places, np.mean(places, axis=0)), compute_uv=False)[-1]
    if abs(spread - 1.0) > 1e-6:
        assert (rise is None) == (spread < 1.0)
    if rise is not None:
        assert names["geometry"](*rise) == pytest.approx((pretilt, rotation), abs=1e-6)


def test_it_leaves_out_points_that_cannot_be_measured(script):
    """One is beyond the reach of image shift, autofocus fails at another, or is badly wrong."""
    names, at = script.names, [0.0, 0.0]
    names.update(pretilt=9.0, rotation=5.0)
    places = [(0, 5), (4, -3), (-4, -3), (2, 2), (30, 0), (-5, 4), (1, -6)]

    def shift(x, y):
        at[:] = [x, y]
        return float(x > 20)

    def measured():
        height = -4.0 + names["height_at"]({"SSX": at[0], "SSY": at[1]})
        if at == [-5, 4]:
            return height + 4.0, 0.0
        return (7.0, -1.0) if at == [2, 2] else (height, 0.0)

    sem = names["sem"]
    sem.ReportImageShift = lambda: (0.1, 0.2, 0.0, 0.0)
    sem.SetImageShift = lambda *_: at.__setitem__(slice(None), [0.0, 0.0])
    sem.ImageShiftByMicrons, sem.ReportAutoFocus = shift, measured
    modes = []
    sem.G = modes.append
    sem.SEMerror = Exception
    points = [{"SSX": float(x), "SSY": float(y)} for x, y in places]
    names["undisturbed"] = lambda: False
    assert names["measure_geometry"](points) == pytest.approx((9.0, 5.0))
    assert modes == [-1] * 6  # it measures only
    assert names["measure_geometry"](points[:2]) is None


def test_a_stack_is_there_before_its_first_picture_is_taken(script, tmp_path):
    """As PACEtomo does it: a target whose picture was taken when SerialEM died shows as begun."""
    done = []
    names = ("OpenNewFile", "OpenOldFile", "R", "S", "CloseFile")
    commands = {name: lambda *given, name=name: done.append(name) for name in names}
    script.names["sem"] = SimpleNamespace(**commands, SEMerror=RuntimeError)
    script.names["undisturbed"] = lambda: False
    target = {"tsfile": str(tmp_path / "a_ts_001.mrc")}
    script.names["take"](target, first=True)
    script.names["take"](target, first=False)
    assert done == ["OpenNewFile", "R", "S", "CloseFile", "OpenOldFile", "R", "S", "CloseFile"]


def test_a_stack_that_an_error_has_left_open_is_closed_before_it_is_replaced(script, tmp_path):
    path, open_files = tmp_path / "a_ts_001.mrc", [1, 2]
    path.write_bytes(b"")
    at_opening = []
    script.names["sem"] = SimpleNamespace(
        ReportFileNumber=lambda: len(open_files) or -1,
        CloseFile=lambda: open_files.pop() if open_files else None,
        OpenNewFile=lambda name: at_opening.append(list(open_files)),
        R=lambda: None,
        S=lambda: None,
    )
    script.names["undisturbed"] = lambda: False
    script.names["take"]({"tsfile": str(path)}, first=True)
    assert at_opening == [[]]
