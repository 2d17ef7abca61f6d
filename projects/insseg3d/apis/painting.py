# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Objects that share no point, painted from overlapping masks; weak and small ones are dropped."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.structures import Det3DDataSample
from mmengine.config import Config
from torch import Tensor, nn

from ..heads import MatrixNMS, ObjectCandidates
from ..structures import InstanceMap
from .stitching import Claim

OBJECT = 'object'
"""Name of the only class of a model that disregards classes."""
_COLOR = [0, 130, 200]


class Limits(NamedTuple):
    """The least that an object must have to be reported.

    Attributes:
        score_thr: Least score.
        min_voxels: Least number of voxels.
        min_points: Least number of points.
        min_share: Least share of an object's points that better objects leave to it.
    """

    score_thr: float
    min_voxels: int
    min_points: int
    min_share: float

    def are_enough(self, voxels: Tensor) -> bool:
        """Tell whether an object is large enough, by the voxel of each of its points ``(P_q,)``."""
        return len(voxels) >= self.min_points and len(torch.unique(voxels)) >= self.min_voxels


class _Sizes(NamedTuple):
    """Judge of the size of masks ``(P,)``. See :func:`paint` for the fields."""

    limits: Limits
    point2voxel: Tensor
    spared: Tensor | None
    counted: Tensor | None

    def are_large(self, masks: Iterable[Tensor]) -> Tensor:
        """Tell which masks are large enough, as ``(Q,)`` bool on the device of the masks."""
        large = [
            self.limits.are_enough(self.point2voxel[mask])
            or (self.spared is not None and bool(self.spared[mask].any()))
            for mask in masks
        ]
        return torch.tensor(large, dtype=torch.bool, device=self.point2voxel.device)

    def count(self, masks: Iterable[Tensor]) -> int:
        """Count these small masks if their first point is one of ``counted``."""
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
        preds: The model's predictions, with its voxels.
        limits: Smallest objects to keep.
        spared: ``(P,)`` bool; an object with one of these points may be small.
        counted: ``(P,)`` bool; a small object is counted if its first point is one of these. If
            None, all small objects are counted.

    Returns:
        The objects, best first, as tensors on the model's device, and the number of small ones.
    """
    found = preds.pred_instances_3d
    confident = found.scores_3d >= limits.score_thr
    masks, labels = found.masks[confident], found.labels_3d[confident]
    scores = found.scores_3d[confident]
    sizes = _Sizes(limits, preds.voxels.point2voxel.to(masks.device), spared, counted)
    # Small masks are dropped before they can take points from others; masks that became small by
    # losing points to better ones are dropped afterwards.
    large = sizes.are_large(masks)
    whole = InstanceMap.of_masks(
        masks[large], labels[large], scores[large], min_share=limits.min_share
    )
    still = sizes.are_large(whole.instance == index for index in range(len(whole)))
    shrunk = (whole.instance == index for index in (~still).nonzero()[:, 0])
    return whole.choose(still), sizes.count(masks[~large]) + sizes.count(shrunk)


def paint_claims(
    claims: Sequence[Claim],
    num_points: int,
    *,
    min_share: float,
    is_large: Callable[[np.ndarray], bool],
) -> tuple[np.ndarray, list[int], int]:
    """Assign every point to at most one object: ``resolve_overlaps`` without dense masks.

    Args:
        claims: Claims, best first.
        num_points: P.
        min_share: Share of its points that an object must keep.
        is_large: Function that tells whether an object of these rows is large enough to report.

    Returns:
        ``(P,)`` int64 index of each point's object, -1 for none; the index of the claim behind
        each object; the number of objects that were dropped because they are small.
    """
    owner = np.full(num_points, -1, dtype=np.int64)
    kept, num_small = [], 0
    for index, claim in enumerate(claims):
        if not is_large(claim.rows):
            num_small += 1
            continue
        left = claim.rows[owner[claim.rows] < 0]
        if len(left) >= max(min_share * len(claim.rows), 1):
            owner[left] = index
            kept.append((index, left))
    number = np.full(len(claims) + 1, -1, dtype=np.int64)
    for index, left in kept:
        if is_large(left):
            number[index] = number.max() + 1
        else:
            num_small += 1
    return number[owner], np.flatnonzero(number >= 0).tolist(), num_small


def keep_small(config: Config) -> Config:
    """Return a copy of a config whose ranking drops no small objects: the inferencer does."""
    config = copy.deepcopy(config)
    ranking = config.model.get('decode_head', {}).get('ranking')
    if ranking is not None and 'min_points' in ranking:
        ranking.min_points = 1
    return config


def forget_classes(model: nn.Module) -> None:
    """Let a model find objects of any class, as one class, ``OBJECT``.

    Also those are found that look like an object, but like none of the classes in particular.

    Args:
        model: The model; its ranking and ``dataset_meta`` are changed.

    Raises:
        ValueError: The model has no ranking of candidates.
    """
    ranking = getattr(getattr(model, 'decode_head', None), 'ranking', None)
    if not hasattr(ranking, 'candidates'):
        raise ValueError(
            f'class_agnostic: {type(model).__name__} has no decode_head.ranking of candidates; '
            'expected a model of this project.'
        )
    ranking.candidates = ObjectCandidates(ranking.candidates)
    ranking.suppression = ranking.suppression or MatrixNMS()
    model.dataset_meta = dict(model.dataset_meta, classes=(OBJECT,), palette=[_COLOR])
