# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Connected components of the radius graph, whose edges connect points of a group closer than r.

Legend: P points, C cells, E pairs of cells, r radius. The components are exact, but the graph is
never built: 72 000 points that gather in balls of a few centimetres have 92 million edges.

1. Cells have sides slightly shorter than r/√3. All points of a cell are closer than r; the cell
   is one node.
2. Only cells at most two steps apart along each axis can hold points closer than r.
3. Such a pair of cells is tested if it is not connected yet: the boxes around the points decide
   most cases, distances between points the rest.

The edge is ``(x − x')² + (y − y')² + (z − z')² < r²`` in float64, strictly.

Source: the grouping of PointGroup and its followers, as connected components.
Deviation: they truncate a point's list after 1000 neighbours, which can split a component.
"""

import numpy as np
import torch
from torch import Tensor

from ..segment import running_index
from . import radius_kernels

_SHRINK = 1 - 1e-6
_MOST_CELLS = 2**62
_PAIRS_AT_ONCE = 2**24


def radius_components(coords: Tensor, groups: Tensor, *, radius: float) -> Tensor:
    """Number the connected components of the points.

    Args:
        coords: ``(P, 3)`` floating point, finite.
        groups: ``(P,)`` integers ≥ 0, for example scene · classes + class; points of different
            groups are never connected.
        radius: Radius r > 0, in the unit of the coordinates.

    Returns:
        ``(P,)`` int64, numbered from 0 in the order of the components' first points; on the
        device of ``coords``.

    Raises:
        ValueError: Lengths differ, r is not positive, or the coordinates span more than 2^62
            cells.
    """
    if len(coords) != len(groups) or coords.shape[1:] != (3,):
        raise ValueError(
            f'coords {tuple(coords.shape)} and groups {tuple(groups.shape)}; expected (P, 3) and '
            '(P,)'
        )
    if not radius > 0:
        raise ValueError(f'radius={radius}, expected a positive number')
    if len(coords) == 0:
        return groups.new_zeros(0, dtype=torch.int64)
    coords = coords.detach().double()
    keys, columns = _cell_keys(coords, groups, radius)
    link = _link_on_cpu if coords.device.type == 'cpu' else link_by_scatter
    return _in_order_of_points(link(coords, keys, columns, radius))


def _cell_keys(coords: Tensor, groups: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Compute the cell of each point as one number, and the steps to columns of nearby cells.

    Returns:
        ``(P,)`` int64 keys; and ``(13,)`` int64 differences of keys to the cells at (dx, dy, 0),
        for each (dx, dy) up to two steps away that comes later in the order of keys, (0, 0) first.
    """
    low = coords.min(0).values
    cells = ((coords - low) / (radius / 3**0.5 * _SHRINK)).floor_().long() + 2
    size = cells.max(0).values + 3  # two empty cells on either side, for steps beyond the border
    num_y, num_z = int(size[1]), int(size[2])
    num_cells = int(size[0]) * num_y * num_z * (int(groups.max()) + 1)
    if num_cells >= _MOST_CELLS:
        raise ValueError(
            f'coordinates span {num_cells:.1e} cells for radius {radius}; expected fewer than '
            f'{_MOST_CELLS:.1e}. Is there a point far from the others?'
        )
    keys = ((groups.long() * size[0] + cells[:, 0]) * num_y + cells[:, 1]) * num_z + cells[:, 2]
    steps = [(0, dy) for dy in range(3)] + [(dx, dy) for dx in (1, 2) for dy in range(-2, 3)]
    columns = torch.tensor([(dx * num_y + dy) * num_z for dx, dy in steps])
    return keys, columns.to(keys.device)


def _link_on_cpu(coords: Tensor, keys: Tensor, columns: Tensor, radius: float) -> Tensor:
    """Run compiled union–find over the cells; returns ``(P,)`` a number of the component."""
    order = torch.argsort(keys)
    found, counts = torch.unique_consecutive(keys[order], return_counts=True)
    ends = counts.cumsum(0)
    points = coords[order].numpy()
    root = radius_kernels.link_cells(
        found.numpy(), ends.numpy(), points, columns.numpy(), float(radius) ** 2
    )
    labels = torch.empty_like(keys)
    labels[order] = torch.from_numpy(root).repeat_interleave(counts)
    return labels


def link_by_scatter(coords: Tensor, keys: Tensor, columns: Tensor, radius: float) -> Tensor:
    """Connect cells by parallel operators, on any device.

    Args:
        coords: ``(P, 3)`` float64.
        keys: ``(P,)`` int64 cell of each point.
        columns: ``(13,)`` int64 steps to the columns of nearby cells.
        radius: Radius r.

    Returns:
        ``(P,)`` int64, a number of the component.
    """
    found, cell, counts = torch.unique(keys, return_inverse=True, return_counts=True)
    order = torch.argsort(cell)
    starts = counts.cumsum(0) - counts
    points = coords[order]
    index = cell[:, None].expand(-1, 3)
    low = coords.new_full((len(found), 3), np.inf).scatter_reduce_(0, index, coords, 'amin')
    high = coords.new_full((len(found), 3), -np.inf).scatter_reduce_(0, index, coords, 'amax')
    pairs = _nearby_cells(found, columns)
    one, two = pairs
    gap = (torch.maximum(low[one], low[two]) - torch.minimum(high[one], high[two])).clamp_(min=0)
    span = torch.maximum(high[one], high[two]) - torch.minimum(low[one], low[two])
    near = _square_length(gap) < radius**2
    # A small margin, because the corner of a box is not a point and may be rounded differently.
    sure = _square_length(span) < radius**2 * (1 - 1e-9)
    labels = _propagate(torch.arange(len(found), device=keys.device), pairs[:, sure])
    open_pairs = pairs[:, near & ~sure]
    while open_pairs.shape[1]:
        one, two = open_pairs
        open_pairs = open_pairs[:, labels[one] != labels[two]]
        work = counts[open_pairs[0]] * counts[open_pairs[1]]
        # The cheapest pairs come first; pairs that they connect need no test.
        rank = torch.argsort(work)
        size = max(int((work[rank].cumsum(0) <= _PAIRS_AT_ONCE).sum()), 1)
        chunk, open_pairs = open_pairs[:, rank[:size]], open_pairs[:, rank[size:]]
        if chunk.shape[1]:
            close = _have_close_points(points, starts, counts, chunk, radius)
            labels = _propagate(labels, chunk[:, close])
    return labels[cell]


def _nearby_cells(keys: Tensor, columns: Tensor) -> Tensor:
    """List pairs of occupied cells at most two steps apart, each once; ``(2, E)``."""
    low = keys[None, :] + columns[:, None] - 2
    low[0] += 3  # in a cell's own column, only the cells above it
    first = torch.searchsorted(keys, low)
    last = torch.searchsorted(keys, keys[None, :] + columns[:, None] + 2, right=True)
    here = torch.arange(len(keys), device=keys.device).expand_as(first)
    pairs = []
    for step in range(5):
        there = first + step
        some = there < last
        pairs.append(torch.stack([here[some], there[some]]))
    return torch.cat(pairs, 1)


def _have_close_points(
    points: Tensor, starts: Tensor, counts: Tensor, pairs: Tensor, radius: float
) -> Tensor:
    """Find the pairs of cells that hold two points closer than the radius; ``(E,)`` bool."""
    one, two = pairs
    is_close = torch.zeros(len(one), dtype=torch.bool, device=points.device)
    # Rows of the first cell are processed in chunks: a pair of crowded cells must fit into memory.
    rows = counts[one]
    pair_of_row = torch.repeat_interleave(torch.arange(len(one), device=points.device), rows)
    row = starts[one][pair_of_row] + running_index(rows)
    width = counts[two][pair_of_row]
    total, begin = width.cumsum(0), 0
    while begin < len(row):
        before = int(total[begin - 1]) if begin else 0
        end = int(torch.searchsorted(total, before + _PAIRS_AT_ONCE, right=True))
        end = max(end, begin + 1)
        of_row = torch.repeat_interleave(
            torch.arange(begin, end, device=points.device), width[begin:end]
        )
        other = starts[two][pair_of_row[of_row]] + running_index(width[begin:end])
        close = _square_length(points[row[of_row]] - points[other]) < radius**2
        is_close[pair_of_row[of_row[close]]] = True
        begin = end
    return is_close


def _square_length(vectors: Tensor) -> Tensor:
    """Compute squared lengths, summed in the order x, y, z on every device."""
    x, y, z = vectors.unbind(1)
    return x * x + y * y + z * z


def _propagate(labels: Tensor, edges: Tensor) -> Tensor:
    """Spread the lowest label of each component along the edges.

    Args:
        labels: ``(C,)`` index of a cell whose label is its own index.
        edges: ``(2, E)`` connected cells.
    """
    while edges.shape[1]:
        one, two = labels[edges[0]], labels[edges[1]]
        if torch.equal(one, two):
            break
        lowest = torch.minimum(one, two)
        labels = labels.scatter_reduce(0, one, lowest, 'amin').scatter_reduce(
            0, two, lowest, 'amin'
        )
        while not torch.equal(labels, labels[labels]):
            labels = labels[labels]
    return labels


def _in_order_of_points(labels: Tensor) -> Tensor:
    """Number components by their first points."""
    numbers = torch.arange(len(labels), device=labels.device)
    first = numbers.new_full((int(labels.max()) + 1,), len(labels)).scatter_reduce_(
        0, labels, numbers, 'amin'
    )
    names = (first < len(labels)).nonzero()[:, 0]
    rank = torch.empty_like(first)
    rank[names[torch.argsort(first[names])]] = numbers[: len(names)]
    return rank[labels]
