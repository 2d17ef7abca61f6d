# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Eq. 1 and 2: how logits become activation maps, and how these pool a scene's voxels."""

import math

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class SumNormalizedMaps(BaseModule):
    """Pool with sigmoid activation maps, each divided by its sum over the scene.

    Source: 3D-QueryIS, Eq. 1 (the sigmoid stands in the sentence before it).
    Deviation: the division. Without it a representative point grows with the number of voxels;
    with it, it is a weighted mean, and J x M sums stay near the size of a feature.

    Args:
        prior: Activation of every voxel at the start. A small one was meant to let each map leave
            the average of the scene sooner. Measured on made rooms, no map leaves it: all start
            with the same gradient, and stay alike to the end of the training.
    """

    def __init__(self, *, prior: float = 0.01) -> None:
        super().__init__()
        if not 0 < prior < 1:
            raise ValueError(f'SumNormalizedMaps: prior is {prior}, expected a number in (0, 1).')
        self.prior = prior

    def init_maps(self, linear: nn.Linear) -> None:
        """Set the layer that makes the maps' logits so that all voxels start at ``prior``."""
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.constant_(linear.bias, math.log(self.prior / (1 - self.prior)))

    def forward(self, logits: Tensor, voxels: Tensor) -> Tensor:
        """Pool one scene.

        Args:
            logits: ``(M, J)``, from which the maps are made.
            voxels: ``(M, C)``.

        Returns:
            ``(J, C)``, weighted means of the voxels; 0 for a scene without voxels.
        """
        # The J x M maps are the largest tensor of the head: they are written once, and the sums
        # divide the pooled points instead.
        maps = logits.sigmoid() if logits.requires_grad else logits.sigmoid_()
        return (maps.T @ voxels) / maps.sum(0).clamp(min=1e-6)[:, None]


@MODELS.register_module()
class LiteralMaps(BaseModule):
    """Pool with sigmoid activation maps as they are: the paper's formulas to the letter.

    A representative point is a sum over the scene: at the start about half the number of its
    voxels times their mean. Followed by a norm layer this length does no harm; without one
    attention saturates, and training is expected to diverge.

    Source: 3D-QueryIS, Eq. 1 and 2.
    """

    def init_maps(self, linear: nn.Linear) -> None:
        """Set the layer that makes the maps' logits: PyTorch's weights, no bias."""
        _plain_start(linear)

    def forward(self, logits: Tensor, voxels: Tensor) -> Tensor:
        """Sums ``(J, C)`` of the voxels; arguments as of :class:`SumNormalizedMaps`."""
        maps = logits.sigmoid() if logits.requires_grad else logits.sigmoid_()
        return maps.T @ voxels


@MODELS.register_module()
class SoftmaxMaps(BaseModule):
    """Pool with maps that are a softmax over the voxels of the scene.

    Deviation: from Eq. 1 of 3D-QueryIS, which has a sigmoid. As with :class:`SumNormalizedMaps`
    a representative point is a weighted mean, but one voxel can have all the weight.

    Args:
        temperature: Divides the logits; smaller makes maps that are more exclusive.
    """

    def __init__(self, *, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(
                f'SoftmaxMaps: temperature is {temperature}, expected a number above 0.'
            )
        self.temperature = temperature

    def init_maps(self, linear: nn.Linear) -> None:
        """Set the layer that makes the maps' logits: PyTorch's weights, no bias."""
        _plain_start(linear)

    def forward(self, logits: Tensor, voxels: Tensor) -> Tensor:
        """Weighted means ``(J, C)``; arguments as of :class:`SumNormalizedMaps`."""
        return (logits / self.temperature).softmax(0).T @ voxels


def _plain_start(linear: nn.Linear) -> None:
    linear.reset_parameters()
    nn.init.zeros_(linear.bias)
