import fnmatch
import math
import re
from dataclasses import replace

import numpy as np
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
    plot_pattern,
    read,
    render,
    targets_file_name,
    tilt_series_name,
    view_file_name,
    with_shifts,
)

numbers = st.floats(-2000, 2000, allow_nan=False)
pairs = st.tuples(numbers, numbers)
places = st.tuples(pairs, st.none() | pairs) | st.tuples(st.none(), pairs)
words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.,-]{0,12}", fullmatch=True)
values = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12)
other = st.lists(
    st.tuples(st.from_regex(r"(x|_)[a-z]{4,6}", fullmatch=True), values), max_size=3
).map(tuple)
branch = st.tuples(st.sampled_from(["_pbr", "_nbr", "_pbr = 001"]), other)


@st.composite
def targets(draw, first=False):
    shift, stage = draw(places.filter(lambda place: not first or place[1] is not None))
    return Target(
        tsfile=draw(words),
        shift_um=shift,
        stage_um=stage,
        viewfile=draw(st.just("") | words),
        tgtfile=draw(st.just("") | words),
        skip=draw(st.booleans()),
        score=draw(st.none() | st.floats(-1, 1)),
        other=draw(other),
        branches=draw(st.lists(branch, max_size=2).map(tuple)),
    )


settings_lines = (
    st.tuples(st.just("_set"), words, numbers.map(str))
    | st.tuples(st.just("_bset"), words, st.just("") | words)
    | st.tuples(st.just("_spos"), st.just(""), st.just("12,3"))
)
files = st.builds(
    lambda first, rest, points, head: TargetsFile((first, *rest), tuple(points), tuple(head)),
    targets(first=True),
    st.lists(targets(), max_size=3),
    st.lists(
        st.builds(lambda place, keys: GeoPoint(place[0], keys, place[1]), places, other),
        max_size=3,
    ),
    st.lists(settings_lines, max_size=2),
)


@given(files)
def test_what_is_written_is_read_back(targets_file):
    assert parse(render(targets_file)) == targets_file


# Lines as people and other programs write them.
line = st.one_of(
    st.sampled_from(
        "_tgt = 001|_tgt = 2|_geo = 1|_pbr|_nbr = 1|_spos = 3,1|_set step = 2|_bset x = on|SSX = 1|"
        "SSY = -2e-1|stageX = 5.0|stageY = 7|tsfile = a.mrc|tsfile = a b|viewfile = v.mrc|"
        "skip = true|shifts = |SPACEscore = nan|SPACEscore = .5|note = some words  here||# remark|"
        "SSX =|SSX = nan|key value|a : b| indented = 1|SSX = 1\r".split("|")
    ),
    st.tuples(words, values).map(" = ".join),
)


@given(st.lists(line, max_size=12))
def test_whatever_can_be_read_is_kept_by_writing_it_again(lines):
    start = ["_tgt = 001", "tsfile = t.mrc", "stageX = 1", "stageY = 2"]
    try:
        once = parse("\n".join([*start, *lines]))
    except SpaceError as error:
        assert "line " in str(error)
        return
    assert parse(render(once)) == once


@settings(max_examples=25)
@given(files)
def test_every_line_splits_as_pacetomo_splits(targets_file):
    text = render(targets_file)
    assert "\r" not in text and text.endswith("\n")
    for line in text.split("\n"):
        if line:
            fields = line.split(" ")
            assert fields[0] in ("_pbr", "_nbr") or "=" in (fields[1], fields[2]), line
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
        Target("a.mrc", None, None),
        Target("a.mrc", (0, 0), (0, 0), other=(("_tgt", "1"),)),
        Target("a.mrc", (0, 0), (0, 0), other=(("key", "two\nlines"),)),
        Target("a.mrc", (0, 0), (0, 0), branches=(("skip", ()),)),
        Target("a\n.mrc", (0, 0), (0, 0)),
    ],
)
def test_what_pacetomo_cannot_read_is_refused(target):
    with pytest.raises(SpaceError):
        render(TargetsFile((target,)))


