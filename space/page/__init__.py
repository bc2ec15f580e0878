"""The page in the browser: a server of its own process that shows a session and takes corrections.

It reads and writes files alone, so that no page, an idle page and a dead page change nothing.
`serve` is the one entry; what it needs beside the base packages is imported when it is called.
"""

from space.page.serving import Wish, serve
from space.page.tiles import CACHE_FOLDER

__all__ = ["CACHE_FOLDER", "Wish", "serve"]
