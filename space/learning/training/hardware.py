"""On what a network is trained, and how exactly it calculates there."""

from __future__ import annotations

from typing import Any

from space.errors import SpaceError

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")
_IN_HARDWARE = ("amx_bf16", "avx512_bf16")


def device_for(asked: str) -> str:
    """Return ``"cuda"`` or ``"cpu"``; ``"auto"`` takes a graphics card that torch can use.

    Raises
    ------
    SpaceError
        If a card is asked for and torch can use none.
    """
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise SpaceError(
            "PyTorch finds no graphics card that it can use.",
            do='Leave device out, or correct the installation: python -c "import torch; '
            'print(torch.version.cuda, torch.cuda.is_available())"',
        )
    return "cuda" if there and asked != "cpu" else "cpu"


def precision_for(asked: str, device: str) -> str:
    """Return the numbers that a network is trained with.

    ``"auto"`` takes bfloat16 where the processor or the card multiplies such numbers itself:
    twice as fast there, and slower than float32 anywhere else.
    """
    if asked != "auto":
        return asked
    return "bfloat16" if _multiplies_bfloat16(device) else "float32"


def _multiplies_bfloat16(device: str) -> bool:
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch do not tell.
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(able.get(name) for name in _IN_HARDWARE)
