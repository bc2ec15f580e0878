"""MRC files of any program, as SerialEM's are read: see `space.mrc_header`."""

from space.mrc_header import Header, has_unsigned_bytes, read_header

__all__ = ["Header", "has_unsigned_bytes", "read_header"]
