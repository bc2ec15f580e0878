import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.jobs.lines import format_queue, format_runs, parse_queue, parse_runs
from space.jobs.records import (
    Job,
    Run,
    Table,
    clean_map_name,
)

names = (
    st.text(
        st.characters(
            codec="utf-8",
            exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"],
            exclude_characters='/\\#"{:',
        ),
        min_size=1,
    )
    .map(lambda t: f"{t}_L01.png")
    .filter(lambda n: clean_map_name(n) == n)
)
params = st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans()), max_size=3)
jobs = st.builds(Job, names, st.sampled_from(["segment", "detect"]), params)


@given(st.lists(jobs, max_size=5, unique_by=lambda j: j.key))
def test_queue_round_trip(items):
    assert parse_queue(format_queue(Table(tuple(items)))).records == tuple(items)


@given(st.lists(jobs, max_size=5, unique_by=lambda j: j.key), st.text())
def test_runs_round_trip(items, reason):
    runs = tuple(Run(j, "failed", 2, "pc-1", "0", "today", reason, "ab") for j in items)
    assert parse_runs(format_runs(Table(runs))).records == runs


@given(st.text())
def test_any_text_can_be_read(text):
    for job in parse_queue(text).records:
        assert job.map_name.lower().endswith((".png", ".mrc"))
    parse_runs(text)


@pytest.mark.parametrize(
    ("line", "name", "task"),
    [
        ("G1_L01.png", "G1_L01.png", "segment"),
        ("G1_L01", "G1_L01.png", "segment"),
        ("  G1_L01.png  \r", "G1_L01.png", "segment"),
        ("G1_L01.png detect", "G1_L01.png", "detect"),
        ("G1_L01.png\tDetect\t{broken", "G1_L01.png", "detect"),
        ('G1_L01.png\t{"a": 1}', "G1_L01.png", "segment"),
        (r"X:\maps\my grid_L01.png", "my grid_L01.png", "segment"),
        ("/data/maps/G1_L01.png\tsegment", "G1_L01.png", "segment"),
        ("\ufeffG1_L01.png\tsegment\t[]", "G1_L01.png", "segment"),
        ("my grid_L01_ts_001.mrc tomogram", "my grid_L01_ts_001.mrc", "tomogram"),
    ],
)
def test_lines_typed_by_hand(line, name, task):
    (job,) = parse_queue(line + "\n").records
    assert (job.map_name, job.task) == (name, task)


def test_comments_stay_and_double_lines_go():
    table = parse_queue("# mine\n\nb.png\na.png\nb.png\n")
    assert [j.map_name for j in table.records] == ["b.png", "a.png"]
    assert format_queue(table).startswith("# mine\nb.png\tsegment")


def test_no_way_out_of_the_folder():
    assert clean_map_name("../../secret.png") == "secret.png"
    assert clean_map_name("..") == ""
