# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Superpoint ids, from the file to the tables of the packed scene."""

import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine.registry import init_default_scope

from insseg3d.transforms import (
    AddVoxelTables,
    CropToMaxPoints,
    ElasticDistortion,
    LoadSuperpoints,
    RandomSubsample,
)
from insseg3d.transforms.scene import columns

from ..test_datasets.config import load_config
from .scenes import packed, random_scene


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'scene.bin'


def with_superpoints(path, ids, **more):
    np.asarray(ids, np.int64).tofile(path)
    return random_scene(len(ids), super_pts_path=str(path), **more)


def tables(results, **options):
    return AddVoxelTables(**options)(packed(results, keys=('points',)))


def test_ids_reach_the_sample_renumbered_and_the_points_keep_six_columns(path):
    results = with_superpoints(path, [7, 2**24 - 1, 7, 0, 2])
    before = results['points'].tensor.clone()
    out = tables(LoadSuperpoints()(results))
    ids = out['data_samples'].voxels.point2superpoint
    assert ids.tolist() == [2, 3, 2, 0, 1] and ids.dtype == torch.int64
    assert torch.equal(out['inputs']['points'], before)
    assert 'point2superpoint' not in tables(random_scene(5))['data_samples'].voxels


def test_superpoints_change_no_other_table(path):
    for distort in (False, True):
        plain, more = random_scene(300), with_superpoints(path, np.arange(300))
        more = LoadSuperpoints()(more)
        if distort:
            plain, more = ElasticDistortion()(plain), ElasticDistortion()(more)
        plain, more = (tables(r, voxel_size=0.3)['data_samples'].voxels for r in (plain, more))
        assert more.point2superpoint.tolist() == list(range(300))
        assert len(plain.keys()) == 3
        assert all(torch.equal(plain.get(key), more.get(key)) for key in plain.keys())


def test_ids_stay_with_their_points_through_distortion_subsample_and_crop(path):
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 2000, 4000)
    results = LoadSuperpoints()(with_superpoints(path, stored))
    results['points'].tensor[:, 3] = torch.arange(4000)
    results = RandomSubsample(ratio=0.5)(results)
    crop = CropToMaxPoints(max_points=700, window=6.0, step=0.5, min_points=10)
    results = crop(ElasticDistortion()(results))
    assert columns(results['points'], 'color').shape[1] == 3
    out = tables(results)
    kept = stored[out['inputs']['points'][:, 3].long().numpy()]
    assert 10 <= len(kept) <= 700
    expected = np.unique(kept, return_inverse=True)[1]  # consecutive, in ascending order
    assert out['data_samples'].voxels.point2superpoint.tolist() == expected.tolist()


def test_scene_without_superpoint_file_names_the_tool():
    with pytest.raises(
        ValueError,
        match='scene0000_00.bin: the info file names no superpoint.*'
        'tools/prepare_scannet.py --superpoints',
    ):
        LoadSuperpoints()(random_scene(3))


@pytest.mark.parametrize(
    'ids, message',
    [
        ([1, 2], 'scene.bin: 2 entries for 3 points in folder/scene0000_00.bin'),
        ([0, -1, 3], 'scene.bin: superpoint ids span -1 to 3; expected 0..16777215'),
        ([0, 2**24, 3], 'superpoint ids span 0 to 16777216'),
    ],
)
def test_file_that_does_not_belong_is_named(path, ids, message):
    results = dict(random_scene(3), super_pts_path=str(path))
    np.array(ids).tofile(path)
    with pytest.raises(ValueError, match=message):
        LoadSuperpoints()(results)


def test_order_of_the_transforms_is_checked(path):
    results = ElasticDistortion()(with_superpoints(path, [0, 1]))
    with pytest.raises(ValueError, match='directly after LoadPointsFromFile'):
        LoadSuperpoints()(results)


@pytest.mark.parametrize('value', [0.5, -1.0])
def test_seventh_column_of_something_else_is_refused(path, value):
    results = LoadSuperpoints()(with_superpoints(path, [0, 1]))
    results['points'].tensor[1, 6] = value
    with pytest.raises(ValueError, match='seventh column of the points holds values that are no'):
        tables(results)


def test_path_comes_from_the_info_and_the_prefix_and_the_size_is_checked(tmp_path):
    init_default_scope('mmdet3d')
    (tmp_path / 'points').mkdir(), (tmp_path / 'super_points').mkdir()
    np.ones((3, 6), np.float32).tofile(tmp_path / 'points/a.bin')
    np.array([4, 0, 4]).tofile(tmp_path / 'super_points/a.bin')
    info = {'lidar_points': {'lidar_path': 'a.bin', 'num_pts_feats': 6}, 'super_pts_path': 'a.bin'}
    cfg = load_config()
    load, *rest = cfg['test_pipeline']
    cfg = dict(cfg['val_dataloader']['dataset'], data_root=str(tmp_path), ann_file='a.pkl')
    cfg['pipeline'] = [load, dict(type='LoadSuperpoints'), *rest]
    mmengine.dump({'metainfo': {}, 'data_list': [info]}, tmp_path / 'a.pkl')
    dataset = DATASETS.build(cfg)
    assert dataset[0]['data_samples'].voxels.point2superpoint.tolist() == [1, 0, 1]
    np.array([4, 0]).tofile(tmp_path / 'super_points/a.bin')
    with pytest.raises(ValueError, match=r'super_points/a.bin: 16 bytes.* expected 3'):
        dataset[0]


def test_is_registered_and_named():
    transform = TRANSFORMS.build(dict(type='LoadSuperpoints'))
    assert repr(transform) == 'LoadSuperpoints(backend_args=None)'
