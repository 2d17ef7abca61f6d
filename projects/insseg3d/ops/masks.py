# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Masks over voxels, compared with ground-truth objects as if point by point.

Shapes: V voxels, Q masks, G objects, E rows of the voxel--instance table. ``x`` are mask logits,
``w`` points per voxel, ``c`` the points that a voxel shares with an object. All points of a voxel
have the same logit, so a sum over points is a sum over voxels weighted with ``w`` (or ``c``):

    BCE(x, g)  = (sum_v w softplus(x_v) - sum_v c_vg x_v) / sum_v w
    dice(x, g) = 1 - (2 sum_v c_vg sigmoid(x_v) + 1) / (sum_v w sigmoid(x_v) + sum_v c_vg + 1)

Everything here is a plain function of tensors, differentiable where its inputs are. Long sums are
never made in half precision: autocast is off in them, and half logits are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import long_sums, refuse_half, without_autocast
from .segment import segment_sum

if TYPE_CHECKING:  # structures imports this module
    from ..structures import SceneTargets

MOST_VOXELS_AT_ONCE = 2**18
"""Voxels whose mask logits are held at a time: 100 MB for 100 masks."""
MOST_VOXELS_IN_CACHE = 2**12
"""The same on a CPU, which is faster where its caches hold them: 1.6 MB for 100 masks."""


