"""Files that SerialEM reads and writes: MRC stacks, mdoc, Navigator and autodoc files.

Each module is public: it reads and writes one kind of file.
"""

from space.simulator.formats import autodoc, mdoc, mrc, navfile

__all__ = ["autodoc", "mdoc", "mrc", "navfile"]
