"""Names of the files around a targets file."""

from __future__ import annotations


def area_root(root: str, area: int) -> str:
    """Root of the file names of an area of a lamella; the first area has the lamella's own."""
    return root if area == 1 else f"{root}_area{area}"


def targets_file_name(root: str) -> str:
    """Name of the targets file; the navigator note of its map item is exactly this."""
    return f"{root}_tgts.txt"


def run_files_pattern(targets_name: str) -> str:
    """Pattern of the run files by which PACEtomo replaces a targets file, the newest one last."""
    return f"{targets_name[: -len('.txt')]}_run??.txt"


def tilt_series_name(root: str, number: int) -> str:
    """Name of the tilt series of target `number` (from 1)."""
    return f"{root}_ts_{number:03d}.mrc"


def view_file_name(root: str, number: int) -> str:
    """Name of the virtual View map of target `number` (from 1)."""
    return f"{root}_tgt_{number:03d}_view.mrc"


def plot_name(root: str, target_list: tuple[str, ...]) -> str:
    """Name of the picture of the targets on a map."""
    return f"{root}_{'_'.join(target_list)}_targets.png"
