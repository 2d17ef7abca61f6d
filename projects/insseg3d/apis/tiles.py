# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Large scans in overlapping upright tiles: squares on the ground, with all heights above them."""

from typing import NamedTuple

import numpy as np


class Tile(NamedTuple):
    """A square of the ground plan; sides beyond which the scan does not go on are infinite.

    Attributes:
        low: ``(2,)`` least x and y, metres.
        high: ``(2,)`` where it ends; itself outside.
    """

    low: np.ndarray
    high: np.ndarray

    def holds(self, xy: np.ndarray) -> np.ndarray:
        """``(P,)`` bool: which of ``(P, 2)`` or ``(P, 3)`` points lie in the tile."""
        x, y = xy[:, 0], xy[:, 1]
        return (x >= self.low[0]) & (x < self.high[0]) & (y >= self.low[1]) & (y < self.high[1])

    def near_edge(self, xy: np.ndarray, margin: float) -> np.ndarray:
        """``(P,)`` bool: which points of the tile lie within ``margin`` of a side that cuts."""
        return ~Tile(self.low + margin, self.high - margin).holds(xy)


def check_tiling(size: float, overlap: float, shift: float = 0.0) -> None:
    """Refuse what cannot be tiles.

    Raises:
        ValueError: a size that is not positive, an overlap outside [0, size / 2], or a shift
            outside [0, size - overlap].
    """
    if not (0 < size < np.inf and 0 <= overlap <= size / 2 and 0 <= shift <= size - overlap):
        raise ValueError(
            f'tiles of {size:g} m that overlap by {overlap:g} m, shifted by {shift:g} m; expected '
            'a positive size, an overlap of at most half of it, and a shift of at most the rest'
        )


def tiles_of(
    xy: np.ndarray, *, size: float, overlap: float, shift: float = 0.0
) -> tuple[list[Tile], np.ndarray]:
    """Cover a scan with tiles, and say which of them knows each point best.

    The ground plan is cut in strips along x and y that lie evenly, so that the last is no sliver
    and neighbours overlap by ``overlap`` or more. A point's home is the tile from whose sides it
    is farthest: the border lies in the middle of the overlap. Tiles that are no point's home are
    left out.

    Args:
        xy: ``(P, 2)`` or more columns, metres; P ≥ 1, finite.
        size: side of a tile, metres.
        overlap: of neighbours, metres.
        shift: metres before the scan's corner at which the first tile begins, so that seams can
            be put elsewhere.

    Returns:
        T tiles, and ``(P,)`` int32 home of each point among them. One tile where the scan is no
        larger than it.

    Raises:
        ValueError: as of :func:`check_tiling`.
    """
    check_tiling(size, overlap, shift)
    strips, places = [], []
    for axis in range(2):
        along = xy[:, axis].astype(np.float64)
        strips.append(_strips(along.min() - shift, along.max(), size, overlap))
        # Borders between homes lie in the middle of what two strips share.
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
    """``(N, 2)`` begin and end of strips along an axis; infinite at the ends of the scan."""
    extent = high - low
    number = 1
    if extent > size:
        number = int(np.ceil((extent - overlap) / (size - overlap)))
    begin = low + np.linspace(0, max(extent - size, 0), number)
    strips = np.stack([begin, begin + size], axis=1)
    strips[0, 0], strips[-1, 1] = -np.inf, np.inf
    return strips
