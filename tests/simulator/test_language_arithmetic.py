"""Arithmetic and values of SerialEM's own language, compared with Python's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.simulator.language import arithmetic, values
from space.simulator.language.arithmetic import apart, calculated, evaluated
from space.simulator.language.supported import ONE_VALUE, TWO_VALUES
from space.simulator.language.values import ValueProblem

NUMBERS = st.one_of(
    st.integers(-1000, 1000).map(str), st.floats(-100, 100).map(lambda value: f"{value:.3f}")
)


def expressions(operators):
    """Texts that Python and the language read alike."""
    return st.recursive(
        NUMBERS,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(operators), inner).map(" ".join),
            inner.map("( {} )".format),
        ),
        max_leaves=12,
    )


@given(expressions("+-*/"))
def test_precedence_and_parentheses_are_those_of_python(text):
    try:
        expected = eval(text)
    except ZeroDivisionError:
        with pytest.raises(ValueProblem, match="is not a number"):
            calculated(apart(text))
        return
    assert calculated(apart(text)) == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


@given(expressions("+-*"), expressions("+-*"), st.sampled_from(["==", "!=", "<", ">", "<=", ">="]))
def test_comparisons_come_after_arithmetic(one, other, sign):
    expected = eval(f"({one}) {sign} ({other})")
    assert calculated(apart(f"{one} {sign} {other}")) == float(expected)


LOGIC = st.recursive(
    st.sampled_from(["0", "1", "2 > 1", "3 == 4"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(" ".join),
        inner.map("( {} )".format),
        inner.map("NOT ( {} )".format),
    ),
    max_leaves=12,
)


@given(LOGIC, st.booleans())
def test_logic_is_that_of_python(text, lower):
    expected = bool(eval(text.replace("AND", "and").replace("OR", "or").replace("NOT", "not")))
    assert calculated(apart(text.lower() if lower else text)) == float(expected)


@given(st.floats(-1e6, 1e6))
def test_numbers_keep_six_decimals(value):
    text = values.shown(value)
    assert values.number(text) == pytest.approx(value, rel=1e-5, abs=5e-7)
    assert "." not in text or "e" in text or not text.endswith("0")
    assert values.as_value(text) == float(text)


@given(st.lists(st.integers(-99, 99).map(str), min_size=1), st.data())
def test_elements_of_arrays_are_those_of_lists(parts, data):
    array = values.joined(parts)
    assert values.elements(array) == parts
    place = data.draw(st.integers(1, len(parts) + 1))
    changed = values.with_element(array, [place], "new")
    expected = [*parts[: place - 1], "new", *parts[place:]]
    assert values.elements(changed) == expected
    assert values.element(changed, [place]) == "new"


@given(st.lists(st.lists(st.integers(-99, 99).map(str), min_size=1), min_size=1), st.data())
def test_rows_are_lists_of_lists(rows, data):
    array = values.joined_rows(map(values.joined, rows))
    row = data.draw(st.integers(1, len(rows)))
    column = data.draw(st.integers(1, len(rows[row - 1])))
    assert len(values.elements(array)) == len(rows)
    assert values.element(array, [row, column]) == rows[row - 1][column - 1]
    rows[row - 1][column - 1] = "new"
    changed = values.with_element(array, [row, column], "new")
    assert [values.elements(part) for part in values.elements(changed)] == rows


def test_every_function_of_the_documentation_is_there():
    assert arithmetic.ONE.keys() == ONE_VALUE.keys()
    assert arithmetic.TWO.keys() == TWO_VALUES.keys()


FUNCTIONS = {
    "sqrt 2": math.sqrt(2),
    "abs -3": 3,
    "nearint 2.5": 3,
    "nearint -2.5": -3,
    "floor -1.5": -2,
    "ceiling -1.5": -1,
    "sin 30": 0.5,
    "cos 60": 0.5,
    "tan 45": 1,
    "atan 1": 45,
    "atan2 1 -1": 135,
    "log 10": math.log(10),
    "log10 1000": 3,
    "exp 1": math.e,
    "modulo 7 4": 3,
    "modulo -7 4": -3,
    "min ( 3 -2 )": -2,
    "max ( 1 + 1 ) 1": 2,
    "power 2 10": 1024,
    "diffabs 2 5": 3,
    "fracdiff 2 -8": 10 / 8,
    "sqrt 9 * 2": 6,
    "- 1 + 2": None,
    "sqrt -1": None,
    "log 0": None,
    "modulo 3 0": None,
    "3 4": None,
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_functions(text):
    if FUNCTIONS[text] is None:
        with pytest.raises(ValueProblem):
            calculated(apart(text))
    else:
        assert calculated(apart(text)) == pytest.approx(FUNCTIONS[text])


def test_words_alone_stay_as_they_are():
    assert evaluated(["007", "+", "1", "a-b", "5.0"]) == [8.0, "a-b", "5.0"]


def test_the_name_of_a_function_is_a_word_where_no_value_follows():
    assert evaluated("1 + 2 min log it max".split()) == [3.0, "min", "log", "it", "max"]
