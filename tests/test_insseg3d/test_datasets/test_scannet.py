# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import os
import pickle

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet3d.datasets import ScanNetInstanceSegDataset
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine.registry import init_default_scope

from insseg3d.datasets import ScanNetInsSegDataset
from insseg_preparation.scannet.release import prepare_scannet

from ...test_insseg_preparation import raw_scannet as typed
from .config import load_config


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet3d')


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    raw, out = tmp_path_factory.mktemp('raw'), tmp_path_factory.mktemp('data') / 'scannet'
    typed.write_release(raw, val=('scene0011_00',), test=('scene0707_00',))
    prepare_scannet(raw, out)
    return out


@pytest.fixture
def copied(prepared, tmp_path):
    """Return a copy of the prepared data that tests may damage."""
    for path in prepared.rglob('*'):
        if path.is_file():
            target = tmp_path / path.relative_to(prepared)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return tmp_path


def build(root, split, **changes):
    cfg = load_config()['train_dataloader' if split == 'train' else 'val_dataloader']['dataset']
    cfg.update(data_root=str(root), ann_file=f'scannet_infos_{split}.pkl', **changes)
    return DATASETS.build(cfg)


def test_names_ids_and_colors_belong_together():
    meta = ScanNetInsSegDataset.METAINFO
    assert len(meta['classes']) == len(set(meta['classes'])) == 18
    assert len(meta['palette']) == len(meta['seg_valid_class_ids']) == 18
    assert meta['classes'][13] == 'shower curtain' and meta['classes'][17] == 'other furniture'
    stock = ScanNetInstanceSegDataset.METAINFO
    assert meta['seg_valid_class_ids'] == stock['seg_valid_class_ids']
    different = {a for a, b in zip(meta['classes'], stock['classes']) if a != b}
    assert different == {'shower curtain', 'other furniture'}


def test_does_not_take_the_place_of_the_stock_data_set():
    assert DATASETS.get('ScanNetInstanceSegDataset') is ScanNetInstanceSegDataset
    assert DATASETS.get('ScanNetInsSegDataset') is ScanNetInsSegDataset


def test_training_sample(prepared):
    dataset = build(prepared, 'train')
    sample = dataset[0]
    points, data_sample = sample['inputs']['points'], sample['data_samples']
    assert points.shape == (8, 6) and points.dtype == torch.float32
    # chair, sofa, chair; wall and unannotated points have no instance
    assert data_sample.gt_instances_3d.labels_3d.tolist() == [2, 3, 2]
    assert data_sample.gt_instances_3d.num_points.tolist() == [2, 3, 1]
    assert data_sample.gt_pts_seg.pts_instance_mask.tolist() == [0, 0, 1, 1, 1, -1, -1, 2]
    assert data_sample.gt_pts_seg.pts_semantic_mask.tolist() == [2, 2, 3, 3, 3, 18, 18, 2]
    assert data_sample.voxels.inst_points.sum() == 6
    assert data_sample.eval_ann_info is None


def test_validation_sample_keeps_points_and_order(prepared):
    sample = build(prepared, 'val')[0]
    coords = np.array([vertex[:3] for vertex in typed.VERTICES], np.float32)
    colors = np.array([vertex[3:6] for vertex in typed.VERTICES], np.float32)
    points = sample['inputs']['points'].numpy()
    np.testing.assert_allclose(points[:, :3], coords - coords.mean(0), atol=1e-6)
    np.testing.assert_allclose(points[:, 3:], colors / 127.5 - 1, atol=1e-6)
    truth = sample['data_samples'].eval_ann_info
    assert isinstance(truth['pts_instance_mask'], np.ndarray)
    assert truth['pts_instance_mask'].tolist() == [0, 0, 1, 1, 1, -1, -1, 2]
    assert truth['pts_semantic_mask'].tolist() == [2, 2, 3, 3, 3, 18, 18, 2]
    voxels = sample['data_samples'].voxels
    index = np.floor((coords - coords.min(0)) / 0.02 + 1e-4)  # all coordinates are quarters
    np.testing.assert_array_equal(voxels.coors[voxels.point2voxel].numpy(), index)
    assert sample['data_samples'].lidar_path.endswith('scene0011_00.bin')


def test_test_split_has_nothing_to_evaluate_against(prepared):
    data_sample = build(prepared, 'test')[0]['data_samples']
    assert data_sample.eval_ann_info is None and len(data_sample.voxels.coors) == 8


def test_test_pipeline_runs_on_a_bare_points_file(prepared):
    pipeline = Compose([TRANSFORMS.build(t) for t in load_config()['test_pipeline']])
    path = str(prepared / 'points' / 'scene0707_00.bin')
    bare = pipeline({'lidar_points': {'lidar_path': path}})
    full = build(prepared, 'test')[0]
    assert torch.equal(bare['inputs']['points'], full['inputs']['points'])
    assert torch.equal(bare['data_samples'].voxels.coors, full['data_samples'].voxels.coors)


