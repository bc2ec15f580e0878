"""The page that shows what ran on the simulated microscope."""

from __future__ import annotations

import base64
import importlib
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from space.simulator import Policy, Script, Simulation
from space.simulator.column import DEATH_EXIT_CODE
from space.simulator.command_line import main
from space.simulator.keeping import SESSION_FOLDER, SessionError
from space.simulator.report import (
    CommandUse,
    Picture,
    Record,
    Recorder,
    RecordError,
    ScriptEnd,
    noted,
    write_page,
)
from space.simulator.report import page as page_module
from space.simulator.report.recorder import MOST_LINES, MOST_PICTURES, THUMBNAIL_PX, thumbnail

pytest_plugins = ["pytester"]

HEAD = "#!Python\nimport serialem as sem\n"
SMALL = ["--lamellae", "0", "--within", "120"]
SCRIPT = """
sem.V()
sem.MoveStageTo(5, 5)
sem.NoMessageBoxOnError(1)
for name in ("ExposeFilm", "ReportCurrentFilename"):
    try:
        getattr(sem, name)()
    except sem.SEMerror:
        pass
if not sem.YesNoBox("Go on?"):
    sem.EnterString("n", "name")
sem.Delay(30)
sem.Exit()
"""


class Seen(HTMLParser):
    """Tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += f"{data}\n"

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def recorded(tmp_path):
    """A function that runs a script and gives its record."""

    def run(text, **choices):
        simulation = Simulation(tmp_path, lamellae=0, time_scale=0.0, **choices)
        recorder = simulation.session.watcher = Recorder(simulation.session)
        simulation.run(HEAD + text, "mine")
        return recorder.record("a test", "passed")

    return run


def picture(data):
    return np.array(PillowImage.open(io.BytesIO(base64.b64decode(thumbnail(data)))).convert("L"))


# --- what is noted -------------------------------------------------------------------------------


def test_a_record_tells_what_ran(recorded):
    answers = Policy(yes=False, texts=(("name", "G7"),))
    record = recorded(SCRIPT, seed=4, instrument="talos_ceta", serialem="4.1.25",
                      faults=["lost-focus@1"], policy=answers)  # fmt: skip
    assert record.scripts == (ScriptEnd("mine", True, "exited"),)
    uses = {use.name: use for use in record.commands}
    assert list(uses) == sorted(uses, key=str.lower)
    assert not uses["ExposeFilm"].simulated and uses["ReportCurrentFilename"].simulated
    assert record.not_simulated == ("ExposeFilm",)
    assert {name for name, use in uses.items() if use.failures} == {
        "ExposeFilm",
        "ReportCurrentFilename",
    }
    assert uses["Delay"].scope_s == pytest.approx(30, abs=0.1) and uses["Delay"].real_s < 1
    assert record.scope_s == pytest.approx(sum(use.scope_s for use in record.commands))
    assert record.dialogs == (
        ("yes/no", "Go on?", "no", False),
        ("enter", "name", "G7", True),
    )
    assert record.faults == ("lost-focus@1 struck once, at 1 (pictures: 1).",)
    assert record.microscope == "Talos 200 kV, SerialEM 4.1.25, seed 4"
    assert record.pictures_taken == len(record.pictures) == 1
    assert record.pictures[0].words[0] == "G1, LM"
    assert "[enter] name -> G7" in record.log


def test_a_script_that_fails_says_how(recorded):
    record = recorded("1 / 0\n")
    (end,) = record.scripts
    assert (end.ok, end.how) == (False, "failed") and "ZeroDivisionError" in end.error


def test_a_script_that_ends_in_another_one_has_not_failed(tmp_path):
    simulation = Simulation(tmp_path, lamellae=0)
    simulation.scripts[2] = Script("two", f"{HEAD}sem.Exit()\n")
    recorder = simulation.session.watcher = Recorder(simulation.session)
    assert simulation.run(f"{HEAD}sem.Call('two')\n").exited
    (use,) = recorder.record("a test", "passed").commands
    assert (use.name, use.calls, use.failures) == ("Call", 1, 0)


def test_a_script_behaves_as_without_a_record(recorded, tmp_path):
    ends = []
    for watched in (False, True):
        simulation = Simulation(tmp_path, lamellae=0, time_scale=0.0)
        if watched:
            simulation.session.watcher = Recorder(simulation.session)
        result = simulation.run(HEAD + "sem.V()\nsem.ReportCurrentFilename()\n")
        ends.append((result, simulation.log, simulation.exposures))
    assert ends[0] == ends[1] and not ends[0][0].ok


def test_records_are_read_as_they_were_written(recorded):
    record = recorded("sem.V()\nsem.YesNoBox('?')\n", faults=["drift@1"])
    assert Record.from_dict(record.to_dict()) == record
    for damaged in ({}, {**record.to_dict(), "scripts": 3}, {**record.to_dict(), "pictures": [{}]}):
        with pytest.raises(RecordError):
            Record.from_dict(damaged)


def test_of_a_long_log_the_end_is_kept(recorded):
    record = recorded(f"for n in range({MOST_LINES + 5}):\n    sem.Echo(str(n))\n")
    assert record.log[0] == "... (5 lines are left out here)"
    assert len(record.log) == MOST_LINES + 1 and record.log[-1] == str(MOST_LINES + 4)


def test_of_many_pictures_some_are_kept_evenly(tmp_path):
    session = Simulation(tmp_path, lamellae=0).session
    image = replace(session.acquire_image("V"), data=np.eye(4))
    exposure = session.exposures[-1]
    recorder = Recorder(session)
    for count in range(1, 200):
        recorder.picture(image, exposure)
        record = recorder.record("a", "passed")
        kept = [each.number for each in record.pictures]
        steps = set(np.diff(kept)) or {1}
        assert record.pictures_taken == count and len(kept) <= MOST_PICTURES
        assert kept[0] == 1 and len(steps) == 1 and count - kept[-1] < steps.pop()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5000), (1023, 1440), (192, 192), (193, 10)])
def test_thumbnails_are_small_and_the_right_way_up(shape):
    data = np.zeros(shape, dtype=np.uint16)
    data[: (shape[0] + 1) // 2, : (shape[1] + 1) // 2] = 1000
    seen = picture(data)
    assert max(seen.shape) <= THUMBNAIL_PX
    assert seen[0, 0] >= seen[-1, -1]
    if min(shape) > 100:
        assert (seen[0, 0], seen[-1, -1], seen[0, -1], seen[-1, 0]) == (255, 0, 0, 0)
    assert len(np.unique(seen)) <= 16
    assert len(thumbnail(np.random.default_rng(1).normal(0, 1, (1023, 1440)))) < 20_000


# --- the page ------------------------------------------------------------------------------------

WORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30)


def page(tmp_path, *records, title="Tests"):
    path = tmp_path / "new" / "page.html"
    write_page(path, title, records)
    return Seen(path.read_text(encoding="utf-8"))


def test_a_page_shows_all_of_a_record(tmp_path, recorded):
    record = recorded(SCRIPT, faults=["drift@9"])
    text = page(tmp_path, record, title="Tests of mine").text
    for part in ("Tests of mine", "a test", "Krios 300 kV, SerialEM 4.3", "mine", "exited",
                 "Go on?", "drift@9 did not strike", "G1, LM", "ExposeFilm: not simulated",
                 "MoveStageTo"):  # fmt: skip
        assert part in text


def test_a_page_needs_nothing_else_and_runs_nothing(tmp_path, recorded):
    seen = page(tmp_path, recorded(SCRIPT))
    assert {tag for tag, _ in seen.tags}.isdisjoint({"script", "link", "iframe", "object", "a"})
    for tag, attributes in seen.tags:
        assert not {name for name in attributes if name.startswith("on") or name == "href"}, tag
    (image,) = seen.named("img")
    assert image["src"].startswith("data:image/png;base64,") and image["alt"] == "picture 1"
    policy = [tag for tag in seen.named("meta") if "http-equiv" in tag]
    assert "default-src 'none'" in policy[0]["content"]
    style = page_module.TEMPLATE.read_text(encoding="utf-8")
    assert not re.search(r"https?:|@import|url\(", style)


@settings(max_examples=25, deadline=None)
@given(WORDS)
def test_whatever_scripts_say_is_text(tmp_path_factory, words):
    tmp_path = tmp_path_factory.mktemp("page")
    odd = f"<script>alert('x')</script>$title & \"{words}\" --><img src=x>"
    record = Record(odd, "failed", odd, odd, scripts=(ScriptEnd(odd, False, odd, f"{odd}\n{odd}"),),
                    commands=(CommandUse(odd, False, 1),), dialogs=((odd, odd, odd, True),),
                    pictures=(Picture("AAAA", 1, (odd,)),), pictures_taken=1, faults=(odd,),
                    log=(odd,))  # fmt: skip
    plain = replace(
        record, title="a", microscope="a", details="a",
        scripts=(ScriptEnd("a", False, "a", "a\na"),), commands=(CommandUse("a", False, 1),),
        dialogs=(("a", "a", "a", True),),
        pictures=(Picture("AAAA", 1, ("a",)),), faults=("a",), log=("a",),
    )  # fmt: skip
    seen, expected = page(tmp_path, record, title=odd), page(tmp_path, plain)
    assert seen.tags == expected.tags
    assert seen.text.count(odd) == 18


def test_pictures_of_failures_come_first_where_there_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_PICTURES", 2)
    two = tuple(Picture("AAAA", number, ()) for number in (1, 2))
    good = Record("it went well", "passed", pictures=two, pictures_taken=2)
    bad = Record("it went wrong", "failed", pictures=two, pictures_taken=2)
    seen = page(tmp_path, good, bad)
    assert len(seen.named("img")) == 2
    assert seen.text.index("it went wrong") < seen.text.index("Pictures (2)")


def test_a_page_without_anything_says_so(tmp_path):
    assert "Nothing ran on it." in page(tmp_path).text


# --- tests with pytest ----------------------------------------------------------------------------

TESTS = """
import pytest

