# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The table of counts that a metric keeps per scene; masks are not kept."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...ops.contingency import instance_codes, mask_contingency, pack_masks
from ...structures import InstanceMap, to_array


@dataclass(frozen=True)
class SceneTable:
    """The counts from which mask metrics are computed for one scene (a few kilobytes).

    This is a dataclass because mmengine turns named tuples into plain ones before it computes
    metrics.

    Attributes:
        pred_labels: ``(Q,)`` int64 class of each predicted mask, in input order.
        pred_scores: ``(Q,)`` float64 confidences, finite.
        pred_sizes: ``(Q,)`` int64 points of each mask.
        pred_void: ``(Q,)`` int64 points of each mask that belong to no ground-truth object.
        gt_labels: ``(G,)`` int64 class of each object, ascending.
        gt_sizes: ``(G,)`` int64 points of each object.
        intersections: ``(Q, G)`` int32 points shared by mask and object.
    """

    pred_labels: np.ndarray
    pred_scores: np.ndarray
    pred_sizes: np.ndarray
    pred_void: np.ndarray
    gt_labels: np.ndarray
    gt_sizes: np.ndarray
    intersections: np.ndarray


def scene_table(
    *,
    pred_masks: Any,
    pred_labels: Any,
    pred_scores: Any,
    gt_instance: Any,
    gt_semantic: Any,
    num_classes: int,
) -> SceneTable:
    """Reduce the masks of one scene to a table of counts.

    Accepts arrays and tensors on any device. A ground-truth object is a distinct pair of class
    and instance number; points with a negative instance number or a class outside [0, K) are void.

    Args:
        pred_masks: ``(Q, P)`` bool (or numbers, non-zero = inside); masks may overlap.
        pred_labels: ``(Q,)`` classes. Masks of a class outside [0, K) never count in a score.
        pred_scores: ``(Q,)`` confidences.
        gt_instance: ``(P,)`` instance number per point, negative for none.
        gt_semantic: ``(P,)`` class per point in [0, K); anything else is ignored.
        num_classes: K.

    Raises:
        ValueError: The lengths do not match, or a confidence is not finite.
    """
    masks, labels, scores, instance, semantic = _on_host(
        pred_masks, pred_labels, pred_scores, gt_instance, gt_semantic
    )

    gt = instance_codes(instance, semantic, num_classes=num_classes)
    num_gt = len(gt.labels)
    counts = mask_contingency(masks, gt.codes, num_codes=num_gt + 1)
    return SceneTable(
        pred_labels=labels,
        pred_scores=scores,
        pred_sizes=counts.sum(axis=1),
        pred_void=counts[:, num_gt],
        gt_labels=gt.labels,
        gt_sizes=gt.sizes,
        intersections=counts[:, :num_gt].astype(np.int32),
    )


def painted_table(
    *,
    pred_masks: Any,
    pred_labels: Any,
    pred_scores: Any,
    gt_instance: Any,
    gt_semantic: Any,
    num_classes: int,
    min_points: int = 100,
    min_share: float = 0.5,
) -> SceneTable:
    """Paint the masks of one scene into a partition, and reduce it to a table of counts.

    See :func:`scene_table` for the arguments not listed here.

    Args:
        min_points: See :func:`~insseg3d.ops.painting.resolve_overlaps`.
        min_share: See :func:`~insseg3d.ops.painting.resolve_overlaps`.

    Returns:
        A table whose rows are the parts, in descending order of score.

    Raises:
        ValueError: See :func:`scene_table`.
    """
    masks, labels, scores, instance, semantic = _on_host(
        pred_masks, pred_labels, pred_scores, gt_instance, gt_semantic
    )
    parts = paint_masks(masks, labels, scores, min_points=min_points, min_share=min_share)
    gt = instance_codes(instance, semantic, num_classes=num_classes)
    num_gt, num_parts = len(gt.labels), len(parts)
    inside = parts.instance >= 0
    counts = np.bincount(
        parts.instance[inside] * (num_gt + 1) + gt.codes[inside],
        minlength=num_parts * (num_gt + 1),
    ).reshape(num_parts, num_gt + 1)
    return SceneTable(
        pred_labels=parts.labels,
        pred_scores=parts.scores,
        pred_sizes=parts.sizes,
        pred_void=counts[:, num_gt],
        gt_labels=gt.labels,
        gt_sizes=gt.sizes,
        intersections=counts[:, :num_gt].astype(np.int32),
    )


def paint_masks(
    masks: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    min_points: int = 100,
    min_share: float = 0.5,
) -> InstanceMap:
    """Assign each point to the best mask that contains it. Masks may come in any order.

    Args:
        masks: ``(Q, P)`` bool or numbers (non-zero = inside).
        labels: ``(Q,)`` class of each mask.
        scores: ``(Q,)`` score of each mask. Masks with equal scores keep their order.
        min_points: See :func:`~insseg3d.ops.painting.resolve_overlaps`.
        min_share: See :func:`~insseg3d.ops.painting.resolve_overlaps`.
    """
    order = np.argsort(-np.asarray(scores), kind='stable')
    masks, *rest = (torch.from_numpy(np.asarray(table)[order]) for table in (masks, labels, scores))
    return InstanceMap.of_masks(
        masks.bool(), *rest, min_points=min_points, min_share=min_share
    ).numpy()


def _host_masks(masks: Any) -> np.ndarray:
    """Convert masks to a numpy array; masks on another device are packed for the transfer."""
    if isinstance(masks, Tensor) and masks.dtype == torch.bool and masks.device.type != 'cpu':
        packed = pack_masks(masks.detach()).cpu().numpy()
        return np.unpackbits(packed, axis=1, count=masks.shape[1]).view(bool)
    return to_array(masks)


def _on_host(masks, labels, scores, instance, semantic) -> tuple[np.ndarray, ...]:
    """Convert predictions and ground truth to arrays, and check their lengths."""
    arrays = (
        _host_masks(masks),
        to_array(labels).astype(np.int64),
        to_array(scores).astype(np.float64),
        to_array(instance),
        to_array(semantic),
    )
    _check_lengths(*arrays)
    return arrays


def _check_lengths(masks, labels, scores, instance, semantic) -> None:
    if instance.ndim != 1 or instance.shape != semantic.shape:
        raise ValueError(
            'ground truth: the instance and the semantic mask must be (P,) each, '
            f'found {instance.shape} and {semantic.shape}.'
        )
    if masks.ndim != 2 or masks.shape[1] != len(instance):
        raise ValueError(
            f'predicted masks must be (Q, P) with P = {len(instance)} points of the ground truth, '
            f'found {masks.shape}. Masks must be given for the points of the file, in its order.'
        )
    if labels.shape != (len(masks),) or scores.shape != (len(masks),):
        raise ValueError(
            f'{len(masks)} predicted masks need as many labels and scores, '
            f'found {labels.shape} and {scores.shape}.'
        )
    if not np.isfinite(scores).all():
        index = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(
            f'the score of prediction {index} is {scores[index]}; scores must be finite.'
        )
