# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Comparison of prepared S3DIS data with those of mmdetection3d's converter in its wheel."""

import os
import pickle
from pathlib import Path

import mmengine
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from insseg3d.datasets import S3DISInstanceSegDataset
from insseg_preparation.s3dis.release import prepare_s3dis

from ..test_insseg3d.test_datasets.config import load_config
from . import raw_s3dis as typed
from .test_same_as_stock_converter import assert_same, stock_module

SAMPLE = Path(os.environ.get('INSSEG3D_REAL_SAMPLES', 'not given')) / 's3dis'
needs_sample = pytest.mark.skipif(
    not SAMPLE.is_dir(),
    reason='INSSEG3D_REAL_SAMPLES does not name the folder with the folder s3dis',
)
ROOMS = ('office_1', 'office_2')


@pytest.fixture
def prepared(tmp_path):
    raw, out = tmp_path / 'raw', tmp_path / 'out'
    raw.mkdir()
    typed.write_release(raw, [f'Area_1/{room}' for room in ROOMS])
    # Thousands of points, because rooms must be drawn more than once; no object has a box.
    wall = ''.join(f'{-22 + k / 1000} 38 0 {k % 256} 1 2\n' for k in range(9000))
    others = dict.fromkeys(typed.ANNOTATIONS)
    typed.write_room(raw, 'Area_1/office_2', {**others, 'wall_1.txt': wall})
    prepare_s3dis(raw, out)
    return out


@pytest.fixture
def stock(tmp_path, prepared):
    """Make a folder with the result of mmdetection3d's export step for the same rooms."""
    folder = tmp_path / 'stock'
    exported = folder / 's3dis_data'
    exported.mkdir(parents=True)
    wall = np.array([[k / 1000, 0, 0, k % 256, 1, 2] for k in range(9000)], np.float32)
    ones = np.ones(9000, np.int64)
    rooms = [
        (np.array(typed.POINTS, np.float32), typed.SEMANTIC, typed.INSTANCE),
        (wall, 2 * ones, ones),
    ]
    for name, (points, semantic, instance) in zip(ROOMS, rooms):
        (folder / 'Stanford3dDataset_v1.2_Aligned_Version/Area_1' / name).mkdir(parents=True)
        np.save(exported / f'Area_1_{name}_point.npy', points)
        np.save(exported / f'Area_1_{name}_sem_label.npy', np.array(semantic, np.int64))
        np.save(exported / f'Area_1_{name}_ins_label.npy', np.array(instance, np.int64))
    return folder


def test_same_files_and_infos(stock, prepared, monkeypatch):
    utils, update = stock_module('s3dis_data_utils'), stock_module('update_infos_to_v2')
    monkeypatch.setattr(update.time, 'sleep', lambda seconds: None)
    data = utils.S3DISData(root_path=str(stock), split='Area_1')
    data.sample_id_list.sort()  # its order is that of the file system
    infos = data.get_infos(num_workers=1)
    path = stock / 's3dis_infos_Area_1.pkl'
    mmengine.dump(infos, str(path), 'pkl')
    utils.S3DISSegData(
        str(stock),
        str(path),
        'Area_1',
        num_points=4096,
        label_weight_func=lambda x: 1.0 / np.log(1.2 + x),
    ).get_seg_infos()
    update.update_s3dis_infos(str(path), str(stock))
    ours, theirs = (pickle.loads((f / path.name).read_bytes()) for f in (prepared, stock))
    assert ours['metainfo'].pop('release') == 'aligned'  # the only additional key
    assert_same(ours, theirs)
    for name in ('Area_1_resampled_scene_idxs', 'Area_1_label_weight'):
        ours, theirs = (np.load(f / 'seg_info' / f'{name}.npy') for f in (prepared, stock))
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert len(ours) == 13
    for kind in ('points', 'instance_mask', 'semantic_mask'):
        for name in ROOMS:
            file = f'{kind}/Area_1_{name}.bin'
            assert (prepared / file).read_bytes() == (stock / file).read_bytes()


@needs_sample
def test_same_keys_and_types_as_the_sample(prepared):
    """The sample is a room of 100 points from mmdetection3d's tests, with an older header."""
    theirs = pickle.loads((SAMPLE / 's3dis_infos.pkl').read_bytes())['data_list'][0]
    ours = pickle.loads((prepared / 's3dis_infos_Area_1.pkl').read_bytes())['data_list'][0]
    assert set(ours) - set(theirs) == {'sample_idx'} and not set(theirs) - set(ours)
    assert_same(
        {key: type(value) for key, value in ours['instances'][0].items()},
        {key: type(value) for key, value in theirs['instances'][0].items()},
    )
    assert ours['lidar_points'].keys() == theirs['lidar_points'].keys()
    sizes = [
        (SAMPLE / kind / theirs['lidar_points']['lidar_path']).stat().st_size
        for kind in ('points', 'instance_mask', 'semantic_mask')
    ]
    ours = [
        (prepared / kind / 'Area_1_office_1.bin').stat().st_size
        for kind in ('points', 'instance_mask', 'semantic_mask')
    ]
    assert [size / 100 for size in sizes] == [size / 8 for size in ours] == [24, 8, 8]


@needs_sample
def test_the_sample_loads():
    init_default_scope('mmdet3d')
    pipeline = load_config('s3dis')['test_pipeline']
    dataset = S3DISInstanceSegDataset(
        areas=1,
        data_root=str(SAMPLE),
        ann_file='s3dis_infos.pkl',
        pipeline=pipeline,
        test_mode=True,
    )
    sample = dataset[0]
    assert len(sample['inputs']['points']) == 100
    masks = sample['data_samples'].eval_ann_info['pts_instance_mask']
    assert masks.min() == 0 and masks.max() == 18  # 19 of its objects have a point
