# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""PointGroup: components of points of one class, where they are and where they point to, scored.

Source: PointGroup (CVPR 2020) and the settings of its public code, as configs/pointgroup/README.md
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
    """Connected components of the points of each class, twice: of their coordinates, then shifted.

    Args:
        radius: Points closer than this hang together, metres.
        min_points: Smaller components are left out.
    """

    def __init__(self, *, radius: float = 0.03, min_points: int = 50) -> None:
        self.radius, self.min_points = radius, min_points

    def __call__(self, inputs: GroupingInput, *, training: bool) -> Proposals:
        """Group points, in training as in tests; those of the first run stand first."""
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
    """ScoreNet: a score for each proposal, its IoU with the nearest object stretched to 0..1.

    Args:
        in_channels: As of :class:`GroupingHead`, as are those not named here.
        low_iou: Up to this IoU the wanted score is 0.
        high_iou: From this on it is 1.
    """

    def __init__(
        self, *, in_channels: int, low_iou: float = 0.25, high_iou: float = 0.75, **options
    ) -> None:
        super().__init__(in_channels=in_channels, **options)
        self.low_iou, self.high_iou = low_iou, high_iou
        self.score = nn.Linear(in_channels, 1)

    def proposal_loss(
        self, proposals: Proposals, voxels: ProposalVoxels, targets: PackedTargets, iteration: int
    ) -> dict[str, Tensor]:
        """``loss_score``, mean over proposals."""
        logits = self._scores(voxels)
        best, _ = best_object(object_iou(proposals, targets))
        wanted = ((best - self.low_iou) / (self.high_iou - self.low_iou)).clamp(0, 1)
        return dict(
            loss_score=F.binary_cross_entropy_with_logits(logits, wanted, reduction='sum')
            / max(len(logits), 1)
        )

    def judge(
        self, proposals: Proposals, voxels: ProposalVoxels, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """All proposals, with the class of their points and their scores."""
        return proposals, labels[proposals.first_members], self._scores(voxels).sigmoid()

    def _scores(self, voxels: ProposalVoxels) -> Tensor:
        """Logits ``(N,)``."""
        with torch.autocast(voxels.features.device.type, enabled=False):
            return self.score(voxels.largest(voxels.features))[:, 0]
