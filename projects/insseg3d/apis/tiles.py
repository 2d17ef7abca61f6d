# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Overlapping tiles of large scans: squares on the ground, with all heights above them."""

from typing import NamedTuple

import numpy as np


class Tile(NamedTuple):
    """A square of the ground plan. A side at the boundary of the scan lies at infinity.

    Attributes:
        low: ``(2,)`` least x and y, metres.
        high: ``(2,)`` exclusive upper bounds of x and y, metres.
    """

    low: np.ndarray
    high: np.ndarray

    def holds(self, xy: np.ndarray) -> np.ndarray:
        """Tell which of ``(P, 2)`` or ``(P, 3)`` points lie in the tile, as ``(P,)`` bool."""
        x, y = xy[:, 0], xy[:, 1]
        return (x >= self.low[0]) & (x < self.high[0]) & (y >= self.low[1]) & (y < self.high[1])

    def near_edge(self, xy: np.ndarray, margin: float) -> np.ndarray:
        """Tell which of the tile's points lie within ``margin`` of a finite side: ``(P,)`` bool."""
        return ~Tile(self.low + margin, self.high - margin).holds(xy)


def check_tiling(size: float, overlap: float, shift: float = 0.0) -> None:
    """Reject impossible sizes of tiles.

    Raises:
        ValueError: The size is not positive, the overlap lies outside [0, size / 2], or the shift
            lies outside [0, size - overlap].
    """
    if not (0 < size < np.inf and 0 <= overlap <= size / 2 and 0 <= shift <= size - overlap):
        raise ValueError(
            f'tiles of {size:g} m that overlap by {overlap:g} m, shifted by {shift:g} m; expected '
            'a positive size, an overlap of at most half of it, and a shift of at most the rest'
        )


def tiles_of(
    xy: np.ndarray, *, size: float, overlap: float, shift: float = 0.0
) -> tuple[list[Tile], np.ndarray]:
    """Cover a scan with tiles, and find the home tile of each point.

    The ground plan is cut into evenly spaced strips along x and y: the last one is never a
    sliver, and neighbours overlap by at least ``overlap``. A point's home is the tile whose sides
    are farthest from it; the border between two homes lies in the middle of the overlap. Tiles
    that are no point's home are dropped.

    Args:
        xy: ``(P, 2)`` or more columns, metres; P ≥ 1, finite.
        size: Side of a tile, metres.
        overlap: Overlap of neighbouring tiles, metres.
        shift: Distance from the start of the first tile to the scan's corner, metres. Moves the
            seams elsewhere.

    Returns:
        T tiles, and ``(P,)`` int32 index of each point's home tile. A scan no larger than a tile
        is one tile.

    Raises:
        ValueError: See :func:`check_tiling`.
    """
    check_tiling(size, overlap, shift)
    strips, places = [], []
    for axis in range(2):
        along = xy[:, axis].astype(np.float64)
        strips.append(_strips(along.min() - shift, along.max(), size, overlap))
        # The border between two homes lies in the middle of the overlap of their strips.
        borders = (strips[-1][1:, 0] + strips[-1][:-1, 1]) / 2
        places.append(np.searchsorted(borders, along, side='right'))
    cell = places[0] * len(strips[1]) + places[1]
    used = np.flatnonzero(np.bincount(cell))
    tiles = []
    for number in used:
        x, y = strips[0][number // len(strips[1])], strips[1][number % len(strips[1])]
        tiles.append(Tile(np.array([x[0], y[0]]), np.array([x[1], y[1]])))
    rank = np.zeros(used[-1] + 1, dtype=np.int32)
    rank[used] = np.arange(len(used))
    return tiles, rank[cell]


def _strips(low: float, high: float, size: float, overlap: float) -> np.ndarray:
    """Return ``(N, 2)`` start and end of the strips along an axis; infinite at the scan's ends."""
    extent = high - low
    number = 1
    if extent > size:
        number = int(np.ceil((extent - overlap) / (size - overlap)))
    begin = low + np.linspace(0, max(extent - size, 0), number)
    strips = np.stack([begin, begin + size], axis=1)
    strips[0, 0], strips[-1, 1] = -np.inf, np.inf
    return strips
