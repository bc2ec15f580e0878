"""The graph of a U-Net in a form that takes less time and finds the same (needs onnx).

Two places of it cost more than they have to:

- *A convolution of what was enlarged*: a ConvTranspose whose windows do not overlap, the Concat
  with the features of the same size, a Conv. The first and the last are linear, so for what was
  enlarged they are one convolution of the small picture, another one for each place within a
  window. It sees 2 x 2 small pixels instead of 3 x 3 large ones for the usual kernel and windows of
  2 x 2. The features are convolved for the same places, and added; at last the places are joined.
- *The last layer*, a Conv of 1 x 1. For a picture as one line it is a product of matrices, and
  nothing has to be laid out anew for it.

The merged kernels are products of weights. The file holds the weights, and whatever loads it works
the products out once: so weights of 16 bits stay what they are, and the file does not grow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

_TO_THE_END = int(np.iinfo(np.int64).max)
Pair = tuple[int, int]


def rewrite(model: Any) -> int:
    """Rewrite what takes less time so, and return at how many places.

    Parameters
    ----------
    model : onnx.ModelProto
        It is changed.
    """
    graph = _Graph(model)
    enlarged, heads = list(_enlarged(graph)), list(_heads(graph))
    for place in enlarged:
        graph.replace([place.enlarging, place.joining, place.conv], _merged(graph, place))
    for head in heads:
        graph.replace([head], _flattened(graph, head))
    graph.write()
    return len(enlarged) + len(heads)


class _Graph:
    """The nodes of a model, and how its values hang together."""

    def __init__(self, model: Any) -> None:
        import onnx

        self._onnx, self._graph = onnx, model.graph
        self.nodes: list[Any] = list(model.graph.node)
        self.weights = {weights.name: tuple(weights.dims) for weights in model.graph.initializer}
        self.outputs = {value.name for value in model.graph.output}
        self._maker = {name: node for node in self.nodes for name in node.output}
        self._uses = Counter(name for node in self.nodes for name in node.input)
        self._uses.update(self.outputs)
        known = onnx.shape_inference.infer_shapes(model).graph
        self._shapes = {
            value.name: tuple(
                part.dim_param or part.dim_value for part in value.type.tensor_type.shape.dim
            )
            for value in (*known.value_info, *known.input)
        }
        self._told: list[Any] = []
        self._count = 0

    def made_by(self, name: str, kind: str) -> Any:
        """Return the node of a kind that makes a value for one use alone, or None."""
        node = self._maker.get(name)
        single = node is not None and node.op_type == kind and self._uses[name] == 1
        return node if single else None

    def shape(self, name: str) -> tuple[Any, int, int, int] | None:
        """Return the shape of a stack of pictures of a known size, or None if it is none."""
        found = self._shapes.get(name, ())
        known = len(found) == 4 and all(isinstance(n, int) and n > 0 for n in found[1:])
        return (found[0], found[1], found[2], found[3]) if known else None

    def is_used_once(self, name: str) -> bool:
        return bool(self._uses[name] == 1)

    def attributes(self, node: Any) -> dict[str, Any]:
        return {each.name: self._onnx.helper.get_attribute_value(each) for each in node.attribute}

    def numbers(self, *values: int) -> str:
        """Return the name of new whole numbers."""
        name = self._name()
        numbers = np.array(values, np.int64)
        self._graph.initializer.append(self._onnx.numpy_helper.from_array(numbers, name))
        return name

    def node(self, into: list[Any], kind: str, *inputs: str, to: str = "", **how: Any) -> str:
        """Append a node to a list, and return the name of its output."""
        name = self._name()
        to = to or name
        into.append(self._onnx.helper.make_node(kind, list(inputs), [to], name=name, **how))
        return to

    def part(
        self, into: list[Any], name: str, begin: int, end: int = _TO_THE_END, axis: int = 1
    ) -> str:
        """Append what takes a part of a value, and return the part's name."""
        return self.node(into, "Slice", name, *(self.numbers(n) for n in (begin, end, axis)))

    def ones_like(self, into: list[Any], name: str) -> str:
        """Append what makes a picture of ones for each of a stack, and return its name."""
        shape = self.shape(name)
        assert shape is not None
        tiles, _, *size_px = shape
        count = self.node(into, "Shape", name, start=0, end=1)
        whole = self.node(into, "Concat", count, self.numbers(1, *size_px), axis=0)
        one = self._onnx.numpy_helper.from_array(np.ones(1, np.float32))
        ones = self.node(into, "ConstantOfShape", whole, value=one)
        # Sums are worked out within the convolutions only where all shapes are known to be equal.
        kind = self._onnx.TensorProto.FLOAT
        told = self._onnx.helper.make_tensor_value_info(ones, kind, (tiles, 1, *size_px))
        self._told.append(told)
        return ones

    def replace(self, old: Sequence[Any], new: Sequence[Any]) -> None:
        """Put nodes in the place of the last of others, which are in order."""
        at = next(i for i, node in enumerate(self.nodes) if node is old[-1])
        self.nodes[at : at + 1] = new
        self.nodes = [node for node in self.nodes if not any(node is gone for gone in old)]

    def write(self) -> None:
        """Give the model its nodes."""
        del self._graph.node[:], self._graph.value_info[:]
        self._graph.node.extend(self.nodes)
        self._graph.value_info.extend(self._told)

    def _name(self) -> str:
        self._count += 1
        return f"rewritten.{self._count}"


