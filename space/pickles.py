"""What a pickle asks for, found without obeying it.

A pickle is a list of orders to a machine with a stack and a memory. Here the orders are followed
with nothing but notes on the stack: what kind of thing would lie there, how deep it is nested, and
how large it would be written out. So a file is refused before any reader obeys it.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass

LARGEST_BYTES = 64_000_000
"""Of the description in a checkpoint; its numbers lie beside it."""

_MOST_DEEP, _LARGEST_WRITTEN_OUT = 2000, 1_000_000
"""Of tuples: deeper ones overflow the stack of readers; one that holds the one before twice, and so
on, takes for ever to be looked up."""

_READ_BY_TORCH = frozenset(
    "GLOBAL NEWOBJ REDUCE BUILD APPEND APPENDS SETITEM SETITEMS MARK TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "NONE NEWFALSE NEWTRUE EMPTY_TUPLE EMPTY_LIST EMPTY_DICT EMPTY_SET BININT BININT1 BININT2 "
    "BINFLOAT BINUNICODE SHORT_BINSTRING BINPERSID BINGET LONG_BINGET BINPUT LONG_BINPUT LONG1 "
    "PROTO STOP".split()
)
"""What the restricted reader of torch obeys."""
_NEWER = frozenset("STACK_GLOBAL FRAME MEMOIZE SHORT_BINUNICODE BINUNICODE8 ADDITEMS".split())
_TEXTS = frozenset("BINBYTES SHORT_BINBYTES BINSTRING LONG4 UNICODE".split())
_KNOWN = _READ_BY_TORCH | _TEXTS
_FILL = frozenset("APPEND APPENDS SETITEM SETITEMS ADDITEMS BUILD".split())

_TENSOR, _PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
_STORAGE = "storage"
_PLAIN = re.compile(
    r"collections\.OrderedDict|_codecs\.encode|(__builtin__|builtins)\.set|torch\.(Size|device)|"
    rf"{re.escape(_TENSOR)}|{re.escape(_PARAMETER)}|torch\.[A-Z][A-Za-z0-9]*Storage|"
    r"torch\.(b?float|u?int|complex|half|double|long|short|bool)[0-9a-z_]*"
)
"""Numbers, and what they are kept in. Others that torch accepts call what a file gives them."""


@dataclass(frozen=True)
class _Note:
    """What would lie on the stack."""

    kind: str = ""
    depth: int = 0
    size: int = 1
    first: str = ""


@dataclass(frozen=True)
class Orders:
    """What a pickle would do.

    Attributes
    ----------
    names : frozenset of str
        Full names of types and functions that it asks for.
    odd : frozenset of str
        Descriptions of what no writer of plain weights would do.
    """

    names: frozenset[str]
    odd: frozenset[str]


def is_plain(name: str) -> bool:
    """Tell whether a name stands for numbers or what they are kept in."""
    return _PLAIN.fullmatch(name) is not None


def read_orders(data: bytes) -> Orders:
    """Follow the orders of a pickle without obeying them.

    Raises
    ------
    ValueError
        If it is cut off or damaged, or is nested or repeats itself beyond reason.
    """
    machine = _Machine()
    for order, value, _ in pickletools.genops(data):
        if order.name == "STOP":
            return Orders(frozenset(machine.names), frozenset(machine.odd))
        machine.follow(order, value)
    raise ValueError("it has no end")


class _Machine:
    """Stack and memory of a reader that only notes what it would make.

    Attributes
    ----------
    names, odd : set of str
        As in `Orders`.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.odd: set[str] = set()
        self._stack: list[_Note | None] = []  # None is a mark
        self._memory: dict[int, _Note] = {}
        self._last_texts = ("", "")
        self._followed = 0

    def follow(self, order: pickletools.OpcodeInfo, value: object) -> None:
        """Follow one order; `value` is its argument in the file."""
        if order.name in _NEWER:
            self.odd.add("a newer pickle protocol than 2, with which torch.save writes")
        elif order.name not in _KNOWN:
            self.odd.add(f"the pickle order {order.name}")
        handler = _HANDLERS.get(order.name)
        if handler is None:
            _follow(order, self._stack)
        else:
            handler(self, value)
        if isinstance(value, str):
            self._last_texts = (self._last_texts[1], value)
        self._followed += 1

    def skip(self, value: object) -> None:
        """Follow an order that changes neither stack nor memory."""

    def mark(self, value: object) -> None:
        self._stack.append(None)

    def put(self, value: object) -> None:
        self._remember(_place(value))

    def memoize(self, value: object) -> None:
        self._remember(len(self._memory))

    def get(self, value: object) -> None:
        if _place(value) not in self._memory:
            raise ValueError("it asks for what it has not put into memory")
        self._stack.append(self._memory[_place(value)])

    def name(self, value: object) -> None:
        """Put a type or a function on the stack."""
        found = str(value).replace(" ", ".", 1)
        self.names.add(found)
        self._stack.append(_Note(found))

    def name_on_stack(self, value: object) -> None:
        """Put a type or a function on the stack whose name lies there."""
        _popped(self._stack, 2)
        self.names.add(".".join(self._last_texts))
        self._stack.append(_Note("?"))

    def storage(self, value: object) -> None:
        _popped(self._stack, 1)
        self._stack.append(_Note(_STORAGE))

    def call(self, value: object) -> None:
        called, given = _popped(self._stack, 2)
        self.odd |= _odd_call(called, given)
        made = called.kind if called.kind in (_TENSOR, _PARAMETER) else ""
        kind = f"made by {made}" if made else "object"
        self._stack.append(_Note(kind, *_joined([called, given])))

    def tuple_to_mark(self, value: object) -> None:
        self._push_tuple(_popped_to_mark(self._stack))

    def tuple_of_1(self, value: object) -> None:
        self._push_tuple(_popped(self._stack, 1))

    def tuple_of_2(self, value: object) -> None:
        self._push_tuple(_popped(self._stack, 2))

    def tuple_of_3(self, value: object) -> None:
        self._push_tuple(_popped(self._stack, 3))

    def _push_tuple(self, parts: list[_Note]) -> None:
        self._stack.append(_Note("tuple", *_joined(parts), parts[0].kind if parts else ""))

    def _remember(self, place: int) -> None:
        if place > self._followed:
            raise ValueError("it uses places in memory that it has no use for")
        self._memory[place] = _top(self._stack)


