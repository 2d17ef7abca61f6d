# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Merging of objects that were found tile by tile.

Two pieces from different tiles are the same object if they agree on the points that both tiles
hold. A piece that continues beyond the other tile must also meet a piece that this tile's edge
cuts. All pieces of an object must agree pairwise; otherwise one mask that covers two objects in a
single tile would join them everywhere. If some tile contains the whole object, its view is used.
If every tile cuts the object, each point is decided by its home, the tile in which it lies
farthest from an edge. A point that two objects claim goes to the better one.

Memory grows with the points of the tiles; masks are lists of rows, never dense.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..ops.contingency import map_contingency

_AGREE = 0.7  # least IoU over the shared points of two pieces of one object
_WITHIN = 0.1  # a tile contains a piece if at most this share of it lies outside
_AT_EDGE = 0.02  # an edge cuts a piece if at least this share of it lies near the edge


class TileObjects(NamedTuple):
    """Objects of one tile, which share no point.

    Attributes:
        rows: ``(P_t,)`` rows of the scan that lie in the tile, each once.
        instance: ``(P_t,)`` integers in [-1, Q_t), the object of each of these rows.
        near_edge: ``(P_t,)`` bool; see :meth:`insseg3d.apis.tiles.Tile.near_edge`.
        labels: ``(Q_t,)`` class of each object.
        scores: ``(Q_t,)`` score of each object.
    """

    rows: np.ndarray
    instance: np.ndarray
    near_edge: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class Claim(NamedTuple):
    """An object of the whole scan, and the points that it claims.

    Attributes:
        rows: Rows of the scan, each once.
        label: Class index.
        score: Average score of the views that agree on the class.
    """

    rows: np.ndarray
    label: int
    score: float


class _Piece(NamedTuple):
    """An object of one tile.

    Attributes:
        tile: Index of the tile.
        number: Index of the object in the tile.
        size: Number of points.
        at_home: Share of the points whose home is this tile.
        is_cut: Whether the object reaches an edge of the tile.
    """

    tile: int
    number: int
    size: int
    at_home: float
    is_cut: bool


class _Shared(NamedTuple):
    """Comparison of two tiles on the points that both hold.

    Attributes:
        table: ``(Q_a, Q_b)`` points that two objects share.
        sizes: ``(Q_a,)`` and ``(Q_b,)`` shared points of each object.
        reach: ``(Q_a,)`` and ``(Q_b,)`` bool; whether an object extends to the edge of its own
            tile there.
    """

    table: np.ndarray
    sizes: tuple[np.ndarray, np.ndarray]
    reach: tuple[np.ndarray, np.ndarray]


def merge_tiles(tiles: Sequence[TileObjects], home: np.ndarray) -> list[Claim]:
    """Merge the objects of all tiles.

    Args:
        tiles: T tiles, in any order. A tile that is no point's home is ignored.
        home: ``(P,)`` integers in [0, T), the home tile of each point of the scan.

    Returns:
        Objects, best first. Two objects may claim the same point.
    """
    # Tiles are sorted by the first point at home in each; their given order does not matter.
    used, first = np.unique(home, return_index=True)
    order = used[np.argsort(first)]
    tiles = [tiles[index] for index in order]
    rank = np.empty(int(used[-1]) + 1, dtype=np.int32)
    rank[order] = np.arange(len(order))
    home = rank[home]
    pieces = [_pieces(index, tile, home) for index, tile in enumerate(tiles)]
    shared = dict(_shared(tiles, home))
    at_home = np.full(len(home), -1, dtype=np.int32)  # the object of each point in its home
    for index, tile in enumerate(tiles):
        own = home[tile.rows] == index
        at_home[tile.rows[own]] = tile.instance[own]
    claims = []
    for group in _groups(pieces, shared):
        if len(group) == 1 and group[0].is_cut and group[0].at_home < 0.5:
            continue  # the neighbour sees more of the object, and found something else there
        claims.append(_claim(group, tiles, shared, home, at_home))
    claims = [claim for claim in claims if len(claim.rows)]
    claims.sort(key=lambda claim: (-claim.score, claim.rows.min()))
    return claims


def _pieces(index: int, tile: TileObjects, home: np.ndarray) -> list[_Piece]:
    count = len(tile.labels)
    sizes, own, near = (
        np.bincount(tile.instance[chosen & (tile.instance >= 0)], minlength=count)
        for chosen in (True, home[tile.rows] == index, tile.near_edge)
    )
    return [
        _Piece(index, k, int(sizes[k]), own[k] / sizes[k], bool(near[k] >= _AT_EDGE * sizes[k]))
        for k in range(count)
        if sizes[k]
    ]


def _shared(
    tiles: Sequence[TileObjects], home: np.ndarray
) -> Iterator[tuple[tuple[int, int], _Shared]]:
    """Compare every two tiles that have points in common."""
    place = np.full(len(home), -1, dtype=np.int32)
    around = [set(np.unique(home[tile.rows]).tolist()) for tile in tiles]
    for a, one in enumerate(tiles):
        place[one.rows] = np.arange(len(one.rows), dtype=np.int32)
        for b in range(a + 1, len(tiles)):
            if not around[a] & around[b]:
                continue  # common points would have a common home
            other = tiles[b]
            in_one = place[other.rows]
            in_other = np.flatnonzero(in_one >= 0)
            if len(in_other):
                yield (a, b), _compare(one, in_one[in_other], other, in_other)
        place[one.rows] = -1


