# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Operations of small layers, worked out by hand: two a multiply-add."""

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

import queryis  # noqa: F401
from insseg3d.layers import (
    SparseConv3d,
    SparseInverseConv3d,
    SparseTensor,
    SubMConv3d,
    sparse_tensor,
)
from insseg_lab.speed.operations import count_operations

# Three voxels in a row and one far away; strides put the first two and the third apart.
COORS = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2], [0, 6, 6, 6]])


@pytest.fixture(params=[False, True], ids=['as on a CPU', 'as on a GPU'])
def tables(request, monkeypatch):
    """Count over the tables of a CPU, and over those of a GPU."""
    monkeypatch.setattr(sparse_tensor, 'gathers', lambda tensor: request.param)


def voxels(channels):
    return SparseTensor.from_voxels(torch.rand(4, channels), COORS, multiple=2)


@pytest.mark.usefixtures('tables')
def test_pairs_of_a_submanifold_convolution():
    layer, x = SubMConv3d(3, 5, backend='torch'), voxels(3)
    # Each voxel with itself, and two pairs of neighbours in both directions.
    assert count_operations(layer, lambda: layer(x)) == {
        'sparse convolution': 2 * (4 + 4) * 3 * 5,
        'matrix product': 0,
        'attention': 0,
    }


@pytest.mark.usefixtures('tables')
def test_the_way_down_and_up_counts_every_fine_voxel_once():
    net = nn.ModuleList([SparseConv3d(3, 5), SparseInverseConv3d(5, 2)])
    x = voxels(3)
    counts = count_operations(net, lambda: net[1](net[0](x), x))
    assert counts['sparse convolution'] == 2 * 4 * 3 * 5 + 2 * 4 * 5 * 2
    assert counts['matrix product'] == 0


def test_compiled_kernels_and_torch_operators_count_alike(monkeypatch):
    layer = SubMConv3d(3, 5)
    counts = count_operations(layer, lambda: layer(voxels(3)))
    monkeypatch.setattr('insseg3d.ops.sparse.cpu.usable', lambda features: False)
    assert count_operations(layer, lambda: layer(voxels(3))) == counts


def test_pooling_in_parts_counts_like_pooling_at_once():
    """Its products are added in place."""
    maps, linear = MODELS.build(dict(type='SumNormalizedMaps')), nn.Linear(6, 4)
    features = torch.rand(1000, 6)
    counts = count_operations(nn.Identity(), lambda: maps.pool(linear, features))
    # Both products have a further column: the bias, and the sums.
    assert counts['matrix product'] == 2 * 2 * 1000 * 7 * 4


@pytest.mark.parametrize('shape, rows', [((7, 3), 7), ((2, 7, 3), 14)])
def test_linear_layer(shape, rows):
    layer = nn.Linear(3, 5)
    counts = count_operations(layer, lambda: layer(torch.rand(*shape)))
    assert counts == {'sparse convolution': 0, 'matrix product': 2 * rows * 3 * 5, 'attention': 0}


def test_products_outside_of_layers():
    left, right = torch.rand(2, 4, 3), torch.rand(2, 3, 6)
    counts = count_operations(
        nn.Identity(), lambda: (left[0] @ right[0], left @ right, left[0] @ right[0, :, 0])
    )
    assert counts['matrix product'] == 2 * (4 * 3 * 6 + 2 * 4 * 3 * 6 + 4 * 3)


@pytest.mark.parametrize('is_self', [True, False])
@pytest.mark.parametrize('training', [True, False])
def test_attention(is_self, training, monkeypatch):
    """4 queries and 9 keys of width 8 in 2 heads; in eval mode torch has a fused operator.

    The switch for it is younger than the oldest torch.
    """
    monkeypatch.delattr(torch.backends.mha, 'set_fastpath_enabled')
    layer = nn.MultiheadAttention(8, 2, batch_first=True).train(training)
    queries = torch.rand(3, 4, 8)
    memory = queries if is_self else torch.rand(3, 9, 8)
    keys = memory.shape[1]
    counts = count_operations(layer, lambda: layer(queries, memory, memory, need_weights=False))
    projections = 4 + 2 * keys + 4  # of queries, of keys and values, of the result
    assert sum(counts.values()) == 2 * 3 * (projections * 8 * 8 + 2 * 4 * keys * 8)


def test_layers_of_another_library_are_refused():
    class Foreign(nn.Linear):
        __module__ = 'spconv.pytorch.conv'

    with pytest.raises(ValueError, match='Foreign of spconv cannot be counted'):
        count_operations(nn.Sequential(Foreign(1, 1)), lambda: None)
