# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Transforms of coordinates: centring, random matrix, elastic distortion."""

import math
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..ops.distortion import elastic_distortion
from .scene import check_coords, columns, from_corner, scene_name, set_grid_coords
from .seeding import draw_generator


@TRANSFORMS.register_module()
class CenterCoordinates(BaseTransform):
    """Subtract the mean of the points' coordinates.

    Source: the PointGroup family stores centred coordinates.

    Raises:
        ValueError: There are no points, or coordinates are not finite. The message names the file.
    """

    def transform(self, results: dict) -> dict:
        """Check and centre the coordinates."""
        coords = columns(results['points'], 'coord')
        check_coords(coords, scene_name(results))
        coords -= coords.mean(axis=0, dtype=np.float64).astype(np.float32)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class RandomMatrix(BaseTransform):
    """Multiply coordinates by a random 3×3 matrix: jitter, flip, rotation about z, scale.

    ``xyz ← xyz · M`` with rows as vectors and ``M = (I + jitter) · R(θ) · scale``; the flip
    multiplies only the first entry of ``I + jitter`` by −1. Apply to centred coordinates.

    Source: the PointGroup family: nine independent jitters of standard deviation 0.1, flip
    with probability 0.5, θ uniform over the circle; SoftGroup's scale is uniform in (0.95, 1.05).

    Args:
        jitter_std: Standard deviation of the nine jitters.
        flip_prob: Probability of the flip, 0..1.
        rotation: Range of θ in radians, (low, high).
        scale: Range of the factor, (low, high); (1, 1) disables it, as in PointGroup.
    """

    def __init__(
        self,
        *,
        jitter_std: float = 0.1,
        flip_prob: float = 0.5,
        rotation: Sequence[float] = (0.0, 2 * math.pi),
        scale: Sequence[float] = (1.0, 1.0),
    ) -> None:
        self.jitter_std = jitter_std
        self.flip_prob = flip_prob
        self.rotation = tuple(rotation)
        self.scale = tuple(scale)

    def matrix(self, rng: np.random.Generator) -> np.ndarray:
        """Draw M, ``(3, 3)`` float64."""
        matrix = np.eye(3) + self.jitter_std * rng.standard_normal((3, 3))
        if rng.random() < self.flip_prob:
            matrix[0, 0] *= -1
        theta = rng.uniform(*self.rotation)
        cos, sin = math.cos(theta), math.sin(theta)
        rotation = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return matrix @ rotation * rng.uniform(*self.scale)

    def transform(self, results: dict) -> dict:
        """Multiply every point's coordinates."""
        matrix = self.matrix(draw_generator(results, type(self).__name__)).astype(np.float32)
        coords = columns(results['points'], 'coord')
        x, y, z = (coords[:, axis].copy() for axis in range(3))
        for axis, (from_x, from_y, from_z) in enumerate(matrix.T):
            coords[:, axis] = x * from_x + y * from_y + z * from_z
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(jitter_std={self.jitter_std}, flip_prob={self.flip_prob}, '
            f'rotation={self.rotation}, scale={self.scale})'
        )


@TRANSFORMS.register_module()
class ElasticDistortion(BaseTransform):
    """Distort smoothly and at random the coordinates that determine the voxels.

    The coordinates in the network's input do not change. The distorted coordinates are appended
    as extra point columns for ``AddVoxelTables``, in metres with their minimum at 0. Apply after
    :class:`RandomMatrix`, to coordinates centred about 0.

    Source: the PointGroup family: two passes with granularity and magnitude (6, 40), then
    (20, 160), in voxels of 2 cm. Here, they are in metres and independent of the voxel size.

    Args:
        passes: Granularity and magnitude of each pass, metres; see
            :func:`insseg3d.ops.distortion.elastic_distortion`.
    """

    def __init__(self, *, passes: Sequence[Sequence[float]] = ((0.12, 0.8), (0.4, 3.2))) -> None:
        self.passes = tuple((float(g), float(a)) for g, a in passes)

    def transform(self, results: dict) -> dict:
        """Add or replace the extra columns."""
        rng = draw_generator(results, type(self).__name__)
        coords = columns(results['points'], 'coord')
        for granularity, magnitude in self.passes:
            coords = elastic_distortion(coords, rng, granularity=granularity, magnitude=magnitude)
        results['points'] = set_grid_coords(results['points'], from_corner(coords))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(passes={self.passes})'
