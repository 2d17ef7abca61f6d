# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Painting of masks, which may overlap, into parts that share no point."""

import torch
from torch import Tensor


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
    owner = torch.zeros(masks.shape[1], dtype=torch.int32, device=masks.device)
    free = torch.ones_like(owner, dtype=torch.uint8)
    # The loop never synchronises with a GPU; on a CPU, bytes are faster than booleans.
    for number, mask in enumerate(masks.view(torch.uint8), start=1):
        left = mask & free
        enough = (min_share * mask.sum(dtype=torch.int32)).clamp(min=max(min_points, 1))
        left *= (left.sum(dtype=torch.int32) >= enough).view(torch.uint8)
        free ^= left
        owner.add_(left, alpha=number)
    return owner.long() - 1
