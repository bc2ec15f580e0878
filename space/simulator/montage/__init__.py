"""Montages: where pieces go, how they are aligned and assembled."""
