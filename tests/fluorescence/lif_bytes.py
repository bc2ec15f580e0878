"""A LIF file, byte by byte: an XML description in UTF-16, then blocks of values."""

from __future__ import annotations

import struct

import numpy as np

_MARK = 0x70


def lif_bytes(stacks: dict[str, tuple[np.ndarray, tuple[str, ...], float, float]]) -> bytes:
    """Return a file with pictures: arrays (channels, planes, rows, columns), dyes, µm, µm."""
    elements, blocks = [], []
    for number, (name, (array, dyes, pixel_um, step_um)) in enumerate(stacks.items(), 1):
        _, planes, rows, columns = array.shape
        depth, line = array.itemsize, array.itemsize * columns
        # In the file, the channels of a plane stand one after the other.
        data = np.ascontiguousarray(array.transpose(1, 0, 2, 3)).tobytes()
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * depth}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="{lut}" '
            f'IsLUTInverted="0" BytesInc="{index * line * rows}" BitInc="0"><ChannelProperty>'
            f"<Key>DyeName</Key><Value>{dye}</Value></ChannelProperty></ChannelDescription>"
            for index, (dye, lut) in enumerate(zip(dyes, ("Green", "Red", "Blue")))
        )
        sizes = [(1, columns, pixel_um, depth), (2, rows, pixel_um, line)]
        if planes > 1:
            sizes.append((3, planes, step_um, line * rows * len(array)))
        dimensions = "".join(
            f'<DimensionDescription DimID="{which}" NumberOfElements="{count}" Origin="0" '
            f'Length="{(count - 1) * pitch * 1e-6!r}" Unit="m" BitInc="0" BytesInc="{step}"/>'
            for which, count, pitch, step in sizes
        )
        elements.append(
            f'<Element Name="{name}" Visibility="1" UniqueID="u{number}"><Data><Image '
            f'TextDescription=""><ImageDescription><Channels>{channels}</Channels><Dimensions>'
            f"{dimensions}</Dimensions></ImageDescription></Image></Data>"
            f'<Memory Size="{len(data)}" MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        blocks.append(_block(f"MemBlock_{number}", data))
    text = (
        '<LMSDataContainerHeader Version="2"><Element Name="all.lif" Visibility="1"><Data>'
        '<Experiment Path="all.lif"/></Data><Memory Size="0" MemoryBlockID="MemBlock_0"/>'
        f"<Children>{''.join(elements)}</Children></Element></LMSDataContainerHeader>"
    ).encode("utf-16-le")
    head = struct.pack("<II", _MARK, len(text) + 5) + b"\x2a" + struct.pack("<I", len(text) // 2)
    return b"".join([head, text, _block("MemBlock_0", b""), *blocks])


def _block(name: str, data: bytes) -> bytes:
    text = name.encode("utf-16-le")
    return b"".join([
        struct.pack("<II", _MARK, 14 + len(text)), b"\x2a", struct.pack("<Q", len(data)), b"\x2a",
        struct.pack("<I", len(name)), text, data,
    ])  # fmt: skip
