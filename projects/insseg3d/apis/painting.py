# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From a model's overlapping masks to objects that share no point, without the weak and small."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from mmdet3d.structures import Det3DDataSample
from torch import Tensor

from ..structures import InstanceMap


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


class _Sizes(NamedTuple):
    """Judges whether masks ``(P,)`` are large enough; fields as in :func:`paint`."""

    limits: Limits
    point2voxel: Tensor
    spared: Tensor | None
    counted: Tensor | None

    def are_large(self, masks: Iterable[Tensor]) -> Tensor:
        """``(Q,)`` bool, on the device of the masks."""
        large = [
            self.limits.are_enough(self.point2voxel[mask])
            or (self.spared is not None and bool(self.spared[mask].any()))
            for mask in masks
        ]
        return torch.tensor(large, dtype=torch.bool, device=self.point2voxel.device)

    def count(self, masks: Iterable[Tensor]) -> int:
        """How many of these small masks count here; a mask goes by its first point."""
        return sum(
            self.counted is None or bool(self.counted[mask.byte().argmax()]) for mask in masks
        )


def paint(
    preds: Det3DDataSample,
    limits: Limits,
    *,
    spared: Tensor | None = None,
    counted: Tensor | None = None,
) -> tuple[InstanceMap, int]:
    """Discard weak and small objects, then assign each point to at most one of the rest.

    Args:
        preds: Of the model, with its voxels.
        limits: Which objects to keep.
        spared: ``(P,)`` bool; objects with one of these points may be small.
        counted: ``(P,)`` bool; of the small ones, those count whose first point is one of these.
            All, if None.

    Returns:
        The objects, best first, as tensors on the model's device, and how many were small.
    """
    found = preds.pred_instances_3d
    confident = found.scores_3d >= limits.score_thr
    masks, labels = found.masks[confident], found.labels_3d[confident]
    scores = found.scores_3d[confident]
    sizes = _Sizes(limits, preds.voxels.point2voxel.to(masks.device), spared, counted)
    # Small masks are dropped before they can take points from others, and parts afterwards.
    large = sizes.are_large(masks)
    whole = InstanceMap.of_masks(
        masks[large], labels[large], scores[large], min_share=limits.min_share
    )
    still = sizes.are_large(whole.instance == index for index in range(len(whole)))
    shrunk = (whole.instance == index for index in (~still).nonzero()[:, 0])
    return whole.choose(still), sizes.count(masks[~large]) + sizes.count(shrunk)
