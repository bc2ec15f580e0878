"""The wire format of protobuf, read field by field without what it says about memory.

A message is a row of fields: a number, a kind, and a value or the length of what follows. What
follows is read only where it is asked for, so the weights in a file of gigabytes are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

VARINT, FIXED_64, MESSAGE, FIXED_32 = 0, 1, 2, 5
"""Kinds of fields; 3 and 4 are groups, which nobody writes any more."""

MOST_FIELDS = 300_000
"""In one file; networks have some thousands."""

_LONGEST_VARINT = 10
_LARGEST_TAG = 0xFFFF_FFFF
"""Of a field. Readers in C++ drop the bits above it, and would see another field than this one."""

_FIXED_BYTES = {FIXED_64: 8, FIXED_32: 4}


class DamagedError(ValueError):
    """What was read is not protobuf, or is cut off."""


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes
    ----------
    number, kind : int
    value : int
        Of a varint; 0 for other kinds.
    start, stop : int
        Where in the file its content lies.
    """

    number: int
    kind: int
    value: int
    start: int
    stop: int


class Reader:
    """Reads fields of one file, and counts them.

    Parameters
    ----------
    stream : binary file that can seek
    size : int
        Its length in bytes.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._left = MOST_FIELDS

    def whole(self) -> Field:
        """Return the whole file, as if it were a field."""
        return Field(0, MESSAGE, 0, 0, self._size)

    def fields(self, message: Field) -> Iterator[Field]:
        """Yield the fields of a message.

        Raises
        ------
        DamagedError
            If there are none at this place, too many in the file, or it is cut off.
        """
        place = message.start
        while place < message.stop:
            self._left -= 1
            if self._left < 0:
                raise DamagedError(f"it has more than {MOST_FIELDS} parts")
            field = self._field(place, message.stop)
            yield field
            place = field.stop

    def content(self, field: Field, limit: int) -> bytes:
        """Return the bytes of a field, which may be `limit` at most."""
        if field.stop - field.start > limit:
            raise DamagedError(f"a text in it is longer than {limit} bytes")
        self._stream.seek(field.start)
        return self._stream.read(field.stop - field.start)

    def _field(self, place: int, stop: int) -> Field:
        self._stream.seek(place)
        head = self._stream.read(min(2 * _LONGEST_VARINT, stop - place))
        tag, used = _varint(head, 0)
        number, kind = tag >> 3, tag & 7
        value = length = 0
        if kind == VARINT:
            value, used = _varint(head, used)
        elif kind == MESSAGE:
            length, used = _varint(head, used)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise DamagedError("a part of it is of no known kind")
        start = place + used
        if not number or tag > _LARGEST_TAG or start + length > stop:
            raise DamagedError("it is cut off, or no such file")
        return Field(number, kind, value, start, start + length)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number that takes 1 to 10 bytes, and where it ends."""
    value = 0
    for used, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * used)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place + used + 1
    raise DamagedError("it is cut off, or no such file")
