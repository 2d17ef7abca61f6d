# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From scored proposals, or masks, to results over the points of a scene."""

import torch
from mmdet3d.registry import TASK_UTILS
from mmdet3d.structures import PointData
from mmengine.structures import InstanceData
from torch import Tensor

from ..ops.grouping.clusters import Proposals, proposal_masks, repeat_proposals
from ..ops.grouping.proposals import mask_nms, pairwise_iou
from ..ops.masks import resolve_overlaps

_MOST_FOR_NMS = 2000  # a table of so many by as many is made


def label_map(
    instances: InstanceData, *, score_thr: float, min_points: int, min_share: float
) -> PointData:
    """One instance a point, of ranked masks that may overlap.

    Args:
        instances: ``masks (Q, P)`` bool, ``labels_3d`` and ``scores_3d (Q,)``, best first.
        score_thr: Masks with a lower score do not enter the map.
        min_points: As of :func:`resolve_overlaps`, as is ``min_share``.
        min_share: Of its points, that better masks must leave to a mask.

    Returns:
        ``PointData(pts_instance_mask (P,), instance_labels, instance_scores)``, where a point
        holds the index of its instance among the labels, -1 for none.
    """
    # Best first, so those are the first; their slice is a view, no copy of the masks.
    confident = slice(int((instances.scores_3d >= score_thr).sum()))
    labels, scores = instances.labels_3d[confident], instances.scores_3d[confident]
    owner = resolve_overlaps(instances.masks[confident], min_points=min_points, min_share=min_share)
    kept = torch.unique(owner[owner >= 0])
    renumber = owner.new_full((len(labels) + 1,), -1)
    renumber[kept] = torch.arange(len(kept), device=owner.device)
    return PointData(
        pts_instance_mask=renumber[owner],
        instance_labels=labels[kept],
        instance_scores=scores[kept],
    )


@TASK_UTILS.register_module()
class ProposalRanking:
    """Rank proposals by their scores; drop weak, small and, if asked to, overlapping ones.

    Args:
        min_points: Proposals with fewer points are dropped.
        score_thr: Only proposals with a higher score are kept.
        nms_thr: Of two proposals that overlap by a higher IoU, whatever their classes, the worse
            is dropped. None: they live side by side.
        max_instances: At most so many come out, the best.
        map_score_thr: Of the map without overlaps, as of :func:`label_map`.
        map_min_share: Likewise.
    """

    def __init__(
        self,
        *,
        min_points: int = 100,
        score_thr: float = 0.0,
        nms_thr: float | None = None,
        max_instances: int = 500,
        map_score_thr: float = 0.3,
        map_min_share: float = 0.5,
    ) -> None:
        self.min_points = min_points
        self.score_thr = score_thr
        self.nms_thr = nms_thr
        self.max_instances = max_instances
        self.map_score_thr = map_score_thr
        self.map_min_share = map_min_share

    def __call__(
        self, proposals: Proposals, labels: Tensor, scores: Tensor, num_points: int
    ) -> tuple[InstanceData, PointData]:
        """Turn one scene's proposals into results over its points.

        Args:
            proposals: N sets of points.
            labels: ``(N,)`` class of each.
            scores: ``(N,)``.
            num_points: P.

        Returns:
            ``InstanceData(masks (Q, P) bool, labels_3d (Q,), scores_3d (Q,))``, best first, and
            the map of :func:`label_map`.
        """
        kept = (proposals.sizes >= max(self.min_points, 1)) & (scores > self.score_thr)
        kept = kept.nonzero()[:, 0]
        # A stable order, so that equal scores rank alike in every run.
        order = kept[torch.sort(scores[kept], descending=True, stable=True).indices]
        if self.nms_thr is not None:
            order = self._without_overlaps(proposals, scores, order[:_MOST_FOR_NMS])
        order = order[: self.max_instances]
        instances = InstanceData(
            masks=proposal_masks(proposals, order, num_points),
            labels_3d=labels[order],
            scores_3d=scores[order],
        )
        return instances, label_map(
            instances,
            score_thr=self.map_score_thr,
            min_points=self.min_points,
            min_share=self.map_min_share,
        )

    def _without_overlaps(self, proposals: Proposals, scores: Tensor, order: Tensor) -> Tensor:
        """Those of ``order`` that no better one overlaps, best first."""
        ranked, _ = repeat_proposals(proposals, order)
        iou = pairwise_iou(ranked.members, ranked.proposal, num_proposals=ranked.num_proposals)
        return order[mask_nms(iou, scores[order], threshold=self.nms_thr)]
