# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pair tables against a dictionary of voxels."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.ops.sparse import neighbors

OFFSETS = list(itertools.product((-1, 0, 1), repeat=3))


@pytest.fixture(params=['native', 'torch'], autouse=True)
def implementation(request, monkeypatch):
    """Run every test with both implementations; the native one must exist."""
    assert neighbors._kernels() is not None
    if request.param == 'torch':
        monkeypatch.setattr(neighbors, '_native', lambda tensor: False)
    return request.param


def _pairs(table):
    return [
        list(zip(table.in_rows(offset).tolist(), table.out_rows(offset).tolist()))
        for offset in range(len(table.count))
    ]


def _voxels(rows):
    coors = torch.tensor(sorted(rows), dtype=torch.int32).view(-1, 4)
    shape = [int(extent) + 1 for extent in coors[:, 1:].amax(0)] if len(coors) else [1, 1, 1]
    return coors, shape, int(coors[:, 0].max()) + 1 if len(coors) else 1


def _check(rows):
    coors, shape, batch_size = _voxels(rows)
    voxels = neighbors.sort_voxels(coors, shape, batch_size)
    assert voxels.order is None
    row_of = {tuple(voxel): row for row, voxel in enumerate(coors.tolist())}
    table = neighbors.submanifold_pairs(voxels.keys, shape)
    expected = []
    for dx, dy, dz in OFFSETS:
        near = [
            (row_of.get((b, x + dx, y + dy, z + dz)), row) for (b, x, y, z), row in row_of.items()
        ]
        expected.append([pair for pair in near if pair[0] is not None])
    assert _pairs(table) == expected
    assert (table.num_in, table.num_out) == (len(coors), len(coors))

    even = [extent + extent % 2 for extent in shape]
    coarse = neighbors.strided_pairs(coors, even)
    parents = sorted({(b, x // 2, y // 2, z // 2) for b, x, y, z in row_of})
    assert [tuple(parent) for parent in coarse.coors.tolist()] == parents
    keys = neighbors.voxel_keys(coarse.coors, [extent // 2 for extent in even])
    assert torch.equal(coarse.keys, keys)
    expected = [[] for _ in range(8)]
    for (b, x, y, z), row in row_of.items():
        parent = parents.index((b, x // 2, y // 2, z // 2))
        expected[x % 2 * 4 + y % 2 * 2 + z % 2].append((row, parent))
    assert _pairs(coarse.table) == expected
    assert (coarse.table.num_in, coarse.table.num_out) == (len(coors), len(parents))


@pytest.mark.parametrize(
    'rows',
    [
        [(0, 0, 0, 0)],
        [(0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 0, 2)],
        [(0, 0, 0, 4), (0, 0, 1, 0), (0, 1, 0, 0), (0, 1, 4, 4)],  # ends of rows are not neighbours
        [(0, 1, 1, 1), (1, 0, 0, 0), (1, 1, 1, 1)],
        [(2, 3, 1, 0)],
        list(itertools.product((0, 1), range(3), range(4), range(3))),
    ],
)
def test_tables_of_chosen_voxels(rows):
    _check(rows)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 1), *[st.integers(0, 4)] * 3), min_size=1, max_size=60))
def test_tables_of_any_voxels(rows):
    for name in ('native', 'torch'):
        with pytest.MonkeyPatch.context() as patch:
            if name == 'torch':
                patch.setattr(neighbors, '_native', lambda tensor: False)
            _check(rows)


def test_no_voxels():
    keys = torch.zeros(0, dtype=torch.int64)
    table = neighbors.submanifold_pairs(keys, [2, 2, 2])
    assert table.num_pairs == 0
    coarse = neighbors.strided_pairs(torch.zeros(0, 4, dtype=torch.int32), [2, 2, 2])
    assert coarse.table.num_pairs == 0
    assert coarse.coors.shape == (0, 4)


def test_transposed_exchanges_rows():
    coors, shape, _ = _voxels([(0, 0, 0, 0), (0, 0, 1, 0), (0, 2, 0, 0)])
    table = neighbors.strided_pairs(coors, [extent + extent % 2 for extent in shape]).table
    back = table.transposed()
    assert _pairs(back) == [[pair[::-1] for pair in pairs] for pairs in _pairs(table)]
    assert (back.num_in, back.num_out) == (2, 3)


def test_block_bounds_split_every_list():
    coors, shape, _ = _voxels(itertools.product((0, 1), range(3), range(4), range(3)))
    voxels = neighbors.sort_voxels(coors, shape, 2)
    table = neighbors.submanifold_pairs(voxels.keys, shape)
    bounds = neighbors.block_bounds(table, 16, 5)
    for offset in range(27):
        rows = table.out_rows(offset).numpy()
        assert bounds[:, offset].tolist() == np.searchsorted(rows, np.arange(6) * 16).tolist()


def test_sorting_remembers_the_given_rows():
    coors = torch.tensor([[1, 0, 0, 0], [0, 2, 1, 0], [0, 0, 5, 3]])
    voxels = neighbors.sort_voxels(coors, [3, 6, 4], 2)
    assert voxels.coors.tolist() == [[0, 0, 5, 3], [0, 2, 1, 0], [1, 0, 0, 0]]
    assert voxels.order.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ('coors', 'message'),
    [
        (
            [[0, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1]],
            r'duplicate voxel \[0, 1, 1, 1\] \(batch, x, y, z\) in rows 0 and 2',
        ),
        ([[0, 0, 0, 0], [0, 0, -3, 0]], 'y = -3 of voxel row 1 is negative'),
        ([[0, 0, 0, 0], [-1, 0, 0, 0]], 'batch = -1 of voxel row 1 is negative'),
        ([[0, 0, 0, 9]], 'z = 9 of voxel row 0 is too large: expected 0 <= z < 4'),
        ([[0, 0, 0, 0], [5, 0, 0, 0]], 'batch = 5 of voxel row 1 is too large'),
    ],
)
def test_wrong_voxels_are_named(coors, message):
    with pytest.raises(ValueError, match=message):
        neighbors.sort_voxels(torch.tensor(coors), [4, 4, 4], 2)


def test_wrong_types_and_shapes_are_named():
    with pytest.raises(ValueError, match=r'coors must be integers of shape \(V, 4\)'):
        neighbors.sort_voxels(torch.zeros(3, 4), [4, 4, 4], 1)
    with pytest.raises(ValueError, match=r'odd'):
        neighbors.strided_pairs(torch.zeros(1, 4, dtype=torch.int32), [4, 3, 4])
    with pytest.raises(ValueError, match='too many cells'):
        neighbors.sort_voxels(torch.zeros(1, 4, dtype=torch.int32), [2**30, 2**30, 2**10], 1)
