# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Training on own scans together with ScanNet, see docs/own-data.md."""

import re

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from insseg_preparation.custom.classes import ClassList
from insseg_preparation.custom.release import prepare_custom

from ..test_insseg3d.test_datasets.config import ROOT
from .custom_scans import POINTS, write_npy

CLASSES = ['chair', 'table']
SECTION = (ROOT / 'docs' / 'own-data.md').read_text().split('## Own scans and ScanNet together')[1]
LEAF = re.search(r'```python\n(.*?)```', SECTION, re.S).group(1)


@pytest.fixture
def leaf(tmp_path, tiny_data, monkeypatch):
    """Write the leaf of the docs with the data of this test, based on one of prepare_custom.py."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    from insseg_preparation.custom.leaf import write_leaf

    (tmp_path / 'raw' / 'train').mkdir(parents=True)
    write_npy(tmp_path / 'raw' / 'train' / 'one', POINTS)
    prepare_custom(tmp_path / 'raw', tmp_path / 'custom', ClassList(tuple(CLASSES)))
    write_leaf(tmp_path / 'my_scans.py', tmp_path / 'custom')
    assert "'data/scannet'" in LEAF
    path = tmp_path / 'both.py'
    path.write_text(LEAF.replace("'data/scannet'", repr(str(tiny_data / 'scannet'))))
    init_default_scope('mmdet3d')
    return path


def test_both_are_trained_on_with_the_same_classes(leaf):
    from mmdet3d.registry import DATASETS

    config = Config.fromfile(leaf)
    joined = DATASETS.build(config.train_dataloader.dataset)
    own, scannet = joined.datasets
    assert len(joined) == len(own) + len(scannet) == 1 + 4
    assert own.metainfo['classes'] == scannet.metainfo['classes'] == tuple(CLASSES)
    labels = {
        label
        for index in range(1, 5)
        for label in joined[index]['data_samples'].gt_instances_3d.labels_3d.tolist()
    }
    assert labels <= {0, 1} and joined[0]['data_samples'].gt_instances_3d.labels_3d.tolist()


def test_other_classes_are_refused(leaf):
    """Otherwise the class indices of one dataset would be read as those of the other."""
    from mmdet3d.registry import DATASETS

    data = Config.fromfile(leaf).train_dataloader.dataset
    data.datasets[1].metainfo.classes = ['table', 'chair']
    with pytest.raises(ValueError, match='does not match meta information'):
        DATASETS.build(data)
