import io
import logging
import sys

import pytest

from space.jobs.messages import start_logging


@pytest.fixture
def logger(monkeypatch):
    logger = logging.getLogger("space")
    monkeypatch.setattr(logger, "handlers", list(logger.handlers))
    # What captures messages in tests of several processes cannot send odd characters between them.
    monkeypatch.setattr(logger, "propagate", False)
    level = logger.level
    yield logger
    logger.setLevel(level)


def test_names_in_a_message_do_nothing_to_a_terminal(logger, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    start_logging()
    logging.getLogger("space.jobs").error(
        "a\x1b[2J\udcff\u202e_L01.png is not processed: why\nWhere."
    )
    stream.flush()
    text = stream.buffer.getvalue().decode()
    assert text.endswith("ERROR a?[2J??_L01.png is not processed: why\nWhere.\n")


class Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def test_work_goes_on_quietly_when_nobody_reads_the_messages(logger, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Closed())
    start_logging()
    logging.getLogger("space.jobs").info("hello")
    assert capsys.readouterr().err == ""
