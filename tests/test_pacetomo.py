import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from space.errors import SpaceError
from space.pacetomo import (
    GeoPoint,
    Target,
    TargetsFile,
    area_root,
    parse,
    plot_name,
    render,
    targets_file_name,
    tilt_series_name,
    view_file_name,
)

numbers = st.floats(-2000, 2000, allow_nan=False)
pairs = st.tuples(numbers, numbers)
words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.,-]{0,12}", fullmatch=True)
other = st.lists(st.tuples(st.from_regex(r"x[a-z]{1,6}", fullmatch=True), words), max_size=3).map(
    tuple
)
branch = st.tuples(st.sampled_from(["_pbr", "_nbr"]), other)


def targets(shift):
    return st.builds(
        Target,
        tsfile=words,
        shift_um=shift,
        stage_um=st.none() | pairs,
        viewfile=st.just("") | words,
        tgtfile=st.just("") | words,
        skip=st.booleans(),
        score=st.none() | st.floats(-1, 1),
        other=other,
        branches=st.lists(branch, max_size=2).map(tuple),
    )


files = st.builds(
    lambda first, rest, points, head: TargetsFile((first, *rest), tuple(points), tuple(head)),
    targets(st.just((0.0, 0.0))),
    st.lists(targets(pairs), max_size=3),
    st.lists(st.builds(GeoPoint, pairs, other), max_size=3),
    st.lists(
        st.tuples(st.sampled_from(["_set", "_bset"]), words, words)
        | st.tuples(st.just("_spos"), st.just(""), words),
        max_size=2,
    ),
)


@settings(max_examples=50)
@given(files)
def test_what_is_written_is_read_back(targets_file):
    assert parse(render(targets_file)) == targets_file


@settings(max_examples=25)
@given(files)
def test_every_line_splits_as_pacetomo_splits(targets_file):
    text = render(targets_file)
    assert "\r" not in text and text.endswith("\n")
    for line in text.split("\n"):
        if line:
            fields = line.split(" ")
            assert fields[0] in ("_pbr", "_nbr") or fields[-2] == "=", line
            assert "" not in fields
    numbers = re.findall(r"^(?:SS[XY]|stage[XY]|SPACEscore) = (.*)$", text, re.M)
    assert all(re.fullmatch(r"-?\d+\.\d+", number) for number in numbers)


def test_the_file_looks_as_pacetomo_expects():
    text = render(
        TargetsFile(
            (
                Target(
                    "G1_L01_ts_001.mrc", (0, 0), (12.5, -3.25), "G1_L01_tgt_001_view.mrc", score=0.5
                ),
                Target("G1_L01_ts_002.mrc", (1.5, -0.00002), (14, -3), skip=True, score=0.25),
            ),
            (GeoPoint((-3, 2)),),
        )
    )
    assert text == (
        "_tgt = 001\ntsfile = G1_L01_ts_001.mrc\nviewfile = G1_L01_tgt_001_view.mrc\n"
        "SSX = 0.0\nSSY = 0.0\nstageX = 12.5\nstageY = -3.25\nskip = False\nSPACEscore = 0.5\n\n"
        "_tgt = 002\ntsfile = G1_L01_ts_002.mrc\nSSX = 1.5\nSSY = -0.00002\nstageX = 14.0\n"
        "stageY = -3.0\nskip = True\nSPACEscore = 0.25\n\n"
        "_geo = 1\nSSX = -3.0\nSSY = 2.0\n"
    )


def test_no_targets_is_an_empty_file():
    assert render(TargetsFile()) == ""
    assert render(TargetsFile((), (GeoPoint((1, 1)),))) == ""
    assert parse("") == TargetsFile()


@pytest.mark.parametrize(
    "target",
    [
        Target("a b.mrc", (0, 0), (0, 0)),
        Target("", (0, 0), (0, 0)),
        Target("a.mrc", (0, 0), (math.nan, 0)),
        Target("a.mrc", (1, 0), (0, 0)),
        Target("a\n.mrc", (0, 0), (0, 0)),
    ],
)
def test_what_pacetomo_cannot_read_is_refused(target):
    with pytest.raises(SpaceError):
        render(TargetsFile((target,)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# hello\n_tgt = 001\n", "line 1"),
        ("_tgt = 001\ntsfile =\n", "line 2"),
        ("_tgt = 001\nSSX = 0\nSSY = 0\n", "no tsfile"),
        ("_tgt = 001\ntsfile = a\nSSX = one\nSSY = 0\n", "SSX is one"),
        ("_tgt = 001\ntsfile = a\nSSX = 1\n", "SSY is missing"),
        ("_set size = 3 4\n", "line 1"),
    ],
)
def test_a_broken_file_is_told_with_its_place(text, said):
    with pytest.raises(SpaceError, match=said):
        parse(text)


def test_windows_line_ends_and_indented_lines_are_ignored():
    text = "_set size = 3\r\n\r\n note\r\n_tgt = 001\r\ntsfile = a.mrc\r\nSSX = 0\r\nSSY = 0\r\n"
    read = parse(text)
    assert read.targets == (Target("a.mrc", (0.0, 0.0), None),)
    assert read.head == (("_set", "size", "3"),)


def test_names_of_the_files():
    root = "G1_L01"
    assert targets_file_name(root) == "G1_L01_tgts.txt"
    assert targets_file_name(area_root(root, 1)) == "G1_L01_tgts.txt"
    assert targets_file_name(area_root(root, 2)) == "G1_L01_area2_tgts.txt"
    assert tilt_series_name(root, 1) == "G1_L01_ts_001.mrc"
    assert view_file_name(root, 12) == "G1_L01_tgt_012_view.mrc"
    assert plot_name(root, ("mitos", "cell")) == "G1_L01_mitos_cell_targets.png"
