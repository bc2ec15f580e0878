"""The page in the browser: a server of its own process that shows a session and takes corrections.

It reads and writes files alone, so that no page, an idle page and a dead page change nothing.
`serve` shows a session, `serve_labels` the labels of a data set, `serve_volume` sections of a
volume, `serve_pairs` two pictures for pairs of points; what they need beside the base packages is
imported when they are called.
"""

from space.page.pairs import Beside, PairsView
from space.page.serving import (
    Help,
    Wish,
    print_at_once,
    serve,
    serve_labels,
    serve_pairs,
    serve_volume,
)
from space.page.tiles import CACHE_FOLDER

__all__ = [
    "CACHE_FOLDER",
    "Beside",
    "Help",
    "PairsView",
    "Wish",
    "print_at_once",
    "serve",
    "serve_labels",
    "serve_pairs",
    "serve_volume",
]
