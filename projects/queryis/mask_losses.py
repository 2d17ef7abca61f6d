# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Losses of masks that are matched with an object: registered, mixed in the config.

Each is called with mask logits ``(V, G')``, the points that each voxel shares with the object of
that column ``(V, G')`` and points per voxel ``(V,)``, and gives one value a mask, ``(G',)``.
"""
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from insseg3d.ops.masks import mask_bce_loss, mask_dice_loss


@MODELS.register_module()
class MaskBCELoss(BaseModule):
    """Binary cross entropy, mean over the points of the scene.

    Source: 3D-QueryIS, Eq. 7.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, *, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
        return self.loss_weight * mask_bce_loss(logits, inside, counts)


@MODELS.register_module()
class MaskDiceLoss(BaseModule):
    """Dice distance, smoothed by one point.

    Source: 3D-QueryIS, Eq. 7.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, *, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
        return self.loss_weight * mask_dice_loss(logits, inside, counts)
