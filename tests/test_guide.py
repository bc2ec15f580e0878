"""Pages for users: every message is on their page, and what symptoms quote is said."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools import message_page
from tools.messages import sentences

ROOT = Path(__file__).resolve().parent.parent
SYMPTOMS = (ROOT / "docs" / "symptoms.md").read_text(encoding="utf-8")
QUOTES = re.findall(r'"([^"\n]+)"', "\n".join(re.findall(r"^\| (.+?) \| ", SYMPTOMS, re.MULTILINE)))


def _plain(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def said() -> list[str]:
    """All that the program can say; finding it takes seconds."""
    found = message_page.messages()
    whole = [_plain(text) for message in found for text in (message.text, message.remedy)]
    return whole + [  # what is put together from parts
        re.sub(r"{[^{}]*}|%[sdgf]", "…", text)
        for path in sorted((ROOT / "space").glob("*/*.py"))
        for _, text in sentences(ast.parse(path.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize("quote", QUOTES)
def test_what_a_symptom_quotes_is_a_message(said, quote):
    parts = [part.strip() for part in quote.split("…") if part.strip(" .")]
    assert any(all(part in text for part in parts) for text in said)


def test_page_has_its_messages():
    page = message_page.on_page_markdown(f"Before\n\n{message_page.PLACE}\n")
    assert page.startswith("Before")
    assert "The disk is full" in page
    assert "MM&#95;mean&#95;threshold" in page


def test_other_pages_stay_as_they_are():
    assert message_page.on_page_markdown("# A page") == "# A page"


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        ('raise SpaceError(f"The file {path} is odd.", "there", "Delete it.")',
         "The file … is odd.", "Delete it."),
        ('DO = "Try it again."\nraise SpaceError("This is not right.", do=DO)',
         "This is not right.", "Try it again."),
        ('log.warning("Grid %s has taken %.1f s.", a, b)', "Grid … has taken … s.", ""),
        ('raise OtherError("one of " + "two of them")', "one of two of them", ""),
        ('x = ["A line of a list is wrong."]', "A line of a list is wrong.", ""),
    ],
)  # fmt: skip
def test_messages_of_a_module(tmp_path, code, text, remedy):
    room = tmp_path / "space" / "steps"
    room.mkdir(parents=True)
    (room / "one.py").write_text(code, encoding="utf-8")
    assert [(m.room, m.text, m.remedy) for m in message_page.messages(tmp_path)] == [
        ("steps", text, remedy)
    ]
