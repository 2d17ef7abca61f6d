# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Voxel indices of points, and the sparse table of the points per voxel and instance.

Legend: P points, V voxels, E table entries (pairs of a voxel and an instance with a common point).
"""

from typing import NamedTuple

import numpy as np


class OccupiedVoxels(NamedTuple):
    """The occupied voxels of one scene.

    Attributes:
        coors: ``(V, 3)`` int32, distinct grid indices, rows sorted by (x, y, z).
        point2voxel: ``(P,)`` int64 in [0, V), the voxel of every point.
        counts: ``(V,)`` int64 ≥ 1, number of points per voxel.
    """

    coors: np.ndarray
    point2voxel: np.ndarray
    counts: np.ndarray


class VoxelInstanceTable(NamedTuple):
    """Number of points per instance and voxel; rows sorted by (instance, voxel).

    Attributes:
        inst_voxel: ``(E,)`` int64, voxel.
        inst_index: ``(E,)`` int64, instance.
        inst_points: ``(E,)`` int64 ≥ 1, number of points of that instance in that voxel.
    """

    inst_voxel: np.ndarray
    inst_index: np.ndarray
    inst_points: np.ndarray


def _unique_keys(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute ``np.unique`` with inverse and counts in about half its time.

    A single argsort is enough. The order of equal keys does not matter, so the sort may be
    unstable, which is faster.
    """
    order = np.argsort(keys)
    ordered = keys[order]
    is_first = np.empty(len(keys), dtype=bool)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    inverse = np.empty(len(keys), dtype=np.int64)
    inverse[order] = np.cumsum(is_first) - 1
    starts = np.flatnonzero(is_first)
    counts = np.diff(starts, append=len(keys))
    return ordered[starts], inverse, counts.astype(np.int64)


def voxelize(coords: np.ndarray, *, voxel_size: float) -> OccupiedVoxels:
    """Assign points to the cubic voxels that contain them.

    Args:
        coords: ``(P, 3)`` floating point, metres ≥ 0: the grid's corner is the origin.
        voxel_size: Edge length in metres. Source: 0.02 for ScanNet and S3DIS throughout the
            PointGroup family, whose backbone the paper adopts.

    Returns:
        The occupied voxels; index = floor(coords / voxel_size).

    Raises:
        ValueError: There are no points, the shape is not (P, 3), coordinates are negative or not
            finite, the extent exceeds 2**20 voxels along an axis, or voxel_size ≤ 0.
    """
    coords = np.asarray(coords)
    if not voxel_size > 0:
        raise ValueError(f'voxel_size is an edge in metres and must be > 0, got {voxel_size}')
    if coords.ndim != 2 or coords.shape[1] != 3:
        raise ValueError(f'expected coordinates of shape (P, 3), got {coords.shape}')
    if len(coords) == 0:
        raise ValueError('cannot voxelise a scene without points')
    low, high = coords.min(), coords.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError('coordinates hold NaN or infinity; remove such points first')
    if low < 0:
        raise ValueError(f'coordinates must be ≥ 0 (subtract the scene minimum), smallest is {low}')
    if high / voxel_size >= 2**20:
        raise ValueError(
            f'the scene spans {high / voxel_size:.3g} voxels of {voxel_size} m along an axis, more '
            'than 2**20: are the coordinates in millimetres? This project works in metres'
        )
    # 21 bits per axis: keys are ordered like (x, y, z). Truncation equals floor for values ≥ 0.
    grid = (coords / coords.dtype.type(voxel_size)).astype(np.int64)
    keys = (grid[:, 0] << 42) | (grid[:, 1] << 21) | grid[:, 2]
    keys, point2voxel, counts = _unique_keys(keys)
    mask = (1 << 21) - 1
    coors = np.stack([keys >> 42, (keys >> 21) & mask, keys & mask], axis=1).astype(np.int32)
    return OccupiedVoxels(coors, point2voxel, counts)


def voxel_instance_table(
    point2voxel: np.ndarray, instance_ids: np.ndarray, *, num_voxels: int
) -> VoxelInstanceTable:
    """Count the points that each voxel shares with each instance.

    A sum over the points of an instance is then exactly a sum over rows of the table, at the cost
    of voxels.

    Args:
        point2voxel: ``(P,)`` integers in [0, num_voxels).
        instance_ids: ``(P,)`` integers; −1 (any negative) = no instance.
        num_voxels: V.

    Returns:
        The table; its arrays are empty if no point has an instance.

    Raises:
        ValueError: The two arrays differ in length.
    """
    if point2voxel.shape != instance_ids.shape:
        raise ValueError(
            f'point2voxel has shape {point2voxel.shape}, instance_ids {instance_ids.shape}; '
            'both need one entry per point'
        )
    inside = instance_ids >= 0
    keys = instance_ids[inside].astype(np.int64) * num_voxels + point2voxel[inside]
    if len(keys) == 0:
        return VoxelInstanceTable(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    keys.sort()
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    counts = np.diff(starts, append=len(keys)).astype(np.int64)
    inst_index, inst_voxel = np.divmod(keys[starts], num_voxels)
    return VoxelInstanceTable(inst_voxel, inst_index, counts)
