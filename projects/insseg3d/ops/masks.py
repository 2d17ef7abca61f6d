# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Masks over voxels: sums, costs, losses and IoU that equal those over points.

Shapes: V voxels, Q masks, G objects, E rows of the voxel--instance table. ``x`` are mask logits,
``w`` points per voxel, ``c`` the points that a voxel shares with an object. All points of a voxel
have the same logit, so a sum over points is a sum over voxels weighted with ``w`` (or ``c``):

    BCE(x, g)  = (sum_v w softplus(x_v) - sum_v c_vg x_v) / sum_v w
    dice(x, g) = 1 - (2 sum_v c_vg sigmoid(x_v) + 1) / (sum_v w sigmoid(x_v) + sum_v c_vg + 1)

All functions are plain functions of tensors, differentiable in their inputs. Long sums are never
computed in half precision: autocast is off in them, and logits in half precision are rejected.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..structures import SceneTargets
from .precision import long_sums, refuse_half, without_autocast
from .segment import segment_sum

MOST_VOXELS_AT_ONCE = 2**18
"""Largest number of voxels whose mask logits are in memory at a time: 100 MB for 100 masks."""
MOST_VOXELS_IN_CACHE = 2**12
"""The same on a CPU, which is faster if its caches hold the logits: 1.6 MB for 100 masks."""


class MaskSums(NamedTuple):
    """The sums from which every pairwise mask cost follows.

    Attributes:
        inside_logits: ``(G, Q)`` sum of c x.
        inside_probs: ``(G, Q)`` sum of c sigmoid(x).
        softplus: ``(Q,)`` sum of w softplus(x).
        probs: ``(Q,)`` sum of w sigmoid(x).
        object_points: ``(G,)`` number of points of each object.
        scene_points: ``()`` number of points of the scene.
    """

    inside_logits: Tensor
    inside_probs: Tensor
    softplus: Tensor
    probs: Tensor
    object_points: Tensor
    scene_points: Tensor


def mask_sums(logits: Tensor, targets: SceneTargets) -> MaskSums:
    """Sum a scene's mask logits over each object and over the whole scene.

    Args:
        logits: ``(V, Q)`` mask logits of one scene.
        targets: Ground truth of the scene, G objects.

    Returns:
        The sums, in the dtype of ``logits``.

    Raises:
        TypeError: The logits are float16 or bfloat16.
    """
    num_objects = len(targets.labels)
    weights = targets.counts.to(logits.dtype)
    shared = targets.inst_points.to(logits.dtype)
    probs = logits.sigmoid()

    def inside(values: Tensor) -> Tensor:
        rows = values.index_select(0, targets.inst_voxel) * shared[:, None]
        return segment_sum(rows, targets.inst_index, num_objects)

    with long_sums(logits, 'mask_sums: logits'):
        return MaskSums(
            inside_logits=inside(logits),
            inside_probs=inside(probs),
            softplus=weights @ F.softplus(logits),
            probs=weights @ probs,
            object_points=segment_sum(shared, targets.inst_index, num_objects),
            scene_points=weights.sum(),
        )


def pairwise_bce_cost(sums: MaskSums) -> Tensor:
    """Compute the mean binary cross entropy of every mask with every object: ``(G, Q)``."""
    points = sums.scene_points.clamp(min=1)
    return (sums.softplus[None] - sums.inside_logits) / points


def pairwise_dice_cost(sums: MaskSums) -> Tensor:
    """Compute the dice distance of every mask to every object: ``(G, Q)`` in [0, 1).

    Source: 3D-QueryIS, Eq. 6. Deviation: ``1 - (2 m.g + 1) / (|m| + |g| + 1)``, as in the cited
    code bases; the formula as printed is not 0 at a perfect match.
    """
    union = sums.probs[None] + sums.object_points[:, None]
    return 1 - (2 * sums.inside_probs + 1) / (union + 1)


def object_points(targets: SceneTargets, objects: Tensor, dtype: torch.dtype) -> Tensor:
    """Count the points that each voxel shares with the chosen objects, as a dense matrix.

    Args:
        targets: Ground truth of one scene.
        objects: ``(G',)`` indices of the chosen objects; an object may occur several times.
        dtype: Floating-point type of the result.

    Returns:
        ``(V, G')``.
    """
    device = targets.counts.device
    column = torch.full((len(targets.labels) + 1,), -1, dtype=torch.long, device=device)
    # If an object occurs twice, only one of its columns is filled, and read for both.
    column[objects] = torch.arange(len(objects), device=device)
    source = column[objects]
    # Other objects are written to an extra last column, which is ignored; this needs no host sync.
    column = column[targets.inst_index]
    column = torch.where(column < 0, len(objects), column)
    dense = torch.zeros(len(targets.counts), len(objects) + 1, dtype=dtype, device=device)
    dense[targets.inst_voxel, column] = targets.inst_points.to(dtype)
    return dense.index_select(1, source)


