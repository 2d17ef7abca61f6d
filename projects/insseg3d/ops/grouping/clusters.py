# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sets of points as packed lists of members: making, joining, choosing.

Legend: N proposals, E members, P points. Works with none of them, and on any device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..segment import running_index
from .radius_graph import radius_components


class Proposals(NamedTuple):
    """N sets of points, one after the other, each of at least one point.

    Attributes:
        members: ``(E,)`` int64 point of each member, ascending within a proposal.
        proposal: ``(E,)`` int64 proposal of each member, ascending.
        sizes: ``(N,)`` int64 members of each proposal.
    """

    members: Tensor
    proposal: Tensor
    sizes: Tensor

    @property
    def num_proposals(self) -> int:
        """N."""
        return self.sizes.shape[0]

    @property
    def first_members(self) -> Tensor:
        """``(N,)`` the first point of each proposal."""
        return self.members[self.sizes.cumsum(0) - self.sizes]


def no_proposals(device: torch.device) -> Proposals:
    """None at all."""
    none = torch.zeros(0, dtype=torch.int64, device=device)
    return Proposals(none, none, none)


def radius_clusters(
    coords: Tensor, groups: Tensor, points: Tensor, *, radius: float, min_points: int = 1
) -> Proposals:
    """The connected components of the radius graph as proposals.

    Args:
        coords: ``(E, 3)`` of the points that take part.
        groups: ``(E,)`` points of different groups are never connected.
        points: ``(E,)`` number of each of these points, ascending within a group.
        radius: As of :func:`radius_components`.
        min_points: Smaller components are left out.

    Returns:
        Proposals in the order of their first entries.
    """
    label = radius_components(coords, groups, radius=radius)
    sizes = torch.bincount(label)
    is_large = sizes >= min_points
    inside = is_large[label]
    label, points = (is_large.cumsum(0) - 1)[label[inside]], points[inside]
    order = torch.argsort(label.int(), stable=True)  # of 32 bits: faster
    return Proposals(points[order], label[order], sizes[is_large])


def join_proposals(several: Sequence[Proposals]) -> Proposals:
    """All proposals of several lists, list after list."""
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
    """Some of the proposals, in their order.

    Args:
        proposals: N of them.
        kept: ``(N,)`` bool.
    """
    inside = kept[proposals.proposal]
    renumber = kept.cumsum(0) - 1
    return Proposals(
        proposals.members[inside], renumber[proposals.proposal[inside]], proposals.sizes[kept]
    )


def keep_members(proposals: Proposals, inside: Tensor) -> tuple[Proposals, Tensor]:
    """Proposals without some of their members, and without those that have none left.

    Args:
        proposals: N of them.
        inside: ``(E,)`` bool.

    Returns:
        The proposals, and ``(N',)`` which of the N they are.
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
    """At most ``limit`` of the proposals, each as likely as another, in their order.

    Args:
        proposals: N of them.
        limit: The most.
        generator: On the CPU.
    """
    total = proposals.num_proposals
    if total <= limit:
        return proposals
    kept = torch.zeros(total, dtype=torch.bool)
    kept[torch.randperm(total, generator=generator)[:limit]] = True
    return keep_proposals(proposals, kept.to(proposals.sizes.device))


def repeat_proposals(proposals: Proposals, which: Tensor) -> tuple[Proposals, Tensor]:
    """Proposals chosen by number, in any order, some perhaps several times.

    Args:
        proposals: N of them.
        which: ``(M,)`` in ``[0, N)``.

    Returns:
        M proposals, and ``(E',)`` the entry of ``proposals.members`` that each member was.
    """
    sizes = proposals.sizes[which]
    starts = (proposals.sizes.cumsum(0) - proposals.sizes)[which]
    entry = starts.repeat_interleave(sizes) + running_index(sizes)
    number = torch.arange(len(which), device=which.device).repeat_interleave(sizes)
    return Proposals(proposals.members[entry], number, sizes), entry


def proposal_masks(proposals: Proposals, which: Tensor, num_points: int) -> Tensor:
    """Dense masks of some proposals.

    Args:
        proposals: N of them.
        which: ``(M,)`` numbers of different ones, in any order.
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
