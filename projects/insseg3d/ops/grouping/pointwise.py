# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Losses over points whose predictions are made per row, for all points of a voxel at once.

Legend: P points, R rows of predictions, S semantic classes. Each loss equals the mean over points
of the PointGroup family: a row counts as often as it has points. The sums are long, so half
precision raises a TypeError.
"""

import torch
from torch import Tensor

from ..precision import refuse_half
from ..segment import segment_mean

NEARLY_NONE = 1e-6
"""Added to the number of points in a mean, which may be 0."""


def point_cross_entropy(logits: Tensor, point2row: Tensor, labels: Tensor) -> Tensor:
    """Compute the mean cross entropy over the labelled points.

    Args:
        logits: ``(R, S)``.
        point2row: ``(P,)``.
        labels: ``(P,)`` in ``[0, S)``, negative for none.

    Returns:
        A scalar, 0 if no point has a label.

    Raises:
        TypeError: ``logits`` are float16 or bfloat16.
    """
    refuse_half(logits, 'point_cross_entropy: logits')
    num_rows, num_classes = logits.shape
    known = labels >= 0
    # Count the points of each label per row: the cost then grows with the rows, not the points.
    votes = torch.bincount(
        point2row[known] * num_classes + labels[known], minlength=num_rows * num_classes
    )
    votes = votes.view(num_rows, num_classes).to(logits.dtype)
    return -(votes * logits.log_softmax(1)).sum() / votes.sum().clamp(min=1)


def instance_centres(coords: Tensor, instance: Tensor, num_instances: int) -> Tensor:
    """Compute the mean of each instance's points, ``(G, 3)``.

    Args:
        coords: ``(P, 3)``.
        instance: ``(P,)`` in ``[0, G)``, -1 for none.
        num_instances: G.
    """
    inside = instance >= 0
    owner = instance[inside]
    counts = torch.bincount(owner, minlength=num_instances)
    return segment_mean(coords[inside], owner, counts)


def offset_l1_loss(offsets: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Compute the sum of absolute differences, mean over points.

    Source: PointGroup, ``sum |o - t| / (n + 1e-6)``.

    Args:
        offsets: ``(P, 3)``.
        targets: ``(P, 3)``.
        weights: ``(P,)``, 1 if None.

    Raises:
        TypeError: ``offsets`` are float16 or bfloat16.
    """
    refuse_half(offsets, 'offset_l1_loss: offsets')
    distance = (offsets - targets).abs().sum(1)
    if weights is not None:
        distance = distance * weights
    return distance.sum() / (len(targets) + NEARLY_NONE)


def offset_direction_loss(offsets: Tensor, targets: Tensor) -> Tensor:
    """Compute minus the cosine between offset and target, mean over points.

    Source: PointGroup, which adds 1e-8 to the lengths.

    Args:
        offsets: ``(P, 3)``.
        targets: ``(P, 3)``.

    Raises:
        TypeError: ``offsets`` are float16 or bfloat16.
    """
    refuse_half(offsets, 'offset_direction_loss: offsets')
    lengths = [torch.linalg.vector_norm(v, dim=1) + 1e-8 for v in (offsets, targets)]
    cosine = (offsets * targets).sum(1) / (lengths[0] * lengths[1])
    return -cosine.sum() / (len(targets) + NEARLY_NONE)
