"""The `serialem` module: argument checks, results, errors, images."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator import module as sem_module
from space.simulator.errors import SEMerror, SEMexited, SEMmoduleError


def build(session, **commands):
    return sem_module.build_module(session, commands)[0]


@pytest.fixture
def session(make_session):
    return make_session()


def test_argument_types(session):
    seen = []
    sem = build(
        session,
        ImageShiftByMicrons=lambda s, *a: seen.append(a),
        MoveToNavItem=lambda s, *a: seen.append(a),
        YesNoBox=lambda s, *a: seen.append(a),
    )
    sem.ImageShiftByMicrons(1, np.float32(2.0))
    sem.MoveToNavItem(np.int64(3))
    sem.MoveToNavItem(True)
    sem.MoveToNavItem()
    assert seen == [(1.0, 2.0), (3,), (1,), ()]
    for call in (
        lambda: sem.ImageShiftByMicrons(np.array([1.0, 2.0])),
        lambda: sem.ImageShiftByMicrons("1", 2),
        lambda: sem.ImageShiftByMicrons(1),
        lambda: sem.MoveToNavItem(2.0),
        lambda: sem.MoveToNavItem(1, 2),
        lambda: sem.YesNoBox(3),
        lambda: sem.YesNoBox(text="a"),
    ):
        with pytest.raises(TypeError):
            call()
    assert len(seen) == 4


def test_empty_optional_text_is_not_given(session):
    seen = []
    sem = build(
        session, NewMap=lambda s, *a: seen.append(a), SetVariable=lambda s, *a: seen.append(a)
    )
    sem.NewMap(0, "")
    sem.SetVariable("x", "")
    assert seen == [(0,), ("x", "")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(3, 3.0), (True, 1.0), (np.float32(2), 2.0), ((1, "n"), (1.0, "n")), ("t", "t"),
     ((5,), 5.0), (None, None), (np.array([1, 2]), (1.0, 2.0))],
)  # fmt: skip
def test_numbers_are_floats(session, given, expected):
    sem = build(session, ReportMag=lambda s: given)
    result = sem.ReportMag()
    assert result == expected
    assert type(result) is type(expected)


def test_return_all_values_as_tuples(session):
    sem = build(session, ReportDefocus=lambda s: 2, ReportDirectory=lambda s: "d")
    sem.ReturnAllValuesAsTuples(1)
    assert sem.ReportDefocus() == (2.0,)
    assert sem.ReportDirectory() == "d"


def test_error_text_only_without_message_box(session):
    def fail(s):
        raise SEMerror("no peak")

    sem = build(session, V=fail)
    with pytest.raises(SEMerror) as boxed:
        sem.V()
    assert str(boxed.value) == ""
    assert session.dialogs[-1].text == "no peak"
    session.options.no_message_box = True
    with pytest.raises(SEMerror, match="no peak"):
        sem.V()


def test_commands_that_are_not_simulated_raise(session):
    sem = build(session)
    with pytest.raises(SEMerror):
        sem.ConicalAlignTo("A", 1.0)
    assert session.last_error == "ConicalAlignTo: not simulated"


def test_module_has_every_command_of_the_table(session):
    sem = build(session)
    assert sem.ReportNumModuleFuncs() == 791
    assert callable(sem.MultipleRecords)


def test_exit(session):
    sem, connection = sem_module.build_module(session, {"V": lambda s: None})
    with pytest.raises(SEMexited):
        sem.Exit()
    with pytest.raises(SEMmoduleError):
        sem.V()
    sem, connection = sem_module.build_module(session, {})
    assert sem.Exit(1, "done here") is None
    assert "done here" in session.log
    assert connection.ended and not connection.failed


def test_exceptions_are_direct_children():
    for kind in (SEMerror, SEMexited, SEMmoduleError):
        assert kind.__bases__ == (Exception,)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_buffer_image(session, dtype):
    sem = build(session)
    image = session.take("V", frame_px=(30, 20))
    data = np.arange(600).reshape(20, 30).astype(dtype)
    session.buffers.set("B", type(image)(**{**vars(image), "data": data}))
    array = np.asarray(sem.bufferImage("B"))
    assert array.shape == (20, 30) and array.dtype == dtype
    assert not array.flags.writeable and array.flags.c_contiguous
    assert np.array_equal(array, data)


@pytest.mark.parametrize("name", ["b", "C", "U", "AF", ""])
def test_buffer_image_refuses(session, name):
    sem = build(session)
    session.take("V", frame_px=(30, 20))
    with pytest.raises(SystemError) as caught:
        sem.bufferImage(name)
    assert isinstance(caught.value.__cause__, SEMmoduleError)
    with pytest.raises(TypeError):
        sem.bufferImage(buffer="A")


def test_put_image_in_buffer(session):
    sem = build(session)
    session.take("V", frame_px=(40, 20))
    small = np.arange(200, dtype=np.uint8).reshape(10, 20)
    sem.PutImageInBuffer(small, "O", 20, 10, "A", 2)
    image = session.buffers.get("O")
    assert image.processed and image.binning == 8.0
    assert np.array_equal(image.data, small)
    for bad in (
        (small, "O"),
        (small.astype(float), "O", 20, 10, "A"),
        (small[:, ::2], "O", 10, 10, "A"),
        (small, "O", 20, 10, "K"),
        ([1, 2], "O", 2, 1, "A"),
    ):
        with pytest.raises(SEMmoduleError):
            sem.PutImageInBuffer(*bad)
    assert not hasattr(sem, "putImageInBuffer")
