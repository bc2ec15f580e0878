"""Telling people: what the setting `notify` may be, and that nothing of it stops a session."""

from __future__ import annotations

import json

import pytest

from space import journal, settings, webhook_post
from space.errors import SpaceError
from space.journal import Kind
from space.settings import Settings
from space.steps import telling
from tests.microscope import fake_serialem

ADDRESS = "https://hooks.example.org/T0/secret"
HOOK = {"webhook": ADDRESS, "format": "slack"}


class Sent:
    """In place of `Sending`: keeps what is sent."""

    all: list[tuple[str, str, str]] = []
    failure: str | None = ""

    def __init__(self, address, message, kind):
        self.all.append((address, message.title, kind))

    def outcome(self, wait_s=0.0):
        return self.failure


@pytest.fixture
def world(monkeypatch):
    """SerialEM with a log and a mail box, and no network."""
    mails: list[str] = []
    subjects: list[str] = []
    module = fake_serialem.install(monkeypatch, MailSubject=subjects.append, SendEmail=mails.append)
    monkeypatch.setattr(Sent, "all", [])
    monkeypatch.setattr(Sent, "failure", "")
    monkeypatch.setattr(webhook_post, "Sending", Sent)
    monkeypatch.setattr(telling, "_on_their_way", [])
    module.mails, module.subjects = mails, subjects
    return module


def test_people_are_told_by_each_way_they_want(world, tmp_path):
    wanted = Settings(notify={**HOOK, "email": True})
    telling.tell(wanted, tmp_path, "grid done", "8 of 9\nlamellae", "G2")
    title = f"SPACEtomo, {tmp_path.name}: grid done (G2)"
    assert Sent.all == [(ADDRESS, title, "slack")]
    assert world.subjects == [title] and world.mails == ["8 of 9 / lamellae"]
    texts = [e.text for e in journal.read(tmp_path) if e.kind is Kind.NOTIFIED]
    assert texts == ["mail: grid done", "webhook: grid done"]


def test_people_hear_only_of_what_they_want(world, tmp_path):
    wanted = Settings(notify={**HOOK, "on": ("stopped",)})
    telling.tell(wanted, tmp_path, "grid done", "x")
    telling.tell(Settings(), tmp_path, "stopped", "x")
    assert Sent.all == []
    telling.tell(wanted, tmp_path, "stopped", "x")
    assert len(Sent.all) == 1


def test_a_failure_is_said_once_without_the_address(world, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(Sent, "failure", "the server answers 500")

    def refuse(text):
        raise fake_serialem.SEMerror("no server for mail")

    monkeypatch.setattr(world, "SendEmail", refuse)
    for _ in range(3):
        telling.tell(Settings(notify={**HOOK, "email": True}), tmp_path, "stopped", "x")
    assert caplog.text.count("the server answers 500") == 1
    assert caplog.text.count("no server for mail") == 1
    assert "secret" not in caplog.text
    assert [e.numbers["failed"] for e in journal.read(tmp_path)] == [1.0] * 6


def test_the_end_of_a_script_waits_but_not_for_ever(world, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Sent, "failure", None)
    with telling.told_when_stopped(Settings(notify=HOOK), tmp_path):
        telling.tell(Settings(notify=HOOK), tmp_path, "finished", "x")
        assert "no answer" not in caplog.text
    assert "no answer in time" in caplog.text and telling._on_their_way == []


def test_an_error_that_stops_the_run_is_told_and_still_raised(world, tmp_path):
    with pytest.raises(SpaceError), telling.told_when_stopped(Settings(notify=HOOK), tmp_path):
        raise SpaceError("The stage is stuck.")
    assert [title.split(": ")[1] for _, title, _ in Sent.all] == ["stopped"]


# --- the setting ----------------------------------------------------------------------------------


def problems(value) -> str:
    return " ".join(settings.parse({"notify": value}).problems)


@pytest.mark.parametrize("value", [{}, HOOK, {"email": True}, {**HOOK, "on": ["stopped"]}])
def test_a_good_setting(value):
    assert problems(value) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (ADDRESS, "is not a table"),
        ({"webhok": ADDRESS}, "Did you mean 'webhook'?"),
        ({ADDRESS: 1}, "an entry that is none of webhook"),
        ({"webhook": "hooks.example.org/secret", "format": "slack"}, "not an address"),
        ({"webhook": ADDRESS}, "format is missing"),
        ({**HOOK, "format": "irc"}, "format = 'irc'. Allowed: slack, teams"),
        ({**HOOK, "email": "me@example.org"}, "email must be True or False"),
        ({**HOOK, "on": "stopped"}, "on must be a list"),
        ({**HOOK, "on": ["lunch"]}, "on names 'lunch'. Allowed: grid done"),
        ({"email": False}, "names no way"),
        ({"webhook": ["https://secret"], "format": ["slack"]}, "not an address"),
        ({**HOOK, "on": [["stopped"]]}, "on names"),
    ],
)
def test_a_setting_that_is_wrong_is_said_without_its_secret(value, words):
    assert words in problems(value) and "/secret" not in problems(value)


def test_the_address_stays_on_this_computer(tmp_path):
    with_hook = Settings(SPACE_DIR="C:/SPACEtomo", notify={**HOOK, "on": ("stopped",)})
    assert "secret" not in repr(with_hook) and "secret" not in json.dumps(with_hook.to_dict())
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir(), own.mkdir()
    assert "secret" not in settings.save(with_hook, shared).read_text(encoding="utf-8")
    assert settings.load(shared).notify == {}
    settings.save(with_hook, own, secrets=True)
    assert settings.load(own).notify == with_hook.notify
