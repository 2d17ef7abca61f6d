# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The sparse residual U-Net: sizes, levels, order, and extreme voxels."""

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

from insseg3d.backbones import SparseResUNet


def _small(**changes):
    settings = {'base_channels': 16, 'num_levels': 3, 'blocks_per_level': 1, **changes}
    torch.manual_seed(0)
    return MODELS.build({'type': 'SparseResUNet', **settings})


def _voxels(num=400, extent=(12, 11, 9), batch_size=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    cells = torch.cartesian_prod(torch.arange(batch_size), *map(torch.arange, extent))
    coors = cells[torch.randperm(len(cells), generator=generator)[:num]]
    return torch.randn(num, 6, generator=generator), coors


@pytest.mark.parametrize(('width', 'expected'), [(16, 7_532_096), (32, 30_106_240)])
def test_number_of_parameters(width, expected):
    with torch.device('meta'):
        net = SparseResUNet(base_channels=width)
    out_norm = sum(parameter.numel() for parameter in net.out_norm.parameters())
    assert sum(parameter.numel() for parameter in net.parameters()) - out_norm == expected
    assert f'{expected:,}' in SparseResUNet.__doc__


def test_levels():
    features, coors = _voxels()
    levels = _small().eval()(features, coors)
    assert list(levels) == [1, 2, 4]
    assert torch.equal(levels[1].coors, coors.int())
    for stride, level in levels.items():
        assert level.features.shape == (len(level.coors), 16 * {1: 1, 2: 2, 4: 3}[stride])
        assert level.coors.dtype == torch.int32
        if stride > 1:
            coarse = torch.cat([coors[:, :1], coors[:, 1:] // stride], dim=1)
            assert torch.equal(level.coors.long(), torch.unique(coarse, dim=0))


def test_chosen_strides():
    features, coors = _voxels()
    every = _small().eval()(features, coors)
    some = _small(out_strides=(4, 1)).eval()(features, coors)
    assert list(some) == [1, 4]
    assert all(
        torch.equal(level.features, every[stride].features) for stride, level in some.items()
    )
    for stride in (1, 2):
        alone = _small(out_strides=stride).eval()(features, coors)
        assert torch.equal(alone, every[stride].features)
    for wrong in (8, (1, 3), 0):
        with pytest.raises(ValueError, match=r'expected strides of 3 levels: \[1, 2, 4\]'):
            _small(out_strides=wrong)


def test_misspelt_argument_is_named():
    with pytest.raises(TypeError, match='base_chanels'):
        _small(base_chanels=16)


def test_every_parameter_gets_a_gradient():
    """This also holds if most levels have few voxels, and for a network built twice."""
    for net in (_small(), _small()):
        features, coors = _voxels()
        sum(level.features.square().sum() for level in net(features, coors).values()).backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_decoder_reads_the_encoder_before_what_came_up():
    net, seen = _small().eval(), {}
    for name in ('encoder.0', 'up.0', 'decoder.0.0'):
        net.get_submodule(name).register_forward_hook(
            lambda module, args, out, name=name: seen.update({name: (args[0], out)})
        )
    net(*_voxels())
    expected = torch.cat([seen['encoder.0'][1].features, seen['up.0'][1].features], dim=1)
    assert torch.equal(seen['decoder.0.0'][0].features, expected)


def test_row_order_and_batch_mates_do_not_matter():
    net = _small().eval()
    features, coors = _voxels()
    levels = net(features, coors)
    order = torch.randperm(len(coors))
    for stride, level in net(features[order], coors[order]).items():
        expected = levels[stride].features[order] if stride == 1 else levels[stride].features
        torch.testing.assert_close(level.features, expected, rtol=1e-5, atol=1e-5)
    rows = coors[:, 0] == 1
    alone = net(features[rows], coors[rows] * torch.tensor([0, 1, 1, 1]))
    for stride, level in levels.items():
        torch.testing.assert_close(
            alone[stride].features, level.features[level.coors[:, 0] == 1], rtol=1e-5, atol=1e-5
        )


def test_shift_by_whole_coarse_cells_does_not_matter():
    net = _small().eval()
    features, coors = _voxels()
    shifted = net(features, coors + torch.tensor([0, 4, 8, 12]))
    for stride, level in net(features, coors).items():
        torch.testing.assert_close(shifted[stride].features, level.features, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
    'rows',
    [
        [],
        [[0, 0, 0, 0]],
        [[0, 6, 4, 2]],  # odd extents: the last cell of each axis
        [[2, 5, 5, 5], [2, 5, 5, 6]],  # scenes 0 and 1 are empty
        [[0, 1, 1, 1], [1, 1, 1, 1]],
    ],
)
def test_few_voxels(rows, training):
    net = _small().train(training)
    coors = torch.tensor(rows, dtype=torch.int32).view(-1, 4)
    features = torch.ones(len(rows), 6, requires_grad=True)
    levels = net(features, coors)
    assert levels[1].features.shape == (len(rows), 16)
    assert all(torch.isfinite(level.features).all() for level in levels.values())
    sum(level.features.sum() for level in levels.values()).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_wrong_voxels_are_named():
    features, coors = _voxels(3)
    coors[2] = coors[0]
    with pytest.raises(ValueError, match='duplicate voxel'):
        _small()(features, coors)
    coors[2, 3] = -1
    with pytest.raises(ValueError, match='z = -1 of voxel row 2 is negative'):
        _small()(features, coors)


def test_frozen_norms_still_train_the_convolutions():
    net = _small().train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    net(*_voxels())[1].features.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert net.eval() is net


def test_learns():
    net = _small(out_strides=1)
    features, coors = _voxels()
    target = torch.sin(coors[:, 1:].float()).sum(1)
    head = nn.Linear(16, 1)
    optimizer = torch.optim.AdamW([*net.parameters(), *head.parameters()], lr=1e-2)
    losses = []
    for _ in range(40):
        loss = (head(net(features, coors)).squeeze(1) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


def test_serves_the_stock_semantic_segmentor():
    """mmdetection3d calls ``backbone(voxels, coors)`` and reads the finest features."""
    features, coors = _voxels()
    out = _small(out_strides=1)(voxel_features=features, coors=coors.int())
    assert out.shape == (len(coors), 16)
