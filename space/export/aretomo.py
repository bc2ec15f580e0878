"""Angle files for AreTomo, and the command for each series.

An angle file has a line for each section of the image file, in its order: the tilt, and the place
of the picture in the order of acquisition, from 1 (AreTomo's -AngFile with dose weighting).
"""

from __future__ import annotations

from collections.abc import Sequence

from space.export.series import Optics, TiltSeries


def files(found: Sequence[TiltSeries], optics: Optics) -> dict[str, str]:
    """Return the files by their path in the folder of the export."""
    texts = {f"{one.name}_angles.txt": _angles(one) for one in found}
    texts["commands.txt"] = "".join(f"{_command(one, optics)}\n" for one in found)
    return texts


def _angles(one: TiltSeries) -> str:
    order = {image.section: place for place, image in enumerate(one.images, 1)}
    images = sorted(one.images, key=lambda image: image.section)
    return "".join(f"{image.tilt_deg:.2f}  {order[image.section]}\n" for image in images)


def _command(one: TiltSeries, optics: Optics) -> str:
    """Return the command line of one series; the volume is 400 nm thick, as for a lamella."""
    return (
        f'AreTomo2 -InMrc "{one.stack.resolve().as_posix()}" -AngFile "{one.name}_angles.txt" '
        f'-OutMrc "{one.name}_rec.mrc" -PixSize {one.pixel_nm * 10:.5g} '
        f"-TiltAxis {one.axis_deg:.2f} 1 -Kv {one.voltage_kv:g} -Cs {optics.cs_mm:g} "
        f"-AmpContrast {optics.amplitude_contrast:g} -ImgDose {one.dose_e_per_a2:.4g} "
        f"-VolZ {round(400 / one.pixel_nm)} -OutBin {max(1, round(1.0 / one.pixel_nm))}"
    )
