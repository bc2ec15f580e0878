"""The graph of an .onnx file: what may be in it, found without onnx and without its weights.

ONNX Runtime would load weights from other files that a graph names, and run operators of other
makers. Neither is let through, nor functions, which the networks here do not need.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from space.errors import SpaceError, shown
from space.models.protobuf import MESSAGE, VARINT, DamagedError, Field, Reader

LARGEST_BYTES = 2**31 - 1
"""No program reads a larger file of this kind."""

OPERATORS = ("", "ai.onnx", "ai.onnx.ml")
"""Domains whose operators are let through: the standard's own."""

_LARGEST_TEXT = 200_000
_LONGEST_NAME = 1000
_MOST_METADATA = 100
_DEEPEST = 12

# Where messages lie within others (onnx.proto): message -> number of the field -> its message.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "operators", 14: "metadata", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 11: "input", 12: "output", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_DOMAIN_OF_NODE, _DOMAIN_OF_OPERATORS = 7, 1
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_NAME_OF_VALUE, _NAME_OF_TENSOR = 1, 8
_KEY, _VALUE = 1, 2


@dataclass
class Graph:
    """What is read of a file.

    Attributes
    ----------
    inputs, outputs : list of str
        Of the graph itself, in its order; weights that are listed as inputs are not among them.
    metadata : dict of str to str
    """

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


class RefusedError(ValueError):
    """A whole .onnx file that holds what is not let through."""


def read_graph(path: Path) -> Graph:
    """Read what an .onnx file says beside its weights.

    Raises
    ------
    SpaceError
        If it cannot be read, is damaged, or holds what is not let through.
    """
    path = Path(path)
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise DamagedError("it is not a regular file")
        if state.st_size > LARGEST_BYTES:
            raise RefusedError(f"it has {state.st_size} bytes; {LARGEST_BYTES} are the most")
        if not state.st_size:
            raise DamagedError("it is empty")
        with open(path, "rb") as stream:
            return _read(Reader(stream, state.st_size))
    except FileNotFoundError:
        raise SpaceError(
            "There is no such .onnx file.", str(path), "Put it there, or correct its path."
        ) from None
    except OSError as error:
        raise SpaceError(
            f"The .onnx file cannot be read ({error.strerror or error}).", str(path)
        ) from None
    except RefusedError as error:
        raise SpaceError(
            f"The .onnx file is refused: {error}.",
            str(path),
            "Make it from the model's own files by spacetomo models convert.",
        ) from None
    except DamagedError as error:
        raise SpaceError(
            f"The .onnx file is damaged or of another kind: {error}.",
            str(path),
            "Copy it again, or make it by spacetomo models convert.",
        ) from None


def _read(reader: Reader) -> Graph:
    found = Graph()
    weights: set[str] = set()
    graphs = 0
    for message, part, depth in _messages(reader, "model", reader.whole(), 0):
        if message in ("training", "function"):
            raise RefusedError(f"it holds a {message} graph, which no network here needs")
        if message == "node":
            _refuse_domain(reader, part, _DOMAIN_OF_NODE)
        elif message == "operators":
            _refuse_domain(reader, part, _DOMAIN_OF_OPERATORS)
        elif message == "tensor":
            _refuse_external(reader, part)
            if depth == 2:
                weights.add(_text(reader, part, _NAME_OF_TENSOR, _LONGEST_NAME))
        elif message == "metadata":
            _add_metadata(reader, part, found.metadata)
        elif message in ("input", "output") and depth == 2:
            names = found.inputs if message == "input" else found.outputs
            names.append(_text(reader, part, _NAME_OF_VALUE, _LONGEST_NAME))
        elif message == "graph" and depth == 1:
            graphs += 1
    if graphs != 1:
        raise DamagedError(f"it has {graphs} graphs where one is needed")
    found.inputs = [name for name in found.inputs if name not in weights]
    return found


def _messages(
    reader: Reader, message: str, part: Field, depth: int
) -> Iterator[tuple[str, Field, int]]:
    """Yield all messages that matter within one, with the name of their kind and their depth."""
    if depth > _DEEPEST:
        raise RefusedError(f"its graphs are nested more than {_DEEPEST} deep")
    inside = _INSIDE.get(message, {})
    if not inside:
        return
    for each in reader.fields(part):
        kind = inside.get(each.number)
        if kind is not None and each.kind == MESSAGE:
            yield kind, each, depth + 1
            yield from _messages(reader, kind, each, depth + 1)


def _refuse_domain(reader: Reader, part: Field, number: int) -> None:
    for each in reader.fields(part):
        if each.number == number and each.kind == MESSAGE:
            domain = _decoded(reader.content(each, _LONGEST_NAME))
            if domain not in OPERATORS:
                raise RefusedError(f"it uses operators of {shown(domain)}, not of the standard")


def _refuse_external(reader: Reader, part: Field) -> None:
    for each in reader.fields(part):
        located = each.number == _DATA_LOCATION and each.kind == VARINT and each.value
        if located or each.number == _EXTERNAL_DATA:
            raise RefusedError("its weights are in another file; they must be within it")


def _add_metadata(reader: Reader, part: Field, metadata: dict[str, str]) -> None:
    key = _text(reader, part, _KEY, _LONGEST_NAME)
    if key in metadata or len(metadata) >= _MOST_METADATA:
        raise DamagedError(f"it has too many entries like {shown(key)}")
    metadata[key] = _text(reader, part, _VALUE, _LARGEST_TEXT)


def _text(reader: Reader, part: Field, number: int, limit: int) -> str:
    """Return a text of a message, the last one as protobuf has it; empty if there is none."""
    found = ""
    for each in reader.fields(part):
        if each.number == number and each.kind == MESSAGE:
            found = _decoded(reader.content(each, limit))
    return found


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise DamagedError("a name in it is not UTF-8") from None
