"""Values of SPACEtomo_config.py changed as text: all else stays, byte for byte."""

from __future__ import annotations

import ast
import codecs
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from space.config_edit import changed, changed_bytes, same, written
from space.constants import parse_constants

SHIPPED = (Path(__file__).parents[1] / "SPACEtomo_config.py").read_text(encoding="utf-8")
NAMES = tuple(parse_constants(SHIPPED)[0])

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
plain |= st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
values = st.recursive(
    plain,
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.lists(inside, max_size=3).map(tuple)
        | st.dictionaries(st.text("ab\"'\\", max_size=3), inside, max_size=2)
    ),
    max_leaves=6,
)


@given(values)
@example("a\ufffdb\u2028\x85\x0c\r\n\"'\\")
@example((1,))
@example(-5)
def test_what_is_written_is_read_back(value):
    found = ast.literal_eval(written(value))
    assert same(found, value) and type(found) is type(value)


@given(st.dictionaries(st.sampled_from([*NAMES, "new_one", "other"]), values, max_size=4))
def test_only_the_values_change(new):
    before, _ = parse_constants(SHIPPED)
    text = changed(SHIPPED, new, NAMES)
    found, problems = parse_constants(text)
    assert not problems
    assert list(found.items()) != [] and all(same(found[name], new[name]) for name in new)
    assert all(found[name] == value for name, value in before.items() if name not in new)
    # Set back, it is the text that it was, but for lines that came new.
    back = changed(text, {name: before[name] for name in new if name in before}, NAMES)
    added = [f"{name} = {written(new[name])}" for name in new if name not in before]
    kept = [line for line in back.split("\n") if line not in added]
    assert kept == SHIPPED.split("\n") or "categories" in new  # its layout is its author's


CASES = {
    "comment stays": ("a = 1  # one\n", {"a": 2}, "a = 2  # one\n"),
    "the same is left as written": ("a = 0x10 # hex\nb='x'\n", {"a": 16, "b": "x"}, None),
    "12 is 12.0": ("a = 12\n", {"a": 12.0}, None),
    "but 1 is not True": ("a = 1\n", {"a": True}, "a = True\n"),
    "the later one counts": ("a = 1\na = 2\n", {"a": 3}, "a = 1\na = 3\n"),
    "Windows": (
        "a = 1\r\n# c\r\nb = 2\r\n",
        {"b": 3, "c": 4},
        "a = 1\r\n# c\r\nb = 3\r\nc = 4\r\n",
    ),
    "old Mac": ("a = 1\rb = 2\r", {"b": 3}, "a = 1\rb = 3\r"),
    "no line end": ("a = 1", {"b": 2}, "a = 1\nb = 2\n"),
    "empty": ("", {"b": 2}, "b = 2\n"),
    "umlauts before": ('"äöü"; a = "ä" "ö"  # µ\n', {"a": "ß"}, '"äöü"; a = "ß"  # µ\n'),
    "two on a line": ("a = 1; b = 2\n", {"b": 3}, "a = 1; b = 3\n"),
    "in brackets": ("a = (\n    1\n)  # c\n", {"a": 2}, "a = (\n    2\n)  # c\n"),
    "annotated": ("a: int = 1\n", {"a": 2}, "a: int = 2\n"),
    "over lines": ('a = [\n  1,  # one\n  "#no",\n]  # z\n', {"a": [2]}, "# one\na = [2]  # z\n"),
    "text over lines": ('a = """x\r\ny"""\r\nb = 1\r\n', {"a": "z"}, 'a = "z"\r\nb = 1\r\n'),
    "tables": ("a = {1: (2, 3)}\n", {"a": {"k": (1,)}}, 'a = {"k": (1,)}\n'),
    "no constant yet": ("a = [0] * 3\n", {"a": [0]}, "a = [0]\n"),
    "form feed": ("\x0ca = 1\n\x0cb = 2\n", {"b": 1}, "\x0ca = 1\n\x0cb = 1\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_value_changes_in_its_place(case):
    text, new, wanted = CASES[case]
    assert changed(text, new) == (text if wanted is None else wanted)


def test_a_new_name_stands_after_its_neighbour():
    text = "a = 1  # one\n\n# two\nb = (\n  2)  # b\n# three\nc = 3\n"
    assert changed(text, {"new": 0}, ("a", "b", "new", "c")) == text.replace(
        "# b\n", "# b\nnew = 0\n"
    )
    assert changed(text, {"new": 0}, ("a", "gone", "new")) == text.replace(
        "# one\n", "# one\nnew = 0\n"
    )
    assert changed(text, {"new": 0}, ("new", "c")) == text + "new = 0\n"


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_the_encoding_stays(mark):
    encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(
        mark, "utf-8"
    )
    data = mark + "a = 'µ'  # ä\r\n".encode(encoding)
    assert changed_bytes(data, {"a": "Ω"}) == mark + 'a = "Ω"  # ä\r\n'.encode(encoding)


@pytest.mark.parametrize(
    ("data", "new", "told"),
    [
        (b"a = '\xe4'\n", {"a": 1}, "not text in UTF-8"),
        (b"a = \n", {"a": 1}, "line 1 is not valid Python"),
        (b"a = b = 1\n", {"b": float("inf")}, "cannot be written"),
        (b"a = 1\n", {"b": {1, 2}}, "cannot be written"),
        (b"a = 1\n", {"b c": 1}, "is not a name"),
        (b"a = " + b"[" * 400 + b"]" * 400, {"a": 1}, "line 1|nested"),
        (b"if True:\n    b = 1\n    c = (\n", {"b": 1}, "not valid Python"),
        (b"a = 1\0\n", {"a": 2}, "null"),
    ],
)
def test_what_cannot_be_changed_is_refused(data, new, told):
    with pytest.raises(ValueError, match=told):
        changed_bytes(data, new)
