# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import init_default_scope

from insseg3d.datasets import CustomInsSegDataset
from insseg3d.engine import DrawIndex
from insseg_preparation.custom.classes import ClassList
from insseg_preparation.custom.release import prepare_custom

from ...test_insseg_preparation.custom_scans import POINTS, write_npy
from .config import ROOT

CLASSES = ['chair', 'table']


@pytest.fixture
def root(tmp_path):
    """Return the data root that contains the folder custom."""
    for split in ('train', 'val', 'test'):
        (tmp_path / 'raw' / split).mkdir(parents=True)
        write_npy(tmp_path / 'raw' / split / f'of_{split}', POINTS)
    prepare_custom(tmp_path / 'raw', tmp_path / 'custom', ClassList(tuple(CLASSES)))
    init_default_scope('mmdet3d')
    return tmp_path


def build(root, monkeypatch, split='train', **changes):
    monkeypatch.setenv('INSSEG3D_DATA', str(root))
    config = Config.fromfile(ROOT / 'configs/_base_/datasets/custom.py').to_dict()
    cfg = config['train_dataloader' if split == 'train' else 'val_dataloader']['dataset']
    cfg.update(dict(classes=CLASSES) | changes)
    return DATASETS.build(cfg)


def test_labels_are_class_indices(root, monkeypatch):
    sample = build(root, monkeypatch)[0]['data_samples']
    assert sample.gt_instances_3d.labels_3d.tolist() == [0, 1, 0]
    assert sample.gt_pts_seg.pts_semantic_mask.tolist() == [0, 0, 1, 1, 1, 2, 0, 2]
    assert sample.gt_pts_seg.pts_instance_mask.tolist() == [0, 0, 1, 1, 1, -1, 2, -1]
    truth = build(root, monkeypatch, 'val')[0]['data_samples'].eval_ann_info
    assert truth['pts_instance_mask'].tolist() == [0, 0, 1, 1, 1, -1, 2, -1]


def test_metainfo_comes_from_the_argument_and_stays_with_its_object(root, monkeypatch):
    dataset = build(root, monkeypatch)
    assert dataset.metainfo['classes'] == ('chair', 'table')
    assert dataset.metainfo['seg_all_class_ids'] == (0, 1, 2)
    assert list(dataset.metainfo['seg_valid_class_ids']) == [1, 2]
    assert len(dataset.metainfo['palette']) == 2 and dataset.ignore_index == 2
    assert CustomInsSegDataset.METAINFO['classes'] == ()
    build(root, monkeypatch, 'val')
    assert dataset.METAINFO['classes'] == ('chair', 'table')


def test_some_of_the_classes_in_another_order(root, monkeypatch):
    dataset = build(root, monkeypatch, metainfo=dict(classes=('table',)))
    sample = dataset[0]['data_samples']
    assert sample.gt_instances_3d.labels_3d.tolist() == [0]
    assert sample.gt_pts_seg.pts_semantic_mask.tolist() == [1, 1, 0, 0, 0, 1, 1, 1]
    swapped = build(root, monkeypatch, metainfo=dict(classes=('table', 'chair')))
    assert swapped[0]['data_samples'].gt_instances_3d.labels_3d.tolist() == [1, 0, 1]


@pytest.mark.parametrize('classes', [['table', 'chair'], ['chair'], ['chair', 'table', 'bed']])
def test_classes_of_another_preparation_are_refused(root, monkeypatch, classes):
    with pytest.raises(ValueError, match=r"train.pkl: prepared with the classes \['chair', 'ta"):
        build(root, monkeypatch, classes=classes)


@pytest.mark.parametrize('classes', [[], 'chair', ['chair', 'chair']])
def test_class_lists_that_are_none(root, monkeypatch, classes):
    with pytest.raises(ValueError, match='expected a list of different names'):
        build(root, monkeypatch, classes=classes)


def test_grey_scans_have_no_colour_for_the_model(root, monkeypatch):
    for path in (root / 'raw').rglob('*.npy'):
        np.save(path, POINTS[:, [0, 1, 2, 6, 7]])
    prepare_custom(root / 'raw', root / 'custom', ClassList(tuple(CLASSES)))
    points = build(root, monkeypatch, 'val')[0]['inputs']['points']
    assert (points[:, 3:] == 0).all()


def test_wrappers_of_mmengine_pass_on_which_draw_it_is(root, monkeypatch):
    def dataset():
        return build(root, monkeypatch, pipeline=[])

    for data in (RepeatDataset(dataset(), times=3), ConcatDataset([dataset(), dataset()])):
        assert len(data) > 1
        for number in range(len(data)):
            sample = data[DrawIndex(number, (5, 70 + number))]
            assert sample['draw'] == (5, 70 + number)
            assert sample['lidar_path'].endswith('of_train.bin')


def test_misspelt_key_is_named(root, monkeypatch):
    with pytest.raises(TypeError, match='data_rot'):
        build(root, monkeypatch, data_rot='x')