class MaskSums(NamedTuple):
    """The sums from which every pairwise mask cost follows.

    Attributes:
        inside_logits: ``(G, Q)`` sum of c x.
        inside_probs: ``(G, Q)`` sum of c sigmoid(x).
        softplus: ``(Q,)`` sum of w softplus(x).
        probs: ``(Q,)`` sum of w sigmoid(x).
        object_points: ``(G,)`` points of each object.
        scene_points: ``()`` points of the scene.
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
        targets: Its ground truth, G objects.

    Returns:
        The sums, in the dtype of ``logits``.

    Raises:
        TypeError: If ``logits`` are float16 or bfloat16.
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
    """Mean binary cross entropy of every mask with every object: ``(G, Q)``."""
    points = sums.scene_points.clamp(min=1)
    return (sums.softplus[None] - sums.inside_logits) / points


def pairwise_dice_cost(sums: MaskSums) -> Tensor:
    """Dice distance of every mask to every object: ``(G, Q)`` in [0, 1).

    Source: 3D-QueryIS, Eq. 6. Deviation: ``1 - (2 m.g + 1) / (|m| + |g| + 1)``, as in the cited
    code bases; the formula as printed is not 0 at a perfect match.
    """
    union = sums.probs[None] + sums.object_points[:, None]
    return 1 - (2 * sums.inside_probs + 1) / (union + 1)


def object_points(targets: SceneTargets, objects: Tensor, dtype: torch.dtype) -> Tensor:
    """Points that each voxel shares with the chosen objects, as a dense matrix.

    Args:
        targets: Ground truth of one scene.
        objects: ``(G',)`` indices of the chosen objects; one may be there several times.
        dtype: Floating-point type of the result.

    Returns:
        ``(V, G')``.
    """
    device = targets.counts.device
    column = torch.full((len(targets.labels) + 1,), -1, dtype=torch.long, device=device)
    # Of an object that is there twice any one column is filled, and read for both.
    column[objects] = torch.arange(len(objects), device=device)
    source = column[objects]
    # Objects that were not chosen are written to a last column, which is cut off: no host sync.
    column = column[targets.inst_index]
    column = torch.where(column < 0, len(objects), column)
    dense = torch.zeros(len(targets.counts), len(objects) + 1, dtype=dtype, device=device)
    dense[targets.inst_voxel, column] = targets.inst_points.to(dtype)
    return dense.index_select(1, source)


def mask_bce_loss(logits: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
    """Binary cross entropy of masks with their own objects, mean over the points of the scene.

    Args:
        logits: ``(V, G')`` mask logits, column i belongs to object i.
        inside: ``(V, G')`` points that a voxel shares with the object, as of ``object_points``.
        counts: ``(V,)`` points per voxel.

    Returns:
        ``(G',)``.

    Raises:
        TypeError: If ``logits`` are float16 or bfloat16.
    """
    weights = counts.to(logits.dtype)
    with long_sums(logits, 'mask_bce_loss: logits'):
        total = weights @ F.softplus(logits) - (inside * logits).sum(0)
        return total / weights.sum().clamp(min=1)


def mask_dice_loss(logits: Tensor, inside: Tensor, counts: Tensor) -> Tensor:
    """Dice distance of masks to their own objects; arguments as of ``mask_bce_loss``: ``(G',)``."""
    probs = logits.sigmoid()
    with long_sums(logits, 'mask_dice_loss: logits'):
        union = counts.to(logits.dtype) @ probs + inside.sum(0)
        return 1 - (2 * (inside * probs).sum(0) + 1) / (union + 1)


class BinaryMasks(NamedTuple):
    """Masks over a scene's voxels, and what ranks them.

    Attributes:
        inside: ``(Q, V)`` bool, where the mask probability is above 0.5.
        scores: ``(Q,)`` mean probability of the points inside each mask, 0 for an empty mask.
        points: ``(Q,)`` points inside each mask.
    """

    inside: Tensor
    scores: Tensor
    points: Tensor


def binary_masks(
    logits_of: Callable[[slice], Tensor], counts: Tensor, *, chunk: int | None = None
) -> BinaryMasks:
    """Threshold masks, and score them by the probabilities inside.

    The logits of a large scene take gigabytes, the masks a quarter of that: so the logits are
    made, used and forgotten for some voxels after others.

    Source: 3D-QueryIS, Eq. 8, without the class probability.

    Args:
        logits_of: Gives the mask logits ``(V', Q)`` of a slice of the voxels; it is called with
            autocast off.
        counts: ``(V,)`` points per voxel.
        chunk: Most voxels of a slice; None for what suits the device.

    Raises:
        TypeError: If the logits are float16 or bfloat16.
    """
    with without_autocast(counts):
        return _binary_masks(logits_of, counts, chunk)


def _binary_masks(
    logits_of: Callable[[slice], Tensor], counts: Tensor, chunk: int | None
) -> BinaryMasks:
    if chunk is None:
        chunk = MOST_VOXELS_IN_CACHE if counts.is_cpu else MOST_VOXELS_AT_ONCE
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


def mask_iou(inside: Tensor, counts: Tensor, *, chunk: int = MOST_VOXELS_AT_ONCE) -> Tensor:
    """IoU of each two masks, in points.

    Args:
        inside: ``(Q, V)`` bool.
        counts: ``(V,)`` points per voxel.
        chunk: Most voxels that are held as numbers at a time.

    Returns:
        ``(Q, Q)`` float32; 0 for masks without points.
    """
    shared = counts.new_zeros(len(inside), len(inside), dtype=torch.float64)
    with without_autocast(counts):
        # Sums of float32 are exact up to 2^24 points; those of the chunks are added in float64.
        for some, weights in zip(inside.split(chunk, dim=1), counts.float().split(chunk)):
            some = some.float()
            shared += (some * weights) @ some.T
    sizes = shared.diagonal()
    union = sizes[:, None] + sizes[None, :] - shared
    return (shared / union.clamp(min=1)).float()


def resolve_overlaps(masks: Tensor, *, min_points: int = 1, min_share: float = 0.5) -> Tensor:
    """Give every point to at most one of several ranked, overlapping masks.

    Masks take their points one after another, best first; each takes those that are still free.
    If these are fewer than ``min_points``, or less than ``min_share`` of the mask, the mask takes
    none, and they stay free for the masks behind it. So the parts of the masks above a score do
    not depend on the masks below it.

    Args:
        masks: ``(Q, P)`` bool, best first.
        min_points: Points that a mask must keep.
        min_share: Share of its points that a mask must keep.

    Returns:
        ``(P,)`` int64: row of the mask that owns the point, -1 where none does.
    """
    owner = torch.zeros(masks.shape[1], dtype=torch.int32, device=masks.device)
    free = torch.ones_like(owner, dtype=torch.uint8)
    # On a GPU nothing in the loop waits for a number; on a CPU bytes are faster than booleans.
    for number, mask in enumerate(masks.view(torch.uint8), start=1):
        left = mask & free
        enough = (min_share * mask.sum(dtype=torch.int32)).clamp(min=max(min_points, 1))
        left *= (left.sum(dtype=torch.int32) >= enough).view(torch.uint8)
        free ^= left
        owner.add_(left, alpha=number)
    return owner.long() - 1
