"""What the commands beyond the basic ones remember from one call to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from space.simulator.imaging.images import Image
from space.simulator.program.frame_notes import FrameMdoc

FFT_BUFFERS = "ABCDEFGH"


@dataclass
class FftBuffers:
    """Power spectra: the newest is in A, older ones have rolled to B … H.

    Attributes
    ----------
    images : list of Image
        From A on.
    """

    images: list[Image] = field(default_factory=list)

    def push(self, image: Image) -> None:
        """Put a spectrum into A; the others roll."""
        self.images = [image, *self.images][: len(FFT_BUFFERS)]

    def get(self, letter: str) -> Image | None:
        """Spectrum of a letter A … H, None when there is none."""
        place = FFT_BUFFERS.find(letter.upper()) if letter else -1
        return self.images[place] if 0 <= place < len(self.images) else None


@dataclass
class TextFile:
    """A text file that scripts read or write line by line.

    Attributes
    ----------
    path : Path
        Where it is.
    writing : bool
        Whether lines are written to it rather than read.
    position : int
        Number of lines read so far.
    persistent : bool
        Whether it stays open when the script ends.
    """

    path: Path
    writing: bool
    position: int = 0
    persistent: bool = False


@dataclass
class HoleSettings:
    """What the hole finder looks for; lengths on the specimen in µm.

    Attributes
    ----------
    error_um, thresholds, sigmas :
        Largest error of a position, and lists of numbers as text; they have no effect.
    """

    diameter_um: float = 2.0
    spacing_um: float = 4.0
    error_um: float = 0.0
    thresholds: str = ""
    sigmas: str = ""


@dataclass
class FoundHoles:
    """Holes found in a picture.

    Attributes
    ----------
    image : Image
        The picture.
    centers_px : list of (column, row)
        Centres of the holes in it.
    means : list of float
        Mean counts inside, relative to the mean of the picture.
    vectors_px : tuple of (column, row)
        The two vectors of the lattice.
    """

    image: Image
    centers_px: list[tuple[float, float]]
    means: list[float]
    vectors_px: tuple[tuple[float, float], tuple[float, float]]


@dataclass
class FoundSquare:
    """An open square of the grid.

    Attributes
    ----------
    corners_px : list of (column, row)
        Outline in the picture.
    size_um : float
        Square root of its area.
    mean : float
        Mean counts inside, relative to that of the median square.
    irregularity : float
        How much the spread of counts inside exceeds that of the median square, as a ratio.
    border_um : float
        Distance of its centre from the edge of the picture.
    """

    corners_px: list[tuple[float, float]]
    size_um: float
    mean: float
    irregularity: float
    border_um: float


@dataclass
class FoundSquares:
    """Squares found in a picture of the grid."""

    image: Image
    squares: list[FoundSquare]


@dataclass
class MultiShot:
    """Pattern of image shifts for several Records around one stage position.

    Attributes
    ----------
    vectors_um : tuple of (x, y)
        Distances of neighbouring holes along the two axes of the pattern, specimen µm.
    counts : tuple of int
        Holes along the two axes.
    last_um : tuple of (x, y) or None
        Where the last hole of the latest acquisition was, specimen µm from the middle.
    """

    vectors_um: tuple[tuple[float, float], tuple[float, float]] = ((4.25, 0.0), (0.0, 4.25))
    counts: tuple[int, int] = (3, 3)
    last_um: tuple[float, float] | None = None

    def positions_um(self) -> list[tuple[float, float]]:
        """Positions of the pattern, specimen µm from its middle, in a serpentine."""
        (ax, ay), (bx, by) = self.vectors_um
        found = []
        for row in range(self.counts[1]):
            columns: Iterable[int] = range(self.counts[0])
            if row % 2:
                columns = reversed(range(self.counts[0]))
            for column in columns:
                i = column - (self.counts[0] - 1) / 2.0
                j = row - (self.counts[1] - 1) / 2.0
                found.append((i * ax + j * bx, i * ay + j * by))
        return found


@dataclass
class Workbench:
    """Tools of the program that keep something between commands."""

    fft: FftBuffers = field(default_factory=FftBuffers)
    text_files: dict[str, TextFile] = field(default_factory=dict)
    hole_settings: HoleSettings = field(default_factory=HoleSettings)
    holes: FoundHoles | None = None
    squares: FoundSquares | None = None
    multishot: MultiShot = field(default_factory=MultiShot)
    mail_subject: str = "Message from SerialEM"
    tilt_increment_deg: float = 3.0
    wait_drift_nm_s: float = 0.0
    wait_failed: bool = False
    state_before_map: tuple[bool, str, int] | None = None
    saved_focus_um: float | None = None
    cycling_back: bool = False
    frame_mdoc: FrameMdoc | None = None
    next_stack_entries: dict[str, str] = field(default_factory=dict)
    stigmator_needed: tuple[float, float] = (0.0, 0.0)
    coma_tilt_needed: tuple[float, float] = (0.0, 0.0)

    def end_script(self) -> None:
        """Forget what does not outlive a script."""
        self.text_files = {name: f for name, f in self.text_files.items() if f.persistent}
