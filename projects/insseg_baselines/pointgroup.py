# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""PointGroup: cluster the points of a class by coordinates and by shifted coordinates; score both.

Source: PointGroup (CVPR 2020) and the settings of its public code. configs/pointgroup/README.md
lists them with every deviation.
"""

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from insseg3d.heads import (
    GroupingHead,
    GroupingInput,
    PackedTargets,
    ProposalVoxels,
    best_object,
    object_iou,
)
from insseg3d.ops.grouping.clusters import Proposals, join_proposals, radius_clusters


@TASK_UTILS.register_module()
class DualSpaceGrouping:
    """Connect nearby points of each class twice: by original and by shifted coordinates.

    Args:
        radius: Points within this distance (metres) are connected.
        min_points: Components with fewer points are dropped.
    """

    def __init__(self, *, radius: float = 0.03, min_points: int = 50) -> None:
        self.radius, self.min_points = radius, min_points

    def __call__(self, inputs: GroupingInput, *, training: bool) -> Proposals:
        """Group points; proposals by original coordinates come first."""
        chosen, _, groups = inputs.object_points()
        return join_proposals(
            [
                radius_clusters(
                    coords[chosen], groups, chosen, radius=self.radius, min_points=self.min_points
                )
                for coords in (inputs.points.coords, inputs.shifted)
            ]
        )


@MODELS.register_module()
class PointGroupHead(GroupingHead):
    """Score each proposal (ScoreNet). The target is its highest IoU, rescaled to [0, 1].

    Args:
        in_channels: See :class:`GroupingHead`, which also documents the remaining arguments.
        low_iou: Up to this IoU the target is 0.
        high_iou: From this IoU on the target is 1.
    """

    def __init__(
        self, *, in_channels: int, low_iou: float = 0.25, high_iou: float = 0.75, **options
    ) -> None:
        super().__init__(in_channels=in_channels, **options)
        self.low_iou, self.high_iou = low_iou, high_iou
        self.score = nn.Linear(in_channels, 1)

    def proposal_loss(
        self,
        proposals: Proposals,
        proposal_voxels: ProposalVoxels,
        targets: PackedTargets,
        iteration: int,
    ) -> dict[str, Tensor]:
        """Compute ``loss_score``, the mean over proposals."""
        logits = self._scores(proposal_voxels)
        best, _ = best_object(object_iou(proposals, targets))
        wanted = ((best - self.low_iou) / (self.high_iou - self.low_iou)).clamp(0, 1)
        return dict(
            loss_score=F.binary_cross_entropy_with_logits(logits, wanted, reduction='sum')
            / max(len(logits), 1)
        )

    def judge(
        self, proposals: Proposals, proposal_voxels: ProposalVoxels, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """Return all proposals, the class of their points, and their scores."""
        return proposals, labels[proposals.first_members], self._scores(proposal_voxels).sigmoid()

    def _scores(self, proposal_voxels: ProposalVoxels) -> Tensor:
        """Compute the logits of the scores ``(N,)``."""
        with torch.autocast(proposal_voxels.features.device.type, enabled=False):
            return self.score(proposal_voxels.largest(proposal_voxels.features))[:, 0]