def _compare(one: TileObjects, in_one, other: TileObjects, in_other) -> _Shared:
    first, second = one.instance[in_one], other.instance[in_other]
    table = map_contingency(first, second, num_first=len(one.labels), num_second=len(other.labels))
    reach = []
    for tile, rows, instance in ((one, in_one, first), (other, in_other, second)):
        reach.append(
            np.bincount(instance[tile.near_edge[rows]] + 1, minlength=len(tile.labels) + 1)[1:] > 0
        )
    return _Shared(
        table[1:, 1:], (table.sum(axis=1)[1:], table.sum(axis=0)[1:]), (reach[0], reach[1])
    )


def _groups(
    pieces: Sequence[Sequence[_Piece]], shared: dict[tuple[int, int], _Shared]
) -> list[list[_Piece]]:
    """Group the pieces of each object; pieces that agree best are joined first."""
    by_number = [{piece.number: piece for piece in of_tile} for of_tile in pieces]
    links = []
    for (a, b), common in shared.items():
        for k, m in zip(*np.nonzero(common.table)):
            one, other = by_number[a][k], by_number[b][m]
            if _are_one(one, other, shared):
                inter = common.table[k, m]
                union = common.sizes[0][k] + common.sizes[1][m] - inter
                links.append((-inter / union, -inter, (a, k), (b, m)))
    group_of = {(p.tile, p.number): [p] for of_tile in pieces for p in of_tile}
    for *_, one, other in sorted(links):
        one, other = group_of[one], group_of[other]
        if one is not other and all(
            _are_one(p, q, shared) is not False for p in one for q in other
        ):
            one += other
            group_of.update(((p.tile, p.number), one) for p in other)
    return list({id(group): group for group in group_of.values()}.values())


def _are_one(one: _Piece, other: _Piece, shared: dict[tuple[int, int], _Shared]) -> bool | None:
    """Tell whether pieces of two tiles are one object; None if too few points are shared."""
    one, other = sorted((one, other))
    common = shared.get((one.tile, other.tile))
    if common is None:
        return None
    inter = common.table[one.number, other.number]
    inside = common.sizes[0][one.number], common.sizes[1][other.number]
    union = sum(inside) - inter
    if inter < _AGREE * union:
        return None if union - inter <= _WITHIN * min(one.size, other.size) else False
    # A piece that continues beyond the other tile must be cut by that tile's edge. Otherwise its
    # mask covers two objects, and the other tile holds one of them.
    reach = common.reach[0][one.number], common.reach[1][other.number]
    goes_on = (
        piece.size - held > _WITHIN * piece.size for piece, held in zip((one, other), inside)
    )
    return all(there or not beyond for beyond, there in zip(goes_on, reversed(reach)))


def _claim(
    group: list[_Piece],
    tiles: Sequence[TileObjects],
    shared: dict,
    home: np.ndarray,
    at_home: np.ndarray,
) -> Claim:
    """Combine a group of pieces into one object."""
    views = [p for p in group if not p.is_cut and _is_whole(p, group, shared)]
    if views:
        best = max(views, key=lambda p: (p.at_home, tiles[p.tile].scores[p.number], -p.tile))
        rows = _rows(best, tiles)
    else:
        rows = np.unique(
            np.concatenate([_rows_by_home(piece, group, tiles, home, at_home) for piece in group])
        )
    return Claim(rows, *_vote(views or group, tiles))


def _vote(views: Sequence[_Piece], tiles: Sequence[TileObjects]) -> tuple[int, float]:
    """Return the class with the largest sum of score × points, and its views' average score."""
    votes: dict[int, list[tuple[float, float]]] = {}
    for piece in views:
        tile = tiles[piece.tile]
        votes.setdefault(int(tile.labels[piece.number]), []).append(
            (float(tile.scores[piece.number]), max(piece.at_home * piece.size, 1e-6))
        )
    label = max(votes, key=lambda k: (sum(score * points for score, points in votes[k]), -k))
    total = sum(points for _, points in votes[label])
    return label, sum(score * points for score, points in votes[label]) / total


def _is_whole(view: _Piece, group: list[_Piece], shared: dict) -> bool:
    """Tell whether a view shows the whole object: all other pieces lie in its tile."""
    for piece in group:
        if piece is view:
            continue
        a, b = sorted((view.tile, piece.tile))
        common = shared.get((a, b))
        inside = 0 if common is None else common.sizes[int(piece.tile == b)][piece.number]
        if piece.size - inside > _WITHIN * piece.size:
            return False
    return True


def _rows(piece: _Piece, tiles: Sequence[TileObjects]) -> np.ndarray:
    tile = tiles[piece.tile]
    return tile.rows[tile.instance == piece.number]


def _rows_by_home(
    piece: _Piece,
    group: list[_Piece],
    tiles: Sequence[TileObjects],
    home: np.ndarray,
    at_home: np.ndarray,
) -> np.ndarray:
    """Select the rows that a piece decides: those at home, and those whose home found nothing."""
    rows = _rows(piece, tiles)
    others = [p.tile for p in group if p is not piece]
    silent = (at_home[rows] < 0) & ~np.isin(home[rows], others)
    return rows[(home[rows] == piece.tile) | silent]
