# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Normalisation over the representative points of a scene."""

from mmengine.registry import MODELS  # mmcv looks norm layers up here if no scope is set
from torch import Tensor, nn


@MODELS.register_module()
class PointInstanceNorm(nn.InstanceNorm1d):
    """Normalise each channel over the points of a scene.

    This removes what all points of a scene share, and brings the remainder to unit variance. The
    points of a scene thus remain different even if their activation maps are nearly the same.

    Deviation: 3D-QueryIS mentions no norm. Use it for a neck whose points have no padding.

    Args:
        num_features: C.
        eps: Added to the variance.
    """

    _abbr_ = 'pin'

    def __init__(self, num_features: int, *, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps=eps, affine=True)

    def forward(self, points: Tensor) -> Tensor:
        """Normalise points ``(B, J, C)``, J at least 2."""
        return super().forward(points.transpose(1, 2)).transpose(1, 2)
