# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From a model's overlapping masks to objects that share no point, without the weak and small."""

from typing import NamedTuple

import torch
from mmdet3d.structures import Det3DDataSample
from torch import Tensor

from ..ops.masks import resolve_overlaps


class Limits(NamedTuple):
    """Which objects are reported.

    Attributes:
        score_thr: least score.
        min_voxels: least number of voxels.
        min_points: least number of points.
        min_share: least share of its points that better objects must leave to one.
    """

    score_thr: float
    min_voxels: int
    min_points: int
    min_share: float

    def are_enough(self, voxels: Tensor) -> bool:
        """Whether an object is large enough, by the voxel of each of its points ``(P_q,)``."""
        return len(voxels) >= self.min_points and len(torch.unique(voxels)) >= self.min_voxels


class Painting(NamedTuple):
    """Objects that share no point.

    Attributes:
        instance: ``(P,)`` int64 index of each point's object, -1 for none.
        labels: ``(Q,)`` int64, best object first.
        scores: ``(Q,)``.
        num_small: how many were left out for being small.
    """

    instance: Tensor
    labels: Tensor
    scores: Tensor
    num_small: int


def paint(
    preds: Det3DDataSample,
    limits: Limits,
    *,
    spared: Tensor | None = None,
    counted: Tensor | None = None,
) -> Painting:
    """Leave out what is weak or small, give every point to one object.

    Args:
        preds: of the model, with its voxels.
        limits: which objects to keep.
        spared: ``(P,)`` bool; objects with one of these points may be small.
        counted: ``(P,)`` bool; of the small ones, those count whose first point is one of these.
            All, if None.
    """
    found = preds.pred_instances_3d
    confident = found.scores_3d >= limits.score_thr
    masks, labels = found.masks[confident], found.labels_3d[confident]
    scores, point2voxel = found.scores_3d[confident], preds.voxels.point2voxel.to(masks.device)
    num_small = 0

    def are_kept(candidates) -> Tensor:
        nonlocal num_small
        kept = []
        for points in candidates:
            enough = limits.are_enough(point2voxel[points]) or (
                spared is not None and bool(spared[points].any())
            )
            kept.append(enough)
            num_small += not enough and (counted is None or bool(counted[points.byte().argmax()]))
        return torch.tensor(kept, dtype=torch.bool, device=masks.device)

    enough = are_kept(masks)
    masks, labels, scores = masks[enough], labels[enough], scores[enough]
    owner = resolve_overlaps(masks, min_points=1, min_share=limits.min_share)
    kept = torch.unique(owner[owner >= 0])
    kept = kept[are_kept(owner == rank for rank in kept)]
    renumber = owner.new_full((len(labels) + 1,), -1)
    renumber[kept] = torch.arange(len(kept), device=owner.device)
    return Painting(renumber[owner], labels[kept], scores[kept], num_small)
