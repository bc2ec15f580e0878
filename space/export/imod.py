"""What IMOD's batchruntomo needs: tilts and directives for each series.

Directives are options of copytomocoms: pixel size and defocus in nm, under focus positive.
"""

from __future__ import annotations

from collections.abc import Sequence

from space.export.series import Optics, TiltSeries


def files(found: Sequence[TiltSeries], optics: Optics) -> dict[str, str]:
    """Return the files by their path in the folder of the export."""
    texts: dict[str, str] = {}
    for one in found:
        texts[f"{one.name}/{one.name}.rawtlt"] = _tilts(one)
        texts[f"{one.name}/{one.name}.adoc"] = _directives(one, optics)
    texts["how_to_import.txt"] = _how_to(found)
    return texts


def _tilts(one: TiltSeries) -> str:
    """Return one tilt for each section of the sorted image file."""
    return "".join(f"{image.tilt_deg:.2f}\n" for image in one.by_tilt)


def _directives(one: TiltSeries, optics: Optics) -> str:
    values = {
        "dual": "0",
        "montage": "0",
        "userawtlt": "1",
        "pixel": f"{one.pixel_nm:.5g}",
        "rotation": f"{one.axis_deg:.2f}",
        "gold": "0",
        "voltage": f"{one.voltage_kv:g}",
        "Cs": f"{optics.cs_mm:g}",
    }
    if one.defocus_um is not None:
        values["defocus"] = f"{-one.defocus_um * 1000:.5g}"
    lines = [f"setupset.copyarg.{key} = {value}" for key, value in values.items()]
    lines.append("runtime.Fiducials.any.trackingMethod = 1")
    return "\n".join(lines) + "\n"


def _how_to(found: Sequence[TiltSeries]) -> str:
    """Return how to sort the sections, which PACEtomo writes as they were taken, and go on."""
    sort = []
    for one in found:
        order = ",".join(str(image.section) for image in one.by_tilt)
        stack = one.stack.resolve().as_posix()
        sort.append(f'newstack -secs {order} "{stack}" {one.name}/{one.name}.st')
    return "\n".join([_FIRST, *sort, _THEN])


_FIRST = """\
IMOD

IMOD needs the sections of an image file by tilt, and PACEtomo writes them as they were taken. In
this folder, for each series:
"""
_THEN = """
Then, in the folder of each series: batchruntomo -directive NAME.adoc -root NAME -current .
(in Etomo: Batch Tomograms). The directives choose patch tracking; a template adds all else.
"""
