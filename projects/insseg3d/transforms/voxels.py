# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Voxelisation in the data loader."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures import Det3DDataSample
from mmengine.structures import BaseDataElement, InstanceData

from ..ops.voxelize import voxel_instance_table, voxelize
from .instances import consecutive_ids, majority_labels
from .pinning import PinnableDataSample
from .scene import from_corner


@TRANSFORMS.register_module()
class AddVoxelTables(BaseTransform):
    """Voxelise a packed scene and add the tables to its data sample; the last transform.

    The stock formatting rejects data that is not per point, so this transform follows it. It
    requires ``inputs['points']`` with the columns x, y, z in metres and r, g, b. Other transforms
    may have appended a column of superpoint ids and three columns of coordinates ≥ 0 in the frame
    of the grid; these are removed.

    Adds to the data sample:

    * ``voxels``, a ``BaseDataElement`` of tensors: ``coors`` (V, 3) int32 ≥ 0, sorted by
      (x, y, z), ``point2voxel`` (P,) int64, ``counts`` (V,) int64;
    * with superpoints, ``point2superpoint`` (P,) int64, renumbered 0..S−1 in ascending order;
    * with ground truth (``gt_pts_seg.pts_instance_mask`` and ``pts_semantic_mask``) also the
      table of :func:`insseg3d.ops.voxelize.voxel_instance_table`: ``inst_voxel``, ``inst_index``,
      ``inst_points``, (E,) int64 each;
    * with ground truth, ``gt_instances_3d``: ``labels_3d`` (G,) int64 in [0, K), ``num_points``
      (G,) int64. G = 0 is a scene without objects.

    The sample becomes a ``PinnableDataSample``, whose tables ``pin_memory=True`` pins.

    Args:
        voxel_size: Edge of a voxel, metres. Source: 0.02 in the PointGroup family. Use the same
            value in the training and the test pipeline.

    Raises:
        ValueError: Instance ids are not consecutive.
    """

    def __init__(self, *, voxel_size: float = 0.02) -> None:
        self.voxel_size = voxel_size

    def transform(self, results: dict) -> dict:
        """Add the tables to one packed scene."""
        sample, points = results['data_samples'], results['inputs']['points']
        num_columns = points.shape[1]
        if num_columns not in (6, 7, 9, 10):
            raise ValueError(
                f'{_name(sample)}: points have {num_columns} columns; expected 6 (x, y, z, r, g, '
                'b), optionally followed by 1 of superpoint ids and 3 of coordinates in the frame '
                'of the grid'
            )
        if num_columns > 6:
            results['inputs']['points'] = points[:, :6].contiguous()
        if num_columns >= 9:
            coords = points[:, -3:].numpy()
        else:
            coords = from_corner(points[:, :3].numpy())
        grid = voxelize(coords, voxel_size=self.voxel_size)
        tables = grid._asdict()
        if num_columns in (7, 10):
            tables['point2superpoint'] = self._superpoints(sample, points[:, 6].numpy())
        if 'pts_instance_mask' in sample.gt_pts_seg:
            tables.update(self._annotate(sample, grid.point2voxel, len(grid.coors)))
        sample.voxels = BaseDataElement(**{k: torch.from_numpy(v) for k, v in tables.items()})
        results['data_samples'] = PinnableDataSample.of(sample)
        return results

    def _superpoints(self, sample: Det3DDataSample, column: np.ndarray) -> np.ndarray:
        """Renumber superpoint ids without gaps, for pooling."""
        ids = column.astype(np.int64)
        if not ((ids == column) & (ids >= 0)).all():
            raise ValueError(
                f'{_name(sample)}: the seventh column of the points holds values that are not '
                'superpoint ids; expected the integers ≥ 0 that LoadSuperpoints adds. Load six '
                'columns: LoadPointsFromFile(use_dim=6)'
            )
        return consecutive_ids(ids)

    def _annotate(self, sample: Det3DDataSample, point2voxel: np.ndarray, num_voxels: int) -> dict:
        """Set ``gt_instances_3d``, and return the voxel–instance table."""
        instance = sample.gt_pts_seg.pts_instance_mask.numpy()
        semantic = sample.gt_pts_seg.pts_semantic_mask.numpy()
        num_points = np.bincount(instance[instance >= 0])
        if (num_points == 0).any():
            raise ValueError(
                f'{_name(sample)}: instance ids have gaps, the highest is '
                f'{len(num_points) - 1} but {np.count_nonzero(num_points)} occur; expected 0..G-1. '
                'Put SelectInstances before Pack3DDetInputs, and RelabelInstances after transforms '
                'that drop points'
            )
        labels = majority_labels(instance, semantic, int(semantic.max(initial=0)) + 1)
        sample.gt_instances_3d = InstanceData(
            labels_3d=torch.from_numpy(labels),
            num_points=torch.from_numpy(num_points.astype(np.int64)),
        )
        return voxel_instance_table(point2voxel, instance, num_voxels=num_voxels)._asdict()

    def __repr__(self) -> str:
        return f'{type(self).__name__}(voxel_size={self.voxel_size})'


def _name(sample: Det3DDataSample) -> str:
    """Return the file of the scene, for messages."""
    return str(sample.metainfo.get('lidar_path'))
