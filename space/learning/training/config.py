"""What a training is asked to do, as a file in TOML says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from space import toml_settings
from space.errors import SpaceError
from space.learning.dataset import is_class_name
from space.learning.training.hardware import DEVICES, PRECISIONS
from space.learning.training.logs import LOGS
from space.predicates import is_number, is_whole
from space.toml_settings import Fit, whole

UNET, NNUNET, YOLO, CLICKS = "unet", "nnunet", "yolo", "clicks"
ENGINES = (UNET, NNUNET, YOLO, CLICKS)
"""What can be trained: a U-Net of segmentation-models-pytorch, an nnU-Net, a detector of
ultralytics, or a heat map from clicks."""

SMALL, DEFAULT = "small", "default"
PLANS = (SMALL, DEFAULT)
TRAINED_ON = ("real", "simulated")

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    NNUNET: {"rate": 0.001, "patch_px": 256, "batch": 2, "steps": 40, "epochs": 10},
    CLICKS: {"batch": 8, "steps": 10, "epochs": 20},
    YOLO: {
        "rate": 0.0005,
        "patch_px": 320,
        "batch": 8,
        "steps": 20,
        "epochs": 30,
        "centred": 0.7,
    },
}
"""What an engine takes where a file says nothing, if it is not what `TrainConfig` has."""

_ONLY_OF = {
    "encoder": UNET,
    "depth": UNET,
    "plan": NNUNET,
    "features": NNUNET,
    "click_radius_nm": CLICKS,
    "prior": CLICKS,
    "architecture": YOLO,
}
"""Settings that mean something to one engine."""

_DEEPEST = 5


@dataclass(frozen=True)
class TrainConfig:
    """What a training is asked to do.

    Attributes
    ----------
    data : Path
        Folder of the data set.
    out : Path
        Folder of the run; it is made.
    engine : str
        One of `ENGINES`.
    classes : tuple of str
        Classes to learn; what the labels call otherwise counts as the class of value 0, and boxes
        of another class as nothing. All classes of the data set if empty.
    pixel_nm : float or None
        Pixel at which pictures are shown to the network. Without it, the median of the data set.
    encoder : str
        A name that segmentation-models-pytorch knows.
    depth : int
        How often the encoder halves the picture.
    architecture : str
        A detector that ultralytics knows by name, if it begins with random weights.
    patch_px : int
        Side of the parts of pictures that it learns from.
    batch : int
        Parts for a step.
    steps, epochs : int
        Steps for an epoch, and epochs. After each epoch the pictures for validation are looked at
        and everything is kept.
    rate : float
        Learning rate of AdamW at the start; it falls to nothing at the end.
    plan : str
        Of nnU-Net: `SMALL`, a network of `features`, or `DEFAULT`, what nnU-Net's planner plans.
        Neither counts where it begins with a model: its own network is taken.
    features : tuple of int
        Of each level of the small plan; each level is half as large as the one before.
    click_radius_nm : float
        Of clicks: how far around one it is surely the same thing.
    prior : float or None
        Of clicks: share of all pixels that are wanted; None to have it estimated.
    device : str
        One of `DEVICES`.
    precision : str
        One of `PRECISIONS`: the numbers that a network is trained with. Pictures for validation
        and the model use float32.
    threads : int
        Of the processor. Sums come out otherwise with another number, so that a run keeps it.
    trained_on : str
        One of `TRAINED_ON`, for the model's card: it is asked before targets are acquired.
    patience : int
        Epochs without progress after which it ends; 0 for never.
    centred : float
        Share of the parts that have a pixel (or a box) of some class in the middle, each class as
        often.
    seed : int
        Of everything that is drawn: the same seed learns the same.
    log : tuple of str
        Of `LOGS`; each must be installed.
    """

    data: Path
    out: Path
    engine: str = "unet"
    classes: tuple[str, ...] = ()
    pixel_nm: float | None = None
    encoder: str = "tu-resnet18"
    depth: int = 3
    architecture: str = "yolov8n"
    patch_px: int = 128
    batch: int = 4
    steps: int = 10
    epochs: int = 60
    rate: float = 0.004
    patience: int = 0
    centred: float = 0.33
    seed: int = 1
    plan: str = SMALL
    features: tuple[int, ...] = (16, 32, 64, 128, 128)
    click_radius_nm: float = 100.0
    prior: float | None = None
    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    trained_on: str = TRAINED_ON[0]
    log: tuple[str, ...] = ()

    @property
    def used_as(self) -> str:
        """What SPACEtomo_config.py calls a model of this kind."""
        return {CLICKS: "learned_targets_model", YOLO: "detection_weights"}.get(
            self.engine, "segmentation_model"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        return {**values, "data": str(self.data), "out": str(self.out)}


def read_train_config(path: Path) -> TrainConfig:
    """Read a configuration; its folders are looked for from where its file is.

    Raises
    ------
    SpaceError
        With all that is wrong.
    """
    path = Path(path)
    values = toml_settings.read_toml(path, 'data = "D:/sets/mine"')
    problems = toml_settings.problems_of(values, _FITS, ("data", "out"), "a training")
    engine = values.get("engine", TrainConfig.engine)
    problems += [
        f"{key} is a setting of the engine {own} alone."
        for key, own in _ONLY_OF.items()
        if key in values and engine in ENGINES and engine != own
    ]
    if engine == NNUNET and values.get("plan") == DEFAULT:
        problems += [
            f"{key} is chosen by nnU-Net in the default plan: leave it out."
            for key in ("features", "patch_px", "batch")
            if key in values
        ]
    if problems:
        raise SpaceError(" ".join(problems), str(path), "Correct this and start again.")
    return _config(values, path.absolute().parent)


def _config(values: Mapping[str, Any], folder: Path) -> TrainConfig:
    known = {one.name for one in fields(TrainConfig)}
    own = DEFAULTS.get(values.get("engine", TrainConfig.engine), {})
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in {**own, **values}.items()
        if key in known
    }
    for key in ("data", "out"):
        given[key] = folder / given[key]
    for key in ("pixel_nm", "rate", "centred", "click_radius_nm", "prior"):
        if key in given:
            given[key] = float(given[key])
    return TrainConfig(**given)


def _is_patch(value: object) -> bool:
    multiple = 2**_DEEPEST
    return is_whole(value) and multiple <= value <= 2048 and not value % multiple


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.replace("-", "_").isidentifier()


_FITS: Mapping[str, Fit] = {
    "data": toml_settings.path_of("a data set"),
    "out": toml_settings.path_of("a folder"),
    "engine": toml_settings.one_of(ENGINES),
    "classes": Fit(
        lambda value: toml_settings.are(value, is_class_name), "a list of different classes"
    ),
    "pixel_nm": Fit(toml_settings.LENGTH_NM.fits, "a pixel size in nm"),
    "encoder": Fit(_is_name, "the name of an encoder, such as resnet18"),
    "depth": whole(3, _DEEPEST),
    "architecture": Fit(_is_name, "the name of a detector of ultralytics, such as yolov8n"),
    "patch_px": Fit(_is_patch, f"a multiple of {2**_DEEPEST} up to 2048"),
    "batch": whole(1, 256),
    "steps": whole(1, 100_000),
    "epochs": whole(1, 100_000),
    "rate": toml_settings.RATE,
    "patience": whole(0, 100_000),
    "centred": toml_settings.SHARE,
    "seed": toml_settings.SEED,
    "plan": toml_settings.one_of(PLANS),
    "features": toml_settings.wholes(3, 9, 1024, "numbers of features"),
    "click_radius_nm": toml_settings.LENGTH_NM,
    "prior": Fit(lambda value: is_number(value) and 0 < value < 1, "a share above 0 and below 1"),
    "device": toml_settings.one_of(DEVICES),
    "precision": toml_settings.one_of(PRECISIONS),
    "threads": toml_settings.THREADS,
    "trained_on": Fit(lambda value: value in TRAINED_ON, " or ".join(TRAINED_ON)),
    "log": toml_settings.several(LOGS),
}
