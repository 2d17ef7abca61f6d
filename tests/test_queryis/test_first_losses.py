# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The paper's leaves give the losses of the first iterations that they gave before 3D-QueryIS+."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import Config
from mmengine.registry import init_default_scope

from insseg3d.transforms import AddVoxelTables

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'queryis'

# Printed by this test's `losses_of`, at commit 4d72a4d, which had no part of 3D-QueryIS+.
BEFORE = {
    'queryis-s_demo': [38.300312, 37.008492, 36.029881],
    'queryis-s_1xb10-150k_scannet': [36.849327, 33.367676, 31.227737],
    'queryis-s_1xb10-60k_s3dis-area5': [36.907391, 33.852478, 31.706091],
}


def scene(seed, num_classes, num_points=600, num_objects=5):
    """Make a cloud of boxes on a floor, each box an object."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(-1, num_objects, num_points)
    owner[:num_objects] = np.arange(num_objects)
    corners = rng.uniform(-2, 2, (num_objects, 3))
    coords = np.where(
        owner[:, None] >= 0,
        corners[owner] + rng.uniform(0, 0.6, (num_points, 3)),
        rng.uniform(-2.5, 2.5, (num_points, 3)) * [1, 1, 0],
    )
    labels = rng.integers(0, num_classes, num_objects)
    points = torch.from_numpy(np.hstack([coords, rng.uniform(-1, 1, (num_points, 3))])).float()
    sample = Det3DDataSample()
    sample.gt_pts_seg = PointData(
        pts_instance_mask=torch.from_numpy(owner),
        pts_semantic_mask=torch.from_numpy(np.where(owner >= 0, labels[owner], num_classes)),
    )
    return points, sample


def losses_of(leaf, iterations=3):
    """Return the sum of the losses in each iteration of a training without augmentation."""
    config = Config.fromfile(CONFIGS / f'{leaf}.py')
    (voxels,) = [
        t for t in config.train_dataloader.dataset.pipeline if t['type'] == 'AddVoxelTables'
    ]
    transform = AddVoxelTables(voxel_size=voxels['voxel_size'])
    inputs, samples = [], []
    for seed in range(2):
        points, sample = scene(seed, config.model.decode_head.num_classes)
        results = transform(dict(inputs=dict(points=points), data_samples=sample))
        inputs.append(results['inputs']['points'])
        samples.append(results['data_samples'])
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(iterations):
        total = sum(model.loss(dict(points=inputs), samples).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total))
    return totals


@pytest.mark.parametrize('leaf', BEFORE)
def test_losses_of_the_papers_leaves_are_unchanged(leaf):
    init_default_scope('mmdet3d')
    assert losses_of(leaf) == pytest.approx(BEFORE[leaf], rel=1e-4)
