"""One lamella map to a map of labels, by workers: needs torch and nnunetv2 once it is used."""

from space.segmentation.model import Segmenter

__all__ = [
    "Segmenter",
]
