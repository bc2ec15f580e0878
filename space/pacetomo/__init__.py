"""The targets file that PACEtomo runs tilt series from, and the names of the files around it.

A targets file is a list of ``key = value`` lines with exactly one space on either side of the
equals sign. ``_tgt = 001`` begins a target; the first one is the tracking target. ``_geo = 1``
begins a geometry point. ``_set NAME = NUMBER`` and ``_bset NAME = WORD`` override PACEtomo's
settings. ``_pbr`` and ``_nbr`` inside a target begin the saved state of its plus and minus
branch, which only the files of started runs hold, as well as ``_spos``.
"""

from space.pacetomo.content import (
    FEWEST_GEO_POINTS,
    MEASURE_GEOMETRY,
    GeoPoint,
    Target,
    TargetsFile,
    overrides,
    with_key,
    with_shifts,
)
from space.pacetomo.names import (
    area_root,
    broad_root,
    is_broad,
    patterns_of_a_set_up,
    plot_name,
    plot_pattern,
    preview_file_name,
    run_files_pattern,
    targets_file_name,
    tilt_series_name,
    tilt_series_pattern,
    view_file_name,
)
from space.pacetomo.reading import parse, read
from space.pacetomo.writing import END, render

__all__ = [
    "END",
    "FEWEST_GEO_POINTS",
    "MEASURE_GEOMETRY",
    "GeoPoint",
    "Target",
    "TargetsFile",
    "area_root",
    "broad_root",
    "is_broad",
    "overrides",
    "parse",
    "patterns_of_a_set_up",
    "plot_name",
    "plot_pattern",
    "preview_file_name",
    "read",
    "render",
    "run_files_pattern",
    "targets_file_name",
    "tilt_series_name",
    "tilt_series_pattern",
    "view_file_name",
    "with_key",
    "with_shifts",
]
