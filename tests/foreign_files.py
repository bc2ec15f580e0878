"""Files of other programs, and random damage to them, for the readers of both halves."""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"
MRC_FILES = sorted(path.name for path in (DATA / "mrc").glob("*.mrc"))
"""Stacks of two sections of 40 x 50 pixels (one.mrc: one), each with something uncommon."""

REFUSED = {"tif.mrc": "TIFF", "trunc.mrc": "cut off"}
"""What no program can use, and a word that says why."""


@st.composite
def damaged(draw, data: bytes, within: int | None = None) -> bytes:
    """Return data with bytes exchanged, left out, repeated or cut off."""
    changed = bytearray(data)
    end = min(len(changed), within or len(changed))
    places = st.integers(0, end - 1)
    for place in draw(st.lists(places, max_size=6)):
        what = draw(st.sampled_from(["byte", "number", "insert", "remove"]))
        if what == "byte":
            changed[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif what == "number":
            changed[place : place + 4] = draw(st.binary(min_size=4, max_size=4))
        elif what == "insert":
            changed[place:place] = draw(st.binary(max_size=8))
        else:
            del changed[place : place + draw(st.integers(1, 8))]
    return bytes(changed[: draw(st.sampled_from([len(changed), end // 2, end]))])


ODD_NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e400", "9" * 400, "-1", "0", "1e-400", "1e308",
    "18446744073709551616", "2147483648", "0x10", "1_0", "1,5", "٣", "true", "null",
    '"7"', "", "[]",
)  # fmt: skip
ODD_VALUES = (
    None, True, -1, 0, 10**400, 1e308, 2**63, "", "x", "a\nb", "\0", "\ud800", "n" * 5000, [], {},
    [[]], [None], {"a": {"b": []}}, [1, 2, 3], ["1", "2"],
)  # fmt: skip
ODD_BYTES = (
    b"", b"\0", b"\0" * 5000, b"\xef\xbb\xbf", b"\xff\xfe", b"\xff\xfe\0", b"\xd8\x00", b"\r",
    b"[" * 20000, b'{"a":' * 20000, b"=", b"[Item = ]", b"\n\n\n", b"]", b"\x80\x81", b"9" * 5000,
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>&b;", b"\x1b[2J",
)  # fmt: skip
NUMBER = re.compile(rb"-?\d+\.?\d*")


@st.composite
def odd_json(draw, data: bytes) -> bytes:
    """Return JSON with one value exchanged, one entry left out, or one added."""
    values = json.loads(data)
    places: list[tuple[Any, Any]] = []
    stack = [values]
    while stack:
        node = stack.pop()
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        places += [(node, key) for key in keys]
        stack += [node[key] for key in keys if isinstance(node[key], (dict, list))]
    if not places:
        return json.dumps(draw(st.sampled_from(ODD_VALUES))).encode()
    node, key = draw(st.sampled_from(places))
    what = draw(st.sampled_from(["value", "number", "nothing", "more", "all"]))
    if what == "all":
        return json.dumps(draw(st.sampled_from(ODD_VALUES))).encode()
    if what == "nothing":
        del node[key]
    elif what == "more" and isinstance(node, list):
        node.append(draw(st.sampled_from(ODD_VALUES)))
    else:
        node[key] = draw(st.sampled_from(ODD_VALUES)) if what == "value" else "@odd@"
    odd = draw(st.sampled_from(ODD_NUMBERS))
    return json.dumps(values).replace('"@odd@"', odd).encode("utf-8", "surrogatepass")


@st.composite
def odd_text(draw, data: bytes) -> bytes:
    """Return a text with lines repeated, lost or exchanged, odd numbers and characters."""
    lines = data.splitlines(keepends=True) or [b""]
    place = draw(st.integers(0, len(lines) - 1))
    other = draw(st.integers(0, len(lines) - 1))
    what = draw(st.sampled_from(["repeat", "lose", "swap", "many", "number", "bytes", "encoding"]))
    if what == "repeat":
        lines.insert(other, lines[place])
    elif what == "lose":
        del lines[place]
    elif what == "swap":
        lines[place], lines[other] = lines[other], lines[place]
    elif what == "many":
        lines[place] *= 3000
    elif what == "bytes":
        cut = draw(st.integers(0, len(lines[place])))
        odd = draw(st.sampled_from(ODD_BYTES))
        lines[place] = lines[place][:cut] + odd + lines[place][cut:]
    elif what == "number":
        numbers = list(NUMBER.finditer(data))
        if numbers:
            found = draw(st.sampled_from(numbers))
            odd = draw(st.sampled_from(ODD_NUMBERS)).encode()
            return data[: found.start()] + odd + data[found.end() :]
    else:
        encoding = draw(st.sampled_from(["utf-16", "utf-16-be", "utf-8-sig", "utf-7"]))
        return data.decode("latin-1").encode(encoding)
    return b"".join(lines)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and content of the chunks of a PNG."""
    position, chunks = 8, []
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunks.append(
            (data[position + 4 : position + 8], data[position + 8 : position + 8 + length])
        )
        position += 12 + length
    return chunks


def as_png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG of these chunks, with their checksums."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        parts.append(struct.pack(">I", len(body)) + kind + body)
        parts.append(struct.pack(">I", zlib.crc32(kind + body)))
    return b"".join(parts)


BOMB = b"k\0\0" + zlib.compress(b"a" * 3_000_000)
ODD_CHUNKS = (
    (b"tEXt", b"no mark of the end of the key"),
    (b"tEXt", b"labels\0[[[[1]]]]"),
    (b"tEXt", b"labels\0" + b"[" * 50000),
    (b"tEXt", b"pixel_nm\0NaN"),
    (b"tEXt", b"pixel_nm\0-1e999"),
    (b"zTXt", BOMB),
    (b"zTXt", b"k\0\0not packed"),
    (b"zTXt", b"k\0"),
    (b"iTXt", b"k\0\1\0a\0b\0junk"),
    (b"iTXt", b"labels\0\0\0\0\0\xff\xfe"),
    (b"iTXt", b"\0\0\0\0\0"),
    (b"PLTE", b"abc"),
    (b"tRNS", b""),
    (b"acTL", b"\0\0\0\2\0\0\0\0"),
    (b"pHYs", b"\0"),
    (b"eXIf", b"junk"),
    (b"iCCP", b"k\0\0junk"),
    (b"IEND", b""),
)


@st.composite
def odd_png(draw, data: bytes) -> bytes:
    """Return a PNG whose checksums are right and whose content is odd."""
    chunks = png_chunks(data)
    what = draw(st.sampled_from(["header", "insert", "many", "lose", "repeat", "body"]))
    place = draw(st.integers(0, len(chunks) - 1))
    if what == "header":
        size = st.sampled_from([0, 1, 9, 12, 20_000, 2**31 - 1, 2**32 - 1])
        bits, kind = (
            draw(st.sampled_from([1, 8, 16, 99])),
            draw(st.sampled_from([0, 2, 3, 4, 6, 9])),
        )
        chunks[0] = (
            b"IHDR",
            struct.pack(">IIBB", draw(size), draw(size), bits, kind) + chunks[0][1][10:],
        )
    elif what == "insert":
        chunks.insert(place, draw(st.sampled_from(ODD_CHUNKS)))
    elif what == "many":
        chunks[1:1] = [draw(st.sampled_from(ODD_CHUNKS[:-1]))] * 300
    elif what == "lose":
        del chunks[place]
    elif what == "repeat":
        chunks.insert(place, chunks[place])
    else:
        kind, body = chunks[place]
        chunks[place] = (kind, draw(damaged(body)) if body else b"junk")
    return as_png(chunks)
