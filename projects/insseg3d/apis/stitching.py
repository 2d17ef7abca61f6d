# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Objects found tile by tile, put together over the scan.

Pieces of two tiles are one object if they agree on the points that both tiles hold, and if one
that goes on beyond the other's tile meets a piece that this tile's edge cuts. All pieces of an
object agree with each other, so that a mask that holds two objects in one tile does not join them
over many. Of an object that some tile shows as a whole, that tile's view is taken; of one that
every tile cuts, each point goes by its home, the tile that knows it best. Then the better object
takes a point that two want.

Memory is that of the tiles' points; masks are lists of rows, never dense.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..ops.contingency import map_contingency

_AGREE = 0.7  # IoU in the shared points from which on two pieces are one object
_WITHIN = 0.1  # share of a piece beyond a tile up to which the tile holds it
_AT_EDGE = 0.02  # share of a piece near the edge from which on the edge cuts it


class TileObjects(NamedTuple):
    """What was found in one tile: objects that share no point.

    Attributes:
        rows: ``(P_t,)`` the scan's rows that lie in the tile, each once.
        instance: ``(P_t,)`` integers in [-1, Q_t), the object of each of them.
        near_edge: ``(P_t,)`` bool, as of :meth:`insseg3d.apis.tiles.Tile.near_edge`.
        labels: ``(Q_t,)`` class of each object.
        scores: ``(Q_t,)``.
    """

    rows: np.ndarray
    instance: np.ndarray
    near_edge: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class Claim(NamedTuple):
    """An object of the whole scan, and the points that it would have.

    Attributes:
        rows: of the scan, each once.
        label: class.
        score: of the views that agree on the class, on average.
    """

    rows: np.ndarray
    label: int
    score: float


class _Piece(NamedTuple):
    """An object of one tile: its number there, its points, and how it lies.

    ``at_home`` is the share of its points whose home the tile is; ``is_cut`` says that it reaches
    an edge.
    """

    tile: int
    number: int
    size: int
    at_home: float
    is_cut: bool


class _Shared(NamedTuple):
    """What two tiles say of the points that both hold.

    Attributes:
        table: ``(Q_a, Q_b)`` points that two objects share.
        sizes: ``(Q_a,)`` and ``(Q_b,)`` points of each object among the shared ones.
        reach: ``(Q_a,)`` and ``(Q_b,)`` bool, whether an object goes through to its own tile's
            edge there.
    """

    table: np.ndarray
    sizes: tuple[np.ndarray, np.ndarray]
    reach: tuple[np.ndarray, np.ndarray]


def merge_tiles(tiles: Sequence[TileObjects], home: np.ndarray) -> list[Claim]:
    """Put the objects of all tiles together.

    Args:
        tiles: T of them, in any order. A tile without an own point of ``home`` says nothing.
        home: ``(P,)`` integers in [0, T), the tile that knows each point of the scan best.

    Returns:
        Objects, best first. Two may want the same point.
    """
    # In the order of the first points that they know best: so that theirs does not matter.
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
            continue  # the neighbour sees more of it, and sees something else
        claims.append(_claim(group, tiles, shared, home, at_home))
    claims = [claim for claim in claims if len(claim.rows)]
    claims.sort(key=lambda claim: (-claim.score, claim.rows.min()))
    return claims


def paint_claims(
    claims: Sequence[Claim],
    num_points: int,
    *,
    min_share: float,
    is_large: Callable[[np.ndarray], bool],
) -> tuple[np.ndarray, list[int], int]:
    """Give every point to at most one object; as ``resolve_overlaps``, without dense masks.

    Args:
        claims: best first.
        num_points: P.
        min_share: share of its points that an object must keep.
        is_large: whether an object of these rows is to be reported.

    Returns:
        ``(P,)`` int64 number of each point's object, -1 for none; the claim that became each
        object; how many objects were left out because they were small.
    """
    owner = np.full(num_points, -1, dtype=np.int64)
    kept, num_small = [], 0
    for index, claim in enumerate(claims):
        if not is_large(claim.rows):
            num_small += 1
            continue
        left = claim.rows[owner[claim.rows] < 0]
        if len(left) >= max(min_share * len(claim.rows), 1):
            owner[left] = index
            kept.append((index, left))
    number = np.full(len(claims) + 1, -1, dtype=np.int64)
    for index, left in kept:
        if is_large(left):
            number[index] = number.max() + 1
        else:
            num_small += 1
    return number[owner], np.flatnonzero(number >= 0).tolist(), num_small


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
    """What any two tiles with common points say of these."""
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
    """Pieces that are one object; those that agree best are joined first."""
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
    """Whether pieces of two tiles are one object; None where there is too little to tell."""
    one, other = sorted((one, other))
    common = shared.get((one.tile, other.tile))
    if common is None:
        return None
    inter = common.table[one.number, other.number]
    inside = common.sizes[0][one.number], common.sizes[1][other.number]
    union = sum(inside) - inter
    if inter < _AGREE * union:
        return None if union - inter <= _WITHIN * min(one.size, other.size) else False
    # What goes on beyond a tile is cut by its edge there. Else this is a mask of two objects, of
    # which the other tile holds one.
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
    """The object that a group of pieces is."""
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
    """The class with most score times points, and the average score of the views that have it."""
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
    """Whether the other pieces of an object lie in the view's tile, so that it shows all."""
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
    """Rows of a piece for which it speaks: at home, and where no home says anything of them."""
    rows = _rows(piece, tiles)
    others = [p.tile for p in group if p is not piece]
    silent = (at_home[rows] < 0) & ~np.isin(home[rows], others)
    return rows[(home[rows] == piece.tile) | silent]