TARGET = "_tgt = 001\ntsfile = a.mrc\nSSX = 0\nSSY = 0\nstageX = 1\nstageY = 2\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# hello\n" + TARGET, "line 1"),
        ("\ufeff" + TARGET, "line 1"),
        ("SSX = 1\n" + TARGET, "line 1.*before the first target|before the first target.*line 1"),
        ("_pbr\n" + TARGET, "before the first target"),
        ("_tgt = 001\ntsfile =\n", "line 2"),
        ("_tgt = 001\ntsfile = \nstageX = 1\nstageY = 2\n", "tsfile is empty.*line 2"),
        (TARGET + "viewfile = \n", "viewfile is empty.*line 7"),
        (TARGET + "remark\n", "'remark' has no value.*line 7"),
        (TARGET + "_pbr\nshifts =\n", "'shifts =' has no value.*line 8"),
        ("_tgt = 001\nSSX = 0\nSSY = 0\nstageX = 1\nstageY = 2\n", "no tsfile.*line 1"),
        (TARGET + "_tgt = 002\nSSX = 1\nSSY = 1\n", "no tsfile.*line 7"),
        ("_tgt = 001\ntsfile = a\nSSX = 0\nSSY = 0\n", "no stage position.*line 1"),
        (TARGET.replace("SSX = 0", "SSX = one"), "SSX is one.*line 3"),
        (TARGET.replace("SSX = 0", "SSX = nan"), "SSX is nan.*line 3"),
        (TARGET.replace("SSX = 0", "SSX =  0"), "SSX is empty.*line 3"),
        (TARGET.replace("stageY = 2", "stageY = inf"), "stageY is inf.*line 6"),
        (TARGET.replace("stageY = 2", "stageY = 1e999"), "stageY is 1e999.*line 6"),
        (TARGET.replace("stageY = 2\n", ""), "no stage position.*line 1"),
        (TARGET + "_tgt = 002\ntsfile = b\nSSX = 1\n", "SSY is missing.*line 9"),
        (TARGET + "_tgt = 002\ntsfile = b\n", "SSX and SSY are missing.*line 7"),
        (TARGET + "_geo = 1\nnote = x\n", "SSX and SSY are missing.*line 7"),
        (TARGET + "_geo = 1\nSSX = 1\nSSY = -inf\n", "SSY is -inf.*line 9"),
        (TARGET + "_geo = 1\nSSX = 1\nSSY = 1\n_pbr\n", "belongs to no target.*line 10"),
        ("_set size = 3 4\n" + TARGET, "line 1"),
        ("_set size = many\n" + TARGET, "size is many.*line 1"),
        ("_set size = nan\n" + TARGET, "size is nan.*line 1"),
        ("_spos = 3\n" + TARGET, "line 1"),
        ("_set step = 3\n", "no target"),
        ("_geo = 1\nSSX = 1\nSSY = 1\n", "no target"),
    ],
)
def test_what_pacetomo_would_stumble_over_is_told_with_its_line(text, said):
    with pytest.raises(SpaceError, match=said) as raised:
        parse(text, "G1_L01_tgts.txt")
    assert "G1_L01_tgts.txt" in str(raised.value)


FIRST = Target("a.mrc", (0.0, 0.0), (1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "is_read_as"),
    [
        ("", TargetsFile()),
        ("\n\n", TargetsFile()),
        (" only remarks\n", TargetsFile()),
        (TARGET.replace("\n", "\r\n"), TargetsFile((FIRST,))),
        (TARGET.rstrip(), TargetsFile((FIRST,))),
        (" a remark\n\n" + TARGET + " = 3\n", TargetsFile((FIRST,))),
        (
            "_tgt = 001\ntsfile = a.mrc\nstageX = 1\nstageY = 2\n",
            TargetsFile((Target("a.mrc", None, (1.0, 2.0)),)),
        ),
        (
            TARGET + "_tgt = 002\ntsfile = b.mrc\nstageX = 3\nstageY = 4\n",
            TargetsFile((FIRST, Target("b.mrc", None, (3.0, 4.0)))),
        ),
        (
            TARGET + "_tgt = 002\ntsfile = b.mrc\nSSX = 3\nSSY = 4\nstageX = 5\n",
            TargetsFile((FIRST, Target("b.mrc", (3.0, 4.0), None, other=(("stageX", "5"),)))),
        ),
        (
            TARGET + "_geo = 1\nstageX = 3\nstageY = 4\n",
            TargetsFile((FIRST,), (GeoPoint(None, (), (3.0, 4.0)),)),
        ),
        (
            "_geo = 1\nSSX = 3\nSSY = 4\n" + TARGET,
            TargetsFile((FIRST,), (GeoPoint((3.0, 4.0)),)),
        ),
        (
            TARGET + "tgtfile = a_tgt_001.mrc\n",
            TargetsFile((replace(FIRST, tgtfile="a_tgt_001.mrc"),)),
        ),
        (
            TARGET.replace("SSX = 0", "SSX = 0.01") + "skip = True\n",
            TargetsFile((replace(FIRST, shift_um=(0.01, 0.0), skip=True),)),
        ),
        (
            TARGET + "SPACEscore = nan\nnote = by  hand\n",
            TargetsFile((replace(FIRST, other=(("SPACEscore", "nan"), ("note", "by  hand"))),)),
        ),
        (
            TARGET + "_set step = 2\n_bset measureGeo = True\n",
            TargetsFile((FIRST,), (), (("_set", "step", "2"), ("_bset", "measureGeo", "True"))),
        ),
        (TARGET + "SSX = 0\nSSX = 0.0 um\n", TargetsFile((FIRST,))),
    ],
)
def test_files_of_others_are_read_as_pacetomo_reads_them(text, is_read_as):
    assert parse(text) == is_read_as


