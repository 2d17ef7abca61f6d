# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Floors and buildings, tile by tile."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..structures import InstanceMap
from .painting import Limits
from .stitching import TileObjects, merge_tiles, paint_claims
from .tiles import Tile

_EDGE = 0.25  # of the overlap: how near to its edge a tile shows things poorly


class Tiling(NamedTuple):
    """How large scans are cut.

    Attributes:
        size: side of a tile on the ground, metres. A tile has all heights above it.
        overlap: of neighbours, metres. Objects no wider are whole in some tile.
        shift: metres before the scan's corner at which the first tile begins.
    """

    size: float = 8.0
    overlap: float = 2.0
    shift: float = 0.0


class TilePoints(NamedTuple):
    """The points of a tile, in an order that does not depend on theirs in the scan.

    Attributes:
        rows: ``(P_t,)`` of the scan.
        points: ``(P_t, 6)`` float32, as the model takes them.
        grid: ``(P_t, 3)`` float32 metres ≥ 0, counted so that the voxels of all tiles are those of
            one grid over the scan; None where the size of voxels is not known.
        near_edge: ``(P_t,)`` bool.
        at_home: ``(P_t,)`` bool: no tile knows the point better.
    """

    rows: np.ndarray
    points: np.ndarray
    grid: np.ndarray | None
    near_edge: np.ndarray
    at_home: np.ndarray


def model_order(points: np.ndarray) -> np.ndarray:
    """``(P,)``: by place, then colour; the sums of floats, and so voxels, depend on the order."""
    return np.lexsort(points.T[::-1])


def points_of_tiles(
    points: np.ndarray,
    tiles: Sequence[Tile],
    home: np.ndarray,
    *,
    tiling: Tiling,
    voxel_size: float | None,
) -> Iterator[TilePoints]:
    """The points of one tile after another."""
    low = points[:, :3].min(axis=0).astype(np.float64)
    for index, tile in enumerate(tiles):
        rows = np.flatnonzero(tile.holds(points))
        rows = rows[model_order(points[rows])]
        own = points[rows]
        grid = None if voxel_size is None else _grid(own[:, :3] - low, voxel_size)
        yield TilePoints(
            rows, own, grid, tile.near_edge(own, _EDGE * tiling.overlap), home[rows] == index
        )


def _grid(coords: np.ndarray, voxel_size: float) -> np.ndarray:
    coords -= np.floor(coords.min(axis=0) / voxel_size) * voxel_size
    return np.maximum(coords, 0).astype(np.float32)


def find_in_tiles(
    tiles: Iterator[TilePoints],
    home: np.ndarray,
    limits: Limits,
    find: Callable[[TilePoints], tuple[InstanceMap, int, torch.Tensor]],
) -> tuple[InstanceMap, int]:
    """Find the objects of each tile and put them together.

    Masks of more than one tile are never held; of a tile that is done, the number of each
    point's object stays.

    Args:
        tiles: the points of all tiles.
        home: ``(P,)`` number of the tile that knows each point best.
        limits: which objects are reported.
        find: Gives the objects of a tile's points, how many others were small, and the voxel
            ``(P_t,)`` of each point.

    Returns:
        The objects over the scan's points, as arrays, and how many others were small.
    """
    found, num_voxels, num_small = [], 0, 0
    voxel = np.zeros(len(home), dtype=np.int64)  # of each point, in the tile that is its home
    for tile in tiles:
        objects, small, point2voxel = find(tile)
        point2voxel = point2voxel.cpu().numpy()
        voxel[tile.rows[tile.at_home]] = point2voxel[tile.at_home] + num_voxels
        num_voxels += int(point2voxel.max()) + 1
        num_small += small
        found.append(
            TileObjects(
                tile.rows.astype(np.int32),
                objects.instance.cpu().numpy().astype(np.int32),
                tile.near_edge,
                objects.labels.cpu().numpy(),
                objects.scores.double().cpu().numpy(),
            )
        )
    claims = merge_tiles(found, home)
    del found
    instance, kept, num_left_out = paint_claims(
        claims,
        len(home),
        min_share=limits.min_share,
        is_large=lambda rows: limits.are_enough(torch.from_numpy(voxel[rows])),
    )
    labels, scores = [claims[k].label for k in kept], [claims[k].score for k in kept]
    objects = InstanceMap(instance, np.array(labels, np.int64), np.array(scores, np.float64))
    return objects, num_small + num_left_out
