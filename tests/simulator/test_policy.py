"""Answers to dialogs, and keys."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from space.simulator import Policy
from space.simulator.program.policy import Keyboard, PolicyError

HEAD = "#!Python\nimport serialem as sem\n"


def run(simulation, body):
    return simulation.run(HEAD + textwrap.dedent(body))


def test_dialogs_follow_the_policy(make_simulation):
    policy = Policy(
        answers=(("go on", False),), texts=(("Name", "G9"), ("Stop", "Cancel")), keys=("b",)
    )
    simulation = make_simulation(policy=policy)
    body = """
    assert sem.YesNoBox('Really go on?') == 0.0
    assert sem.YesNoBox('Other?') == 1.0
    sem.OKBox('Read this')
    sem.EnterString('n', 'Name of grid')
    assert sem.GetVariable('n') == 'G9'
    assert sem.EnterDefaultedNumber(3, -1, 'Number') == 3.0
    assert sem.KeyBreak('B') == 1.0
    assert sem.KeyBreak('B') == 0.0
    sem.EnterString('n', 'Stop here')
    """
    result = run(simulation, body)
    assert not result.ok and "cancelled" in result.error
    assert [(d.kind, d.answer, d.foreseen) for d in simulation.session.dialogs[:6]] == [
        ("yes/no", "no", True),
        ("yes/no", "yes", False),
        ("ok", "ok", False),
        ("enter", "G9", True),
        ("enter", "3.0", False),
        ("enter", "Cancel", True),
    ]


@pytest.mark.parametrize("yes", [True, False])
def test_pauses(make_simulation, yes):
    simulation = make_simulation(policy=Policy(yes=yes))
    result = run(simulation, "assert sem.Pause('Go on?') == 1.0")
    assert result.ok is yes and ("suspended" in result.error) is not yes


def test_nothing_waits_without_answers(make_simulation):
    simulation = make_simulation()
    body = """
    assert sem.YesNoBox('Question') == 1.0
    assert sem.Pause() == 1.0
    sem.EnterString('s', 'Text')
    assert sem.GetVariable('s') == ''
    assert sem.EnterOneNumber('Number') == 0.0
    assert sem.EnterDefaultedNumber(2.5, 1, 'Number') == 2.5
    assert sem.UserSetDirectory('Where') == sem.ReportDirectory()
    sem.SaveLogOpenNew('new')
    """
    assert run(simulation, body).ok
    assert not any(dialog.foreseen for dialog in simulation.session.dialogs)
    assert len(simulation.session.dialogs) == 7


@pytest.mark.parametrize(
    ("entered", "decimals", "value"), [("12", 0, 12.0), ("2.6", -1, 3.0), ("two", 0, None)]
)
def test_numbers_that_are_entered(make_simulation, entered, decimals, value):
    simulation = make_simulation(policy=Policy(texts=(("How many", entered),)))
    result = run(
        simulation, f"assert sem.EnterDefaultedNumber(1, {decimals}, 'How many') == {value}"
    )
    assert result.ok is (value is not None)
    assert value is not None or "is not a number" in result.error


def test_answers_change_from_one_time_to_the_next(make_simulation):
    policy = Policy(answers=(("more", (True, True, False)),), texts=(("name", ("a", "b")),))
    simulation = make_simulation(policy=policy)
    body = """
    assert [sem.YesNoBox('More?') for _ in range(4)] == [1.0, 1.0, 0.0, 0.0]
    names = []
    for _ in range(3):
        sem.EnterString('s', 'The name')
        names.append(sem.GetVariable('s'))
    assert names == ['a', 'b', 'b']
    """
    result = run(simulation, body)
    assert result.ok, result.error


def test_callbacks_come_first_and_may_leave_the_answer_to_the_rest(make_simulation):
    seen = []

    def respond(kind, text):
        seen.append((kind, text))
        return {"Grid": "G1", "Sure": "no"}.get(text)

    policy = Policy(respond=respond, texts=(("Sample", "S1"),))
    simulation = make_simulation(policy=policy)
    body = """
    sem.EnterString('g', 'Grid')
    sem.EnterString('s', 'Sample')
    assert (sem.GetVariable('g'), sem.GetVariable('s')) == ('G1', 'S1')
    assert sem.YesNoBox('Sure') == 0.0
    """
    assert run(simulation, body).ok
    assert seen == [("enter", "Grid"), ("enter", "Sample"), ("yes/no", "Sure")]


def test_policy_from_a_file(tmp_path, make_simulation):
    path = tmp_path / "answers.toml"
    text = """
    yes = false                # a comment
    folder = "data"
    keys = ["b", "C"]
    awaited = ["n"]
    key_after_polls = 3
    key_after_s = 1

    [questions]
    "start over" = "no"
    'No\\. \\d' = true
    "Proceed" = ["yes", "no"]

    [entries]
    "name" = "G\u00e9"
    "how many" = 12
    "give up" = "Cancel"
    """
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    policy = Policy.from_file(path)
    assert policy == Policy(
        yes=False,
        folder="data",
        keys=("b", "C"),
        awaited=("n",),
        key_after_polls=3,
        key_after_s=1,
        answers=(("start over", False), (r"No\. \d", True), ("Proceed", (True, False))),
        texts=(("name", "G\u00e9"), ("how many", "12"), ("give up", "Cancel")),
    )
    simulation = make_simulation(policy=policy)
    (simulation.session.directory / "data").mkdir()
    body = """
    assert sem.UserSetDirectory().endswith('data')
    assert sem.EnterOneNumber('how many?') == 12.0
    assert sem.YesNoBox('anything') == 0.0
    """
    assert run(simulation, body).ok


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yes = ", "is not a TOML file"),
        ("yess = true", "'yess' is not known; there are yes"),
        ("yes = 1", "1 is not possible for 'yes'"),
        ("key_after_polls = true", "True is not possible"),
        ('keys = ["ab"]', "is not possible for 'keys'"),
        ('[questions]\n"a" = "perhaps"', "neither yes nor no"),
        ('[entries]\n"a" = true', "neither text nor number"),
        ('[entries]\n"a" = []', "has no answer"),
        ('[questions]\n"(" = "no"', "is not a regular expression"),
        ("questions = 3", "must be a table"),
    ],
)
def test_files_that_are_wrong_are_told(tmp_path, text, message):
    path = tmp_path / "answers.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        Policy.from_file(path)
    assert message in str(caught.value) and "answers.toml" in str(caught.value)


def test_a_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.from_file(tmp_path / "none.toml")


def test_a_look_at_the_keys_forgets_what_was_pressed():
    keyboard, policy = Keyboard(), Policy()
    keyboard.press("c")
    assert not keyboard.test("B", policy) and not keyboard.test("C", policy)
    keyboard.press("c")
    assert keyboard.test("C", policy) and not keyboard.test("C", policy)


def test_planned_keys_wait_until_they_are_looked_for():
    keyboard, policy = Keyboard(["C", "B"]), Policy()
    assert keyboard.test("B", policy) and keyboard.test("c", policy)
    assert not keyboard.test("B", policy)


def test_a_key_that_is_looked_for_again_and_again_is_pressed():
    keyboard = Keyboard()
    often = Policy(key_after_polls=3)
    assert [keyboard.test("B", often) for _ in range(6)] == [False, False, True] * 2
    assert Keyboard().test("B", Policy(key_after_s=0.0))


@pytest.mark.parametrize("policy", [Policy(key_after_polls=1), Policy(key_after_s=0.0)])
def test_only_the_keys_that_end_a_wait_are_pressed_unasked(policy):
    assert [Keyboard().test(key, policy) for key in "Bp"] == [True, False]
    assert Keyboard().test("p", replace(policy, awaited=("P",)))


def test_a_script_that_waits_for_a_key_in_vain_is_told_in_the_log_once(
    make_simulation, monkeypatch
):
    monkeypatch.setattr("space.simulator.program.policy.OVERDUE_S", 0.0)
    simulation = make_simulation()
    assert run(simulation, "for _ in range(3):\n    assert sem.KeyBreak('v') == 0.0\n").ok
    told = [line for line in simulation.log if "looking for key V" in line]
    assert len(told) == 1 and 'keys = ["v"]' in told[0]
