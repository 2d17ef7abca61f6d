# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sets of points as packed lists of members: making, joining and choosing them.

Legend: N proposals, E members, P points. All functions work with N = 0 and on any device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..segment import running_index
from .radius_graph import radius_components


class Proposals(NamedTuple):
    """N non-empty sets of points, one after the other.

    Attributes:
        members: ``(E,)`` int64 point of each member, ascending within a proposal.
        proposal: ``(E,)`` int64 proposal of each member, ascending.
        sizes: ``(N,)`` int64 number of members of each proposal.
    """

    members: Tensor
    proposal: Tensor
    sizes: Tensor

    @property
    def num_proposals(self) -> int:
        """Number N of proposals."""
        return self.sizes.shape[0]

    @property
    def first_members(self) -> Tensor:
        """``(N,)`` first point of each proposal."""
        return self.members[self.sizes.cumsum(0) - self.sizes]


def no_proposals(device: torch.device) -> Proposals:
    """Make an empty list of proposals."""
    none = torch.zeros(0, dtype=torch.int64, device=device)
    return Proposals(none, none, none)


def radius_clusters(
    coords: Tensor, groups: Tensor, points: Tensor, *, radius: float, min_points: int = 1
) -> Proposals:
    """Make proposals from the connected components of the radius graph.

    Args:
        coords: ``(E, 3)`` coordinates of the points to group.
        groups: ``(E,)`` group of each point; points of different groups are never connected.
        points: ``(E,)`` index of each of these points, ascending within a group.
        radius: See :func:`radius_components`.
        min_points: Smaller components are dropped.

    Returns:
        Proposals in the order of their first entries.
    """
    label = radius_components(coords, groups, radius=radius)
    sizes = torch.bincount(label)
    is_large = sizes >= min_points
    inside = is_large[label]
    label, points = (is_large.cumsum(0) - 1)[label[inside]], points[inside]
    order = torch.argsort(label.int(), stable=True)  # 32 bits are faster
    return Proposals(points[order], label[order], sizes[is_large])


def join_proposals(several: Sequence[Proposals]) -> Proposals:
    """Concatenate several lists of proposals."""
    numbers, start = [], 0
    for proposals in several:
        numbers.append(proposals.proposal + start)
        start += proposals.num_proposals
    return Proposals(
        torch.cat([proposals.members for proposals in several]),
        torch.cat(numbers),
        torch.cat([proposals.sizes for proposals in several]),
    )


def keep_proposals(proposals: Proposals, kept: Tensor) -> Proposals:
    """Select some of the proposals; they keep their order.

    Args:
        proposals: N proposals.
        kept: ``(N,)`` bool.
    """
    inside = kept[proposals.proposal]
    renumber = kept.cumsum(0) - 1
    return Proposals(
        proposals.members[inside], renumber[proposals.proposal[inside]], proposals.sizes[kept]
    )


def keep_members(proposals: Proposals, inside: Tensor) -> tuple[Proposals, Tensor]:
    """Select some of the members, and drop proposals that have none left.

    Args:
        proposals: N proposals.
        inside: ``(E,)`` bool, whether to keep a member.

    Returns:
        The proposals, and ``(N',)`` their indices among the N.
    """
    proposal = proposals.proposal[inside]
    sizes = torch.bincount(proposal, minlength=proposals.num_proposals)
    left = sizes > 0
    renumber = left.cumsum(0) - 1
    return (
        Proposals(proposals.members[inside], renumber[proposal], sizes[left]),
        left.nonzero()[:, 0],
    )


def choose_at_random(proposals: Proposals, limit: int, generator: torch.Generator) -> Proposals:
    """Choose at most ``limit`` of the proposals uniformly at random; they keep their order.

    Args:
        proposals: N proposals.
        limit: Largest number of proposals.
        generator: Random generator on the CPU.
    """
    total = proposals.num_proposals
    if total <= limit:
        return proposals
    kept = torch.zeros(total, dtype=torch.bool)
    kept[torch.randperm(total, generator=generator)[:limit]] = True
    return keep_proposals(proposals, kept.to(proposals.sizes.device))


def repeat_proposals(proposals: Proposals, which: Tensor) -> tuple[Proposals, Tensor]:
    """Select proposals by index, in any order and possibly several times.

    Args:
        proposals: N proposals.
        which: ``(M,)`` indices in ``[0, N)``.

    Returns:
        M proposals, and ``(E',)`` the entry of ``proposals.members`` of each member.
    """
    sizes = proposals.sizes[which]
    starts = (proposals.sizes.cumsum(0) - proposals.sizes)[which]
    entry = starts.repeat_interleave(sizes) + running_index(sizes)
    number = torch.arange(len(which), device=which.device).repeat_interleave(sizes)
    return Proposals(proposals.members[entry], number, sizes), entry


def proposal_masks(proposals: Proposals, which: Tensor, num_points: int) -> Tensor:
    """Make dense masks of some proposals.

    Args:
        proposals: N proposals.
        which: ``(M,)`` distinct indices in any order.
        num_points: P.

    Returns:
        ``(M, P)`` bool.
    """
    row = torch.full_like(proposals.sizes, -1)
    row[which] = torch.arange(len(which), device=which.device)
    row = row[proposals.proposal]
    if len(which) < proposals.num_proposals:
        inside = row >= 0
        row, members = row[inside], proposals.members[inside]
    else:
        members = proposals.members
    masks = torch.zeros(len(which), num_points, dtype=torch.bool, device=members.device)
    masks.view(-1)[row * num_points + members] = True
    return masks
