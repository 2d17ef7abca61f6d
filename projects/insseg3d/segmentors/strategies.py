# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Strategies that pass a scene's points through the backbone in a test: all at once, or in subsets.

A strategy is built by ``InstanceSegmentor3D(test_strategy=dict(type=…))``. It splits a scene into
parts, which pass through the backbone one after the other, and joins their features again. The
memory of queries, if the model has a neck, is made from the first part only. What a head reads, and
the masks, cover the rows of all parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..structures import SceneRows


class ScenePart(NamedTuple):
    """Some of a scene's points, with the voxels that contain them.

    Attributes:
        points: ``(P_i, C)``.
        coors: ``(V_i, 3)`` grid indices, in the order of the whole scene's.
        point2voxel: ``(P_i,)`` in ``[0, V_i)``.
        counts: ``(V_i,)`` points of the part in each voxel, at least 1.
    """

    points: Tensor
    coors: Tensor
    point2voxel: Tensor
    counts: Tensor

    @classmethod
    def whole(cls, points: Tensor, tables: BaseDataElement) -> ScenePart:
        """Take a whole scene as one part.

        Args:
            points: ``(P, C)``.
            tables: Its voxel tables; see ``AddVoxelTables``.
        """
        return cls(points, tables.coors, tables.point2voxel, tables.counts)

    def rows(self, features: Tensor) -> SceneRows:
        """Attach the finest features ``(V_i, C)`` to the points of the part."""
        return SceneRows(features, self.counts, self.point2voxel)


@TASK_UTILS.register_module()
class VoxelFull:
    """Pass the whole scene through the backbone at once.

    The features of a voxel are means over its points. If voxels are coarser than the scan, these
    means depend little on the density of the points.
    """

    def split(self, points: Tensor, tables: BaseDataElement) -> list[ScenePart]:
        """Take a scene as its only part; see :meth:`ScenePart.whole` for the arguments."""
        return [ScenePart.whole(points, tables)]

    def join(self, parts: Sequence[ScenePart], features: Sequence[Tensor]) -> SceneRows:
        """Relate the points of a scene to the rows of its features.

        Args:
            parts: The result of ``split``.
            features: Per part ``(V_i, C)``.
        """
        (part,), (rows,) = parts, features
        return part.rows(rows)


@TASK_UTILS.register_module()
class SharedQueries:
    """Pass interleaved subsets of the points through the backbone; all share the same queries.

    Point i belongs to subset i mod ``splits``. Use this strategy if training samples keep a random
    share of a scan's points, so that scans are much denser: each subset has the density of a
    training sample.

    The voxels of a subset are the voxels of the scene's grid that contain one of its points. Their
    features are the means of the subset's points. The result covers all points in their order.

    Source: SoftGroup's four subsets of a room of S3DIS. Deviation: queries attend to a whole scene,
    so their memory is made once, from the first subset. If each subset had its own queries, the
    instances of different subsets would be unrelated.

    Args:
        splits: Number of subsets. A scene with fewer points has one subset per point.

    Raises:
        ValueError: ``splits`` is not a positive integer.
    """

    def __init__(self, *, splits: int = 4) -> None:
        if not (isinstance(splits, int) and splits >= 1):
            raise ValueError(f'SharedQueries: splits={splits}, expected an integer >= 1.')
        self.splits = splits

    def split(self, points: Tensor, tables: BaseDataElement) -> list[ScenePart]:
        """Split a scene; see :meth:`ScenePart.whole` for the arguments.

        Returns:
            ``splits`` parts. If the scene has fewer points, some parts have no points and voxels.
        """
        parts = []
        for first in range(self.splits):
            point2voxel = tables.point2voxel[first :: self.splits]
            counts = torch.bincount(point2voxel, minlength=len(tables.coors))
            occupied = counts > 0
            renumber = occupied.cumsum(0) - 1
            parts.append(
                ScenePart(
                    points[first :: self.splits],
                    tables.coors[occupied],
                    renumber[point2voxel],
                    counts[occupied],
                )
            )
        return parts

    def join(self, parts: Sequence[ScenePart], features: Sequence[Tensor]) -> SceneRows:
        """Concatenate the rows of the parts; see :meth:`VoxelFull.join` for the arguments."""
        point2row = parts[0].point2voxel.new_empty(sum(len(p.point2voxel) for p in parts))
        start = 0
        for first, part in enumerate(parts):
            point2row[first :: self.splits] = part.point2voxel + start
            start += len(part.counts)
        return SceneRows(
            torch.cat(list(features)), torch.cat([part.counts for part in parts]), point2row
        )
