# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Elastic distortion: smooth random displacement of coordinates.

Legend: P points, n_x × n_y × n_z nodes of the displacement field, g granularity, a magnitude.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from torch.nn import functional

_MOST_NODES = 2**27  # 1.6 GB; a hall of 150 × 150 × 10 m at 12 cm has an eighth of them


def node_counts(coords: np.ndarray, *, granularity: float) -> np.ndarray:
    """Compute the number of field nodes per axis: ``floor(max|x| / g) + 3``, as (3,) int64.

    Source: the elastic distortion of the PointGroup family.
    """
    # Column by column: numpy reduces a matrix of three columns row by row, ten times as slowly.
    reach = np.array([max(column.max(), -column.min()) for column in coords.T])
    return np.floor(reach / granularity).astype(np.int64) + 3


def displacement_field(rng: np.random.Generator, nodes: Sequence[int]) -> np.ndarray:
    """Draw smooth noise for three displacement components.

    Independent N(0, 1) values are smoothed by box filters of width 3 along x, y, z and again
    x, y, z, with zeros outside. Away from the border, the standard deviation is
    (√19 / 9)³ ≈ 0.1136: two boxes have the weights (1, 2, 3, 2, 1)/9, whose squares sum to 19/81,
    once per axis.

    Args:
        rng: Random generator.
        nodes: Three node counts.

    Returns:
        ``(3, n_x, n_y, n_z)`` float32.

    Raises:
        ValueError: There are so many nodes that the field would exhaust the memory.
    """
    nodes = [int(n) for n in nodes]
    if math.prod(nodes) > _MOST_NODES:
        raise ValueError(
            f'{" × ".join(map(str, nodes))} = {math.prod(nodes)} nodes of a displacement field; '
            f'expected at most {_MOST_NODES}. Are the coordinates in metres? If they are, take a '
            'larger granularity for scenes as large as this'
        )
    field = rng.standard_normal((3, *nodes), dtype=np.float32)
    for _ in range(2):
        for axis in (1, 2, 3):
            field = uniform_filter1d(field, size=3, axis=axis, mode='constant', cval=0.0)
    return field


def interpolate_field(
    field: np.ndarray, coords: np.ndarray, *, half_widths: np.ndarray
) -> np.ndarray:
    """Interpolate a field trilinearly between nodes spread evenly over [−half, half] per axis.

    All three components are interpolated by one gather.

    Args:
        field: ``(3, n_x, n_y, n_z)`` float32.
        coords: ``(P, 3)`` within ±half_widths.
        half_widths: ``(3,)`` positions of the outermost nodes.

    Returns:
        ``(P, 3)`` float32, the three components at every point.
    """
    unit = np.asarray(coords, np.float32) / half_widths.astype(np.float32)
    # grid_sample numbers axes from the last one (z first); ±1 are the outermost nodes.
    grid = torch.from_numpy(np.ascontiguousarray(unit[:, ::-1]))[None, None, None]
    values = functional.grid_sample(
        torch.from_numpy(field)[None], grid, padding_mode='zeros', align_corners=True
    )
    return np.ascontiguousarray(values[0, :, 0, 0].numpy().T)


def elastic_distortion(
    coords: np.ndarray, rng: np.random.Generator, *, granularity: float, magnitude: float
) -> np.ndarray:
    """Shift every point by a smooth random displacement.

    Nodes cover [−(n−1)·g, (n−1)·g], with n from :func:`node_counts`: they are 2·g apart, and every
    point lies inside. The displacement is ``magnitude`` times the interpolated field.

    Args:
        coords: ``(P, 3)`` floating point, any unit, centred about 0 like the nodes.
        rng: Random generator.
        granularity: Granularity g, in the unit of ``coords``.
        magnitude: Magnitude a, in the unit of ``coords``; the displacement's standard deviation at
            the nodes is about 0.1136·a.

    Returns:
        ``(P, 3)`` float32, displaced coordinates.

    Source: the elastic distortion of the PointGroup family, which uses (g, a) = (6, 40), then
    (20, 160), in voxels of 2 cm.
    """
    nodes = node_counts(coords, granularity=granularity)
    field = displacement_field(rng, nodes)
    shift = interpolate_field(field, coords, half_widths=(nodes - 1) * granularity)
    return (coords + np.float32(magnitude) * shift).astype(np.float32)
