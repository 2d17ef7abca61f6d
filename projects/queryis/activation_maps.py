# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Eq. 1 and 2: turn logits into activation maps and pool the voxels of a scene with them."""

import math

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

MOST_VOXELS_AT_ONCE = 2**18
"""Voxels whose maps are in memory at a time, if no gradient is needed."""
MOST_VOXELS_IN_CACHE = 2**9
"""The same on a CPU, whose caches then hold the maps: 4 MB for 2,000."""


class ActivationMaps(BaseModule):
    """Base class: J maps pool the voxels of a scene.

    A subclass defines ``init_maps(linear)``, which initialises the layer of the logits, and
    ``forward``.
    """

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Pool the voxels of one scene.

        Args:
            logits: ``(M, J)`` logits of the maps; overwritten if they need no gradient.
            features: ``(M, C)`` of the voxels.

        Returns:
            ``(J, C)``; 0 for a scene without voxels.
        """
        raise NotImplementedError

    def pool(self, linear: nn.Linear, features: Tensor) -> Tensor:
        """Compute the logits of one scene, and pool its voxels.

        Args:
            linear: Layer that computes the logits of J maps.
            features: ``(M, C)`` of the voxels.

        Returns:
            ``(J, C)``, that of ``forward(linear(features), features)`` up to rounding.
        """
        return self(linear(features), features)


class SigmoidMaps(ActivationMaps):
    """Base class of maps that are sigmoids. A subclass defines ``init_maps`` and ``divide``."""

    def divide(self, points: Tensor, sums: Tensor) -> Tensor:
        """Normalise weighted sums ``(J, C)``, given the sums of the weights ``(J,)``."""
        raise NotImplementedError

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """Pool the voxels of one scene; see :meth:`ActivationMaps.forward`."""
        # The J x M maps are the largest tensor of the model. They are written once; the pooled
        # points are divided by the sums instead.
        maps = logits.sigmoid() if logits.requires_grad else logits.sigmoid_()
        return self.divide(maps.T @ features, maps.sum(0))

    def pool(self, linear: nn.Linear, features: Tensor) -> Tensor:
        """Pool one scene; see :meth:`ActivationMaps.pool`.

        A sigmoid needs no other voxel, so without gradients, the maps of a few voxels after those
        of others are in memory.
        """
        if torch.is_grad_enabled():
            return super().pool(linear, features)
        chunk = MOST_VOXELS_IN_CACHE if features.is_cpu else MOST_VOXELS_AT_ONCE
        # With a column of ones, the bias and the sums are parts of the products.
        weight = torch.cat([linear.weight, linear.bias[:, None]], 1).T.contiguous()
        features = torch.cat([features, features.new_ones(len(features), 1)], 1)
        sums = features.new_zeros(weight.shape[1], features.shape[1])
        for some in features.split(chunk):
            sums.addmm_((some @ weight.to(some.dtype)).sigmoid_().T, some)
        return self.divide(sums[:, :-1], sums[:, -1])


@MODELS.register_module()
class SumNormalizedMaps(SigmoidMaps):
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

    def divide(self, points: Tensor, sums: Tensor) -> Tensor:
        """Divide by the sums of the maps."""
        return points / sums.clamp(min=1e-6)[:, None]


@MODELS.register_module()
class LiteralMaps(SigmoidMaps):
    """Pool with undivided sigmoid activation maps, the paper's literal formulas.

    A representative point is a sum over the scene, initially about half the number of its voxels
    times their mean. A subsequent norm layer removes this magnitude. Without one, attention
    saturates and the training is expected to diverge.

    Source: 3D-QueryIS, Eq. 1 and 2.
    """

    def init_maps(self, linear: nn.Linear) -> None:
        """Initialise the layer that computes the logits: PyTorch's weights, no bias."""
        _plain_start(linear)

    def divide(self, points: Tensor, sums: Tensor) -> Tensor:
        """Return the sums undivided."""
        return points


@MODELS.register_module()
class SoftmaxMaps(ActivationMaps):
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
        """Pool one scene into weighted means; see :meth:`ActivationMaps.forward`."""
        return (logits / self.temperature).softmax(0).T @ features


def _plain_start(linear: nn.Linear) -> None:
    linear.reset_parameters()
    nn.init.zeros_(linear.bias)
