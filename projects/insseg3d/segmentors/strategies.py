# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""How a scene's points reach the backbone at test time: all at once, or in interleaved subsets.

A strategy is built by ``InstanceSegmentor3D(test_strategy=dict(type=…))``. It splits a scene into
parts, which pass the backbone one after the other, and joins their features again. Queries are
made from the first part alone; masks are made over all parts, with these same queries.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.structures import BaseDataElement
from torch import Tensor

from ..structures import SceneRows


class ScenePart(NamedTuple):
    """Some of a scene's points, with the voxels that hold them.

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


@TASK_UTILS.register_module()
class VoxelFull:
    """The whole scene at once. Where voxels are coarser than the scan, density matters little."""

    def split(self, points: Tensor, voxels: BaseDataElement) -> list[ScenePart]:
        """Take a scene as its only part.

        Args:
            points: ``(P, C)``.
            voxels: Its tables, as of ``AddVoxelTables``.
        """
        return [ScenePart(points, voxels.coors, voxels.point2voxel, voxels.counts)]

    def join(self, parts: Sequence[ScenePart], features: Sequence[Tensor]) -> SceneRows:
        """Say which row of features stands for which point of the scene.

        Args:
            parts: As of ``split``.
            features: ``(V_i, C)`` of each part.
        """
        (part,), (rows,) = parts, features
        return SceneRows(rows, part.counts, part.point2voxel)


@TASK_UTILS.register_module()
class SharedQueries:
    """Interleaved subsets of the points, point i in subset i mod ``splits``, with shared queries.

    For scans much denser than the training samples, of which a random share of the points was
    kept: each subset is as dense as they were.

    A subset's voxels are those of the scene's grid that hold one of its points; their features are
    the means of the subset's points. The result is over all points, in their order.

    Source: SoftGroup's four subsets of a room of S3DIS. Deviation: queries attend to a whole
    scene, so they are made once, from the first subset; each subset by itself would give
    instances of its own, with nothing to say which belong together.

    Args:
        splits: Number of subsets. A scene with fewer points has as many as points.

    Raises:
        ValueError: If ``splits`` is not a positive integer.
    """

    def __init__(self, *, splits: int = 4) -> None:
        if not (isinstance(splits, int) and splits >= 1):
            raise ValueError(f'SharedQueries: splits={splits}, expected an integer >= 1.')
        self.splits = splits

    def split(self, points: Tensor, voxels: BaseDataElement) -> list[ScenePart]:
        """Split a scene; arguments as of :meth:`VoxelFull.split`.

        Returns:
            ``splits`` parts; those of a scene with fewer points have no points and voxels.
        """
        parts = []
        for first in range(self.splits):
            point2voxel = voxels.point2voxel[first :: self.splits]
            counts = torch.bincount(point2voxel, minlength=len(voxels.coors))
            occupied = counts > 0
            renumber = occupied.cumsum(0) - 1
            parts.append(
                ScenePart(
                    points[first :: self.splits],
                    voxels.coors[occupied],
                    renumber[point2voxel],
                    counts[occupied],
                )
            )
        return parts

    def join(self, parts: Sequence[ScenePart], features: Sequence[Tensor]) -> SceneRows:
        """Put the parts' rows one after another; arguments as of :meth:`VoxelFull.join`."""
        point2row = parts[0].point2voxel.new_empty(sum(len(p.point2voxel) for p in parts))
        start = 0
        for first, part in enumerate(parts):
            point2row[first :: self.splits] = part.point2voxel + start
            start += len(part.counts)
        return SceneRows(
            torch.cat(list(features)), torch.cat([part.counts for part in parts]), point2row
        )
