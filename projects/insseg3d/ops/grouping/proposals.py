# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Proposals, sets of points that may share some: their overlaps, suppression, voxel grids.

Legend: N proposals, P points, G objects, E members: one entry for each point of each proposal,
``members`` (E,) int64 its point and ``proposal`` (E,) int64 the proposal, both of any order, no
entry twice. Everything works with none of them, and on any device.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor


class ProposalGrid(NamedTuple):
    """Each proposal in a grid of its own.

    Attributes:
        coors: ``(V, 4)`` int64: proposal, x, y, z, in ascending order.
        member2voxel: ``(E,)`` int64, the row of ``coors`` that holds a member.
        counts: ``(V,)`` int64, members of each voxel.
    """

    coors: Tensor
    member2voxel: Tensor
    counts: Tensor


def proposal_iou(
    members: Tensor, proposal: Tensor, instance: Tensor, *, num_proposals: int, num_instances: int
) -> Tensor:
    """IoU of each proposal with each object.

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
    """Points that each two proposals share.

    Works on the few proposals of each point, so that no mask over all points is made.

    Returns:
        ``(N, N)`` int64, with the sizes on the diagonal.
    """
    if len(members) == 0:
        return members.new_zeros(num_proposals, num_proposals)
    if members.device.type == 'cpu':
        return _overlaps_on_cpu(members, proposal, num_proposals)
    return overlaps_by_sorting(members, proposal, num_proposals)


def _overlaps_on_cpu(members: Tensor, proposal: Tensor, num_proposals: int) -> Tensor:
    """As a product of sparse matrices, which is faster."""
    ones = np.ones(len(members), dtype=np.int64)
    table = csr_matrix(
        (ones, (proposal.numpy(), members.numpy())), shape=(num_proposals, int(members.max()) + 1)
    )
    return torch.from_numpy((table @ table.T).toarray())


def overlaps_by_sorting(members: Tensor, proposal: Tensor, num_proposals: int) -> Tensor:
    """The same by parallel operators, for any device."""
    order = torch.argsort(members)
    points, owner = members[order], proposal[order]
    _, counts = torch.unique_consecutive(points, return_counts=True)
    # Each member meets all proposals of its point.
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
    """IoU of each two proposals, ``(N, N)`` float64; 0 for proposals without members."""
    shared = pairwise_overlaps(members, proposal, num_proposals=num_proposals).double()
    sizes = shared.diagonal()
    return shared / (sizes[:, None] + sizes[None, :] - shared).clamp(min=1)


def mask_nms(iou: Tensor, scores: Tensor, *, threshold: float) -> Tensor:
    """Greedy suppression: keep the best, drop what overlaps it by more than the threshold, go on.

    Args:
        iou: ``(N, N)``.
        scores: ``(N,)``; of equal ones the first is the better.
        threshold: IoU up to which proposals live side by side.

    Returns:
        ``(M,)`` int64, numbers of the kept proposals, best first.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    # One copy to the host; the loop is over proposals, a few hundred.
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
    """Lower the score of a proposal by how much better ones of its class overlap it.

    Source: SOLOv2, matrix NMS: ``min over better i of f(iou_ij) / f(max over better k of iou_ki)``
    with ``f(x) = 1 − x``, or ``exp(−sigma x²)``.

    Args:
        iou: ``(N, N)``.
        scores: ``(N,)``; of equal ones the first is the better.
        labels: ``(N,)``.
        sigma: of the Gaussian; None for the linear function.

    Returns:
        ``(N,)`` the lowered scores.
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
    # Better ones only; where there is no overlap the fraction is 1 or more.
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

    A proposal is scaled so that its longest side fills the grid, but to no more than
    ``score_scale`` voxels a metre.

    Args:
        coords: ``(E, 3)`` metres, of each member.
        proposal: ``(E,)``.
        num_proposals: N.
        full_scale: voxels along an axis. 14 in PointGroup, 20 in HAIS and SoftGroup.
        score_scale: most voxels a metre. 50 there.
        place: ``(3,)`` in [0, 1), where in the slack of the grid the proposals lie; the same for
            all, random in training. None: at its beginning, as at test time.

    Source: PointGroup's voxelisation of clusters.
    Deviation: extents below 1 mm count as 1 mm, where a cluster of one repeated point divides by 0;
    one draw decides the place, where it takes two for slack above and below.
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
    """Mean of the members' features in each voxel, without a copy for each member.

    Args:
        features: ``(R, C)``.
        rows: ``(E,)`` row of each member.
        grid: V voxels.

    Returns:
        ``(V, C)``.
    """
    order = torch.argsort(grid.member2voxel.int(), stable=True)
    starts = grid.counts.cumsum(0) - grid.counts
    return F.embedding_bag(rows[order], features, starts, mode='mean')