def mask_bce_loss(logits: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
    """Compute the binary cross entropy of masks with their own objects, averaged over points.

    Args:
        logits: ``(V, G')`` mask logits; column i belongs to object i.
        inside: ``(V, G')`` points that a voxel shares with the object, see ``object_points``.
        counts: ``(V,)`` points per voxel.

    Returns:
        ``(G',)``.

    Raises:
        TypeError: The logits are float16 or bfloat16.
    """
    weights = counts.to(logits.dtype)
    with long_sums(logits, 'mask_bce_loss: logits'):
        total = weights @ F.softplus(logits) - (inside * logits).sum(0)
        return total / weights.sum().clamp(min=1)


def mask_dice_loss(logits: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
    """Compute the dice distance of masks to their own objects: ``(G',)``.

    See :func:`mask_bce_loss` for the arguments.
    """
    probs = logits.sigmoid()
    with long_sums(logits, 'mask_dice_loss: logits'):
        union = counts.to(logits.dtype) @ probs + inside.sum(0)
        return 1 - (2 * (inside * probs).sum(0) + 1) / (union + 1)


class BinaryMasks(NamedTuple):
    """Masks over a scene's voxels, with their scores and sizes.

    Attributes:
        inside: ``(Q, V)`` bool, whether the mask probability is above 0.5.
        scores: ``(Q,)`` mean probability of the points inside each mask, 0 for an empty mask.
        points: ``(Q,)`` number of points inside each mask.
    """

    inside: Tensor
    scores: Tensor
    points: Tensor


def binary_masks(
    logits_of: Callable[[slice], Tensor], counts: Tensor, *, chunk: int | None = None
) -> BinaryMasks:
    """Threshold masks, and score them by the probabilities inside.

    Logits for a large scene take gigabytes (masks a quarter of that), so they are computed and
    thresholded one chunk of voxels at a time.

    Source: 3D-QueryIS, Eq. 8, without the class probability.

    Args:
        logits_of: Function from a slice of the voxels to their mask logits ``(V', Q)``; it is
            called with autocast off.
        counts: ``(V,)`` points per voxel.
        chunk: Largest number of voxels per slice; None selects a value for the device.

    Raises:
        TypeError: The logits are float16 or bfloat16.
    """
    with without_autocast(counts):
        return _binary_masks(logits_of, counts, chunk)


def _binary_masks(
    logits_of: Callable[[slice], Tensor], counts: Tensor, chunk: int | None
) -> BinaryMasks:
    if chunk is None:
        chunk = _chunk_for(counts)
    inside, probs, points = None, 0, 0
    for start in range(0, max(len(counts), 1), chunk):
        voxels = slice(start, start + chunk)
        logits = logits_of(voxels)
        refuse_half(logits, 'binary_masks: logits')
        weights = counts[voxels].to(logits.dtype)
        is_inside = logits > 0
        if inside is None:
            inside = is_inside.new_empty((logits.shape[1], len(counts)))
        inside[:, voxels] = is_inside.T
        is_inside = is_inside.to(logits.dtype)
        points = points + weights @ is_inside
        probs = probs + weights @ (logits.sigmoid() * is_inside)
    return BinaryMasks(inside, probs / (points + 1e-6), points)


def object_ious(inside: Tensor, targets: SceneTargets) -> Tensor:
    """Compute the IoU, in points, of every object with every mask.

    Args:
        inside: ``(V, Q)`` of 0 and 1, whether a voxel is inside a mask; float32 or wider.
        targets: Ground truth of the scene.

    Returns:
        ``(G, Q)`` in the dtype of ``inside``; 0 if both are empty.

    Raises:
        TypeError: The masks are float16 or bfloat16.
    """
    number, points = len(targets.labels), targets.inst_points.to(inside.dtype)
    with long_sums(inside, 'object_ious: masks'):
        rows = inside.index_select(0, targets.inst_voxel) * points[:, None]
        shared = segment_sum(rows, targets.inst_index, number)
        objects = segment_sum(points, targets.inst_index, number)
        sizes = targets.counts.to(inside.dtype) @ inside
    return shared / (objects[:, None] + sizes - shared).clamp(min=1)


def _chunk_for(tensor: Tensor) -> int:
    """Return the number of voxels to compute with at a time on the tensor's device."""
    return MOST_VOXELS_IN_CACHE if tensor.is_cpu else MOST_VOXELS_AT_ONCE


def mask_iou(inside: Tensor, counts: Tensor, *, chunk: int | None = None) -> Tensor:
    """Compute the IoU of every two masks, in points.

    Args:
        inside: ``(Q, V)`` bool.
        counts: ``(V,)`` points per voxel.
        chunk: Largest number of voxels that are converted to floats at a time; None selects a value
            for the device.

    Returns:
        ``(Q, Q)`` float32; 0 for masks without points.
    """
    if chunk is None:
        chunk = _chunk_for(inside)
    shared = counts.new_zeros(len(inside), len(inside), dtype=torch.float64)
    with without_autocast(counts):
        # float32 sums are exact up to 2^24 points per chunk; the chunks are added in float64.
        for some, weights in zip(inside.split(chunk, dim=1), counts.float().split(chunk)):
            some = some.float()
            shared += (some * weights) @ some.T
    sizes = shared.diagonal()
    union = sizes[:, None] + sizes[None, :] - shared
    return (shared / union.clamp(min=1)).float()
