"""The page about a session: what it says, what it never holds, and what it costs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from space import cli, overview, report
from space.journal import JOURNAL_FILE, Kind, note
from space.report import shots, writing
from tests.overview.folders import Folder, with_targets

EVIL = "<script>alert('x')</script><img src=http://evil.example/a.png>"
EMPTY = {"meta", "br", "img", "path", "rect"}


class Page(HTMLParser):
    """What a page is made of; tags must close as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def values(self, key: str) -> list[str]:
        return [value for name, value in self.attributes if name == key]


def mdoc(path: Path, lost: bool) -> None:
    tilts = range(-60, 61, 3)
    counts = [290 * np.exp(0.6 - 0.6 / np.cos(np.radians(t))) for t in tilts]
    if lost:
        counts = [c * (0.2 if t > 31 else 1) for t, c in zip(tilts, counts)]
    path.write_text(
        "\n\n".join(
            f"[ZValue = {z}]\nTiltAngle = {t}.01\nMinMaxMean = 0 9 {c:.2f}\nExposureDose = 3"
            f"\nSpecimenShift = 0.1 0.2\nCtfFind = -4.{z % 9}\nTargetDefocus = -4"
            for z, (t, c) in enumerate(zip(tilts, counts))
        ),
        encoding="utf-8",
    )


def noisy(path: Path, seed: int = 0, side: int = 300) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def session(directory: Path) -> Folder:
    """A lamella that was acquired, one whose segmentation failed, one that was only found."""
    folder = with_targets(Folder(directory).named(), 1).series(1).acquire_off(1)
    folder.found(2).mapped(2).segmentation_failed(2, EVIL).found(3)
    mdoc(directory / "G1_L01_ts_001.mrc.mdoc", lost=False)
    mdoc(directory / "G1_L01_ts_002.mrc.mdoc", lost=True)
    run = directory / "G1_L01_tgts_run01.txt"
    head = "_set pretilt = 9.5\n_set rotation = -2.5\n"
    run.write_text(head + run.read_text(encoding="utf-8"), encoding="utf-8")
    (directory / "tomograms").mkdir()
    facts = {"quality": {"score": 0.62}, "residual_nm": 1.23, "views": [{}] * 41, "dropped": [],
             "files": {"picture": "slice.png"}}  # fmt: skip
    told = directory / "tomograms" / "G1_L01_ts_001_tomogram.json"
    told.write_text(json.dumps(facts), encoding="utf-8")
    noisy(directory / "tomograms" / "slice.png", 2)
    noisy(directory / "G1_L01_mitos_targets.png")
    noisy(directory / "G1_L01_segmentation.png", 1)
    note(directory, Kind.LEVEL_DONE, "G1", level=2, seconds=600)
    for _ in range(3):
        note(directory, Kind.WARNING, "G1", text=f"The stage did not settle {EVIL}")
    note(directory, Kind.ERROR, text="The disk is slow")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("session of & b")
    session(directory)
    report.update(directory)
    return directory


@pytest.fixture(scope="module")
def page(made) -> Page:
    return Page((made / "report.html").read_text(encoding="utf-8"))


def test_the_page_tells_what_became_of_each_lamella(page):
    for words in ("lost from +33° on (10 pictures)", "G1_L01_ts_002.mrc", "1 good, 1 lost",
                  "acquired", "failed", "found", "pretilt 9.5°, rotation -2.5°", "1 of 3",
                  "level 2: collecting maps", "10 min", "The disk is slow", "123 e⁻/Å²",
                  "0.50 to 0.50, together 1.0", "(slice.png)",
                  "Tomogram of 41 pictures, quality 0.62, residual 1.2 nm"):  # fmt: skip
        assert words in page.text, words


def test_a_warning_that_came_again_stands_there_once(page):
    assert page.text.count("The stage did not settle") == 1


def test_text_of_files_is_text(page):
    assert page.tags.count("script") == 0
    assert page.text.count("<script>alert('x')</script>") >= 2  # a reason, and a warning
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_the_page_asks_nobody_for_anything(made, page):
    assert set(page.tags).isdisjoint(
        {"script", "link", "iframe", "object", "form", "base", "audio"}
    )
    assert len(page.values("src")) == 4
    assert all(value.startswith("data:image/jpeg;base64,") for value in page.values("src"))
    assert all(value.startswith("#") for value in page.values("href"))
    style = re.search("<style>(.*?)</style>", (made / "report.html").read_text("utf-8"), re.S)[1]
    assert not re.search(r"url\(|@import|https?:|//|<", style)
    (policy,) = [v for v in page.values("content") if "default-src" in v]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_each_link_leads_to_a_place_in_the_page(page):
    assert page.values("href")
    assert {value[1:] for value in page.values("href")} <= set(page.values("id"))
    assert len(set(page.values("id"))) == len(page.values("id"))


def test_the_charts_show_each_picture(page):
    charts = [value for value in page.values("d") if value.startswith("M") and "h0" in value]
    assert len([d for d in charts if d.count("h0") == 31]) >= 1  # of the lost series, what is good
    assert len([d for d in charts if d.count("h0") == 10]) >= 1  # and what is lost


def test_it_may_be_printed(made):
    assert "@media print" in (made / "report.html").read_text(encoding="utf-8")


