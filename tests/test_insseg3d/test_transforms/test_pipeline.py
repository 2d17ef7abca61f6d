# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Random small scenes through the whole training and test pipelines."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmdet3d.registry import TRANSFORMS
from mmengine.registry import init_default_scope

from insseg3d.datasets import ScanNetInsSegDataset

from ..test_datasets.config import load_config

IDS = ScanNetInsSegDataset.METAINFO['seg_valid_class_ids']
TABLE = ScanNetInsSegDataset.get_seg_label_mapping(ScanNetInsSegDataset, None)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('scene')


def write_scene(folder, rng, num_points, num_objects, extent):
    """Write a scene whose red values number its points; return its info and its labels."""
    points = rng.uniform(-extent, extent, (num_points, 6)).astype(np.float32)
    points[:, 3] = np.arange(num_points) % 256
    points[:, 4] = np.arange(num_points) // 256
    points[:, 5] = 0
    instance = rng.integers(0, num_objects + 1, num_points)
    semantic = np.array([0, *rng.choice([1, 2, 17, *IDS], num_objects)])[instance]
    for name, array in (('points', points), ('instance', instance), ('semantic', semantic)):
        array.tofile(folder / f'{name}.bin')
    info = {
        'lidar_points': {'lidar_path': str(folder / 'points.bin'), 'num_pts_feats': 6},
        'pts_instance_mask_path': str(folder / 'instance.bin'),
        'pts_semantic_mask_path': str(folder / 'semantic.bin'),
        'seg_label_mapping': TABLE,
    }
    return info, instance, semantic


def run(name, info, **changes):
    init_default_scope('mmdet3d')
    transforms = load_config()[name]
    for transform in transforms:
        transform.update(changes.get(transform['type'], {}))
    return Compose([TRANSFORMS.build(transform) for transform in transforms])(dict(info))


def original_index(points):
    """Identify each point of the file by its colour."""
    red, green = np.round((points[:, 3:5].numpy() + 1) * 127.5).astype(int).T
    return red + 256 * green


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    num_points=st.integers(1, 600),
    num_objects=st.integers(0, 8),
    extent=st.sampled_from([0.01, 1.0, 4.0]),
    max_points=st.sampled_from([20, 300, 10**6]),
)
def test_training(folder, seed, num_points, num_objects, extent, max_points):
    rng = np.random.default_rng(seed)
    info, instance, semantic = write_scene(folder, rng, num_points, num_objects, extent)
    info['draw'] = (seed, int(rng.integers(10**9)))
    changes = {
        'CropToMaxPoints': {'max_points': max_points, 'window': 3.0, 'step': 0.3},
        'RandomColorShift': {'std': 0.0},  # as many as colours can distinguish
    }
    out = run('train_pipeline', info, **changes)
    points, sample = out['inputs']['points'], out['data_samples']
    voxels, truth = sample.voxels, sample.gt_instances_3d
    ids = sample.gt_pts_seg.pts_instance_mask.numpy()
    classes = sample.gt_pts_seg.pts_semantic_mask.numpy()

    assert points.shape[1] == 6 and torch.isfinite(points).all()
    assert 1 <= len(points) <= min(num_points, max_points)
    assert len(ids) == len(classes) == len(voxels.point2voxel) == len(points)
    # Labels belong to their points, and no point of a kept instance has those of another.
    index = original_index(points)
    assert (np.diff(index) > 0).all()
    has_object = (TABLE[semantic] < 18) & (instance > 0)
    np.testing.assert_array_equal(classes, TABLE[semantic][index])
    np.testing.assert_array_equal(ids >= 0, has_object[index])
    pairs = set(zip(ids[ids >= 0].tolist(), instance[index][ids >= 0].tolist()))
    assert len(pairs) == len(truth) == len({stored for _, stored in pairs})
    # Ids are consecutive, and every instance has its class.
    assert sorted(set(ids[ids >= 0].tolist())) == list(range(len(truth)))
    np.testing.assert_array_equal(classes[ids >= 0], truth.labels_3d.numpy()[ids[ids >= 0]])
    assert truth.num_points.sum() == (ids >= 0).sum() == voxels.inst_points.sum()
    # Tables agree with each other.
    assert (voxels.coors >= 0).all() and voxels.counts.sum() == len(points)
    assert (voxels.counts == torch.bincount(voxels.point2voxel)).all()
    order = voxels.inst_index * len(voxels.coors) + voxels.inst_voxel
    assert (order.diff() > 0).all()
    # The same draw gives the same sample.
    again = run('train_pipeline', info, **changes)
    assert torch.equal(again['inputs']['points'], points)
    assert torch.equal(again['data_samples'].voxels.coors, voxels.coors)


@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(0, 6))
def test_testing_returns_what_went_in(folder, seed, num_points, num_objects):
    rng = np.random.default_rng(seed)
    info, instance, semantic = write_scene(folder, rng, num_points, num_objects, 2.0)
    info['eval_ann_info'] = {}
    out = run('test_pipeline', info)
    points, sample = out['inputs']['points'], out['data_samples']
    stored = np.fromfile(info['lidar_points']['lidar_path'], np.float32).reshape(-1, 6)
    centred = stored[:, :3] - stored[:, :3].mean(0)
    np.testing.assert_allclose(points[:, :3], centred, atol=1e-5)
    np.testing.assert_allclose(points[:, 3:], stored[:, 3:] / 127.5 - 1, atol=1e-6)
    # Labels of voxel pairs, transferred to points, are the stored ones.
    ids = sample.eval_ann_info['pts_instance_mask']
    assert len(sample.voxels.point2voxel) == num_points
    for one in np.unique(ids[ids >= 0]):
        assert len(np.unique(instance[ids == one])) == 1
    np.testing.assert_array_equal(sample.eval_ann_info['pts_semantic_mask'], TABLE[semantic])
