"""The `serialem` module: argument checks, results, errors, images."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from space.simulator.column import SEMerror, SEMexited, SEMmoduleError
from space.simulator.python import module as sem_module


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


def put(session, letter, data):
    session.buffers.set(letter, replace(session.take("V", frame_px=(30, 20)), data=data))


@pytest.mark.parametrize(
    ("dtype", "code"), [(np.uint8, "B"), (np.int16, "h"), (np.uint16, "H"), (np.float32, "f")]
)
def test_buffer_image_has_the_buffer_protocol(session, dtype, code):
    sem = build(session)
    data = np.arange(600).reshape(20, 30).astype(dtype)
    put(session, "O", data)
    image = sem.bufferImage("O")
    array, view = np.asarray(image), memoryview(image)
    assert array.shape == (20, 30) and array.dtype == dtype
    assert not array.flags.writeable and array.flags.c_contiguous
    assert np.array_equal(array, data)
    assert (view.format, view.shape, view.readonly) == (code, (20, 30), True)
    assert view.tobytes() == data.tobytes()


def test_buffer_image_is_a_snapshot_and_nothing_else(session):
    sem = build(session)
    put(session, "O", np.zeros((20, 30), np.int16))
    image = sem.bufferImage("O")
    put(session, "O", np.ones((20, 30), np.int16))
    assert np.asarray(image).max() == 0
    assert isinstance(sem.bufferImage, type)
    for wrong in (lambda: len(image), lambda: image[0], lambda: image.shape):
        with pytest.raises((TypeError, AttributeError)):
            wrong()


def test_buffer_image_of_other_numbers_is_float(session):
    put(session, "O", np.ones((20, 30)))
    assert np.asarray(build(session).bufferImage("O")).dtype == np.float32


def test_buffer_image_of_a_power_spectrum(session):
    put(session, "O", np.ones((20, 30), np.uint8))
    session.workbench.fft.push(session.buffers.get("O"))
    assert np.asarray(build(session).bufferImage("AF")).shape == (20, 30)


@pytest.mark.parametrize("name", ["b", "C", "U", "AF", "IF", "aF", "AA", ""])
def test_buffer_image_refuses(session, name):
    sem = build(session)
    session.take("V", frame_px=(30, 20))
    with pytest.raises(SystemError) as caught:
        sem.bufferImage(name)
    assert isinstance(caught.value.__cause__, SEMmoduleError)
    for wrong in (lambda: sem.bufferImage(buffer="A"), lambda: sem.bufferImage(1)):
        with pytest.raises(TypeError):
            wrong()


def test_put_image_in_buffer(session):
    sem = build(session)
    before = session.take("V", frame_px=(40, 20))
    small = np.arange(200, dtype=np.uint8).reshape(10, 20)
    assert sem.PutImageInBuffer(small, "O", 20, 10, "A", 2) is None
    image = session.buffers.get("O")
    assert image.processed and image.binning == 2 * before.binning
    assert image.stage_um == before.stage_um and image.mag_index == before.mag_index
    assert np.array_equal(image.data, small)
    assert not hasattr(sem, "putImageInBuffer")


def test_an_image_put_in_a_rolls_the_buffers(session):
    sem = build(session)
    session.take("V", frame_px=(40, 20))
    old = session.buffers.get("A")
    sem.PutImageInBuffer(np.ones((20, 40), np.float32), "A", 40, 20)
    assert session.buffers.get("B") is old and session.buffers.get("A").data.max() == 1
    sem.PutImageInBuffer(np.zeros((20, 40), np.float32), "B", 40, 20, "A")
    assert session.buffers.get("A").data.max() == 1 and session.buffers.get("C") is None


def test_exporters_that_show_their_shape_need_no_sizes(session):
    sem = build(session)
    session.take("V", frame_px=(40, 20))
    sem.PutImageInBuffer(sem.bufferImage("A"), "O", 0, 0, "A")
    assert np.array_equal(session.buffers.get("O").data, session.buffers.get("A").data)
    array = ((ctypes.c_int16 * 40) * 20)()
    array[3][5] = 7
    sem.PutImageInBuffer(array, "O")
    assert session.buffers.get("O").data[3, 5] == 7


SMALL = np.zeros((10, 20), np.uint8)


@pytest.mark.parametrize(
    "arguments",
    [
        (SMALL, "O"),
        (SMALL, "O", 20, 11, "A"),
        (SMALL.astype(float), "O", 20, 10, "A"),
        (SMALL.astype(bool), "O", 20, 10, "A"),
        (SMALL.astype(np.int32), "O", 20, 10, "A"),
        (SMALL[:, ::2], "O", 10, 10, "A"),
        (SMALL, "O", 20, 10, "K"),
        (SMALL, "o", 20, 10, "A"),
        (SMALL, "U", 20, 10, "A"),
        ([1, 2], "O", 2, 1, "A"),
    ],
)
def test_images_that_cannot_be_put_in_a_buffer(session, arguments):
    session.take("V", frame_px=(40, 20))
    with pytest.raises(SEMmoduleError):
        build(session).PutImageInBuffer(*arguments)


@pytest.mark.parametrize(
    "arguments", [(SMALL, 1), (SMALL, "O", 20.0, 10), (SMALL, "O", "20", 10), (SMALL,)]
)
def test_wrong_types_for_images(session, arguments):
    with pytest.raises(TypeError):
        build(session).PutImageInBuffer(*arguments)


def test_a_command_that_reports_too_much_is_a_mistake(session):
    sem = build(session, ReportMag=lambda s: tuple(range(7)))
    with pytest.raises(ValueError, match="at most 6"):
        sem.ReportMag()