def test_pictures_are_made_small_once(tmp_path, monkeypatch):
    session(tmp_path)
    calls = []
    real = shots._encoded
    monkeypatch.setattr(shots, "_encoded", lambda *a: calls.append(a[0].name) or real(*a))
    report.update(tmp_path)
    assert len(calls) == 4
    report.update(tmp_path)
    assert len(calls) == 4
    noisy(tmp_path / "G1_L01_segmentation.png", 7)
    report.update(tmp_path)
    assert calls[4:] == ["G1_L01_segmentation.png"]


def test_a_page_stays_small_and_says_what_was_left_out(tmp_path, monkeypatch):
    session(tmp_path)
    monkeypatch.setattr(writing, "LARGEST_BYTES", 60_000)
    found = report.gather(overview.read_session(tmp_path))
    written = report.write_report(found, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert written.size_bytes <= 60_000
    assert written.size_bytes == (tmp_path / "r.html").stat().st_size
    assert written.left_out
    assert all(name in Page(text).text for name in written.left_out)
    assert "No room for" in text


@pytest.mark.parametrize("count", [1, 8, 120])
def test_more_pictures_are_smaller_ones(count):
    widths = shots._widths(count, 4_000_000)
    assert widths[0] == {1: 1100, 8: 1100, 120: 460}[count]
    assert list(widths) == sorted(widths, reverse=True)


def test_charts_of_good_series_give_way_to_many(tmp_path, monkeypatch):
    session(tmp_path)
    monkeypatch.setattr(writing, "_MOST_FOR_CHARTS", 1000)
    report.update(tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Charts of good tilt series were left out" in text
    assert text.count("Mean counts") == 2  # label and title of the lost one


def test_a_broken_picture_is_named(tmp_path):
    session(tmp_path)
    path = tmp_path / "G1_L01_mitos_targets.png"
    path.write_bytes(path.read_bytes()[:-40])
    report.update(tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Not whole or no picture: G1_L01_mitos_targets.png" in text


def test_nothing_raises_and_the_page_before_stays(tmp_path, caplog, monkeypatch):
    report.update(tmp_path / "nowhere")
    assert "The report was not written" in caplog.text
    session(tmp_path)
    report.update(tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    (tmp_path / JOURNAL_FILE).write_bytes(b"\xff\xfe not a journal\n{\n")
    (tmp_path / "G1_L01_ts_001.mrc.mdoc").write_bytes(b"\x00" * 100)
    (tmp_path / "G1_L01_tgts_run01.txt").write_text("_tgt", encoding="utf-8")

    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_bytes_atomic", full)
        report.update(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    report.update(tmp_path)
    assert (tmp_path / "report.html").read_bytes() != before


def test_several_grids_have_a_page_each(tmp_path):
    session(tmp_path).named(2, "G[2]")
    report.update(tmp_path, "G1")
    alone = Page((tmp_path / "G1_report.html").read_text(encoding="utf-8")).text
    both = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "G[2]" in both
    assert "G[2]" not in alone


def test_the_page_of_a_grid_alone_says_the_same(tmp_path):
    session(tmp_path).named(2, "G[2]").found(1)
    path, texts = tmp_path / "G1_report.html", []
    for write in (report.update, report.update_grid):
        write(tmp_path, "G1")
        lines = Page(path.read_text(encoding="utf-8")).text
        texts.append(re.sub(r"Written [0-9: -]+", "", lines))
        path.unlink()
    assert texts[0] == texts[1] and "G[2]" not in texts[0]


def test_the_page_of_a_grid_that_is_not_there_costs_a_warning(tmp_path, caplog):
    session(tmp_path)
    report.update_grid(tmp_path, "G9")
    assert "There is no grid G9" in caplog.text


@given(data=st.binary(max_size=300))
def test_pictures_of_a_page_that_is_none(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "junk.html"
    mark = b"0" * 24
    path.write_bytes(data + b'data-of="' + mark + b'" src="data:image/jpeg;base64,' + b'AAAA"')
    assert shots.shots_of_page(path) == {}


def test_the_command_writes_the_page(tmp_path, capsys):
    session(tmp_path)
    assert cli.main(["report", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").is_file()
    assert "report.html" in capsys.readouterr().out
    other = tmp_path / "other.html"
    assert cli.main(["report", str(tmp_path), "--out", str(other), "--grid", "G1"]) == 0
    assert "G1_L01_ts_002.mrc" in other.read_text(encoding="utf-8")


def test_the_command_prints_the_numbers(tmp_path, capsys):
    session(tmp_path)
    assert cli.main(["report", str(tmp_path), "--json"]) == 0
    assert not (tmp_path / "report.html").exists()
    (grid,) = json.loads(capsys.readouterr().out)["grids"]
    good, lost = grid["lamellae"][0]["series"]
    assert (good["verdict"], lost["verdict"]) == ("good", "lost")
    assert lost["lost"] == [{"from_deg": 33.01, "pictures": 10}]
    assert grid["lamellae"][0]["geometry"][0]["pretilt_deg"] == 9.5


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nowhere"], "There is no such folder"),
        ([".", "--out", "nowhere/r.html"], "cannot be written there"),
        ([".", "--grid", "G9"], "There is no grid G9"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, monkeypatch, args, words):
    session(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", *args]) == 2
    assert words in capsys.readouterr().err