_HANDLERS: dict[str, Callable[[_Machine, object], None]] = {
    "PROTO": _Machine.skip,
    "FRAME": _Machine.skip,
    "MARK": _Machine.mark,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_on_stack,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": _Machine.tuple_of_1,
    "TUPLE2": _Machine.tuple_of_2,
    "TUPLE3": _Machine.tuple_of_3,
}
"""All others are followed by what pickletools says about them (`_follow`)."""


def _place(value: object) -> int:
    """Return a place in memory, as an order names it."""
    return value if isinstance(value, int) else 0


def _odd_call(called: _Note, given: _Note) -> set[str]:
    """Say what is odd in a call: only what has a name is called, tensors are made of numbers."""
    if called.kind in ("", "tuple", "object", _STORAGE) or called.kind.startswith("made by "):
        return {"a call of something that it has made itself"}
    if called.kind == _TENSOR and given.first != _STORAGE:
        return {"a tensor without numbers of its own"}
    if called.kind == _PARAMETER and given.first != f"made by {_TENSOR}":
        return {"a parameter that is no tensor"}
    return set()


def _follow(order: pickletools.OpcodeInfo, stack: list[_Note | None]) -> None:
    """Follow any other order, by what pickletools says that it takes and gives."""
    before = [kind.name for kind in order.stack_before]
    if "mark" in before:
        parts = _popped_to_mark(stack)
        parts += _popped(stack, before.index("mark"))
    else:
        parts = _popped(stack, len(before))
    for _ in order.stack_after:
        # Tables and lists cannot be keys of tables, so that their depth does not matter.
        kind = "object" if order.name != "BUILD" else parts[0].kind
        depth = 1 + max((part.depth for part in parts), default=0)
        stack.append(_Note(kind, 1 if order.name in _FILL else depth))


def _joined(parts: list[_Note]) -> tuple[int, int]:
    depth = 1 + max((part.depth for part in parts), default=0)
    size = 1 + sum(part.size for part in parts)
    if depth > _MOST_DEEP or size > _LARGEST_WRITTEN_OUT:
        raise ValueError("it is nested or repeats itself beyond reason")
    return depth, size


def _top(stack: list[_Note | None]) -> _Note:
    note = stack[-1] if stack else None
    if note is None:
        raise ValueError("it keeps what is not there")
    return note


def _popped(stack: list[_Note | None], count: int) -> list[_Note]:
    parts = [stack.pop() if stack else None for _ in range(count)][::-1]
    if any(part is None for part in parts):
        raise ValueError("it takes what is not there")
    return [part for part in parts if part is not None]


def _popped_to_mark(stack: list[_Note | None]) -> list[_Note]:
    parts: list[_Note] = []
    while stack:
        part = stack.pop()
        if part is None:
            return parts[::-1]
        parts.append(part)
    raise ValueError("it takes what is not there")
