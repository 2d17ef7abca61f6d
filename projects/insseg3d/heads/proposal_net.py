# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A small sparse network over proposals, each in a voxel grid of its own."""

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
    """What the network says of proposals.

    A head that works voxel by voxel says the same of all members of a voxel, so that what it sums
    over members is a sum over voxels, each as often as it has members.

    Attributes:
        features: ``(V, C)``.
        grid: Where the voxels are, and who is in them.
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
        """``(V, C)`` to ``(N, C)``, the largest in each proposal."""
        return segment_max(values, self.proposal, self.num_proposals)

    def mean(self, values: Tensor) -> Tensor:
        """``(V, C)`` to ``(N, C)``, the mean over the voxels of each proposal."""
        counts = torch.bincount(self.proposal, minlength=self.num_proposals)
        return segment_mean(values, self.proposal, counts)

    def mask_cross_entropy(
        self, logits: Tensor, proposals: Proposals, targets: PackedTargets, owner: Tensor
    ) -> Tensor:
        """Binary cross entropy with "is a point of the proposal's object", summed over members.

        Args:
            logits: ``(V,)``.
            proposals: Those that were described.
            targets: Ground truth of their points.
            owner: ``(N,)`` object of each proposal; those with -1 have none and add nothing.
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

    Source: PointGroup's ScoreNet and what its followers made of it.

    Args:
        unet: Config of the network, called as a backbone; gives the finest features alone.
        full_scale: As of :func:`voxelize_proposals`, as is ``score_scale``.
        score_scale: Most voxels a metre.
        init_cfg: As in mmengine.
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
        """Describe proposals.

        Args:
            points: Whose features the network is given.
            proposals: N sets of these points, perhaps none.
            place: As of :func:`voxelize_proposals`.
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
    """IoU ``(N, G)`` of proposals with objects; of their members ``inside (E,)`` if given."""
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
    """The highest IoU of each proposal, ``(N,)``, and with which object; 0 and -1 if with none.

    Args:
        iou: ``(N, G)``, G perhaps 0.
    """
    best, owner = F.pad(iou, (1, 0)).max(1)
    return best, owner - 1