@dataclass(frozen=True)
class _Enlarged:
    """A ConvTranspose, the Concat of its output, and the Conv of that.

    Attributes
    ----------
    first : bool
        Whether what was enlarged comes first in the Concat.
    small_px, window_px, kernel_px : tuple of int
        Rows and columns of what is enlarged, of the windows, and of the Conv's kernel.
    small, enlarged, result : int
        Channels.
    """

    enlarging: Any
    joining: Any
    conv: Any
    first: bool
    small_px: Pair
    window_px: Pair
    kernel_px: Pair
    small: int
    enlarged: int
    result: int

    @property
    def half_px(self) -> Pair:
        """How far the kernel reaches."""
        return self.kernel_px[0] // 2, self.kernel_px[1] // 2

    @property
    def within(self) -> list[Pair]:
        """All places within a window."""
        rows, columns = (range(length) for length in self.window_px)
        return list(product(rows, columns))

    def seen(self, within: Pair) -> list[Pair]:
        """Return the first and the last small pixel that a place sees, along rows and columns.

        They are counted from the one that was enlarged to its window.
        """
        return [
            (-((window - 1 + half - at) // window), (at + half) // window)
            for window, half, at in zip(self.window_px, self.half_px, within)
        ]

    @property
    def saves(self) -> bool:
        """Whether merged kernels need fewer multiplications."""
        taps = sum(
            prod(last - first + 1 for first, last in self.seen(place)) for place in self.within
        )
        kernel = prod(self.kernel_px)
        separate = len(self.within) * self.enlarged * (kernel * self.result + self.small)
        return taps * self.small * self.result < separate


def _enlarged(graph: _Graph) -> Iterator[_Enlarged]:
    for conv in graph.nodes:
        if conv.op_type != "Conv":
            continue
        joining = graph.made_by(conv.input[0], "Concat")
        if joining is None or len(joining.input) != 2 or graph.attributes(joining)["axis"] != 1:
            continue
        for first, name in zip((True, False), joining.input):
            enlarging = graph.made_by(name, "ConvTranspose")
            place = None if enlarging is None else _place(graph, enlarging, joining, conv, first)
            if place is not None and place.saves:
                yield place
                break


def _place(graph: _Graph, enlarging: Any, joining: Any, conv: Any, first: bool) -> _Enlarged | None:
    """Return what is known of three nodes, or None if they are not of the kind that is merged."""
    shape = graph.shape(enlarging.input[0])
    needed = (*enlarging.input[1:], conv.input[1])
    if shape is None or not all(name in graph.weights for name in needed):
        return None
    small, enlarged, *window = graph.weights[enlarging.input[1]]
    result, _, *kernel = graph.weights[conv.input[1]]
    half = [length // 2 for length in kernel]
    if not (
        len(window) == len(kernel) == 2
        and all(length % 2 for length in kernel)
        and all(length <= reach + 1 for length, reach in zip(window, half))
        and _is_plain(graph.attributes(enlarging), window, [0] * 4)
        and _is_plain(graph.attributes(conv), [1, 1], half * 2)
    ):
        return None
    sizes = (shape[2], shape[3]), (window[0], window[1]), (kernel[0], kernel[1])
    return _Enlarged(enlarging, joining, conv, first, *sizes, small, enlarged, result)


def _is_plain(how: dict[str, Any], strides: Sequence[int], pads: Sequence[int]) -> bool:
    """Tell whether a convolution has these strides and borders, and nothing special."""
    return (
        how.get("group", 1) == 1
        and list(how.get("strides", [1, 1])) == list(strides)
        and list(how.get("pads", [0] * 4)) == list(pads)
        and set(how.get("dilations", [1])) == {1}
        and how.get("auto_pad", b"NOTSET") == b"NOTSET"
        and not any(how.get("output_padding", ()))
        and "output_shape" not in how
    )


def _merged(graph: _Graph, place: _Enlarged) -> list[Any]:
    """Return the nodes that stand for a ConvTranspose, a Concat and a Conv."""
    nodes: list[Any] = []
    features = place.joining.input[1 if place.first else 0]
    others, parts = _kernels(graph, nodes, place)
    found = {}
    for within in place.within:
        # From the centre of the kernel at this place in the first window to that in the last one.
        ends = [
            max(0, at + half + 1 - window)
            for at, half, window in zip(within, place.half_px, place.window_px)
        ]
        pads = [half - at for half, at in zip(place.half_px, within)] + ends
        seen = [features, others, *place.conv.input[2:]]
        total = graph.node(nodes, "Conv", *seen, pads=pads, strides=place.window_px)
        (top, bottom), (left, right) = place.seen(within)
        for source, kernels in parts:
            kernel = _taps(graph, nodes, kernels, place, within)
            pads = [-top, -left, bottom, right]
            term = graph.node(nodes, "Conv", source, kernel, pads=pads)
            total = graph.node(nodes, "Add", total, term)
        found[within] = total
    _join(graph, nodes, found, place)
    return nodes


def _kernels(
    graph: _Graph, nodes: list[Any], place: _Enlarged
) -> tuple[str, list[tuple[str, str]]]:
    """Return the kernels for the features, and small pictures with merged kernels of all places."""
    small, weights = place.enlarging.input[:2]
    whole = place.conv.input[1]
    begin = 0 if place.first else graph.weights[whole][1] - place.enlarged
    own = graph.part(nodes, whole, begin, begin + place.enlarged)
    others = graph.part(nodes, whole, *((place.enlarged,) if place.first else (0, begin)))
    for bias in place.enlarging.input[2:]:
        # It is what ones are enlarged to. No number that is added would do: it is missing in the
        # border around the picture.
        shape = (1, place.enlarged)
        added = graph.node(nodes, "Reshape", bias, graph.numbers(*shape, 1, 1))
        added = graph.node(nodes, "Expand", added, graph.numbers(*shape, *place.window_px))
        weights = graph.node(nodes, "Concat", weights, added, axis=0)
    pads = [length - 1 for length in place.kernel_px] * 2
    merged = graph.node(nodes, "Conv", weights, own, pads=pads)
    merged = graph.node(nodes, "Transpose", merged, perm=[1, 0, 2, 3])
    parts = [(small, graph.part(nodes, merged, 0, place.small))]
    if len(place.enlarging.input) > 2:
        ones = graph.ones_like(nodes, small)
        parts.append((ones, graph.part(nodes, merged, place.small)))
    return others, parts


def _taps(graph: _Graph, nodes: list[Any], kernels: str, place: _Enlarged, within: Pair) -> str:
    """Return the kernel of a place: every so many taps of the merged ones, the last one first."""
    begins, ends, steps = [], [], []
    sizes = zip(place.window_px, place.half_px, within, place.seen(within))
    for window, half, at, (first, last) in sizes:
        begins.append(at + half - window * first)
        # Counted from the end, since before the first tap there is no other number.
        ends.append(at + half - window * last - 1 - (window + 2 * half))
        steps.append(-window)
    numbers = (graph.numbers(*values) for values in (begins, ends, (2, 3), steps))
    return graph.node(nodes, "Slice", kernels, *numbers)


def _join(graph: _Graph, nodes: list[Any], found: dict[Pair, str], place: _Enlarged) -> None:
    """Append what makes one picture of those of all places within the windows."""
    (rows, columns), (small_rows, small_columns) = place.window_px, place.small_px
    wide = small_columns * columns
    single = graph.numbers(0, place.result, small_rows, small_columns, 1)
    line = graph.numbers(0, place.result, small_rows, 1, wide)
    lines = []
    for row in range(rows):
        parts = [
            graph.node(nodes, "Reshape", found[row, column], single) for column in range(columns)
        ]
        joined = graph.node(nodes, "Concat", *parts, axis=4)
        lines.append(graph.node(nodes, "Reshape", joined, line))
    joined = graph.node(nodes, "Concat", *lines, axis=3)
    whole = graph.numbers(0, place.result, small_rows * rows, wide)
    graph.node(nodes, "Reshape", joined, whole, to=place.conv.output[0])


def _heads(graph: _Graph) -> Iterator[Any]:
    """Yield each Conv of 1 x 1 that makes an output."""
    for node in graph.nodes:
        if node.op_type != "Conv" or node.output[0] not in graph.outputs:
            continue
        one = graph.weights.get(node.input[1], ())[2:] == (1, 1)
        known = graph.shape(node.input[0]) is not None and graph.is_used_once(node.output[0])
        if one and known and _is_plain(graph.attributes(node), [1, 1], [0] * 4):
            yield node


def _flattened(graph: _Graph, head: Any) -> list[Any]:
    """Return the nodes of a Conv of 1 x 1 that sees each picture as one line."""
    nodes: list[Any] = []
    shape = graph.shape(head.input[0])
    assert shape is not None
    _, channels, rows, columns = shape
    classes = graph.weights[head.input[1]][0]
    seen = graph.node(nodes, "Reshape", head.input[0], graph.numbers(0, channels, rows * columns))
    weights = graph.node(nodes, "Reshape", head.input[1], graph.numbers(classes, channels, 1))
    found = graph.node(nodes, "Conv", seen, weights, *head.input[2:])
    whole = graph.numbers(0, classes, rows, columns)
    graph.node(nodes, "Reshape", found, whole, to=head.output[0])
    return nodes
