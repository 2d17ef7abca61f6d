# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Helpers of the transforms: file name, columns and checks of a scene.

Transforms compute with numpy, element by element. torch splits sums and products over its threads;
the last bits of a sample would then depend on whether a worker or the main process made it.
"""

import numpy as np
import torch
from mmdet3d.structures.points import BasePoints

from insseg_scans.color_range import find_color_range

GRID = 'grid'
"""Key in ``points.attribute_dims`` of the three columns that :func:`set_grid_coords` adds."""
SUPERPOINT = 'superpoint'
"""Key of the column of superpoint ids that ``LoadSuperpoints`` adds before the grid's columns."""


def scene_name(results: dict) -> str:
    """Return the file of the scene, for messages."""
    lidar_points = results.get('lidar_points') or {}
    return str(results.get('lidar_path') or lidar_points.get('lidar_path') or '<points in memory>')


def columns(points: BasePoints, name: str) -> np.ndarray:
    """Return a view of three columns of the points: ``'coord'``, ``'color'`` or ``'grid'``.

    Raises:
        KeyError: The points do not have these columns.
    """
    if name == 'coord':
        return points.tensor.numpy()[:, :3]
    dims = (points.attribute_dims or {}).get(name)
    if dims is None:
        raise KeyError(
            f'the points have no {name!r} columns, only {sorted(points.attribute_dims or {})}; '
            "LoadPointsFromFile(load_dim=6, use_dim=6, use_color=True) loads 'color'"
        )
    return points.tensor.numpy()[:, dims[0] : dims[0] + 3]


def check_coords(coords: np.ndarray, scene: str) -> None:
    """Reject an empty scene and coordinates that are not finite.

    Raises:
        ValueError: The scene is empty or has such points. The message names the file, the number
            of these points and the first one.
    """
    if len(coords) == 0:
        raise ValueError(
            f'{scene}: the scene has no points; expected at least one. '
            'Remove the scene from the split, or convert it again'
        )
    # The sum is NaN or infinite if any summand is: one cheap pass in the usual case.
    with np.errstate(invalid='ignore'):
        total = coords.sum(dtype=np.float64)
    if np.isfinite(total):
        return
    bad = np.flatnonzero(~np.isfinite(coords).all(axis=1))
    raise ValueError(
        f'{scene}: {len(bad)} of {len(coords)} points have NaN or infinite coordinates, the first '
        f'is point {bad[0]}; expected finite metres. Remove these points or convert the scene again'
    )


def check_colors(colors: np.ndarray, scene: str) -> None:
    """Reject colours that are not numbers in 0..255.

    Raises:
        ValueError: There are such colours. The message names the file, the range found, and the
            likely cause.
    """
    low, high = float(colors.min()), float(colors.max())
    if not (low >= 0 and high <= 255):  # also true for NaN
        raise ValueError(
            f'{scene}: colours span {low:g} to {high:g}; expected finite values in 0..255. '
            'Convert the scene again, or scale its colours'
        )
    if high > 0 and find_color_range(colors).most == 1 and (colors != np.round(colors)).any():
        raise ValueError(
            f'{scene}: colours span {low:g} to {high:.7g}, so they seem to be fractions; '
            'expected 0..255. Multiply them by 255'
        )


def grid_coords(points: BasePoints) -> np.ndarray:
    """Return coordinates in the frame of the voxel grid, metres ≥ 0, as ``(P, 3)`` float32.

    These are the extra columns if a transform has added them, otherwise the points' own
    coordinates with the minimum of the scene moved to 0.
    """
    if GRID in (points.attribute_dims or {}):
        return columns(points, GRID)
    coords = columns(points, 'coord')
    return from_corner(coords)


def from_corner(coords: np.ndarray) -> np.ndarray:
    """Subtract the lowest corner of the scene from coordinates ``(P, 3)``; returns a new array.

    The minimum is computed column by column: numpy reduces a matrix of three columns row by row,
    ten times as slowly.
    """
    return coords - np.array([column.min(initial=np.inf) for column in coords.T], coords.dtype)


def set_grid_coords(points: BasePoints, coords: np.ndarray) -> BasePoints:
    """Attach coordinates for voxelisation to the points, as three extra columns.

    Args:
        points: The points, with or without such columns.
        coords: ``(P, 3)`` metres ≥ 0 in the frame of the voxel grid.

    Returns:
        Points with these columns; ``AddVoxelTables`` uses and removes them.
    """
    if GRID in (points.attribute_dims or {}):
        columns(points, GRID)[:] = coords
        return points
    return add_columns(points, GRID, coords)


def add_columns(points: BasePoints, name: str, values: np.ndarray) -> BasePoints:
    """Attach further values to the points; they are kept by cropping, formatting and packing.

    Args:
        points: The points, without columns of this name.
        name: Key for ``attribute_dims``.
        values: ``(P, C)`` values that float32 can represent.

    Returns:
        Points with C more columns at the end.
    """
    width, more = points.tensor.shape[1], values.shape[1]
    tensor = torch.empty(len(points.tensor), width + more)
    tensor[:, :width] = points.tensor
    tensor[:, width:] = torch.from_numpy(np.asarray(values, dtype=np.float32))
    dims = dict(points.attribute_dims or {}, **{name: list(range(width, width + more))})
    return type(points)(tensor, points_dim=width + more, attribute_dims=dims)


def keep_points(results: dict, kept: np.ndarray) -> None:
    """Drop points together with their labels, in place.

    Args:
        results: The pipeline's dict; ``points`` and, if present, ``pts_semantic_mask`` and
            ``pts_instance_mask`` are replaced.
        kept: ``(P,)`` bool, or sorted indices of points.
    """
    points = results['points']
    tensor = torch.from_numpy(points.tensor.numpy()[kept])
    results['points'] = type(points)(
        tensor, points_dim=tensor.shape[1], attribute_dims=points.attribute_dims
    )
    for key in ('pts_semantic_mask', 'pts_instance_mask'):
        if key in results:
            results[key] = results[key][kept]
