"""What a pickle would do is found before any reader obeys it."""

from __future__ import annotations

import collections
import pickle
import struct

import pytest

from space.pickles import is_plain, read_orders

PROTO, STOP, REDUCE = b"\x80\x02", b".", b"R"


def called(name: str) -> bytes:
    """Orders that put a type or function on the stack."""
    module, _, kind = name.rpartition(".")
    return b"c" + f"{module}\n{kind}\n".encode()


def odd(orders: bytes) -> frozenset[str]:
    return read_orders(PROTO + orders + STOP).odd


def test_what_is_plain_asks_for_names_alone():
    content = {"a": [1, (2.5, None)], "b": collections.OrderedDict(x=True), "c": b"bytes", "d": {3}}
    found = read_orders(pickle.dumps(content, 2))
    assert not found.odd
    assert all(is_plain(name) for name in found.names)


@pytest.mark.parametrize(
    "name",
    [
        "torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_wrapper_subclass",
        "torch.Tensor", "torch.load", "torch.hub.load", "builtins.bytearray", "builtins.eval",
        "torch.FloatStorage.from_file", "torch.float32.real", "posix.system",
    ],
)  # fmt: skip
def test_what_calls_what_a_file_gives_it_is_not_plain(name):
    assert not is_plain(name)


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        (called("a.Layer") + b")\x81" + b")" + REDUCE, "a call of something"),
        (called("a.Layer") + b")\x81q\x00" + b"h\x00)" + REDUCE, "a call of something"),
        (called("torch._utils._rebuild_tensor_v2") + b"N\x85" + REDUCE, "a tensor without"),
        (called("torch._utils._rebuild_parameter") + b"N\x85" + REDUCE, "a parameter that is no"),
        (b"K\x01" + b"2", "pickle order DUP"),
        (b"(K\x01ia\nb\n", "pickle order INST"),
    ],
)
def test_what_no_writer_of_weights_does_is_named(orders, told):
    assert any(told in text for text in odd(orders))


def test_a_tensor_of_numbers_of_the_file_is_plain():
    tensor = called("torch._utils._rebuild_tensor_v2") + b"NQ\x85" + REDUCE
    assert odd(tensor) == frozenset()
    parameter = called("torch._utils._rebuild_parameter") + tensor + b"q\x05\x85" + REDUCE
    assert odd(parameter) == frozenset()


def test_newer_protocols_are_named():
    assert read_orders(pickle.dumps({"a": collections.OrderedDict()}, 4)).odd


@pytest.mark.parametrize(
    "orders",
    [
        b")" + b"\x85" * 100_000,  # nested: overflows the stack of a reader that hashes it
        b")" + b"".join(b"q\x00h\x00\x86" for _ in range(60)),  # written out it has 2^60 parts
        b"Nr" + struct.pack("<I", 200_000_000),  # a place in memory that makes a reader take it all
        b"h\x07", b"\x86", b"R", b"e", b"q\x00", b"(",
    ],
)  # fmt: skip
def test_what_would_exhaust_or_mislead_a_reader_is_refused(orders):
    with pytest.raises((ValueError, IndexError)):
        read_orders(PROTO + orders + b"\x85" + STOP)
