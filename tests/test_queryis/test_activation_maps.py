# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The alternatives of Eq. 1 and 2: literal sums, and softmax over the voxels."""

import math

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

from queryis import activation_maps

from .test_rpg_neck import build_neck, level


def weights(neck, embeddings, activation):
    logits = embeddings @ neck.map_logits.weight.T + neck.map_logits.bias
    return [[activation(float(z)) for z in column] for column in logits.T]


def test_literal_equation_two_written_out():
    neck, voxels = build_neck(maps=dict(type='LiteralMaps'), post_norm=None), level(7)
    points, _ = neck({4: voxels}, 1)
    embeddings = neck.mlp(voxels.features)
    for j, row in enumerate(weights(neck, embeddings, lambda z: 1 / (1 + math.exp(-z)))):
        torch.testing.assert_close(points[0, j], sum(w * o for w, o in zip(row, embeddings)))


def test_literal_sum_grows_with_the_scene_unless_normed():
    voxels = level(9)
    twice = voxels._replace(features=voxels.features.repeat(2, 1), coors=voxels.coors.repeat(2, 1))
    plain = build_neck(maps=dict(type='LiteralMaps'), post_norm=None)
    torch.testing.assert_close(2 * plain({4: voxels}, 1)[0], plain({4: twice}, 1)[0])
    normed = build_neck(maps=dict(type='LiteralMaps'))
    torch.testing.assert_close(
        normed({4: voxels}, 1)[0], normed({4: twice}, 1)[0], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize('temperature', [1.0, 0.5])
def test_softmax_written_out(temperature):
    neck = build_neck(maps=dict(type='SoftmaxMaps', temperature=temperature), post_norm=None)
    voxels = level(7)
    points, _ = neck({4: voxels}, 1)
    embeddings = neck.mlp(voxels.features)
    for j, row in enumerate(weights(neck, embeddings, lambda z: math.exp(z / temperature))):
        expected = sum(w * o for w, o in zip(row, embeddings)) / sum(row)
        torch.testing.assert_close(points[0, j], expected)


def test_softmax_ignores_how_often_a_voxel_is_there():
    neck, voxels = build_neck(maps=dict(type='SoftmaxMaps')), level(9)
    twice = voxels._replace(features=voxels.features.repeat(2, 1), coors=voxels.coors.repeat(2, 1))
    torch.testing.assert_close(neck({4: voxels}, 1)[0], neck({4: twice}, 1)[0])


@pytest.mark.parametrize('kind', ['LiteralMaps', 'SoftmaxMaps'])
def test_scenes_without_voxels_and_the_start(kind):
    neck = build_neck(maps=dict(type=kind))
    assert torch.isfinite(neck({4: level(0, 4)}, 2)[0]).all()
    neck.init_weights()
    assert not neck.map_logits.bias.any() and neck.map_logits.weight.std() > 0.05


def test_temperature_is_checked():
    with pytest.raises(ValueError, match='temperature is 0'):
        MODELS.build(dict(type='SoftmaxMaps', temperature=0))


@pytest.mark.parametrize('kind', ['SumNormalizedMaps', 'LiteralMaps', 'SoftmaxMaps'])
@pytest.mark.parametrize('number', [0, 1, 40, 64])
def test_pooling_in_parts_equals_pooling_at_once(kind, number, monkeypatch):
    monkeypatch.setattr(activation_maps, 'MOST_VOXELS_IN_CACHE', 16)
    torch.manual_seed(0)
    maps, linear, features = MODELS.build(dict(type=kind)), nn.Linear(5, 7), torch.randn(number, 5)
    maps.init_maps(linear)
    nn.init.normal_(linear.bias)
    at_once = maps.pool(linear, features)
    assert at_once.requires_grad
    with torch.no_grad():
        in_parts = maps.pool(linear, features)
    torch.testing.assert_close(in_parts, at_once.detach())
    assert in_parts.shape == (7, 5) and (number > 0) == bool(in_parts.any())
