"""Files of the ONNX format with hardly anything in them, written without onnx."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from space.models import METADATA_KEY, NetworkPlan, OnnxFacts, facts_as_text

LABELS = {"background": 0, "white": 1, "mitos": 7}
HASH = "0123456789abcdef" * 4
SEGMENT = OnnxFacts(
    "segment",
    {"dataset.json": HASH, "plans.json": HASH, "fold_0/checkpoint_final.pth": HASH},
    converter="0.1.0",
    labels=LABELS,
    plan=NetworkPlan((32, 48), "ZScoreNormalization", False, {}, False),
    mirroring_axes=(0, 1),
    folds=(0, "all"),
    trained_on="simulated",
    pixel_nm=12.0,
)
DETECT = OnnxFacts(
    "detect", {"weights.pt": HASH}, channels=3, categories=("broken", "good"), window_px=640
)


def varint(value: int) -> bytes:
    """Return a number as protobuf writes it."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def number(field: int, value: int) -> bytes:
    """Return a field that holds a number."""
    return varint(field << 3) + varint(value)


def message(field: int, *content: bytes | str) -> bytes:
    """Return a field that holds a text or other fields."""
    data = b"".join(part.encode() if isinstance(part, str) else part for part in content)
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name: str = "weight", *more: bytes) -> bytes:
    """Return what is in a tensor of two numbers."""
    return number(1, 2) + number(2, 1) + message(8, name) + message(9, bytes(8)) + b"".join(more)


def graph(
    inputs: Iterable[str] = ("tiles", "weight"),
    outputs: Iterable[str] = ("fold_0", "fold_all"),
    *more: bytes,
) -> bytes:
    """Return what is in a graph with one weight, which old writers list among the inputs."""
    return b"".join(
        [
            message(
                1, message(4, "Conv"), message(5, message(1, "value"), message(5, tensor("c")))
            ),
            message(2, "a network"),
            message(5, tensor()),
            *(message(11, message(1, name)) for name in inputs),
            *(message(12, message(1, name)) for name in outputs),
            *more,
        ]
    )


def entry(key: str, value: str) -> bytes:
    """Return an entry of the metadata."""
    return message(14, message(1, key), message(2, value))


def model(
    facts: OnnxFacts | None = SEGMENT, *more: bytes, inside: bytes | None = None, text: str = ""
) -> bytes:
    """Return a whole file."""
    text = text or (facts_as_text(facts) if facts else "")
    return b"".join(
        [
            number(1, 8),
            message(2, "a test"),
            message(7, graph() if inside is None else inside),
            message(8, message(1, ""), number(2, 17)),
            *([entry(METADATA_KEY, text)] if text else []),
            *more,
        ]
    )


def write(path: Path, *args, **named) -> Path:
    """Write a file as `model` makes it."""
    path.write_bytes(model(*args, **named))
    return path
