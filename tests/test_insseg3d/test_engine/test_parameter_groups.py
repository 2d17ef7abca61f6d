# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Merged groups of parameters compute the same as one group per parameter."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIMIZERS
from torch import nn

import insseg3d  # noqa: F401

STOCK = dict(constructor='DefaultOptimWrapperConstructor')
ADAMW = dict(type='AdamW', lr=1e-2, betas=(0.9, 0.999), weight_decay=0.1, fused=True)
PARAMWISE = dict(
    norm_decay_mult=0.0,
    bias_decay_mult=0.0,
    custom_keys={'2': dict(lr_mult=0.1), 'frozen': dict(decay_mult=0.0)},
)


def build(optimizer, model=None, **changes):
    cfg = dict(
        type='OptimWrapper',
        constructor='MergedGroupsConstructor',
        optimizer=optimizer,
        clip_grad=dict(max_norm=1, norm_type=2),
        paramwise_cfg=PARAMWISE,
    )
    return build_optim_wrapper(model or network(), dict(cfg, **changes))


def network():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(5, 16), nn.LayerNorm(16), nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)
    )
    model.frozen = nn.Parameter(torch.ones(3), requires_grad=False)
    return model.double()  # only the order of sums could differ, which has no effect here


def trained(steps=10, **cfg):
    model = network()
    wrapper = build(model=model, **cfg)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(20, 5, dtype=torch.float64, generator=generator)
        wrapper.update_params(model(x).square().mean())
    return model, wrapper


@pytest.mark.parametrize('paramwise', [PARAMWISE, None])
def test_same_weights_as_with_a_group_for_each_parameter(paramwise):
    unfused = {key: value for key, value in ADAMW.items() if key != 'fused'}
    expected, before = trained(optimizer=unfused, paramwise_cfg=paramwise, **STOCK)
    for optimizer in (unfused, ADAMW):
        model, wrapper = trained(optimizer=optimizer, paramwise_cfg=paramwise)
        for one, other in zip(model.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
        assert len(wrapper.optimizer.param_groups) == (3 if paramwise else 1)
    assert len(before.optimizer.param_groups) == (10 if paramwise else 1)


def test_each_parameter_keeps_its_options():
    model = network()
    names = {parameter: name for name, parameter in model.named_parameters()}
    options = []
    for extra in (STOCK, {}):
        groups = build(ADAMW, model, **extra).optimizer.param_groups
        options.append(
            {
                names[parameter]: {key: value for key, value in group.items() if key != 'params'}
                for group in groups
                for parameter in group['params']
            }
        )
    assert options[0] == options[1] and len(options[0]) == 10
    assert {option['lr'] for option in options[1].values()} == {1e-2, 1e-3}


@pytest.mark.parametrize(
    'optimizer',
    [
        dict(type='Adamax', lr=1e-2, betas=(0.9, 0.999), weight_decay=0.1, fused=True),
        dict(type='RMSprop', lr=1e-2, weight_decay=0.1, fused=True),
        dict(ADAMW, foreach=True),
    ],
)
def test_fused_is_left_out_where_the_optimiser_has_none(optimizer):
    """Change the type in an inherited dict, like a leaf."""
    model, _ = trained(optimizer=optimizer)
    without = {key: value for key, value in optimizer.items() if key != 'fused'}
    expected, _ = trained(optimizer=without)
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(one, other)


@OPTIMIZERS.register_module(name='FusedOnGPUForTest')
class FusedOnGPU(torch.optim.AdamW):
    """An optimiser like those of torch before 2.4, without fused steps on a CPU."""

    def __init__(self, params, **options):
        super().__init__(params, **options)
        if options.get('fused'):
            raise RuntimeError(
                '`fused=True` requires all the params to be floating point Tensors '
                "of supported devices: ['cuda', 'xpu', 'privateuseone']."
            )


def test_fused_is_left_out_where_the_device_has_none():
    _, wrapper = trained(optimizer=dict(ADAMW, type='FusedOnGPUForTest'))
    assert not wrapper.optimizer.defaults['fused']
    assert build(ADAMW).optimizer.defaults['fused']


def test_sgd_is_fused_too():
    model, wrapper = trained(
        optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=0.1, fused=True)
    )
    expected, _ = trained(
        optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=0.1), **STOCK
    )
    assert wrapper.optimizer.defaults['fused']
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_other_errors_stay():
    with pytest.raises(TypeError, match='momentum'):
        build(dict(ADAMW, momentum=0.9))
    # An error that occurs with and without fused.
    with pytest.raises(TypeError, match='momentum'):
        build(dict(type='Adamax', lr=1e-2, weight_decay=0.0, momentum=0.9, fused=True))
