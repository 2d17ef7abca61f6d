# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Batch normalisation of very few rows."""

import pytest
import torch
from torch import nn

from insseg3d.layers import BatchNorm, norm_relu


def _pair(channels=5):
    ours, theirs = BatchNorm(channels), nn.BatchNorm1d(channels, eps=1e-4)
    nn.init.uniform_(ours.weight, 0.5, 1.5)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('num', [2, 7, 3000])
def test_norm_relu_equals_torch(training, num):
    ours, theirs = _pair()
    x = torch.randn(num, 5) * 3 + 1
    results = []
    for norm, dtype in ((ours, torch.float32), (theirs, torch.float64)):
        norm.to(dtype).train(training)
        features = x.to(dtype).requires_grad_()
        out = norm_relu(norm, features) if norm is ours else torch.relu(norm(features))
        factor = torch.arange(out.numel(), dtype=dtype).cos().view(out.shape)
        grads = torch.autograd.grad((out * factor).sum(), [features, norm.weight, norm.bias])
        results.append([out, *grads, *norm.buffers()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize('num', [0, 1])
def test_running_statistics_serve_one_voxel_or_none(num):
    norm, _ = _pair()
    norm.running_mean.uniform_()
    norm.running_var.uniform_(0.5, 2)
    before = [buffer.clone() for buffer in norm.buffers()]
    x = torch.randn(num, 5, requires_grad=True)
    out = norm_relu(norm.train(), x)
    torch.testing.assert_close(out, norm_relu(norm.eval(), x))
    out.sum().backward()
    assert norm.weight.grad is not None
    for one, other in zip(before, norm.buffers(), strict=True):
        assert torch.equal(one, other)


def test_norm_relu_leaves_its_input_alone():
    norm, _ = _pair()
    for training in (True, False):
        x = torch.randn(6, 5)
        kept = x.clone()
        norm_relu(norm.train(training), x)
        assert torch.equal(x, kept)


def test_other_norms_serve_too():
    x = torch.randn(6, 5)
    torch.testing.assert_close(norm_relu(nn.LayerNorm(5), x), torch.relu(nn.LayerNorm(5)(x)))
