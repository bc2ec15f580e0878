"""The card beside the weights, which says what a model was trained on."""

from __future__ import annotations

from pathlib import Path

from space.errors import SpaceError
from space.files import read_json
from space.models.onnx_file import is_onnx, read_onnx_facts

CARD, SIMULATED = "card.json", "simulated"
"""File beside the weights that says what a model was trained on, and one of the answers."""


def is_simulated_only(model: Path) -> bool:
    """Whether a model's card says that it has seen nothing but simulated maps.

    A model without a card, as published ones are, says nothing about this.

    Parameters
    ----------
    model : Path
        The model's folder, or an .onnx file, which holds what the card said.

    Raises
    ------
    SpaceError
        When there is a card that cannot be understood.
    """
    if is_onnx(model):
        return read_onnx_facts(model).trained_on == SIMULATED
    path = Path(model) / CARD
    try:
        trained_on = read_json(path, follow_links=True)["trained_on"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpaceError(
            f"The card of the segmentation model cannot be read: {error!r}.",
            str(path),
            f'Write {{"trained_on": "{SIMULATED}"}} or {{"trained_on": "real"}} into it.',
        ) from None
    return trained_on == SIMULATED
