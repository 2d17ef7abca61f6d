# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""SoftGroup: group points in several classes; a network corrects class, mask and score.

Source: SoftGroup (CVPR 2022) and the settings of its public code. configs/softgroup/README.md lists
them with every deviation.
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
    keep_members,
    keep_proposals,
    radius_clusters,
    repeat_proposals,
)
from insseg3d.ops.segment import segment_sum


@TASK_UTILS.register_module()
class SoftGrouping:
    """Connect nearby shifted points; a point belongs to every class that is probable enough.

    Args:
        class_points: Mean number of points of an object in the training scenes, per class. -1 if
            unknown: all components of such a class are proposals.
        radius: Points within this distance (metres) are connected.
        min_prob: A point belongs to a class if its probability is above this.
        min_class_points: Classes with fewer such points in a scene are skipped.
        min_share: Components with less than this share of ``class_points`` are dropped.
        train_share: Share of a scan's points in a training scene. Sizes in a test are
            multiplied by it to make them comparable with ``class_points``.
    """

    class_tables = ('class_points',)

    def __init__(
        self,
        *,
        class_points: Sequence[float],
        radius: float = 0.04,
        min_prob: float = 0.2,
        min_class_points: int = 100,
        min_share: float = 0.05,
        train_share: float = 1.0,
    ) -> None:
        self.class_points = torch.tensor(class_points, dtype=torch.float64)
        self.radius, self.min_prob = radius, min_prob
        self.min_class_points, self.min_share = min_class_points, min_share
        self.train_share = train_share

    def __call__(self, inputs: GroupingInput, *, training: bool) -> Proposals:
        """Group points, class by class."""
        points, num_columns = inputs.points, inputs.logits.shape[1]
        probable = (inputs.logits.softmax(1) > self.min_prob) & inputs.is_object
        # Sorted by class, then by point.
        labels, chosen = probable.T.index_select(1, points.point2row).nonzero(as_tuple=True)
        groups = points.scene[chosen] * num_columns + labels
        counts = torch.bincount(groups, minlength=points.num_scenes * num_columns)
        some = (counts >= self.min_class_points)[groups]
        chosen, groups = chosen[some], groups[some]
        parts, labels = _clusters(inputs.shifted[chosen], groups, chosen, self.radius)
        labels = labels % num_columns
        sizes = parts.sizes * (1.0 if training else self.train_share)
        return keep_proposals(
            parts, sizes >= self.min_share * self.class_points.to(sizes.device)[labels]
        )


def _clusters(
    coords: Tensor, groups: Tensor, points: Tensor, radius: float
) -> tuple[Proposals, Tensor]:
    """Connect points that may be in several groups; return components and their groups."""
    entries = torch.arange(len(points), device=points.device)
    parts = radius_clusters(coords, groups, entries, radius=radius)
    group = groups[parts.first_members]
    return parts._replace(members=points[parts.members]), group


@MODELS.register_module()
class SoftGroupHead(GroupingHead):
    """Predict the class of each proposal, and a mask and an IoU per class (top-down refinement).

    Class K is "background".

    Args:
        num_classes: See :class:`GroupingHead`, which also documents the remaining arguments.
        positive_iou: A proposal learns class and mask of an object if their IoU is at least this.
        min_class_prob: In a test, a proposal is returned once for every class of a higher
            probability.
        mask_thr: In a test, points with a higher mask logit belong to the mask.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        positive_iou: float = 0.5,
        min_class_prob: float = 0.001,
        mask_thr: float = -0.5,
        **options,
    ) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels, **options)
        self.positive_iou = positive_iou
        self.min_class_prob, self.mask_thr = min_class_prob, mask_thr
        self.mask = nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.ReLU(), nn.Linear(in_channels, num_classes + 1)
        )
        self.classify = nn.Linear(in_channels, num_classes + 1)
        self.iou = nn.Linear(in_channels, num_classes + 1)

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Layers whose size depends on the classes."""
        return (*super().class_layers, f'mask.{len(self.mask) - 1}', 'classify', 'iou')

    def proposal_loss(
        self,
        proposals: Proposals,
        proposal_voxels: ProposalVoxels,
        targets: PackedTargets,
        iteration: int,
    ) -> dict[str, Tensor]:
        """Compute ``loss_class``, and for positive proposals ``loss_mask`` and ``loss_iou``."""
        class_logits, iou_scores, mask_logits = self._describe(proposal_voxels)
        best, owner = best_object(object_iou(proposals, targets))
        owner = torch.where(best >= self.positive_iou, owner, -1)
        # Owner -1 indexes the last entry: background.
        labels = F.pad(targets.labels, (0, 1), value=self.num_classes)[owner]
        own_logits = mask_logits.gather(1, labels[proposal_voxels.proposal][:, None])[:, 0]
        positive = owner >= 0
        inside = (own_logits > 0)[proposal_voxels.grid.member2voxel]
        wanted = object_iou(proposals, targets, inside)[positive, owner[positive]]
        found = iou_scores.gather(1, labels[:, None])[positive, 0]
        mask_loss = proposal_voxels.mask_cross_entropy(own_logits, proposals, targets, owner)
        return dict(
            loss_class=F.cross_entropy(class_logits, labels, reduction='sum') / max(len(labels), 1),
            loss_mask=mask_loss / (proposals.sizes[positive].sum() + 1),
            loss_iou=(found - wanted).square().sum() / (positive.sum() + 1),
        )

    def judge(
        self, proposals: Proposals, proposal_voxels: ProposalVoxels, labels: Tensor
    ) -> tuple[Proposals, Tensor, Tensor]:
        """Return each proposal once per probable class, inside the mask of that class."""
        class_logits, iou_scores, mask_logits = self._describe(proposal_voxels)
        probs = class_logits.softmax(1)[:, :-1]
        scores = probs * iou_scores[:, :-1].clamp(0, 1)
        inside = mask_logits[:, :-1] > self.mask_thr
        sizes = segment_sum(
            inside * proposal_voxels.grid.counts[:, None],
            proposal_voxels.proposal,
            proposal_voxels.num_proposals,
        )
        possible = (probs > self.min_class_prob) & (sizes >= max(self.ranking.min_points, 1))
        which, classes = possible.nonzero(as_tuple=True)
        # Keep only those that can be returned before listing their members.
        best = torch.sort(scores[which, classes], descending=True, stable=True).indices
        best = best[: self.ranking.max_instances]
        which, classes = which[best], classes[best]
        found, entry = repeat_proposals(proposals, which)
        found, left = keep_members(
            found, inside[proposal_voxels.grid.member2voxel[entry], classes[found.proposal]]
        )
        return found, classes[left], scores[which, classes][left]

    def _describe(self, proposal_voxels: ProposalVoxels) -> tuple[Tensor, Tensor, Tensor]:
        """Compute class logits and IoU ``(N, K + 1)``, and mask logits ``(V, K + 1)``."""
        with torch.autocast(proposal_voxels.features.device.type, enabled=False):
            mean = proposal_voxels.mean(proposal_voxels.features)
            return self.classify(mean), self.iou(mean), self.mask(proposal_voxels.features)
