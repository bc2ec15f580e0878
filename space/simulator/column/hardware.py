"""What outlives the program: each part of the hardware declares which of its values stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Hardware:
    """A part of the hardware: its state stays as it is when SerialEM ends or dies.

    Attributes
    ----------
    HARDWARE : tuple of str
        Attributes of the part that stay; all others are made anew with the program.
    """

    HARDWARE: ClassVar[tuple[str, ...]] = ()

    def state(self) -> dict[str, Any]:
        """Give the values of the attributes that stay."""
        return {name: getattr(self, name) for name in self.HARDWARE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over values that `state` gave; what is missing stays as it is."""
        for name in self.HARDWARE:
            if name in state:
                setattr(self, name, state[name])
