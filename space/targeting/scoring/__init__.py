"""How good each position of a map is: class masks, the score, thresholds, the pieces."""

from space.targeting.scoring.fields import class_contrast, field_axes, field_mean, field_window
from space.targeting.scoring.learned import with_learned
from space.targeting.scoring.masks import (
    ClassTables,
    Coverage,
    as_labels,
    class_tables,
    coverage,
    on_own_pieces,
    pieces_key,
    pieces_unknown,
    wanted_mask,
)
from space.targeting.scoring.memory import Key, KnownMap, Memory
from space.targeting.scoring.score import (
    ScoreMap,
    cell_factor,
    field_weight,
    score_map,
    scores_at,
)
from space.targeting.scoring.signals import signals_of, with_signals
from space.targeting.scoring.thresholds import differ, thresholds_at, thresholds_of_cells

__all__ = [
    "ClassTables",
    "Coverage",
    "Key",
    "KnownMap",
    "Memory",
    "ScoreMap",
    "as_labels",
    "cell_factor",
    "class_contrast",
    "class_tables",
    "coverage",
    "differ",
    "field_axes",
    "field_mean",
    "field_weight",
    "field_window",
    "on_own_pieces",
    "pieces_key",
    "pieces_unknown",
    "score_map",
    "scores_at",
    "signals_of",
    "thresholds_at",
    "thresholds_of_cells",
    "wanted_mask",
    "with_learned",
    "with_signals",
]
