# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Overlaps, suppression and voxel grids of proposals, sets of points that may overlap.

Legend: N proposals, P points, G objects, E members. There is one member for each point of each
proposal: ``members`` (E,) int64 is its point and ``proposal`` (E,) int64 its proposal, in any
order, without duplicates. All functions work with N = 0 and on any device.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor


class ProposalGrid(NamedTuple):
    """Voxels of proposals; each proposal has its own grid.

    Attributes:
        coors: ``(V, 4)`` int64: proposal, x, y, z, in ascending order.
        member2voxel: ``(E,)`` int64, row of ``coors`` of each member.
        counts: ``(V,)`` int64, number of members of each voxel.
    """

    coors: Tensor
    member2voxel: Tensor
    counts: Tensor


def proposal_iou(
    members: Tensor, proposal: Tensor, instance: Tensor, *, num_proposals: int, num_instances: int
) -> Tensor:
    """Compute the IoU of each proposal with each object.

    Args:
        members: ``(E,)`` point of each member.
        proposal: ``(E,)`` proposal of each member.
        instance: ``(P,)`` object of each point, −1 = none.
        num_proposals: N.
        num_instances: G.

    Returns:
        ``(N, G)`` float32.

    Source: the PointGroup family, ``I / (|c| + |g| − I + 1e-5)``.
    """
    owner = instance[members]
    inside = owner >= 0
    shared = (
        torch.bincount(
            proposal[inside] * num_instances + owner[inside],
            minlength=num_proposals * num_instances,
        )
        .view(num_proposals, num_instances)
        .float()
    )
    sizes = torch.bincount(proposal, minlength=num_proposals).float()
    of_object = torch.bincount(instance[instance >= 0], minlength=num_instances).float()
    return shared / (sizes[:, None] + of_object[None, :] - shared + 1e-5)


def pairwise_overlaps(members: Tensor, proposal: Tensor, *, num_proposals: int) -> Tensor:
    """Count the points that every two proposals share.

    The counts are made from the few proposals of each point, without masks over all points.

    Returns:
        ``(N, N)`` int64, with the sizes on the diagonal.
    """
    if len(members) == 0:
        return members.new_zeros(num_proposals, num_proposals)
    if members.device.type == 'cpu':
        return _overlaps_on_cpu(members, proposal, num_proposals)
    return overlaps_by_sorting(members, proposal, num_proposals)


def _overlaps_on_cpu(members: Tensor, proposal: Tensor, num_proposals: int) -> Tensor:
    """Count them by a product of sparse matrices, which is faster."""
    ones = np.ones(len(members), dtype=np.int64)
    table = csr_matrix(
        (ones, (proposal.numpy(), members.numpy())), shape=(num_proposals, int(members.max()) + 1)
    )
    return torch.from_numpy((table @ table.T).toarray())


def overlaps_by_sorting(members: Tensor, proposal: Tensor, num_proposals: int) -> Tensor:
    """Count them by parallel operators, on any device; see :func:`pairwise_overlaps`."""
    order = torch.argsort(members)
    points, owner = members[order], proposal[order]
    _, counts = torch.unique_consecutive(points, return_counts=True)
    # Pair each member with all proposals of its point.
    per_member = counts.repeat_interleave(counts)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    one = owner.repeat_interleave(per_member)
    step = torch.arange(len(one), device=one.device)
    step = step - (per_member.cumsum(0) - per_member).repeat_interleave(per_member)
    two = owner[first.repeat_interleave(per_member) + step]
    return torch.bincount(one * num_proposals + two, minlength=num_proposals**2).view(
        num_proposals, num_proposals
    )


def pairwise_iou(members: Tensor, proposal: Tensor, *, num_proposals: int) -> Tensor:
    """Compute the IoU of every two proposals, ``(N, N)`` float64; 0 if they have no members."""
    shared = pairwise_overlaps(members, proposal, num_proposals=num_proposals).double()
    sizes = shared.diagonal()
    return shared / (sizes[:, None] + sizes[None, :] - shared).clamp(min=1)