RUN_FILE = """_set startTilt = 0.0
_set minTilt = -60.0
_bset measureGeo = True

_spos = 7,2

_tgt = 001
tgtfile = lam_tgt_001.mrc
tsfile = lam_ts_001.mrc
SSX = 0
SSY = 0
stageX = 12.5
stageY = -3.25
skip = False
_pbr
SSX = 0.012
focus = -4.5
shifts = 0.1,-0.2
angles = 3.0,6.0
skip = False
_nbr
shifts = @
angles = @
skip = True

_tgt = 002
tsfile = lam_ts_002.mrc
SSX = 1.5
SSY = 2
skip = True
_pbr
shifts = @
_nbr
shifts = @

_geo = 1
SSX = -3
SSY = 2
""".replace("@", "")


def test_a_run_file_is_read_without_loss():
    read = parse(RUN_FILE)
    assert read.head[-1] == ("_spos", "", "7,2") and len(read.head) == 4
    first, second = read.targets
    assert first.branches[0] == (
        "_pbr",
        (
            ("SSX", "0.012"),
            ("focus", "-4.5"),
            ("shifts", "0.1,-0.2"),
            ("angles", "3.0,6.0"),
            ("skip", "False"),
        ),
    )
    assert first.branches[1] == ("_nbr", (("shifts", ""), ("angles", ""), ("skip", "True")))
    assert not first.skip and second.skip and second.stage_um is None
    again = render(read)
    assert parse(again) == read
    for kept in ("shifts = \n", "angles = 3.0,6.0\n", "_spos = 7,2\n", "_set minTilt = -60.0\n"):
        assert kept in again


def test_shifts_that_are_not_told_are_those_from_the_first_targets_stage_position():
    # SpecimenToStage = -1: a point at +0.5, +0.2 in stage X, Y has the shift -0.5, -0.2.
    minus_one = (-1.0, 0.0, 0.0, -1.0)
    file = TargetsFile(
        (
            Target("a.mrc", None, (100.0, -50.0)),
            Target("b.mrc", None, (100.5, -49.8)),
            Target("c.mrc", (7.0, 8.0), (0.0, 0.0)),
        ),
        (GeoPoint(None, (), (99.0, -52.0)),),
    )
    done = with_shifts(file, minus_one)
    assert np.allclose([t.shift_um for t in done.targets], [(0, 0), (-0.5, -0.2), (7, 8)])
    assert np.allclose(done.geo_points[0].shift_um, (1, 2))
    assert with_shifts(TargetsFile(), minus_one) == TargetsFile()


@pytest.mark.parametrize("name", ["n" * 241, "a\0b.mrc"])
def test_a_name_that_no_file_can_have_is_told_with_its_line(name):
    text = f"_tgt = 001\ntsfile = {name}\nSSX = 0\nSSY = 0\nstageX = 1\nstageY = 2\n"
    with pytest.raises(SpaceError, match="which cannot be a file name.*line 2"):
        parse(text)
    assert parse(text.replace(name, "n" * 240)).targets


def test_a_file_in_another_code_page_is_read_and_a_missing_one_told(tmp_path):
    path = tmp_path / "a_tgts.txt"
    path.write_bytes(TARGET.replace("a.mrc", "Z\u00fcrich.mrc").encode("cp1252"))
    assert read(path).targets[0].tsfile == "Z\u00fcrich.mrc"
    with pytest.raises(SpaceError, match="cannot be read.*b_tgts"):
        read(tmp_path / "b_tgts.txt")


def test_names_of_the_files():
    root = "G1_L01"
    assert targets_file_name(root) == "G1_L01_tgts.txt"
    assert targets_file_name(area_root(root, 1)) == "G1_L01_tgts.txt"
    assert targets_file_name(area_root(root, 2)) == "G1_L01_area2_tgts.txt"
    assert tilt_series_name(root, 1) == "G1_L01_ts_001.mrc"
    assert view_file_name(root, 12) == "G1_L01_tgt_012_view.mrc"
    assert plot_name(root, ("mitos", "cell")) == "G1_L01_mitos_cell_targets.png"


@pytest.mark.parametrize("targets", [("mitos",), ("lamella", "a/b"), ("*",), ("$",) * 15])
def test_a_picture_of_targets_is_found_by_its_pattern(targets):
    name = plot_name("G1_L01", targets)
    assert fnmatch.fnmatch(name, plot_pattern("G1_L01"))
    assert not fnmatch.fnmatch(name, plot_pattern("G1_L011"))
