# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Properties of every transform, for any scene and after any other transform."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from insseg3d.engine.sampler import DrawIndex
from insseg3d.transforms import (
    AddVoxelTables,
    CenterCoordinates,
    CropToMaxPoints,
    DropColor,
    ElasticDistortion,
    NormalizeColor,
    RandomColorShift,
    RandomMatrix,
    RandomSubsample,
    RelabelInstances,
)
from insseg3d.transforms.scene import SUPERPOINT, add_columns, columns

from .scenes import packed, scene

K = 5
# Each transform with the values of a point that it may change.
TRANSFORMS = [
    (RandomMatrix(scale=(0.9, 1.1)), 'coord'),
    (ElasticDistortion(), 'grid'),
    (RandomColorShift(), 'color'),
    (DropColor(prob=0.5), 'color'),
    (RandomSubsample(ratio=0.6), 'rows'),
    (CropToMaxPoints(max_points=60, window=3.0, step=0.4, min_points=5), 'rows'),
    (RelabelInstances(), 'instances'),
]


@st.composite
def scenes(draw):
    """Make a small scene, centred, with colours about 0; superpoints are indices of points."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, objects = draw(st.integers(1, 200)), draw(st.integers(0, 6))
    extent = draw(st.sampled_from([0.0, 0.05, 2.0, 6.0]))
    instances = rng.integers(-1, objects, size) if objects else np.full(size, -1)
    classes = np.append(rng.integers(0, K, objects), K)[instances]
    results = scene(
        rng.uniform(-extent, extent, (size, 3)),
        rng.integers(0, 256, (size, 3)),
        draw=(int(rng.integers(2**31)), int(rng.integers(2**31))),
        pts_instance_mask=instances,
        pts_semantic_mask=classes,
    )
    results['points'] = add_columns(results['points'], SUPERPOINT, np.arange(size)[:, None])
    return CenterCoordinates()(NormalizeColor()(results))


def copy_of(results):
    points = results['points']
    masks = {key: results[key].copy() for key in ('pts_instance_mask', 'pts_semantic_mask')}
    clone = type(points)(
        points.tensor.clone(),
        points_dim=points.tensor.shape[1],
        attribute_dims=points.attribute_dims,
    )
    return dict(
        results, points=clone, transform_uses=dict(results.get('transform_uses', {})), **masks
    )


def parts_of(results):
    """Return all parts of a scene by name, and the original index of each point."""
    points = results['points']
    parts = {name: columns(points, name) for name in ('coord', 'color')}
    if 'grid' in points.attribute_dims:
        parts['grid'] = columns(points, 'grid')
    numbers = points.tensor[:, points.attribute_dims[SUPERPOINT][0]].long().numpy()
    return parts, numbers


@settings(deadline=None, max_examples=60)
@given(scenes(), st.lists(st.sampled_from(TRANSFORMS), min_size=1, max_size=6))
def test_any_transforms_in_any_order(results, transforms):
    size = len(results['points'])
    first = copy_of(results)
    for transform, changes in transforms:
        before, numbers_before = parts_of(copy_of(results))
        again = transform(copy_of(results))
        results = transform(results)
        parts, numbers = parts_of(results)
        # Counts, order, and values that stay with their points.
        assert 1 <= len(numbers) <= size and (np.diff(numbers) > 0).all()
        assert set(numbers) <= set(numbers_before)
        if changes != 'rows':
            assert len(numbers) == len(numbers_before)
        kept = np.isin(numbers_before, numbers)
        for name in before:
            if name != changes and (name, changes) != ('grid', 'rows'):
                np.testing.assert_array_equal(parts[name], before[name][kept])
        assert all(np.isfinite(values).all() for values in parts.values())
        # Labels stay with their points; instances may be renumbered.
        classes, instances = results['pts_semantic_mask'], results['pts_instance_mask']
        assert len(classes) == len(instances) == len(numbers)
        np.testing.assert_array_equal(classes, first['pts_semantic_mask'][numbers])
        of_number = first['pts_instance_mask'][numbers]
        np.testing.assert_array_equal(instances >= 0, of_number >= 0)
        pairs = set(zip(instances.tolist(), of_number.tolist()))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        # Only the draw matters.
        assert torch.equal(again['points'].tensor, results['points'].tensor)
    results = RelabelInstances()(results)
    present = np.unique(results['pts_instance_mask'])
    assert present[present >= 0].tolist() == list(range((present >= 0).sum()))
    check_tables(results, numbers)


def check_tables(results, numbers):
    parts, _ = parts_of(copy_of(results))
    instances = results['pts_instance_mask'].copy()
    out = AddVoxelTables(voxel_size=0.3)(packed(results))
    points, voxels = out['inputs']['points'].numpy(), out['data_samples'].voxels
    np.testing.assert_array_equal(points, np.hstack([parts['coord'], parts['color']]))
    assert voxels.point2superpoint.tolist() == list(range(len(numbers)))  # one per point
    grid = parts.get('grid', parts['coord'] - parts['coord'].min(0))
    np.testing.assert_array_equal(
        voxels.coors[voxels.point2voxel], np.floor(grid / np.float32(0.3))
    )
    assert len(np.unique(voxels.coors, axis=0)) == len(voxels.coors)
    np.testing.assert_array_equal(voxels.counts, np.bincount(voxels.point2voxel))
    shared = np.zeros((len(voxels.coors), max(instances.max(), 0) + 1), int)
    inside = instances >= 0
    np.add.at(shared, (voxels.point2voxel.numpy()[inside], instances[inside]), 1)
    table = np.zeros_like(shared)
    table[voxels.inst_voxel, voxels.inst_index] = voxels.inst_points
    np.testing.assert_array_equal(table, shared)


@pytest.fixture(scope='module')
def dataset(tiny_config, tiny_data):
    """Make training data with every random transform."""
    init_default_scope('mmdet3d')
    cfg = Config.fromfile(tiny_config).train_dataloader.dataset.to_dict()
    cfg['data_root'] = str(tiny_data / 'scannet')
    *head, pack, tables = cfg['pipeline']
    at = [t['type'] for t in head].index('NormalizeColor')
    crop = next(t for t in head if t['type'] == 'CropToMaxPoints')
    crop.update(max_points=1500, window=4.0, min_points=100)
    head.insert(at, dict(type='RandomSubsample', ratio=0.7))
    cfg['pipeline'] = [*head, dict(type='DropColor', prob=0.5), pack, tables]
    return DATASETS.build(cfg)


def load(dataset, indices, workers):
    loader = DataLoader(
        dataset, batch_size=2, sampler=indices, num_workers=workers, collate_fn=pseudo_collate
    )
    samples = []
    for batch in loader:
        for points, sample in zip(batch['inputs']['points'], batch['data_samples']):
            tensors = [sample.voxels.get(key) for key in sorted(sample.voxels.keys())]
            samples.append([points, sample.gt_instances_3d.labels_3d, *tensors])
    return samples


def equal(ours, theirs):
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(ours, theirs))


def test_samples_depend_on_the_draw_and_not_on_the_worker(dataset):
    indices = [DrawIndex(draw % len(dataset), (3, draw)) for draw in range(8)]
    alone = load(dataset, indices, 0)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    for workers in (1, 2):
        shared = load(dataset, indices, workers)
        assert len(shared) == 8 and all(map(equal, alone, shared))
    # From the middle, like a resumed training, and with other samples in the batch.
    assert all(map(equal, alone[5:], load(dataset, indices[5:], 2)))
    other = load(dataset, [DrawIndex(int(i), (4, i.draw[1])) for i in indices], 0)
    assert not any(map(equal, alone, other))
    assert not any(equal(alone[k], alone[k + 4]) for k in range(4))  # same scene, later draw


def test_spread_of_the_distortion_at_the_points():
    """Between nodes, the mean of eight displacements has a smaller spread than at a node."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(-3, 3, (4000, 3))
    coords[::2] = np.round(coords[::2] / 0.8) * 0.8  # the nodes of the wide pass: 2 g apart
    spread = []
    for draw in range(60):
        results = scene(coords, draw=(0, draw))
        grid = columns(ElasticDistortion(passes=[(0.4, 3.2)])(results)['points'], 'grid')
        shift = grid - coords
        spread.append((shift - shift.mean(0)).reshape(-1, 2, 3))
    spread = np.stack(spread).std(axis=(0, 1, 3))
    at_nodes, between = spread
    # (√19 / 9)³ · 3.2 = 0.363 at a node, minus the common shift of the scene, which is invisible.
    assert 0.28 < at_nodes < 0.38 and 0.75 < between / at_nodes < 0.95


def test_share_of_flips():
    """A flip has a negative determinant: half of all matrices without jitter."""
    transform = RandomMatrix(jitter_std=0.0)
    corners = np.eye(3)
    flips = [
        np.linalg.det(columns(transform(scene(corners, draw=(0, draw)))['points'], 'coord')) < 0
        for draw in range(600)
    ]
    assert 250 <= sum(flips) <= 350  # 300 on average, standard deviation 12
