# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Random subsets of points, for training."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .scene import keep_points
from .seeding import draw_generator


@TRANSFORMS.register_module()
class RandomSubsample(BaseTransform):
    """Keep a random share of a scene's points, different in every draw; the order is kept.

    Labels and further columns of the points stay aligned. Apply this transform right after the
    annotations are loaded, and ``RelabelInstances`` after it, because small instances may vanish.

    Source: SoftGroup trains on a random quarter of the points of S3DIS.

    Args:
        ratio: Share of the points to keep, in (0, 1]; at least one point is kept.

    Raises:
        ValueError: ``ratio`` is not within (0, 1].
    """

    def __init__(self, *, ratio: float = 0.25) -> None:
        if not 0 < ratio <= 1:
            raise ValueError(f'RandomSubsample: ratio={ratio}, expected a share of points, (0, 1]')
        self.ratio = ratio

    def transform(self, results: dict) -> dict:
        """Drop the points that were not drawn."""
        num_points = len(results['points'])
        if self.ratio == 1 or num_points == 0:  # CenterCoordinates names the empty scene
            return results
        rng = draw_generator(results, type(self).__name__)
        size = max(round(self.ratio * num_points), 1)
        kept = np.zeros(num_points, dtype=bool)
        kept[rng.choice(num_points, size, replace=False, shuffle=False)] = True
        keep_points(results, kept)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(ratio={self.ratio})'
