"""Montages: how pieces are laid out, aligned and assembled."""

from space.simulator.montage.layout import Layout, Pieces

__all__ = ["Layout", "Pieces"]
