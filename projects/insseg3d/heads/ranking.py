# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Rank scored masks and return instances over the points of a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor

from ..ops.grouping.clusters import Proposals, proposal_masks, repeat_proposals
from ..ops.grouping.proposals import pairwise_iou
from ..ops.masks import BinaryMasks, mask_iou


class RowMasks(NamedTuple):
    """Masks over the rows of a scene; each row represents several points.

    Attributes:
        masks: Masks over the rows.
        point2row: ``(P,)`` row of each point.
    """

    masks: BinaryMasks
    point2row: Tensor

    @property
    def sizes(self) -> Tensor:
        """``(Q,)`` points of each mask."""
        return self.masks.points

    @property
    def scores(self) -> Tensor:
        """``(Q,)`` score of each mask."""
        return self.masks.scores

    def iou(self, which: Tensor) -> Tensor:
        """Return the IoU in points ``(M, M)`` of some masks, given their numbers ``(M,)``."""
        counts = torch.bincount(self.point2row, minlength=self.masks.inside.shape[1])
        return mask_iou(self.masks.inside[which], counts)

    def over_points(self, which: Tensor) -> Tensor:
        """Return some masks as ``(M, P)`` bool."""
        inside = self.masks.inside[which]
        if inside.is_cpu:  # numpy gathers booleans three times as fast as torch
            return torch.from_numpy(np.take(inside.numpy(), self.point2row.numpy(), axis=1))
        return inside.index_select(1, self.point2row)


class ProposalMasks(NamedTuple):
    """Proposals, which are packed sets of points, as masks.

    Attributes:
        proposals: N sets of points.
        num_points: P.
    """

    proposals: Proposals
    num_points: int

    @property
    def sizes(self) -> Tensor:
        """``(N,)`` points of each proposal."""
        return self.proposals.sizes

    def iou(self, which: Tensor) -> Tensor:
        """Return the IoU in points ``(M, M)`` of some proposals, given their numbers ``(M,)``."""
        chosen, _ = repeat_proposals(self.proposals, which)
        return pairwise_iou(chosen.members, chosen.proposal, num_proposals=chosen.num_proposals)

    def over_points(self, which: Tensor) -> Tensor:
        """Return different proposals as ``(M, P)`` bool."""
        return proposal_masks(self.proposals, which, self.num_points)


@TASK_UTILS.register_module()
class Ranking:
    """Rank candidates by their scores; drop small and weak ones; suppress overlaps if configured.

    Args:
        candidates: Config of the part that makes candidates from the arguments of a call.
        suppression: Config of the part that drops candidates or lowers their scores; None for none.
        min_points: Masks with fewer points are dropped before they can suppress others. Empty masks
            are always dropped.
        score_thr: Candidates with a lower score are dropped, before and after the suppression.
        max_instances: Maximum number of instances, the best ones; None for no limit.
    """

    keeps: Callable[[Tensor, float], Tensor] = staticmethod(torch.ge)
    """Comparison of scores with ``score_thr``; a score equal to it passes."""

    def __init__(
        self,
        *,
        candidates: dict,
        suppression: dict | None = None,
        min_points: int = 100,
        score_thr: float = 0.0,
        max_instances: int | None = None,
    ) -> None:
        self.candidates = TASK_UTILS.build(candidates)
        self.suppression = None if suppression is None else TASK_UTILS.build(suppression)
        self.min_points = min_points
        self.score_thr = score_thr
        self.max_instances = max_instances

    def __call__(self, masks: RowMasks | ProposalMasks, *judgement: Tensor) -> InstanceData:
        """Turn the masks of one scene into instances over its points.

        Args:
            masks: Masks over rows, or proposals.
            judgement: Further arguments of ``candidates``: class logits ``(Q, K + 1)``, or labels
                and scores ``(N,)``.

        Returns:
            ``masks (Q', P)`` bool, ``labels_3d (Q',)`` and ``scores_3d (Q',)``, best first.
        """
        found = self.candidates(masks, *judgement)
        large = masks.sizes[found.mask] >= max(self.min_points, 1)
        found = found.take((large & self.keeps(found.scores, self.score_thr)).nonzero()[:, 0])
        if self.suppression is not None:
            kept, scores = self.suppression(
                lambda which: masks.iou(found.mask[which]), found.labels, found.scores
            )
            found = found.take(kept)._replace(scores=scores)
            found = found.take(self.keeps(scores, self.score_thr).nonzero()[:, 0])
        # A stable order ranks equal scores alike in every run.
        order = torch.sort(found.scores, descending=True, stable=True).indices
        found = found.take(order[: self.max_instances])
        # Expand masks to points last: only the remaining ones, as booleans.
        return InstanceData(
            masks=masks.over_points(found.mask), labels_3d=found.labels, scores_3d=found.scores
        )


@TASK_UTILS.register_module()
class ProposalRanking(Ranking):
    """Rank proposals by the class and the score that the head assigned to them.

    Args:
        min_points: See :class:`Ranking`.
        score_thr: Only proposals with a higher score are kept.
        nms_thr: IoU of :class:`MaskNMS`; None for no suppression.
        max_instances: See :class:`Ranking`.
    """

    keeps = staticmethod(torch.gt)

    def __init__(
        self,
        *,
        min_points: int = 100,
        score_thr: float = 0.0,
        nms_thr: float | None = None,
        max_instances: int = 500,
    ) -> None:
        super().__init__(
            candidates=dict(type='JudgedCandidates'),
            suppression=None if nms_thr is None else dict(type='MaskNMS', threshold=nms_thr),
            min_points=min_points,
            score_thr=score_thr,
            max_instances=max_instances,
        )
