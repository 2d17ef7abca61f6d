# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Wall and floor keep their own labels, and nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmengine import Config
from mmengine.registry import init_default_scope

from insseg3d.datasets import ScanNet200InsSegDataset, ScanNetInsSegDataset

ROOT = Path(__file__).parents[3]

MAPPING = [dict(type='PointSegClassMapping'), dict(type='SelectInstances')]


def apply(transforms, semantic, instance, stuff=(1, 2)):
    table = np.full(6, 2)
    table[[3, 4]] = 0, 1  # two classes
    results = dict(
        pts_semantic_mask=np.array(semantic),
        pts_instance_mask=np.array(instance),
        seg_label_mapping=table,
        stuff_class_ids=stuff,
        eval_ann_info=dict(pts_semantic_mask=None),
    )
    for transform in transforms:
        results = TRANSFORMS.build(transform)(results)
    return results


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet3d')


def test_by_hand():
    semantic, instance = [1, 2, 3, 0, 5, 4, 1], [9, 0, 7, 0, 8, 6, 7]
    plain = apply(MAPPING, semantic, instance)
    ours = apply([dict(type='LabelStuff', transforms=MAPPING)], semantic, instance)
    assert plain['pts_semantic_mask'].tolist() == [2, 2, 0, 2, 2, 1, 2]
    assert ours['pts_semantic_mask'].tolist() == [3, 4, 0, 2, 2, 1, 3]
    for key in ('pts_instance_mask',):
        np.testing.assert_array_equal(ours[key], plain[key])
        np.testing.assert_array_equal(ours['eval_ann_info'][key], plain['eval_ann_info'][key])
    assert ours['eval_ann_info']['pts_semantic_mask'].tolist() == [2, 2, 0, 2, 2, 1, 2]


def test_data_without_surfaces_stay_as_they_are():
    plain = apply(MAPPING, [1, 2, 3], [0, 0, 1])
    ours = apply([dict(type='LabelStuff', transforms=MAPPING)], [1, 2, 3], [0, 0, 1], stuff=())
    np.testing.assert_array_equal(ours['pts_semantic_mask'], plain['pts_semantic_mask'])


def test_surfaces_are_named_and_no_classes():
    for dataset in (ScanNetInsSegDataset, ScanNet200InsSegDataset):
        info = dataset.METAINFO
        assert info['stuff_classes'] == ('wall', 'floor')
        assert not set(info['seg_stuff_class_ids']) & set(info['seg_valid_class_ids'])
        assert set(info['seg_stuff_class_ids']) <= set(info['seg_all_class_ids'])


def test_a_made_room_has_wall_and_floor_through_the_pipeline(tiny_data, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    found = {}
    for name in ('scannet', 'scannet-stuff'):
        config = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / f'{name}.py')
        sample = DATASETS.build(config.train_dataloader.dataset)[0]['data_samples']
        found[name] = sample
    plain, ours = (found[name].gt_pts_seg.pts_semantic_mask for name in found)
    is_stuff = ours > 18
    assert sorted(ours[is_stuff].unique().tolist()) == [19, 20]
    assert (plain[is_stuff] == 18).all() and (plain[~is_stuff] == ours[~is_stuff]).all()
    assert (found['scannet-stuff'].gt_pts_seg.pts_instance_mask[is_stuff] == -1).all()
    assert is_stuff.float().mean() > 0.2
