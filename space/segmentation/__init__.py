"""One lamella map to a map of labels, by workers: needs onnxruntime or torch once it is used."""

from space.segmentation.model import Segmenter

__all__ = [
    "Segmenter",
]
