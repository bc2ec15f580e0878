"""Each setting is declared once: the script, the table and the options say the same."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import fields, replace
from pathlib import Path

import pytest

from space.errors import SpaceError
from space.settings import Settings, page
from space.settings.declared import NAMES, Result, declaration, settings_of
from space.settings.kinds import Number, Whole

ROOT = Path(__file__).resolve().parents[1]
CONTINUED = re.compile(r"# {4,}")


def script_comments() -> dict[str, str]:
    """The comment of each setting in SPACEtomo.py, in their order."""
    text = (ROOT / "SPACEtomo.py").read_text(encoding="utf-8").split("import sys")[0]
    comments: dict[str, str] = {}
    name = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.start[1] == 0:
            name = token.string
        elif token.type == tokenize.COMMENT and token.start[1] > 0:
            comments[name] = token.string.lstrip("# ")
        elif token.type == tokenize.COMMENT and CONTINUED.match(token.string):
            comments[name] += " " + token.string.lstrip("# ")
    return comments


def test_the_script_has_every_setting_in_order_with_the_unit_and_meaning_of_its_declaration():
    declared = {name: declaration(name) for name in NAMES}
    wanted = {
        name: f"{one.kind.unit}; {one.meaning}" if one.kind.unit else one.meaning
        for name, one in declared.items()
    }
    assert list(script_comments().items()) == list(wanted.items())


def test_the_page_is_as_the_declarations_say():
    """If not: python -m space.settings.page."""
    assert page.PAGE.read_text(encoding="utf-8") == page.text()


def test_no_cell_of_the_table_breaks_it():
    rows = [line for line in page.text().splitlines() if line.startswith("| `")]
    assert len(rows) == len(NAMES)
    assert {row.count("|") for row in rows} == {8}


def test_every_setting_changes_one_result():
    assert NAMES == tuple(one.name for one in fields(Settings))
    assert sorted(settings_of(*Result)) == sorted(NAMES)
    assert all(settings_of(result) for result in Result)


def test_settings_hold_allowed_values_only_and_all_that_is_wrong_is_told():
    with pytest.raises(SpaceError) as caught:
        Settings(max_tilt=91, grid_list=[1], save_plot=1)  # type: ignore[arg-type]
    assert all(name in str(caught.value) for name in ("max_tilt", "grid_list", "save_plot"))
    with pytest.raises(SpaceError, match="automation_level = 6 is out of range"):
        replace(Settings(), automation_level=6)


@pytest.mark.parametrize(
    ("kind", "words", "inside", "outside"),
    [
        (Number(above=0, below=1), "more than 0 and less than 1", (0.001, 0.5), (0, 1, -1)),
        (Number(at_least=0, at_most=1e7), "at least 0 and at most 10000000", (0, 1e7), (-0.1, 2e7)),
        (Number(at_least=0.5, zero="none"), "at least 0.5, or 0 (none)", (0, 0.5), (0.4, -1)),
        (Whole(at_least=1), "at least 1", (1, 10**30), (0, -(10**30))),
    ],
)
def test_a_range_is_what_its_words_say(kind, words, inside, outside):
    assert kind.range == words
    assert not [value for value in inside if kind.problems("x", value)]
    for value in outside:
        (problem,) = kind.problems("x", value)
        assert "out of range" in problem and words in problem
