"""Every command of the table: its signature, what it does without being simulated, its line in
the documentation."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from space.simulator import Simulation, command_docs
from space.simulator.column import SEMerror
from space.simulator.commands import all_commands
from space.simulator.python.argkeys import command_table
from space.simulator.python.module import MODULE_COMMANDS, build_module
from space.simulator.python.not_simulated import SUBJECTS
from tests.simulator.fakes import SpotGrid

ROWS = list(command_table().values())
# A value of the right type and some of the wrong ones, for each kind of key.
RIGHT = {"S": "A", "D": 1.5, "I": 1}
WRONG = {"S": (1, 1.0, None, b"A"), "D": ("1", None, [1.0]), "I": (1.0, "1", None, 1.5)}


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    """Module in which every command only notes that it was called, the notes, and the session."""
    calls = []

    def spy(name):
        return lambda session, *arguments: calls.append((name, arguments))

    names = [row.name for row in ROWS if row.name not in MODULE_COMMANDS]
    session = Simulation(tmp_path_factory.mktemp("table"), grids={1: SpotGrid()}).session
    return build_module(session, {name: spy(name) for name in names})[0], calls, session


@pytest.fixture
def calls(recorder):
    """What reached a command, by (name, arguments)."""
    recorder[1].clear()
    return recorder[1]


@pytest.fixture
def spied(recorder):
    return recorder[0]


def required(row) -> int:
    return sum(key.isupper() for key in row.keys)


def right(row, count=None):
    return [RIGHT[key.upper()] for key in row.keys][:count]


def test_the_table_is_whole():
    assert len(ROWS) == 791
    assert set(all_commands()) <= {row.name for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_wrong_counts_and_types_are_type_errors_before_anything_happens(spied, calls, row):
    command = getattr(spied, row.name)
    least, most = required(row), len(row.keys)
    bad = [right(row, count) for count in range(least)]
    bad.append([*right(row), "extra"])
    for place, key in enumerate(row.keys):
        for value in WRONG[key.upper()]:
            arguments = right(row)
            arguments[place] = value
            bad.append(arguments)
    for arguments in bad:
        with pytest.raises(TypeError):
            command(*arguments)
    if most:
        with pytest.raises(TypeError):
            command(*right(row, most - 1), key=RIGHT[row.keys[-1].upper()])
    assert calls == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("TiltTo", (None,), "TiltTo() argument 1 must be a number, not NoneType"),
        ("MoveStageTo", (1.0, "2"), "MoveStageTo() argument 2 must be a number, not str"),
        (
            "ChangeItemLabel",
            (1.0, "a"),
            "ChangeItemLabel() argument 1 must be an integer, not float",
        ),
        ("OpenNewFile", (7,), "OpenNewFile() argument 1 must be str, not int"),
    ],
)
def test_a_wrong_type_is_told_with_command_and_place(spied, name, arguments, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        getattr(spied, name)(*arguments)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("-inf")])
@pytest.mark.parametrize("name", ["ImageShiftByMicrons", "SetBeamTilt", "MoveStageTo"])
def test_what_is_no_number_does_not_reach_the_microscope(recorder, calls, name, value):
    module = recorder[0]
    with pytest.raises(module.SEMerror):
        getattr(module, name)(1.0, value)
    assert calls == []
    assert f"{name}: argument 2 is {float(value)}, not a finite number" in recorder[2].last_error


def test_right_arguments_arrive_in_the_types_of_the_table(spied, calls):
    kinds = {"S": str, "D": float, "I": int}
    for row in ROWS:
        if row.name in MODULE_COMMANDS:
            continue
        for count in range(required(row), len(row.keys) + 1):
            calls.clear()
            getattr(spied, row.name)(*right(row, count))
            ((name, arguments),) = calls
            assert name == row.name and len(arguments) == count
            for key, value in zip(row.keys, arguments):
                assert type(value) is kinds[key.upper()]


def test_whole_numbers_of_other_kinds_are_integers_and_numbers(spied, calls):
    for row in ROWS:
        if row.name in MODULE_COMMANDS or not set(row.keys.upper()) <= {"D", "I"} or not row.keys:
            continue
        calls.clear()
        getattr(spied, row.name)(*[np.int64(3)] * len(row.keys))
        getattr(spied, row.name)(*[True] * len(row.keys))
        assert [arguments[0] for _, arguments in calls] == [3, 1]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SetVariable", ("x", "")),
        ("StringArrayToScript", ("x", 0)),
        ("GetNavGroupImageCoords", (1, "A", "x", "y")),
        ("AutoContourGridSquares", ("A",)),
        ("ReportMultishotVectors", (0,)),
        ("ReadBasicModeFile", ("x",)),
    ],
)
def test_only_the_keys_say_how_many_arguments_python_must_give(spied, calls, name, arguments):
    """The text parser's own minimum does not hold for calls from Python."""
    getattr(spied, name)(*arguments)
    assert calls == [(name, arguments)]


