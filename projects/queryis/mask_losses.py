# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Losses of masks that are matched with an object. They are registered and combined in the config.

Each is called with mask logits ``(V, G')``, the points that each voxel shares with the object of
that column ``(V, G')`` and the points per voxel ``(V,)``. It returns one value per mask, ``(G',)``.
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


@MODELS.register_module()
class DenseMaskLoss(BaseModule):
    """Adapt a mask loss of mmdet, or your own loss with the same interface.

    Such a loss is called with logits and the share of each voxel's points that belong to the
    object, both ``(G', V)``, and ``reduction_override='none'``. If it returns a value per element,
    these are averaged over the points of the scene: a voxel counts as often as it has points. If
    it returns a value per mask, as mmdet's dice does, all voxels count alike.

    Args:
        loss: Config of the loss with its weight, for example
            ``dict(type='mmdet.DiceLoss', eps=1.0, loss_weight=5.0)``.
    """

    def __init__(self, *, loss: dict) -> None:
        super().__init__()
        self.loss = MODELS.build(loss)

    def forward(self, logits: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
        if logits.shape[1] == 0:  # no mask: mmdet's losses treat this case differently
            return logits.sum(0)
        points = counts.to(logits.dtype)
        share = inside / points.clamp(min=1)[:, None]
        value = self.loss(logits.T, share.T, reduction_override='none')
        return value if value.dim() == 1 else value @ points / points.sum().clamp(min=1)