def test_fewer_classes_map_the_others_to_ignored(prepared):
    dataset = build(prepared, 'train', metainfo={'classes': ('sofa', 'bed')})
    data_sample = dataset[0]['data_samples']
    assert data_sample.gt_instances_3d.labels_3d.tolist() == [0]
    assert data_sample.gt_pts_seg.pts_semantic_mask.tolist() == [2, 2, 0, 0, 0, 2, 2, 2]
    assert dataset.metainfo['palette'] == [[140, 86, 75], [255, 187, 120]]
    assert dataset.metainfo['seg_valid_class_ids'] == [6, 4]
    assert dataset.ignore_index == 2


def test_scene_without_objects_loads_for_training_and_testing(copied):
    for split, scene in (('train', 'scene0000_00'), ('val', 'scene0011_00')):
        for kind in ('instance_mask', 'semantic_mask'):
            np.zeros(8, np.int64).tofile(copied / kind / f'{scene}.bin')
        data_sample = build(copied, split)[0]['data_samples']
        if split == 'train':
            assert len(data_sample.gt_instances_3d.labels_3d) == 0
        else:
            assert (data_sample.eval_ann_info['pts_instance_mask'] == -1).all()


@pytest.mark.parametrize('split, scene', [('train', 'scene0000_00'), ('val', 'scene0011_00')])
@pytest.mark.parametrize(
    'kind, size, message',
    [
        ('points', 100, '100 bytes; expected a multiple of 24'),
        ('points', 96, 'expected 4, one for each point of'),
        ('instance_mask', 56, '56 bytes, that is 7 int64 values; expected 8'),
        ('semantic_mask', 60, '60 bytes, that is 7.5 int64 values; expected 8'),
    ],
)
def test_file_that_is_cut_off_is_named(copied, split, scene, kind, size, message):
    os.truncate(copied / kind / f'{scene}.bin', size)
    with pytest.raises(ValueError, match=message) as error:
        build(copied, split)[0]
    assert f'{scene}.bin' in str(error.value) and 'convert the scene again' in str(error.value)


def test_missing_file_is_named(copied):
    (copied / 'points' / 'scene0000_00.bin').unlink()
    with pytest.raises(FileNotFoundError, match='scene0000_00.bin'):
        build(copied, 'train')[0]


def test_points_that_are_not_finite_are_named(copied):
    path = copied / 'points' / 'scene0011_00.bin'
    points = np.fromfile(path, np.float32)
    points[6] = np.nan
    points.tofile(path)
    with pytest.raises(ValueError, match='scene0011_00.bin: 1 of 8 points have NaN'):
        build(copied, 'val')[0]


def test_info_file_of_another_kind_is_refused(copied):
    (copied / 'scannet_infos_train.pkl').write_bytes(pickle.dumps([{}]))
    with pytest.raises(ValueError, match='infos_train.pkl: a list, as mmdetection3d before 1.1'):
        build(copied, 'train')


def test_misspelt_key_is_named(prepared):
    with pytest.raises(TypeError, match='data_rot'):
        build(prepared, 'train', data_rot='x')


def test_some_scenes_only(prepared):
    assert len(build(prepared, 'train', indices=1)) == 1
    assert len(build(prepared, 'train', indices=0)) == 0


def test_samples_of_mmdetection3d():
    """mmdetection3d's own sample: 100 points, an info header of an older version."""
    root = os.environ.get('INSSEG3D_REAL_SAMPLES')
    if not root:
        pytest.skip('INSSEG3D_REAL_SAMPLES does not name the folder with the folder scannet')
    root = os.path.join(root, 'scannet')
    for test_mode in (False, True):
        name = 'val_dataloader' if test_mode else 'train_dataloader'
        cfg = load_config()[name]['dataset']
        cfg.update(data_root=root, ann_file='scannet_infos.pkl')
        sample = DATASETS.build(cfg)[0]
        data_sample = sample['data_samples']
        assert sample['inputs']['points'].shape == (100, 6)
        assert data_sample.voxels.counts.sum() == 100
        if test_mode:
            ids, classes = data_sample.eval_ann_info.values()
        else:
            ids = data_sample.gt_pts_seg.pts_instance_mask.numpy()
            classes = data_sample.gt_pts_seg.pts_semantic_mask.numpy()
            assert len(data_sample.gt_instances_3d.labels_3d) == ids.max() + 1
        stored = np.fromfile(os.path.join(root, 'instance_mask/scene0000_00.bin'), np.int64)
        semantic = np.fromfile(os.path.join(root, 'semantic_mask/scene0000_00.bin'), np.int64)
        valid = np.isin(semantic, ScanNetInsSegDataset.METAINFO['seg_valid_class_ids'])
        np.testing.assert_array_equal(ids >= 0, valid & (stored > 0))
        assert len(np.unique(ids[ids >= 0])) == len(np.unique(stored[valid & (stored > 0)]))
        np.testing.assert_array_equal(classes == 18, ~valid)
