# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From queries to results: ranked, overlapping masks and one map without overlaps."""

import torch
from mmdet3d.registry import TASK_UTILS
from mmdet3d.structures import PointData
from mmengine.structures import InstanceData
from torch import Tensor

from insseg3d.heads import label_map
from insseg3d.ops.grouping.proposals import matrix_nms
from insseg3d.ops.masks import BinaryMasks, mask_iou


@TASK_UTILS.register_module()
class ArgmaxRanking:
    """One label a query: the most probable class, "no object" excluded; no NMS.

    The score is the class probability times the mean mask probability inside the mask.

    Source: 3D-QueryIS, Sec. 3.5, Eq. 8.

    Args:
        min_points: Masks with fewer points are dropped. The benchmark ignores masks under 100
            points anyway.
        score_thr: Masks with a lower score are dropped.
        map_score_thr: Masks with a lower score do not enter the map without overlaps.
        map_min_share: A mask of which less than this share is left by better masks does not
            enter the map.
    """

    def __init__(
        self,
        *,
        min_points: int = 100,
        score_thr: float = 0.0,
        map_score_thr: float = 0.3,
        map_min_share: float = 0.5,
    ) -> None:
        self.min_points = min_points
        self.score_thr = score_thr
        self.map_score_thr = map_score_thr
        self.map_min_share = map_min_share

    def __call__(
        self, class_logits: Tensor, masks: BinaryMasks, point2voxel: Tensor
    ) -> tuple[InstanceData, PointData]:
        """Turn one scene's queries into results over its points.

        Args:
            class_logits: ``(Q, K + 1)``.
            masks: Q masks over the scene's voxels.
            point2voxel: ``(P,)`` voxel of each point.

        Returns:
            ``InstanceData(masks (Q', P) bool, labels_3d (Q',), scores_3d (Q',))``, best first,
            and ``PointData(pts_instance_mask (P,), instance_labels, instance_scores)``, where a
            point holds the index of its instance among the labels, -1 for none.
        """
        queries, labels, probs = self._candidates(class_logits)
        scores = probs * masks.scores[queries]
        large = masks.points[queries] >= max(self.min_points, 1)
        scores = self._lowered(scores, labels, masks.inside, queries, large, point2voxel)
        keep = large & (scores >= self.score_thr)
        # A stable order, so that equal scores rank alike in every run.
        order = torch.sort(scores, descending=True, stable=True).indices
        order = order[keep[order]]
        # Voxel masks are expanded to points last: only for masks that are kept, as booleans.
        instances = InstanceData(
            masks=masks.inside[queries[order]].index_select(1, point2voxel),
            labels_3d=labels[order],
            scores_3d=scores[order],
        )
        return instances, label_map(
            instances,
            score_thr=self.map_score_thr,
            min_points=self.min_points,
            min_share=self.map_min_share,
        )

    def _candidates(self, class_logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which query comes out with which label and class probability, three ``(R,)``."""
        probs, labels = class_logits.softmax(-1)[:, :-1].max(-1)
        return torch.arange(len(probs), device=probs.device), labels, probs

    def _lowered(
        self,
        scores: Tensor,
        labels: Tensor,
        inside: Tensor,
        queries: Tensor,
        large: Tensor,
        point2voxel: Tensor,
    ) -> Tensor:
        """Scores ``(R,)`` after what candidates do to each other: here nothing."""
        return scores


@TASK_UTILS.register_module()
class FlatTopKRanking(ArgmaxRanking):
    """The most probable of all pairs of a query and a class: a query may come out several times.

    Deviation: from 3D-QueryIS, Sec. 3.5, where a query has the label of its most probable class.
    Source: Mask2Former's instance inference.

    Args:
        num_results: Most pairs that come out, before small and weak masks are dropped; None: as
            many as there are queries.
        min_points: See :class:`ArgmaxRanking`, also for the others.
    """

    def __init__(
        self,
        *,
        num_results: int | None = None,
        min_points: int = 100,
        score_thr: float = 0.0,
        map_score_thr: float = 0.3,
        map_min_share: float = 0.5,
    ) -> None:
        super().__init__(
            min_points=min_points,
            score_thr=score_thr,
            map_score_thr=map_score_thr,
            map_min_share=map_min_share,
        )
        if num_results is not None and num_results < 1:
            raise ValueError(f'FlatTopKRanking: num_results is {num_results}, expected 1 or more.')
        self.num_results = num_results

    def _candidates(self, class_logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        probs = class_logits.softmax(-1)[:, :-1]
        # Stable, so that equal pairs come out alike on every device.
        best, pairs = torch.sort(probs.flatten(), descending=True, stable=True)
        number = len(probs) if self.num_results is None else self.num_results
        return (pairs // probs.shape[1])[:number], (pairs % probs.shape[1])[:number], best[:number]


@TASK_UTILS.register_module()
class MatrixNMSRanking(ArgmaxRanking):
    """As :class:`ArgmaxRanking`; masks that better ones of their class cover get a lower score.

    No mask is dropped for an overlap alone: several queries on one object leave it the best score,
    and come out far behind.

    Deviation: from 3D-QueryIS, Sec. 3.5, which has no suppression.
    Source: SOLOv2, matrix NMS.

    Args:
        sigma: Of the Gaussian by which scores fall with the overlap, IoU in points; None: they
            fall linearly.
        score_thr: Masks whose lowered score is below are dropped.
        min_points: See :class:`ArgmaxRanking`, also for the others. Smaller masks lower no score.
    """

    def __init__(
        self,
        *,
        sigma: float | None = None,
        min_points: int = 100,
        score_thr: float = 0.0,
        map_score_thr: float = 0.3,
        map_min_share: float = 0.5,
    ) -> None:
        super().__init__(
            min_points=min_points,
            score_thr=score_thr,
            map_score_thr=map_score_thr,
            map_min_share=map_min_share,
        )
        if sigma is not None and not sigma > 0:
            raise ValueError(
                f'MatrixNMSRanking: sigma is {sigma}, expected a number above 0, or None.'
            )
        self.sigma = sigma

    def _lowered(
        self,
        scores: Tensor,
        labels: Tensor,
        inside: Tensor,
        queries: Tensor,
        large: Tensor,
        point2voxel: Tensor,
    ) -> Tensor:
        chosen = large.nonzero()[:, 0]
        counts = torch.bincount(point2voxel, minlength=inside.shape[1])
        iou = mask_iou(inside[queries[chosen]], counts)
        lowered = scores.clone()
        lowered[chosen] = matrix_nms(iou, scores[chosen], labels[chosen], sigma=self.sigma)
        return lowered
