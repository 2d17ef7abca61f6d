# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""HAIS: components of shifted points; large ones absorb fragments; a network cuts them clean.

Source: HAIS (ICCV 2021) and the settings of its public code, as configs/hais/README.md lists them
with every deviation.
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

_AT_ONCE = 2**22  # distances that are held at a time


@TASK_UTILS.register_module()
class HierarchicalGrouping:
    """Connected components of shifted points; at test time large ones absorb small ones nearby.

    A component of n points of a class with N points an object is a fragment if n is below
    ``primary_share`` of N, otherwise primary. Fragments of at least ``kept_share`` of N are also
    proposals by themselves. At test time each fragment goes to the nearest primary of its class,
    by the means of shifted points, if it is nearer than
    ``max(size_radius * sqrt(points of the primary), radius of the class)``.

    Deviation: without the limits of 1024 primaries, 1024 fragments and 8192 points of a primary.

    Args:
        class_points: Mean points of an object of each class, in training scenes; -1 where it is
            not known: of such a class all components are primary.
        class_radii: Radius of each class, metres; -1 where it is not known.
        radius: Points closer than this hang together, metres.
        primary_share: See above, as for ``kept_share`` and ``size_radius``.
        kept_share: Of the class's points.
        size_radius: Metres for the root of a point.
        train_share: Share of a scan's points that a training scene has; sizes at test time are
            multiplied by it, so that they compare with the table.
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
                f'{len(self.class_radii)} class_radii, expected as many.'
            )
        self.radius = radius
        self.primary_share, self.kept_share = primary_share, kept_share
        self.size_radius, self.train_share = size_radius, train_share

    def __call__(self, inputs: GroupingInput, *, training: bool) -> Proposals:
        """Group points; the kept fragments stand first."""
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


def absorb(centers: Tensor, groups: Tensor, is_fragment: Tensor, reach: Tensor) -> Tensor:
    """Which primary component each component belongs to.

    Args:
        centers: ``(N, 3)``.
        groups: ``(N,)`` fragments go to primaries of their group only.
        is_fragment: ``(N,)`` bool, the others are primary.
        reach: ``(N,)`` within which a primary absorbs; strictly.

    Returns:
        ``(N,)`` number of the primary, a primary's own; -1 for fragments out of reach.
    """
    numbers = torch.arange(len(centers), device=centers.device)
    owner = torch.where(is_fragment, -1, numbers)
    for group in torch.unique(groups[is_fragment]):
        fragments = numbers[is_fragment & (groups == group)]
        primaries = numbers[~is_fragment & (groups == group)]
        if len(primaries) == 0:
            continue
        for some in fragments.split(max(_AT_ONCE // len(primaries), 1)):
            # Not by the product of matrices, which loses the last digits.
            distance, nearest = torch.cdist(
                centers[some], centers[primaries], compute_mode='donot_use_mm_for_euclid_dist'
            ).min(1)
            nearest = primaries[nearest]
            owner[some] = torch.where(distance < reach[nearest], nearest, -1)
    return owner


def _united(parts: Proposals, owner: Tensor) -> Proposals:
    """Components with the same owner as one proposal; those without are left out."""
    primaries, number = torch.unique(owner, return_inverse=True)
    number = torch.where(owner >= 0, number - int((primaries < 0).sum()), -1)
    number = number[parts.proposal]
    inside = number >= 0
    number, members = number[inside], parts.members[inside]
    order = torch.argsort(members)  # then by proposal, so that members ascend within each
    order = order[torch.argsort(number[order], stable=True)]
    return Proposals(members[order], number[order], torch.bincount(number))


@MODELS.register_module()
class HAISHead(GroupingHead):
    """The intra-instance network: which points of a proposal are its object's, and a score.

    Args:
        in_channels: As of :class:`GroupingHead`, as are those not named here.
        mask_iters: From this iteration on the score is made of the points inside the predicted
            mask, and proposals are compared with objects by that mask; at test time always.
        positive_iou: A proposal learns the mask of the object that it overlaps by more than this.
        mask_thr: At test time points with a higher mask logit come out.
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
        self, proposals: Proposals, voxels: ProposalVoxels, targets: PackedTargets, iteration: int
    ) -> dict[str, Tensor]:
        """``loss_mask``, mean over members, and ``loss_score``, mean over proposals."""
        logits = self._mask_logits(voxels)
        by_mask = iteration >= self.mask_iters
        inside = (logits > 0)[voxels.grid.member2voxel] if by_mask else None
        best, owner = best_object(object_iou(proposals, targets, inside))
        owner = torch.where(best > self.positive_iou, owner, -1)
        mask_loss = voxels.mask_cross_entropy(logits, proposals, targets, owner)
        scores = self._scores(voxels, logits if by_mask else None)
        return dict(
            # Members of proposals without an object add nothing, and are counted.
            loss_mask=mask_loss / max(len(proposals.members), 1),
            loss_score=F.binary_cross_entropy_with_logits(
                scores, best.clamp(max=1), reduction='sum'
            )
            / max(len(scores), 1),
        )

    def judge(
        self, proposals: Proposals, voxels: ProposalVoxels, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """The points of each proposal inside its mask, the class of its points, and its score."""
        logits = self._mask_logits(voxels)
        scores = self._scores(voxels, logits).sigmoid()
        classes = labels[proposals.first_members]
        inside = (logits > self.mask_thr)[voxels.grid.member2voxel]
        found, which = keep_members(proposals, inside)
        return found, classes[which], scores[which]

    def _mask_logits(self, voxels: ProposalVoxels) -> Tensor:
        """``(V,)``."""
        with torch.autocast(voxels.features.device.type, enabled=False):
            return self.mask(voxels.features)[:, 0]

    def _scores(self, voxels: ProposalVoxels, mask_logits: Tensor | None) -> Tensor:
        """Logits ``(N,)``; of the voxels inside the mask where there is one, the others are 0."""
        features = voxels.features
        if mask_logits is not None:
            features = features * (mask_logits >= 0)[:, None]
        with torch.autocast(features.device.type, enabled=False):
            return self.score(voxels.largest(features))[:, 0]
