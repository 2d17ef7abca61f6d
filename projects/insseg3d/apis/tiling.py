# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Inference on whole floors and buildings, tile by tile."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..structures import InstanceMap
from .painting import Limits, paint_claims
from .stitching import TileObjects, merge_tiles
from .tiles import Tile

_EDGE = 0.25  # share of the overlap; so close to an edge, the model sees too little around a point


class Tiling(NamedTuple):
    """Sizes of the tiles into which large scans are cut.

    Attributes:
        size: Side of a tile on the ground, metres. A tile includes all heights above it.
        overlap: Overlap of neighbouring tiles, metres. An object no wider than this is whole in
            some tile.
        shift: Distance from the start of the first tile to the scan's corner, metres.
    """

    size: float = 8.0
    overlap: float = 2.0
    shift: float = 0.0


class TilePoints(NamedTuple):
    """The points of a tile, in an order that does not depend on the order in the scan.

    Attributes:
        rows: ``(P_t,)`` rows of the scan.
        points: ``(P_t, 6)`` float32, in the model's format.
        grid: ``(P_t, 3)`` float32, metres ≥ 0, offset to align the voxels of all tiles with one
            grid over the scan; None if the voxel size is unknown.
        near_edge: ``(P_t,)`` bool; see :meth:`insseg3d.apis.tiles.Tile.near_edge`.
        at_home: ``(P_t,)`` bool; whether the tile is the point's home.
    """

    rows: np.ndarray
    points: np.ndarray
    grid: np.ndarray | None
    near_edge: np.ndarray
    at_home: np.ndarray


def model_order(points: np.ndarray) -> np.ndarray:
    """Sort points by position, then colour, and return the order ``(P,)``.

    The order matters because sums of floats, and therefore voxel features, depend on it.
    """
    return np.lexsort(points.T[::-1])


def points_of_tiles(
    points: np.ndarray,
    tiles: Sequence[Tile],
    home: np.ndarray,
    *,
    tiling: Tiling,
    voxel_size: float | None,
) -> Iterator[TilePoints]:
    """Yield the points of each tile in turn."""
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
    """Find the objects of each tile and merge them.

    The masks of only one tile are in memory at a time; of a finished tile, only the object index
    of each point is kept.

    Args:
        tiles: The points of all tiles.
        home: ``(P,)`` index of each point's home tile.
        limits: Smallest objects to report.
        find: Function from a tile's points to its objects, the number of objects dropped because
            they are small, and the voxel ``(P_t,)`` of each point.

    Returns:
        The objects over the scan's points, as arrays, and the number of objects dropped because
        they are small.
    """
    found, num_voxels, num_small = [], 0, 0
    voxel = np.zeros(len(home), dtype=np.int64)  # of each point, in its home tile
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
