# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Painting of masks, which may overlap, into parts that share no point."""

import torch
from torch import Tensor

MOST_DROPS = 10
"""Masks that are dropped one after another, with a wait for each, before all are processed."""


def resolve_overlaps(masks: Tensor, *, min_points: int = 1, min_share: float = 0.5) -> Tensor:
    """Assign every point to at most one of several ranked, overlapping masks.

    Masks are processed best first; each takes those of its points that are still free. If these
    are fewer than ``min_points``, or less than ``min_share`` of the mask, the mask takes none and
    the points stay free for later masks. The result for the masks above a score therefore does not
    depend on the masks below it.

    Args:
        masks: ``(Q, P)`` bool, best first.
        min_points: Least number of points that a mask must keep.
        min_share: Least share of its points that a mask must keep.

    Returns:
        ``(P,)`` int64 row of the mask that owns the point, -1 for none.
    """
    sizes = masks.view(torch.uint8).sum(1, dtype=torch.int32)
    least = (min_share * sizes).clamp(min=max(min_points, 1))
    find = _drop_by_drop if prefers_few_operations(masks) else _mask_by_mask
    return find(masks, least)


def prefers_few_operations(masks: Tensor) -> bool:
    """Tell whether few operations matter more than short ones: on every device but a CPU."""
    return not masks.is_cpu


def _mask_by_mask(masks: Tensor, least: Tensor) -> Tensor:
    """Let each mask take what it may: some operations per mask, which are cheap on a CPU."""
    owner = torch.zeros(masks.shape[1], dtype=torch.int32, device=masks.device)
    free = torch.ones_like(owner, dtype=torch.uint8)
    # Bytes are faster than booleans.
    for number, (mask, enough) in enumerate(zip(masks.view(torch.uint8), least), start=1):
        left = mask & free
        left *= (left.sum(dtype=torch.int32) >= enough).view(torch.uint8)
        free ^= left
        owner.add_(left, alpha=number)
    return owner.long() - 1


def _drop_by_drop(masks: Tensor, least: Tensor) -> Tensor:
    """Give points to the best masks until all keep enough; before, drop the best that do not.

    The number of operations grows with the number of masks that are dropped; if these are many,
    mask after mask is processed instead. What a mask keeps depends on better masks only, so the
    best that keeps too little is dropped for good.
    """
    number, ones = len(masks), torch.ones(masks.shape[1], dtype=torch.long, device=masks.device)
    standing = torch.cat([masks, masks.new_ones(1, len(ones))])  # the last row is "no mask"
    dropped = masks.new_zeros(number)
    for _ in range(MOST_DROPS):
        owner = standing.view(torch.uint8).argmax(0)  # the first of those that have the point
        kept = ones.new_zeros(number + 1).index_add_(0, owner, ones)
        failed = ((kept[:-1] < least) & ~dropped).nonzero()
        if len(failed) == 0:
            return torch.where(owner == number, -1, owner)
        dropped[failed[0]] = True
        standing[failed[0]] = False
    return _mask_by_mask(masks, least)
