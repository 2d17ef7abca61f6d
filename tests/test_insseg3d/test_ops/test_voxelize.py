# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.ops.voxelize import voxel_instance_table, voxelize


def test_hand_made_points():
    coords = np.array([[0.05, 0, 0], [0, 0, 0.01], [0, 0, 0], [0, 0.03, 0], [0.041, 0, 0.0]])
    grid = voxelize(coords, voxel_size=0.02)
    assert grid.coors.tolist() == [[0, 0, 0], [0, 1, 0], [2, 0, 0]]
    assert grid.point2voxel.tolist() == [2, 0, 0, 1, 2]
    assert grid.counts.tolist() == [2, 1, 2]
    assert [a.dtype for a in grid] == [np.int32, np.int64, np.int64]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.sampled_from([0.02, 0.05, 0.3]))
def test_equals_numpy_unique(seed, num_points, voxel_size):
    rng = np.random.default_rng(seed)
    coords = (rng.random((num_points, 3)) * rng.choice([0.1, 1, 10], 3)).astype(np.float32)
    grid = voxelize(coords, voxel_size=voxel_size)
    index = np.floor(coords / np.float32(voxel_size)).astype(np.int64)
    coors, point2voxel, counts = np.unique(index, axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(grid.coors, coors)
    np.testing.assert_array_equal(grid.point2voxel, point2voxel.reshape(-1))
    np.testing.assert_array_equal(grid.counts, counts)


@pytest.mark.parametrize(
    'coords, voxel_size, message',
    [
        (np.zeros((0, 3)), 0.02, 'without points'),
        (np.zeros((4, 2)), 0.02, r'shape \(P, 3\)'),
        (np.full((1, 3), np.nan), 0.02, 'NaN or infinity'),
        (np.full((1, 3), np.inf), 0.02, 'NaN or infinity'),
        (np.full((1, 3), -0.1), 0.02, 'subtract the scene minimum'),
        (np.full((1, 3), 30000.0), 0.02, 'millimetres'),
        (np.zeros((1, 3)), 0.0, 'voxel_size'),
        (np.zeros((1, 3)), -1.0, 'voxel_size'),
    ],
)
def test_bad_input(coords, voxel_size, message):
    with pytest.raises(ValueError, match=message):
        voxelize(coords, voxel_size=voxel_size)


def test_table_of_hand_made_points():
    point2voxel = np.array([0, 0, 0, 1, 1, 2, 2])
    instance_ids = np.array([1, 0, 1, 1, -1, 0, 0])
    table = voxel_instance_table(point2voxel, instance_ids, num_voxels=3)
    rows = list(zip(*(column.tolist() for column in table)))
    assert rows == [(0, 0, 1), (2, 0, 2), (0, 1, 2), (1, 1, 1)]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(0, 200), st.integers(1, 20), st.integers(0, 6))
def test_table_equals_counting_pairs(seed, num_points, num_voxels, num_instances):
    rng = np.random.default_rng(seed)
    point2voxel = rng.integers(0, num_voxels, num_points)
    instance_ids = rng.integers(-1, num_instances, num_points)
    table = voxel_instance_table(point2voxel, instance_ids, num_voxels=num_voxels)
    dense = np.zeros((num_instances, num_voxels), int)
    for voxel, instance in zip(point2voxel, instance_ids):
        if instance >= 0:
            dense[instance, voxel] += 1
    inst_index, inst_voxel = np.nonzero(dense)  # sorted by (instance, voxel)
    np.testing.assert_array_equal(table.inst_index, inst_index)
    np.testing.assert_array_equal(table.inst_voxel, inst_voxel)
    np.testing.assert_array_equal(table.inst_points, dense[inst_index, inst_voxel])
    assert all(column.dtype == np.int64 for column in table)


def test_table_needs_one_entry_per_point():
    with pytest.raises(ValueError, match='one entry per point'):
        voxel_instance_table(np.zeros(3, int), np.zeros(4, int), num_voxels=1)