def test_good(sem):
    sem.V()

@pytest.mark.sem(instrument="talos_ceta", lamellae=0)
def test_bad(run_script):
    assert run_script("#!Python\\nraise ValueError('no lamella')\\n", "finder").ok

def test_skipped(simulation):
    pytest.skip("not today")

def test_no_microscope():
    pass

@pytest.fixture
def broken(sem):
    yield
    raise ValueError("at the end")

def test_broken(broken):
    pass
"""
PLUGIN = ["-p", "space.simulator.pytest_plugin", "-p", "no:cacheprovider"]


def check(path):
    seen = Seen(path.read_text(encoding="utf-8"))
    titles = re.findall(r"(passed|failed|skipped)\n\S*::(\w+)", seen.text)
    assert sorted(titles) == [
        ("failed", "test_bad"),
        ("failed", "test_broken"),
        ("passed", "test_good"),
        ("skipped", "test_skipped"),
    ]
    for part in ("Skipped: not today", "ValueError: no lamella", "at the end", "finder", "Talos"):
        assert part in seen.text
    assert len(seen.named("img")) == 1


def test_a_page_is_written_after_the_tests(pytester):
    importlib.import_module("space.simulator.commands").all_commands()
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess(*PLUGIN, "--sem-report", "out/page.html")
    result.assert_outcomes(passed=3, failed=1, skipped=1, errors=1)
    result.stdout.fnmatch_lines(["What ran on the simulated microscope: *page.html"])
    check(pytester.path / "out" / "page.html")


def test_a_page_shows_tests_of_other_processes(pytester):
    pytest.importorskip("xdist")
    pytester.makepyfile(TESTS)
    pytester.runpytest_subprocess(*PLUGIN, "-n", "1", "--sem-report", "page.html")
    check(pytester.path / "page.html")


def test_only_the_first_of_several_processes_writes_the_page(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    registered = []
    config = SimpleNamespace(
        getoption=lambda *name: "page.html",
        pluginmanager=SimpleNamespace(register=lambda *what: registered.append(what)),
        invocation_params=SimpleNamespace(dir=Path()),
        rootpath=Path("mine"),
        addinivalue_line=lambda *line: None,
        add_cleanup=lambda clean_up: None,
    )
    plugin = importlib.import_module(PLUGIN[1])
    plugin.pytest_configure(config)
    assert len(registered) == 1
    config.workerinput = {}
    plugin.pytest_configure(config)
    assert len(registered) == 1


def test_a_folder_in_place_of_a_page_is_told_at_once(pytester):
    pytester.makepyfile(TESTS)
    (pytester.path / "pages").mkdir()
    result = pytester.runpytest_inprocess(*PLUGIN, "--sem-report", "pages")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--sem-report pages is a folder. Name a file in it.*"])


def test_without_the_option_nothing_is_noted(pytester):
    pytester.makepyfile("def test_it(simulation):\n    assert simulation.session.watcher is None\n")
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    assert [path.suffix for path in pytester.path.iterdir() if path.is_file()] == [".py"]


# --- sessions that are kept -----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run_text(text, name, *words):
        (tmp_path / f"{name}.py").write_text(HEAD + text, encoding="utf-8")
        return main(["--session", "demo", "--run", f"{name}.py", *words])

    return run_text


def test_a_page_shows_all_runs_of_a_session(run, tmp_path, capsys):
    assert run("sem.V()\n", "first", *SMALL) == 0
    assert run("raise ValueError('no lamella')\n", "second", "--report", "page.html") == 1
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    seen = Seen(page)
    assert "Session demo" in seen.text and "Run 1: first" in seen.text
    assert "Run 2: second" in seen.text and "no lamella" in seen.text
    assert len(seen.named("img")) == 1
    assert main(["--session", "demo", "--report", "again.html"]) == 0
    assert len(noted(tmp_path / "demo")) == 2, "to look is no run"
    assert main(["--session", "none", "--report", "again.html"]) == 2
    assert "There is no session. [--session none]" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_run_that_does_not_end_is_shown(run, tmp_path):
    assert run("", "first", *SMALL) == 0
    (tmp_path / "dies.py").write_text(f"{HEAD}sem.Echo('here')\nsem.Delay(1)\n", encoding="utf-8")
    command = [sys.executable, "-m", "space.simulator", "--session", "demo", "--run", "dies.py"]
    done = subprocess.run([*command, "--fault", "serialem-death@Delay"], capture_output=True)
    assert done.returncode == DEATH_EXIT_CODE
    assert run("raise KeyboardInterrupt\n", "stopped") == 130
    assert run("sem.Echo('going on')\n", "last") == 0
    records = noted(tmp_path / "demo")
    assert [record.outcome for record in records.values()] == [
        "passed", "did not end", "did not end", "passed",
    ]  # fmt: skip
    assert records[2].title == "Run 2: dies.py" and "here" in records[2].log
    assert [use.name for use in records[2].commands] == ["Delay", "Echo"]


def test_damaged_records_are_told(run, tmp_path, capsys):
    assert run("", "first", *SMALL) == 0
    path = tmp_path / "demo" / SESSION_FOLDER / "records.jsonl"
    for text in ("[1, {}]\n", "3\n", "{\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SessionError, match="damaged"):
            noted(tmp_path / "demo")
        assert main(["--session", "demo", "--report", "page.html"]) == 2
        assert "damaged" in capsys.readouterr().err
