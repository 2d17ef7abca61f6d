# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Watching the stages leaves everything as it was."""

import numpy as np
import pytest
import torch

import queryis  # noqa: F401
from insseg3d.apis import InstanceSeg3DInferencer, inferencer
from insseg3d.apis import files as inferencer_files
from insseg_lab.speed.inference import _watched, write_ply
from insseg_scans import read_scan


def test_what_is_watched_is_itself_again(sure_weights):
    model = InstanceSeg3DInferencer('queryis-s_demo', sure_weights, 'cpu')
    seconds = dict.fromkeys(
        ('read', 'look', 'voxelise', 'model', 'objects', 'view.html', 'masks.npz'), 0.0
    )
    before = vars(model).copy(), vars(inferencer).copy(), vars(inferencer_files).copy()
    with pytest.raises(ValueError, match='scan'):
        with _watched(model, seconds, torch.device('cpu')):
            assert 'forward' in vars(model)
            inferencer.read_scan('none.scan')
    assert seconds['read'] > 0 and seconds['model'] == 0
    assert before == (vars(model), vars(inferencer), vars(inferencer_files))


def test_a_scan_as_scanners_write_it(own_points, tmp_path):
    write_ply(tmp_path / 'scan.ply', own_points)
    scan = read_scan(tmp_path / 'scan.ply')
    np.testing.assert_array_equal(scan.coords, own_points[:, :3])
    np.testing.assert_array_equal(scan.colors, own_points[:, 3:])