def test_what_is_not_simulated_says_so(make_session):
    session = make_session()
    module = build_module(session, all_commands())[0]
    missing = [r for r in ROWS if r.name not in all_commands() and r.name not in MODULE_COMMANDS]
    assert missing
    for row in missing:
        session.options.no_message_box = False
        with pytest.raises(SEMerror) as boxed:
            getattr(module, row.name)(*right(row, required(row)))
        assert str(boxed.value) == ""
        assert session.last_error == f"{row.name}: not simulated"
        session.options.no_message_box = True
        with pytest.raises(SEMerror, match=f"{row.name}: not simulated"):
            getattr(module, row.name)(*right(row, required(row)))


def test_simulated_commands_take_as_many_arguments_as_the_table_allows():
    for row in ROWS:
        function = all_commands().get(row.name)
        if function is None:
            continue
        parameters = list(inspect.signature(function).parameters.values())[1:]
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            continue
        needed = sum(p.default is p.empty for p in parameters)
        assert needed <= required(row) <= len(row.keys) <= len(parameters), row.name


# --- the table in the documentation -------------------------------------------------------------


def test_the_page_has_the_present_tables():
    """If not: python -m space.simulator.command_docs."""
    page = command_docs.PAGE.read_text(encoding="utf-8")
    assert command_docs.renewed(page) == page


def test_every_command_is_in_the_table_once():
    names = [name for group in command_docs.simulated().values() for name in group]
    names += [name for group in command_docs.not_simulated().values() for name in group]
    assert sorted(names) == sorted(row.name for row in ROWS)


def test_every_command_that_is_not_simulated_belongs_to_one_subject():
    listed = [name for subject in SUBJECTS for name in subject.names]
    assert len(listed) == len(set(listed))
    assert set(listed) <= {row.name for row in ROWS}
    assert command_docs.OTHERS not in command_docs.not_simulated()


def test_a_page_is_renewed_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    marks = [(command_docs.BEGIN, command_docs.END)] * len(command_docs.PARTS)
    parts = [
        f"{begin.format(name=name)}\nold old\n{end.format(name=name)}\n"
        for name, (begin, end) in zip(command_docs.PARTS, marks)
    ]
    page.write_text("before\n" + "between\n".join(parts) + "after\n", encoding="utf-8")
    assert command_docs.main([str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "\nbetween\n" in text
    assert "old old" not in text
    assert "`MoveStageTo(DDd)`" in text and "`camera-timeout`" in text
    with pytest.raises(ValueError, match="needs the lines"):
        command_docs.renewed("no marks")
    with pytest.raises(ValueError, match="needs a docstring"):
        command_docs.first_line(lambda session: None)


TYPES = {"S": "str", "D": "float", "I": "int"}  # of the functions behind the commands


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_a_command_declares_the_types_that_the_table_has(name):
    keys = command_table()[name].keys
    own = list(inspect.signature(all_commands()[name]).parameters.values())[1:]
    given = [one.annotation for one in own if one.kind is not one.VAR_POSITIONAL]
    for key, annotation in zip(keys, given):
        choices = set(annotation.split(" | "))
        assert TYPES[key.upper()] in choices
        assert key.isupper() or "None" in choices
