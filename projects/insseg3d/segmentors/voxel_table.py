# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Voxels of the data pipeline for mmdetection3d's semantic segmentors."""

from collections.abc import Sequence

import torch
from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from torch import Tensor

from ..ops.segment import segment_mean


@MODELS.register_module()
class VoxelTablePreprocessor(Det3DDataPreprocessor):
    """Pass the tables of ``AddVoxelTables`` on in the form that mmdetection3d's ``MinkUNet`` reads.

    The stock preprocessor with ``voxel_type='minkunet'`` voxelises in the main process and calls
    ``.cuda()``. Here the voxels come from the pipeline, and the model may be on any device.

    Deviation: a voxel has the mean of its points and the label of most of its points; in the stock
    preprocessor, both are those of one point. The columns of ``coors`` are (batch, x, y, z).

    Args:
        non_blocking: Let copies to the device overlap with other work.
    """

    def __init__(self, *, non_blocking: bool = False) -> None:
        super().__init__(non_blocking=non_blocking)
        self.voxel = True  # the stock class then calls voxelize

    @torch.no_grad()
    def voxelize(
        self, points: Sequence[Tensor], data_samples: Sequence[Det3DDataSample]
    ) -> dict[str, Tensor]:
        """Average points into voxels, and add the fields that the stock head reads to the samples.

        Args:
            points: Per scene ``(P, C)``.
            data_samples: One per scene, with voxel tables. Adds ``batch_idx (V,)`` and
                ``point2voxel_map (P,)``, and ``gt_pts_seg.voxel_semantic_mask (V,)`` if there is
                a ``pts_semantic_mask``.

        Returns:
            ``voxels (ΣV, C)`` and ``coors (ΣV, 4)`` int32 (batch, x, y, z), scene after scene.

        Raises:
            ValueError: A sample has no voxel tables.
        """
        features, coors = [], []
        for b, (scene, sample) in enumerate(zip(points, data_samples)):
            if 'voxels' not in sample:
                raise ValueError(
                    f'VoxelTablePreprocessor: the data sample of scene {b} has no voxels '
                    f'(found {sorted(sample.keys())}); put AddVoxelTables after Pack3DDetInputs '
                    'in the pipeline.'
                )
            tables = sample.voxels
            batch = tables.coors.new_full((len(tables.coors), 1), b)
            features.append(segment_mean(scene, tables.point2voxel, tables.counts))
            coors.append(torch.cat([batch, tables.coors], 1))
            sample.batch_idx = batch[:, 0]
            sample.point2voxel_map = tables.point2voxel
            if 'pts_semantic_mask' in sample.gt_pts_seg:
                sample.gt_pts_seg.voxel_semantic_mask = _majority(
                    sample.gt_pts_seg.pts_semantic_mask, tables.point2voxel, len(batch)
                )
        return dict(voxels=torch.cat(features), coors=torch.cat(coors))


def _majority(labels: Tensor, point2voxel: Tensor, num_voxels: int) -> Tensor:
    """Return the most frequent label of each voxel ``(V,)``; in a tie, the lowest."""
    kinds = int(labels.max()) + 1
    votes = torch.bincount(point2voxel * kinds + labels, minlength=num_voxels * kinds)
    return votes.reshape(num_voxels, kinds).argmax(1)
