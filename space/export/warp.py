"""What WarpTools has after its import of tilt series: a .tomostar file for each.

Columns are those of `WarpTools ts_import`. Warp's own settings files are made by its command
create_settings, which is given with the values of the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from space.export.frames import SeriesFrames
from space.export.series import Optics
from space.star import table

_COLUMNS = (
    "wrpMovieName",
    "wrpAngleTilt",
    "wrpAxisAngle",
    "wrpDose",
    "wrpAverageIntensity",
    "wrpMaskedFraction",
)


def files(found: Sequence[SeriesFrames], optics: Optics) -> dict[str, str]:
    """Return the files by their path in the folder of the export."""
    texts = {f"tomostar/{one.series.name}.tomostar": _tomostar(one) for one in found}
    texts["how_to_import.txt"] = _how_to(found, optics)
    return texts


def _tomostar(one: SeriesFrames) -> str:
    """Return the pictures by tilt; wrpDose is what the specimen had before each."""
    return table(
        "",
        _COLUMNS,
        [
            (
                one.path(image),
                image.tilt_deg,
                one.series.axis_deg,
                image.prior_dose_e_per_a2,
                image.picture.counts or 0.0,
                0.0,
            )
            for image in one.series.by_tilt
        ],
    )


def _how_to(found: Sequence[SeriesFrames], optics: Optics) -> str:
    first = found[0]
    frames = PurePosixPath(first.places[0])
    scale = first.series.pixel_nm / first.pixel_nm
    sides_px = [round(side * scale) for side in first.series.size_px]
    sides_px.append(round(_THICKNESS_NM / first.pixel_nm))
    common = f"--angpix {first.pixel_nm * 10:.5g} --exposure {first.series.dose_e_per_a2:.5g}"
    return _HOW_TO.format(
        folder=frames.parent,
        suffix=frames.suffix,
        common=common,
        sides="x".join(map(str, sides_px)),
        thickness=_THICKNESS_NM,
        voltage=f"{first.series.voltage_kv:g}",
        cs=f"{optics.cs_mm:g}",
        contrast=f"{optics.amplitude_contrast:g}",
    )


_THICKNESS_NM = 300
_HOW_TO = """\
Warp and M (WarpTools)

The folder tomostar is what "WarpTools ts_import" writes. In the folder that holds it, two commands
make the settings, each in one line:

WarpTools create_settings --folder_data "{folder}" --folder_processing warp_frameseries \
--output warp_frameseries.settings --extension "*{suffix}" {common}

WarpTools create_settings --folder_data tomostar --folder_processing warp_tiltseries \
--output warp_tiltseries.settings --extension "*.tomostar" {common} --tomo_dimensions {sides}

Add the gain reference to the first one (--gain_path). For fs_ctf and ts_ctf: --voltage {voltage}
--cs {cs} --amplitude {contrast}. The volume is {thickness} nm thick; a lamella may need more.
"""
