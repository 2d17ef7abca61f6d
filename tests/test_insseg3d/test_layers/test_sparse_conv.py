# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolutions against dense ones, in values and gradients."""
import pytest
import torch

from insseg3d.layers import SparseConv3d, SparseInverseConv3d, SparseTensor, SubMConv3d

from .sparse_reference import dense_inverse, dense_strided, dense_submanifold, random_voxels

CHANNELS = [(3, 5), (16, 16), (6, 40), (33, 17)]


def _layer(kind, channels, dtype=torch.float64):
    torch.manual_seed(1)
    return kind(*channels, backend='torch').to(dtype)


def _grads(out, *inputs):
    torch.manual_seed(2)
    return torch.autograd.grad((out * torch.randn_like(out)).sum(), inputs,
                               retain_graph=True)


def _assert_close(ours, reference, tolerance=1e-9):
    for one, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('channels', CHANNELS)
@pytest.mark.parametrize('extent', [(6, 5, 7), (1, 1, 9), (4, 4, 4)])
def test_submanifold_equals_dense(channels, extent):
    coors = random_voxels(60, extent)
    features = torch.randn(len(coors), channels[0], dtype=torch.float64, requires_grad=True)
    layer = _layer(SubMConv3d, channels)
    out = layer(SparseTensor.from_voxels(features, coors)).input_order()
    reference = dense_submanifold(features, coors, layer.weight)
    _assert_close([out], [reference])
    _assert_close(_grads(out, features, layer.weight), _grads(reference, features, layer.weight))


@pytest.mark.parametrize('channels', CHANNELS)
@pytest.mark.parametrize('extent', [(6, 5, 7), (3, 3, 3), (8, 8, 8)])
def test_strided_and_inverse_equal_dense(channels, extent):
    coors = random_voxels(40, extent)
    features = torch.randn(len(coors), channels[0], dtype=torch.float64, requires_grad=True)
    down = _layer(SparseConv3d, channels)
    up = _layer(SparseInverseConv3d, channels[::-1])
    fine = SparseTensor.from_voxels(features, coors, multiple=2)
    coarse = down(fine)
    out = up(coarse, fine).input_order()
    reference, voxels = dense_strided(features, coors, down.weight)
    back = dense_inverse(reference, voxels, coors, up.weight)
    assert torch.equal(coarse.grid.coors.long(), voxels)
    _assert_close([coarse.features, out], [reference, back])
    _assert_close(_grads(coarse.features, features, down.weight),
                  _grads(reference, features, down.weight))
    inputs = features, down.weight, up.weight
    _assert_close(_grads(out, *inputs), _grads(back, *inputs))
