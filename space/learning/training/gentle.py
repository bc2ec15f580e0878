"""How pictures are varied for nnU-Net, by the shipped models and by one's own.

nnU-Net augments as for pictures of many devices and bodies. Maps of one microscope differ less, and
simulated ones vary by themselves: blurring and shrinking them once more only hides what is a few
pixels wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def gentle_transforms(
    patch_size: Sequence[int],
    rotation_for_DA: Any,
    deep_supervision_scales: Any,
    mirror_axes: tuple[int, ...],
    *_unused: Any,
    **_also_unused: Any,
) -> Any:
    """Mirrored, turned by right angles, sometimes a little bent in grey or size.

    Takes what `nnUNetTrainer.get_training_transforms` takes and stands in for it.
    """
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.rot90 import Rot90Transform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import (
        DownsampleSegForDSTransform,
    )
    from batchgeneratorsv2.transforms.utils.random import RandomTransform
    from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform

    def sometimes(transform: Any) -> Any:
        return RandomTransform(transform, apply_probability=0.15)

    factor = BGContrast((0.8, 1.25))
    turned = RandomTransform(Rot90Transform(1, (1,), {0, 1}), apply_probability=0.5)
    transforms = [
        SpatialTransform(
            patch_size,
            patch_center_dist_from_border=0,
            random_crop=False,
            p_elastic_deform=0,
            p_rotation=0.1,
            rotation=rotation_for_DA,
            p_scaling=0.1,
            scaling=(0.9, 1.1),
            p_synchronize_scaling_across_axes=1,
            bg_style_seg_sampling=False,
            border_mode_seg="constant",
            padding_value_seg=-1,
        ),
        *([turned] if len(set(patch_size)) == 1 else []),  # else rows would become columns
        MirrorTransform(allowed_axes=mirror_axes),
        sometimes(
            MultiplicativeBrightnessTransform(
                multiplier_range=factor, synchronize_channels=False, p_per_channel=1
            )
        ),
        sometimes(
            ContrastTransform(
                contrast_range=factor,
                preserve_range=True,
                synchronize_channels=False,
                p_per_channel=1,
            )
        ),
        sometimes(
            GammaTransform(
                gamma=BGContrast((0.75, 1.35)),
                p_invert_image=0,
                synchronize_channels=False,
                p_per_channel=1,
                p_retain_stats=1,
            )
        ),
        RemoveLabelTansform(-1, 0),
        DownsampleSegForDSTransform(ds_scales=deep_supervision_scales),
    ]
    return ComposeTransforms(transforms)
