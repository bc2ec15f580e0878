"""Variations of what is learned from: turned, mirrored, lighter, blurred, noisier.

The transforms are those of batchgeneratorsv2, which nnU-Net brings along.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from space.learning.training.samples import IGNORED

_SELDOM, _OFTEN = 0.2, 0.5


def varied(
    rng: np.random.Generator, grey: np.ndarray, channels: np.ndarray, side_px: int
) -> tuple[Any, Any]:
    """Return the middle of a part, varied.

    The transforms draw from the generators of numpy and torch that all share: these are set, so
    that the same part is varied in the same way.

    Returns
    -------
    grey : torch.Tensor of float32, shape (1, side_px, side_px)
    channels : torch.Tensor of int64, shape (side_px, side_px)
    """
    import torch

    seed = int(rng.integers(2**31))
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    out = _transforms(side_px)(
        image=torch.from_numpy(grey)[None],
        segmentation=torch.from_numpy(channels.astype(np.int16))[None],
    )
    return out["image"].contiguous(), out["segmentation"][0].long()


@lru_cache(maxsize=4)
def _transforms(side_px: int) -> Any:
    from batchgeneratorsv2.transforms.intensity import brightness
    from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from batchgeneratorsv2.transforms.utils.random import RandomTransform

    factor = BGContrast((0.75, 1.33))
    return ComposeTransforms(
        [
            SpatialTransform(
                (side_px, side_px),
                patch_center_dist_from_border=0,
                random_crop=False,
                p_elastic_deform=0,
                p_rotation=_OFTEN,
                rotation=(-np.pi, np.pi),
                p_scaling=_SELDOM,
                scaling=(0.8, 1.25),
                p_synchronize_scaling_across_axes=1,
                bg_style_seg_sampling=False,
                border_mode_seg="constant",
                padding_value_seg=IGNORED,
            ),
            MirrorTransform((0, 1)),
            RandomTransform(
                brightness.MultiplicativeBrightnessTransform(
                    factor, synchronize_channels=True, p_per_channel=1
                ),
                apply_probability=_SELDOM,
            ),
            RandomTransform(
                ContrastTransform(
                    factor, preserve_range=False, synchronize_channels=True, p_per_channel=1
                ),
                apply_probability=_OFTEN,
            ),
            RandomTransform(
                GaussianNoiseTransform((0, 0.1), p_per_channel=1, synchronize_channels=True),
                apply_probability=_SELDOM,
            ),
            RandomTransform(
                GaussianBlurTransform((0.5, 1.0), synchronize_channels=True, p_per_channel=1),
                apply_probability=_SELDOM,
            ),
        ]
    )
