# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A small sparse network over proposals, each in its own voxel grid."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..ops.grouping.clusters import Proposals
from ..ops.grouping.proposals import ProposalGrid, grid_features, proposal_iou, voxelize_proposals
from ..ops.precision import refuse_half
from ..ops.segment import segment_max, segment_mean
from .pointwise_head import PackedPoints, PackedTargets


class ProposalVoxels(NamedTuple):
    """Voxels of proposals, with their features from the network.

    A head that works per voxel has the same output for all members of a voxel. It computes sums
    over members as sums over voxels, weighted by the number of members.

    Attributes:
        features: ``(V, C)``.
        grid: Position and members of the voxels.
        num_proposals: N.
    """

    features: Tensor
    grid: ProposalGrid
    num_proposals: int

    @property
    def proposal(self) -> Tensor:
        """``(V,)`` int64, the proposal of each voxel, ascending."""
        return self.grid.coors[:, 0]

    def largest(self, values: Tensor) -> Tensor:
        """Reduce ``(V, C)`` to ``(N, C)``, the maximum over the voxels of each proposal."""
        return segment_max(values, self.proposal, self.num_proposals)

    def mean(self, values: Tensor) -> Tensor:
        """Reduce ``(V, C)`` to ``(N, C)``, the mean over the voxels of each proposal."""
        counts = torch.bincount(self.proposal, minlength=self.num_proposals)
        return segment_mean(values, self.proposal, counts)

    def mask_cross_entropy(
        self, logits: Tensor, proposals: Proposals, targets: PackedTargets, owner: Tensor
    ) -> Tensor:
        """Sum over members the cross entropy against membership in the proposal's object.

        Args:
            logits: ``(V,)``.
            proposals: Proposals to which the voxels belong.
            targets: Ground truth of their points.
            owner: ``(N,)`` object of each proposal, -1 for none; such proposals contribute 0.
        """
        refuse_half(logits, 'mask_cross_entropy: logits')
        wanted = owner[proposals.proposal]
        inside = (targets.instance[proposals.members] == wanted) & (wanted >= 0)
        inside = torch.bincount(self.grid.member2voxel[inside], minlength=len(logits))
        weights = self.grid.counts * (owner >= 0)[self.proposal]
        return (weights * F.softplus(logits) - inside * logits).sum()


@MODELS.register_module()
class ProposalNet(BaseModule):
    """Voxelise proposals and run a network over them.

    Source: PointGroup's ScoreNet and its descendants.

    Args:
        unet: Config of the network, which is called like a backbone and returns only the finest
            features.
        full_scale: Voxels along an axis; see :func:`voxelize_proposals`.
        score_scale: Maximum number of voxels per metre.
        init_cfg: See mmengine's ``BaseModule``.
    """

    def __init__(
        self,
        *,
        unet: dict,
        full_scale: int,
        score_scale: float = 50.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.unet = MODELS.build(unet)
        self.full_scale, self.score_scale = full_scale, score_scale

    def forward(
        self, points: PackedPoints, proposals: Proposals, place: Tensor | None = None
    ) -> ProposalVoxels:
        """Compute the features of proposals.

        Args:
            points: Points with the input features.
            proposals: N sets of these points; N may be 0.
            place: See :func:`voxelize_proposals`.
        """
        coords = points.coords.index_select(0, proposals.members)
        grid = voxelize_proposals(
            coords,
            proposals.proposal,
            num_proposals=proposals.num_proposals,
            full_scale=self.full_scale,
            score_scale=self.score_scale,
            place=place,
        )
        rows = points.point2row[proposals.members]
        features = self.unet(grid_features(points.features, rows, grid), grid.coors)
        if features.dtype != torch.float64:
            features = features.float()
        return ProposalVoxels(features, grid, proposals.num_proposals)


def object_iou(
    proposals: Proposals, targets: PackedTargets, inside: Tensor | None = None
) -> Tensor:
    """Return the IoU ``(N, G)`` of proposals, or of their members ``inside (E,)``, with objects."""
    members, proposal = proposals.members, proposals.proposal
    if inside is not None:
        members, proposal = members[inside], proposal[inside]
    return proposal_iou(
        members,
        proposal,
        targets.instance,
        num_proposals=proposals.num_proposals,
        num_instances=len(targets.labels),
    )


def best_object(iou: Tensor) -> tuple[Tensor, Tensor]:
    """Return the highest IoU of each proposal and its object, both ``(N,)``; 0 and -1 if none.

    Args:
        iou: ``(N, G)``; G may be 0.
    """
    best, owner = F.pad(iou, (1, 0)).max(1)
    return best, owner - 1
