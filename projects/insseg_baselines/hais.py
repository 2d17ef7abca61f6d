# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""HAIS: cluster shifted points; large clusters absorb fragments; a network refines their masks.

Source: HAIS (ICCV 2021) and the settings of its public code. configs/hais/README.md lists them with
every deviation.
"""

from collections.abc import Sequence

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
from insseg3d.ops.grouping.clusters import (
    Proposals,
    join_proposals,
    keep_members,
    keep_proposals,
    radius_clusters,
)
from insseg3d.ops.segment import segment_mean

_AT_ONCE = 2**22  # number of distances per chunk


@TASK_UTILS.register_module()
class HierarchicalGrouping:
    """Connect nearby shifted points; in a test, large components absorb small ones nearby.

    Let N be the mean number of points of an object of a class. A component of n points of this
    class is a fragment if n is below ``primary_share`` of N, otherwise it is primary. Fragments of
    at least ``kept_share`` of N are also proposals themselves. In a test, each fragment joins the
    nearest primary of its class if their distance is below
    ``max(size_radius * sqrt(points of the primary), radius of the class)``. Distances are measured
    between the means of the shifted points.

    Deviation: no limits of 1024 primaries, 1024 fragments and 8192 points per primary.

    Args:
        class_points: Mean number of points of an object in the training scenes, per class. -1 if
            unknown: all components of such a class are primary.
        class_radii: Radius of an object in metres, per class; -1 if unknown.
        radius: Points within this distance (metres) are connected.
        primary_share: See above.
        kept_share: See above.
        size_radius: See above; metres.
        train_share: Share of a scan's points in a training scene. Sizes in a test are
            multiplied by it to make them comparable with ``class_points``.

    Raises:
        ValueError: ``class_points`` and ``class_radii`` have different lengths.
    """

    class_tables = ('class_points', 'class_radii')

    def __init__(
        self,
        *,
        class_points: Sequence[float],
        class_radii: Sequence[float],
        radius: float = 0.03,
        primary_share: float = 0.3,
        kept_share: float = 0.05,
        size_radius: float = 0.01,
        train_share: float = 1.0,
    ) -> None:
        self.class_points = torch.tensor(class_points, dtype=torch.float64)
        self.class_radii = torch.tensor(class_radii, dtype=torch.float64)
        if len(self.class_points) != len(self.class_radii):
            raise ValueError(
                f'HierarchicalGrouping: {len(self.class_points)} class_points and '
                f'{len(self.class_radii)} class_radii, expected the same number.'
            )
        self.radius = radius
        self.primary_share, self.kept_share = primary_share, kept_share
        self.size_radius, self.train_share = size_radius, train_share

    def __call__(self, inputs: GroupingInput, *, training: bool) -> Proposals:
        """Group points; kept fragments come first."""
        chosen, labels, groups = inputs.object_points()
        parts = radius_clusters(inputs.shifted[chosen], groups, chosen, radius=self.radius)
        entry = torch.searchsorted(chosen, parts.first_members)
        labels, groups = labels[entry], groups[entry]
        sizes = parts.sizes * (1.0 if training else self.train_share)
        usual = self.class_points.to(sizes.device)[labels]
        is_fragment = sizes < self.primary_share * usual
        kept = keep_proposals(parts, is_fragment & (sizes >= self.kept_share * usual))
        if training:
            return join_proposals([kept, keep_proposals(parts, ~is_fragment)])
        reach = torch.maximum(
            self.size_radius * sizes.double().sqrt(), self.class_radii.to(sizes.device)[labels]
        )
        owner = absorb(
            segment_mean(inputs.shifted[parts.members], parts.proposal, parts.sizes),
            groups,
            is_fragment,
            reach,
        )
        return join_proposals([kept, _united(parts, owner)])


def absorb(centres: Tensor, groups: Tensor, is_fragment: Tensor, reach: Tensor) -> Tensor:
    """Assign each fragment to a primary component.

    Args:
        centres: ``(N, 3)``.
        groups: ``(N,)``; fragments join primaries of their group only.
        is_fragment: ``(N,)`` bool; the others are primary.
        reach: ``(N,)``; a primary absorbs fragments at a smaller distance.

    Returns:
        ``(N,)`` number of the primary: its own for a primary, -1 for a fragment out of reach.
    """
    numbers = torch.arange(len(centres), device=centres.device)
    owner = torch.where(is_fragment, -1, numbers)
    for group in torch.unique(groups[is_fragment]):
        fragments = numbers[is_fragment & (groups == group)]
        primaries = numbers[~is_fragment & (groups == group)]
        if len(primaries) == 0:
            continue
        for some in fragments.split(max(_AT_ONCE // len(primaries), 1)):
            # A matrix product would lose the last digits.
            distance, nearest = torch.cdist(
                centres[some], centres[primaries], compute_mode='donot_use_mm_for_euclid_dist'
            ).min(1)
            nearest = primaries[nearest]
            owner[some] = torch.where(distance < reach[nearest], nearest, -1)
    return owner


def _united(parts: Proposals, owner: Tensor) -> Proposals:
    """Unite components with the same owner into one proposal; drop those without an owner."""
    primaries, number = torch.unique(owner, return_inverse=True)
    number = torch.where(owner >= 0, number - int((primaries < 0).sum()), -1)
    number = number[parts.proposal]
    inside = number >= 0
    number, members = number[inside], parts.members[inside]
    order = torch.argsort(members)  # then by proposal; members ascend within each
    order = order[torch.argsort(number[order], stable=True)]
    return Proposals(members[order], number[order], torch.bincount(number))


@MODELS.register_module()
class HAISHead(GroupingHead):
    """Predict the mask of the object inside each proposal, and a score (intra-instance network).

    Args:
        in_channels: See :class:`GroupingHead`, which also documents the remaining arguments.
        mask_iters: From this iteration on, the score is computed from the points inside the
            predicted mask, and that mask is compared with objects. A test always does so.
        positive_iou: A proposal learns the mask of an object if their IoU is above this.
        mask_thr: In a test, points with a higher mask logit belong to the mask.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        mask_iters: int = 0,
        positive_iou: float = 0.5,
        mask_thr: float = -0.5,
        **options,
    ) -> None:
        super().__init__(in_channels=in_channels, **options)
        self.mask_iters, self.positive_iou, self.mask_thr = mask_iters, positive_iou, mask_thr
        self.mask = nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.ReLU(), nn.Linear(in_channels, 1)
        )
        self.score = nn.Linear(in_channels, 1)

    def proposal_loss(
        self,
        proposals: Proposals,
        proposal_voxels: ProposalVoxels,
        targets: PackedTargets,
        iteration: int,
    ) -> dict[str, Tensor]:
        """Compute ``loss_mask``, mean over members, and ``loss_score``, mean over proposals."""
        logits = self._mask_logits(proposal_voxels)
        by_mask = iteration >= self.mask_iters
        inside = (logits > 0)[proposal_voxels.grid.member2voxel] if by_mask else None
        best, owner = best_object(object_iou(proposals, targets, inside))
        owner = torch.where(best > self.positive_iou, owner, -1)
        mask_loss = proposal_voxels.mask_cross_entropy(logits, proposals, targets, owner)
        scores = self._scores(proposal_voxels, logits if by_mask else None)
        return dict(
            # Members of proposals without an object contribute 0 to the sum, but are counted.
            loss_mask=mask_loss / max(len(proposals.members), 1),
            loss_score=F.binary_cross_entropy_with_logits(
                scores, best.clamp(max=1), reduction='sum'
            )
            / max(len(scores), 1),
        )

    def judge(
        self, proposals: Proposals, proposal_voxels: ProposalVoxels, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """Return the points of each proposal inside its mask, their class, and its score."""
        logits = self._mask_logits(proposal_voxels)
        scores = self._scores(proposal_voxels, logits).sigmoid()
        classes = labels[proposals.first_members]
        inside = (logits > self.mask_thr)[proposal_voxels.grid.member2voxel]
        found, which = keep_members(proposals, inside)
        return found, classes[which], scores[which]

    def _mask_logits(self, proposal_voxels: ProposalVoxels) -> Tensor:
        """Compute the mask logits ``(V,)``."""
        with torch.autocast(proposal_voxels.features.device.type, enabled=False):
            return self.mask(proposal_voxels.features)[:, 0]

    def _scores(self, proposal_voxels: ProposalVoxels, mask_logits: Tensor | None) -> Tensor:
        """Compute score logits ``(N,)``; features outside the mask, if there is one, count as 0."""
        features = proposal_voxels.features
        if mask_logits is not None:
            features = features * (mask_logits >= 0)[:, None]
        with torch.autocast(features.device.type, enabled=False):
            return self.score(proposal_voxels.largest(features))[:, 0]
