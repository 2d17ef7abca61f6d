# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
import torch
from mmengine.config import Config

from insseg_lab.speed.pipelines import build_pipeline, cells, run_pipeline, write_scan


@pytest.fixture
def config(tiny_config):
    return Config.fromfile(tiny_config)


def test_cells_by_hand():
    points = np.array([[0, 0, 0], [0.9, 0, 0], [1.1, 0, 0], [5, 0, 0], [1.2, 0, 0]])
    assert cells(points + 7, 1.0).tolist() == [0, 0, 1, 2, 1]


def test_written_scan_is_a_scene_like_any_other(config, tmp_path):
    points = np.random.default_rng(0).uniform(0, 5, (2000, 6)).astype(np.float32)
    info = write_scan(tmp_path, points, config)
    load = dict(type='LoadSuperpoints')
    first, *rest = config.train_dataloader.dataset.pipeline
    pipeline = build_pipeline([first, load, *rest])
    out, seconds = run_pipeline(pipeline, info, 3)
    sample = out['data_samples']
    assert len(out['inputs']['points']) == 2000 and len(sample.gt_instances_3d) > 20
    assert int(sample.voxels.point2superpoint.max()) > 500
    assert list(seconds) == list(pipeline)
    again, other = (run_pipeline(pipeline, info, draw)[0]['inputs']['points'] for draw in (3, 4))
    assert torch.equal(again, out['inputs']['points'])
    assert not torch.equal(other, out['inputs']['points'])


def test_transforms_of_one_kind_are_told_apart():
    shift = dict(type='RandomColorShift')
    pipeline = build_pipeline([shift, dict(type='IfAnnotated', transforms=[shift]), shift])
    assert list(pipeline) == ['RandomColorShift', 'RandomColorShift (2)', 'RandomColorShift (3)']
