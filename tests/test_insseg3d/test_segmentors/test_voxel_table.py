# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Voxels of the pipeline in the format that mmdetection3d's semantic segmentor reads."""

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.structures import BaseDataElement


def scene(cells, labels=None):
    """Make points in the voxels of these cells along x; features are the point numbers."""
    cells = torch.tensor(cells)
    places, point2voxel, counts = torch.unique(cells, return_inverse=True, return_counts=True)
    coors = torch.stack([places, 0 * places, 0 * places], 1).int()
    sample = Det3DDataSample()
    sample.voxels = BaseDataElement(coors=coors, point2voxel=point2voxel, counts=counts)
    sample.gt_pts_seg = PointData()
    if labels is not None:
        sample.gt_pts_seg.pts_semantic_mask = torch.tensor(labels)
    return torch.arange(1.0, len(cells) + 1)[:, None].repeat(1, 6), sample


def process(*scenes, training=False):
    preprocessor = MODELS.build(dict(type='VoxelTablePreprocessor'))
    data = preprocessor(
        dict(
            inputs=dict(points=[points for points, _ in scenes]),
            data_samples=[sample for _, sample in scenes],
        ),
        training,
    )
    return data['inputs'], data['data_samples']


def test_means_and_coordinates_by_hand():
    inputs, samples = process(scene([7, 2, 7, 2, 2]), scene([4]))
    means = inputs['voxels']['voxels'][:, 0].tolist()
    assert means == pytest.approx([(2 + 4 + 5) / 3, (1 + 3) / 2, 1])
    assert inputs['voxels']['coors'].tolist() == [[0, 2, 0, 0], [0, 7, 0, 0], [1, 4, 0, 0]]
    assert [sample.batch_idx.tolist() for sample in samples] == [[0, 0], [1]]
    assert samples[0].point2voxel_map.tolist() == [1, 0, 1, 0, 0]
    assert 'voxel_semantic_mask' not in samples[0].gt_pts_seg
    assert len(inputs['points']) == 2


def test_label_of_most_points_the_lowest_of_several():
    _, (first, second) = process(
        scene([7, 2, 7, 2, 2], [3, 5, 0, 1, 5]), scene([4], [18]), training=True
    )
    assert first.gt_pts_seg.voxel_semantic_mask.tolist() == [5, 0]
    assert second.gt_pts_seg.voxel_semantic_mask.tolist() == [18]


def test_sample_without_voxels_says_which_transform_is_missing():
    with pytest.raises(ValueError, match='scene 1 has no voxels .* AddVoxelTables'):
        process(scene([4]), (torch.rand(3, 6), Det3DDataSample()))
