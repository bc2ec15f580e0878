"""What all steps of one grid know, and the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from space import pacetomo
from space.config import Category, Config
from space.lamellae import FIRST_LABEL
from space.settings import SQUARES, Settings

_GRID_LABEL_LENGTH = 6


class FilesOfGrid:
    """The names of a grid's files.

    Attributes
    ----------
    directory : Path
        SerialEM's directory, where its files go.
    map_dir : Path
        Where inference finds its pictures; the same, or the shared folder.
    grid : str
        Name of the grid, safe in file names.
    map_root : str
        What the names of its files begin with in the map folder; empty: the name of the grid.
    """

    directory: Path
    map_dir: Path
    grid: str
    map_root: str

    @property
    def navigator_file(self) -> Path:
        """The grid's Navigator file."""
        return self.directory / f"{self.grid}.nav"

    @property
    def log_name(self) -> str:
        """The grid's log file."""
        return f"{self.grid}.log"

    @property
    def whole_grid_note(self) -> str:
        """Note of the whole-grid map, which is its file name."""
        return f"{self.grid}.mrc"

    @property
    def whole_grid_label(self) -> str:
        """Label of the whole-grid map."""
        return self.grid[:_GRID_LABEL_LENGTH]

    @property
    def whole_grid_png(self) -> Path:
        """The whole-grid map as detection sees it."""
        return self.map_dir / f"{self.map_root or self.grid}_wg.png"

    @property
    def lamellae_file(self) -> Path:
        """What is known about each lamella beside its Navigator item."""
        return self.directory / f"{self.grid}_lamellae.json"

    @property
    def retaken_file(self) -> Path:
        """Which entries of `reacquire` were obeyed."""
        return self.directory / f"{self.grid}_retaken.json"

    @property
    def detection_plot(self) -> Path:
        """Picture of the grid with the detected lamellae."""
        return self.directory / f"{self.grid}_lamella_detected.png"

    def segmentation_plot(self, number: int) -> Path:
        """Picture of what the model found on a lamella's map, in colours."""
        return self.directory / f"{self.map_stem(number)}_segmentation.png"

    def intermediate_png(self, number: int) -> Path:
        """The intermediate-magnification picture of a lamella."""
        return self.map_dir / f"{self.map_root or self.grid}_{FIRST_LABEL}{number:02d}_im.png"

    def map_stem(self, number: int) -> str:
        """Name of a lamella's map without extension."""
        return f"{self.grid}_L{number:02d}"

    def map_note(self, number: int) -> str:
        """Note of a lamella's map, which is its file name."""
        return f"{self.map_stem(number)}.mrc"

    def map_png(self, number: int) -> Path:
        """A lamella's map as segmentation sees it."""
        return self.map_dir / f"{self.map_root or self.grid}_{map_label(number)}.png"

    def targets_file(self, number: int, area: int = 1) -> Path:
        """Targets file of an area; the Navigator note is its name."""
        root = pacetomo.area_root(self.map_stem(number), area)
        return self.directory / pacetomo.targets_file_name(root)


@dataclass(frozen=True)
class GridOnDisk(FilesOfGrid):
    """A grid of which files are read and nothing else is done."""

    directory: Path
    map_dir: Path
    grid: str
    map_root: str = ""


@dataclass(frozen=True)
class GridSession(FilesOfGrid):
    """One grid's session: what the user chose, `settings` and `config`, and its files."""

    settings: Settings
    config: Config
    directory: Path
    map_dir: Path
    grid: str
    map_root: str = ""

    @property
    def space_dir(self) -> Path:
        """Folder of this project."""
        return Path(self.settings.SPACE_DIR)

    @property
    def categories(self) -> dict[str, Category]:
        """Classes of the places that are mapped, and how they are shown."""
        return self.config.categories_of(self.settings.sample == SQUARES)

    @property
    def own_inference(self) -> bool:
        """Whether this computer runs the models (else a monitor does)."""
        return not self.settings.external_map_dir


def map_label(number: int) -> str:
    """Label of a lamella's map."""
    return f"L{number:02d}"
