"""Sections: a network in two dimensions learns a volume from few labelled sections and many others.

Needs the extras ``predict``, ``learn`` and ``tomo``, which are imported where they are used.
"""

from space.organelles.sections.config import SectionsConfig
from space.organelles.sections.data import read_sections
from space.organelles.sections.network import SectionsModel
from space.organelles.sections.prediction import (
    TURNS,
    labels_of_section,
    predict_sections,
    read_sections_model,
)
from space.organelles.sections.training import MODEL, SectionsLearner, train_sections

__all__ = [
    "MODEL",
    "TURNS",
    "SectionsConfig",
    "SectionsLearner",
    "SectionsModel",
    "labels_of_section",
    "predict_sections",
    "read_sections",
    "read_sections_model",
    "train_sections",
]
