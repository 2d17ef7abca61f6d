# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predicted quality of the final masks, by which results are ranked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from insseg3d.ops.masks import object_ious
from insseg3d.structures import SceneTargets

from .mask_reader import MaskReader


@MODELS.register_module()
class MaskQuality(BaseModule):
    """Predict the IoU of each mask with the object that it fits best.

    The prediction is made from the query, and from mean and variance of the row features inside its
    mask: the votes inside a mask that covers two objects, for example, have a large variance. It
    has no gradient with respect to these inputs, so it does not change the masks.

    Deviation: in 3D-QueryIS, Eq. 8, the score has no such factor. Source: Mask Scoring R-CNN, and
    the scores of PointGroup and SoftGroup.

    Args:
        embed_dims: C of the queries.
        reading_channels: Channels of the row features.
        hidden_channels: Width of the hidden layers.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        *,
        embed_dims: int,
        reading_channels: int,
        hidden_channels: int = 64,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.loss_weight, self.reading_channels = loss_weight, reading_channels
        self.mlp = nn.Sequential(
            nn.Linear(embed_dims + 2 * reading_channels, hidden_channels),
            nn.LayerNorm(hidden_channels),
            nn.ReLU(),
            nn.Linear(hidden_channels, hidden_channels),
            nn.ReLU(),
            nn.Linear(hidden_channels, 1),
        )

    def forward(self, queries: Tensor, read: MaskReader) -> Tensor:
        """Predict the quality of the masks of queries ``(B, Q, C)`` as logits ``(B, Q)``."""
        with torch.no_grad():
            mean, variance = read.moments(queries)
            inputs = torch.cat([queries.to(mean.dtype), mean, variance], -1)
        return self.mlp(inputs).squeeze(-1)

    def loss(
        self,
        logits: Tensor,
        embeddings: Tensor,
        mask_features: Sequence[Tensor],
        targets: Sequence[SceneTargets],
    ) -> Tensor:
        """Compare the predictions with the masks, mean over all queries.

        Args:
            logits: ``(B, Q)``.
            embeddings: ``(B, Q, C)`` of the masks.
            mask_features: Per scene ``(R, C)``.
            targets: Ground truth of each scene.
        """
        ious = [
            best_iou(features @ scene_embeddings.T > 0, scene)
            for features, scene_embeddings, scene in zip(mask_features, embeddings, targets)
        ]
        target = torch.stack(ious).to(logits.dtype)
        return self.loss_weight * F.binary_cross_entropy_with_logits(logits, target)


@torch.no_grad()
def best_iou(inside: Tensor, scene: SceneTargets) -> Tensor:
    """Compute the IoU, in points, of each mask with the object that it fits best.

    Args:
        inside: ``(R, Q)`` bool.
        scene: Ground truth of the scene.

    Returns:
        ``(Q,)``, 0 if the scene has no object.
    """
    ious = object_ious(inside.to(torch.get_default_dtype()), scene)
    return torch.cat([ious, ious.new_zeros(1, ious.shape[1])]).amax(0)
