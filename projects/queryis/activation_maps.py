# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Eq. 1 and 2: turn logits into activation maps and pool the voxels of a scene with them."""

import math

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


@MODELS.register_module()
class SumNormalizedMaps(BaseModule):
    """Pool with sigmoid activation maps, each divided by its sum over the scene.

    Source: 3D-QueryIS, Eq. 1 (the text before it mentions the sigmoid).
    Deviation: the division. Without it, a representative point grows with the number of voxels;
    with it, a representative point is a weighted mean and has the magnitude of a feature.

    Args:
        prior: Initial activation of every voxel. A small value was meant to move each map away from
            the average of the scene sooner. In measurements on made rooms, no map moves away: all
            maps start with the same gradient and stay alike until the end of the training.

    Raises:
        ValueError: ``prior`` is not in (0, 1).
    """

    def __init__(self, *, prior: float = 0.01) -> None:
        super().__init__()
        if not 0 < prior < 1:
            raise ValueError(f'SumNormalizedMaps: prior is {prior}, expected a number in (0, 1).')
        self.prior = prior

    def init_maps(self, linear: nn.Linear) -> None:
        """Initialise the layer that computes the logits: all voxels start at ``prior``."""
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.constant_(linear.bias, math.log(self.prior / (1 - self.prior)))

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Pool the voxels of one scene.

        Args:
            logits: ``(M, J)`` logits of the maps.
            features: ``(M, C)`` of the voxels.

        Returns:
            ``(J, C)``, weighted means of the features; 0 for a scene without voxels.
        """
        # The J x M maps are the largest tensor of the model. They are written once; the pooled
        # points are divided by the sums instead.
        maps = logits.sigmoid() if logits.requires_grad else logits.sigmoid_()
        return (maps.T @ features) / maps.sum(0).clamp(min=1e-6)[:, None]


@MODELS.register_module()
class LiteralMaps(BaseModule):
    """Pool with undivided sigmoid activation maps, the paper's literal formulas.

    A representative point is a sum over the scene, initially about half the number of its voxels
    times their mean. A subsequent norm layer removes this magnitude. Without one, attention
    saturates and the training is expected to diverge.

    Source: 3D-QueryIS, Eq. 1 and 2.
    """

    def init_maps(self, linear: nn.Linear) -> None:
        """Initialise the layer that computes the logits: PyTorch's weights, no bias."""
        _plain_start(linear)

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Pool one scene into weighted sums; see :meth:`SumNormalizedMaps.forward`."""
        maps = logits.sigmoid() if logits.requires_grad else logits.sigmoid_()
        return maps.T @ features


@MODELS.register_module()
class SoftmaxMaps(BaseModule):
    """Pool with maps that are a softmax over the voxels of the scene.

    Deviation: Eq. 1 of 3D-QueryIS has a sigmoid. As in :class:`SumNormalizedMaps`, a representative
    point is a weighted mean, but one voxel can have all the weight.

    Args:
        temperature: Divisor of the logits. A smaller value makes maps sharper.

    Raises:
        ValueError: ``temperature`` is not positive.
    """

    def __init__(self, *, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(
                f'SoftmaxMaps: temperature is {temperature}, expected a number above 0.'
            )
        self.temperature = temperature

    def init_maps(self, linear: nn.Linear) -> None:
        """Initialise the layer that computes the logits: PyTorch's weights, no bias."""
        _plain_start(linear)

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Pool one scene into weighted means; see :meth:`SumNormalizedMaps.forward`."""
        return (logits / self.temperature).softmax(0).T @ features


def _plain_start(linear: nn.Linear) -> None:
    linear.reset_parameters()
    nn.init.zeros_(linear.bias)