def mask_nms(iou: Tensor, scores: Tensor, *, threshold: float) -> Tensor:
    """Keep the best proposal, drop those that overlap it too much, and repeat (greedy NMS).

    Args:
        iou: ``(N, N)``.
        scores: ``(N,)``; of equal scores, the first is better.
        threshold: Largest IoU of two kept proposals.

    Returns:
        ``(M,)`` int64, indices of the kept proposals, best first.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    # One copy to the host; the loop runs over a few hundred proposals.
    clashes = (iou[order][:, order] > threshold).cpu().numpy()
    kept, is_dropped = [], [False] * len(order)
    for place in range(len(order)):
        if is_dropped[place]:
            continue
        kept.append(place)
        for other in clashes[place, place + 1 :].nonzero()[0]:
            is_dropped[place + 1 + other] = True
    return order[torch.tensor(kept, dtype=torch.int64, device=order.device)]


def matrix_nms(
    iou: Tensor, scores: Tensor, labels: Tensor, *, sigma: float | None = None
) -> Tensor:
    """Lower the score of each proposal according to its overlap with better ones of its class.

    Source: SOLOv2, matrix NMS: ``min over better i of f(iou_ij) / f(max over better k of iou_ki)``
    with ``f(x) = 1 − x``, or ``exp(−sigma x²)``.

    Args:
        iou: ``(N, N)``.
        scores: ``(N,)``; of equal scores, the first is better.
        labels: ``(N,)`` class of each proposal.
        sigma: Parameter of the Gaussian; None selects the linear function.

    Returns:
        ``(N,)`` lowered scores.
    """
    if len(scores) == 0:
        return scores
    order = torch.argsort(scores, descending=True, stable=True)
    same = labels[order][:, None] == labels[order][None, :]
    better = torch.triu(iou[order][:, order] * same, diagonal=1)  # row i is better than column j
    worst = better.max(0).values[:, None]
    if sigma is None:
        decay = (1 - better) / (1 - worst).clamp(min=1e-6)
    else:
        decay = torch.exp(-sigma * (better.square() - worst.square()))
    # The minimum is over better proposals only; without overlap the fraction is 1 or more.
    lowest = torch.where(torch.triu(torch.ones_like(same), diagonal=1), decay, 1.0).min(0).values
    lowered = torch.empty_like(scores)
    lowered[order] = scores[order] * lowest.clamp(max=1).to(scores.dtype)
    return lowered


def voxelize_proposals(
    coords: Tensor,
    proposal: Tensor,
    *,
    num_proposals: int,
    full_scale: int,
    score_scale: float = 50.0,
    place: Tensor | None = None,
) -> ProposalGrid:
    """Fit each proposal into a grid of ``full_scale`` voxels along each axis.

    The longest side of a proposal is scaled to fill the grid, but to at most ``score_scale``
    voxels per metre.

    Args:
        coords: ``(E, 3)`` coordinates of each member, metres.
        proposal: ``(E,)`` proposal of each member.
        num_proposals: N.
        full_scale: Number of voxels along an axis. 14 in PointGroup, 20 in HAIS and SoftGroup.
        score_scale: Largest number of voxels per metre. 50 in these methods.
        place: ``(3,)`` in [0, 1), position of all proposals in the slack of the grid, random in
            training. None places them at the start of the grid, as at test time.

    Source: PointGroup's voxelisation of clusters.
    Deviation: extents below 1 mm count as 1 mm; in PointGroup, a cluster of one repeated point
    divides by 0. One draw determines the position; PointGroup makes two draws, for the slack above
    and below.
    """
    index = proposal[:, None].expand(-1, 3)
    shape = (num_proposals, 3)
    low = coords.new_full(shape, float('inf')).scatter_reduce_(0, index, coords, 'amin')
    high = coords.new_full(shape, float('-inf')).scatter_reduce_(0, index, coords, 'amax')
    extent = (high - low).clamp(min=1e-3)
    scale = (full_scale / extent.max(1).values - 0.01).clamp(max=score_scale)
    scaled = (coords - low[proposal]) * scale[proposal, None]
    if place is not None:
        slack = (full_scale - extent * scale[:, None] - 1e-3).clamp(min=0)
        scaled = scaled + (slack * place)[proposal]
    cells = scaled.floor().long().clamp_(0, full_scale - 1)
    key = ((proposal * full_scale + cells[:, 0]) * full_scale + cells[:, 1]) * full_scale
    found, member2voxel, counts = torch.unique(
        key + cells[:, 2], return_inverse=True, return_counts=True
    )
    coors = torch.stack(
        [
            found // full_scale**3,
            found // full_scale**2 % full_scale,
            found // full_scale % full_scale,
            found % full_scale,
        ],
        1,
    )
    return ProposalGrid(coors, member2voxel, counts)


def grid_features(features: Tensor, rows: Tensor, grid: ProposalGrid) -> Tensor:
    """Average the members' features in each voxel, without a copy per member.

    Args:
        features: ``(R, C)``.
        rows: ``(E,)`` row of ``features`` of each member.
        grid: Grid of V voxels.

    Returns:
        ``(V, C)``.
    """
    order = torch.argsort(grid.member2voxel.int(), stable=True)
    starts = grid.counts.cumsum(0) - grid.counts
    return F.embedding_bag(rows[order], features, starts, mode='mean')
