"""Average the weights of two detectors that were trained from one another.

python -m training.average_weights FIRST.pt SECOND.pt --share 0.3 --out AVERAGE.pt

A detector that has learned its errors on simulated grids is surer there and a little less sure on
real ones; between it and the one it started from lie weights with most of either virtue (Wortsman
et al., Robust fine-tuning of zero-shot models, 2022).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from space.files import atomic_path
from space.lamellae.network import load_yolo


def averaged(first: dict[str, Any], second: dict[str, Any], share: float) -> dict[str, Any]:
    """Weights between two state dictionaries of tensors; what is no floating number is the first's.

    Parameters
    ----------
    share : float
        Of the second, 0..1.

    Raises
    ------
    ValueError
        If they do not belong to the same network.
    """
    shapes = [{name: value.shape for name, value in state.items()} for state in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError("the two weights do not belong to the same network")
    return {
        name: (1 - share) * value + share * second[name] if value.is_floating_point() else value
        for name, value in first.items()
    }


def main() -> None:
    """Command line."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    kept, other = load_yolo(args.first), load_yolo(args.second)
    networks = [(c.get("ema") or c["model"]).float() for c in (kept, other)]
    states = [network.state_dict() for network in networks]
    networks[0].load_state_dict(averaged(*states, args.share))
    kept.update(model=networks[0], ema=None)
    with atomic_path(args.out) as temporary:
        torch.save(kept, temporary)


if __name__ == "__main__":
    main()
