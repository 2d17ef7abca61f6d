# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Compiled union–find over cells of points, used by :mod:`radius_graph`."""

import numpy as np

from ..native import compiled


@compiled
def _root(parent, cell):
    """Find the root of a cell's component, and halve the path to it."""
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell


@compiled
def _are_close(points, low, high, first, last, other_first, other_last, here, there, square):
    """Tell whether two cells hold points closer than the radius."""
    gap = 0.0
    for axis in range(3):
        distance = max(low[here, axis] - high[there, axis], low[there, axis] - high[here, axis])
        if distance > 0:
            gap += distance * distance
    if gap >= square:
        return False
    for one in range(first, last):
        x, y, z = points[one, 0], points[one, 1], points[one, 2]
        # A point too far from the other cell's box is too far from its points.
        dx = max(low[there, 0] - x, x - high[there, 0], 0.0)
        dy = max(low[there, 1] - y, y - high[there, 1], 0.0)
        dz = max(low[there, 2] - z, z - high[there, 2], 0.0)
        if dx * dx + dy * dy + dz * dz >= square:
            continue
        for two in range(other_first, other_last):
            dx, dy, dz = x - points[two, 0], y - points[two, 1], z - points[two, 2]
            if dx * dx + dy * dy + dz * dz < square:
                return True
    return False


@compiled
def _boxes(points, ends):
    """Find the smallest and largest coordinates of each cell's points, ``(C, 3)`` each."""
    low, high = np.empty((len(ends), 3)), np.empty((len(ends), 3))
    first = 0
    for cell in range(len(ends)):
        for axis in range(3):
            smallest = largest = points[first, axis]
            for point in range(first + 1, ends[cell]):
                value = points[point, axis]
                smallest, largest = min(smallest, value), max(largest, value)
            low[cell, axis], high[cell, axis] = smallest, largest
        first = ends[cell]
    return low, high


@compiled
def link_cells(keys, ends, points, columns, square):
    """Connect the cells that hold points closer than a radius.

    Args:
        keys: ``(C,)`` int64, ascending and different.
        ends: ``(C,)`` int64, end of each cell's points.
        points: ``(P, 3)`` float64, cell by cell.
        columns: ``(13,)`` int64, steps to the columns of nearby cells, its own column first.
        square: Square of the radius.

    Returns:
        ``(C,)`` int64, the same representative cell for all cells of a component.
    """
    parent = np.arange(len(keys))
    low, high = _boxes(points, ends)
    for column in range(len(columns)):
        there = 0
        for here in range(len(keys)):
            target = keys[here] + columns[column]
            least = target + 1 if column == 0 else target - 2
            # Targets ascend with the keys, so the search continues from the last position.
            while there < len(keys) and keys[there] < least:
                there += 1
            other = there
            while other < len(keys) and keys[other] <= target + 2:
                one, two = _root(parent, here), _root(parent, other)
                if one != two and _are_close(
                    points,
                    low,
                    high,
                    ends[here - 1] if here else 0,
                    ends[here],
                    ends[other - 1] if other else 0,
                    ends[other],
                    here,
                    other,
                    square,
                ):
                    parent[max(one, two)] = min(one, two)
                other += 1
    for cell in range(len(keys)):
        parent[cell] = _root(parent, cell)
    return parent
