# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import math

import pytest
import torch
from mmdet3d.registry import MODELS

import queryis  # noqa: F401
from insseg3d.structures import VoxelLevel


def build_neck(**changes):
    torch.manual_seed(0)
    cfg = dict(
        type='RPGNeck',
        in_channels=5,
        out_channels=8,
        num_points=6,
        stride=4,
        maps=dict(type='SumNormalizedMaps'),
        mlp_norm=dict(type='LN'),
        post_norm=dict(type='LN'),
    )
    cfg.update(changes)
    neck = MODELS.build(cfg)
    neck.init_weights()
    # Maps differ between voxels, as they do after some training.
    torch.nn.init.normal_(neck.map_logits.weight)
    return neck.double().eval()


def level(*sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    coors = torch.cat([batch[:, None], torch.zeros(sum(sizes), 3, dtype=torch.long)], 1)
    features = torch.randn(sum(sizes), 5, dtype=torch.float64, generator=generator)
    return VoxelLevel(features, coors)


def test_equations_one_and_two_written_out():
    neck = build_neck(post_norm=None)
    voxels = level(7)
    points, padding = neck({4: voxels}, 1)
    embeddings = neck.mlp(voxels.features)
    for j in range(6):
        weights = [
            1 / (1 + math.exp(-float(neck.map_logits.weight[j] @ o + neck.map_logits.bias[j])))
            for o in embeddings
        ]
        expected = sum(w * o for w, o in zip(weights, embeddings)) / sum(weights)
        torch.testing.assert_close(points[0, j], expected)
    assert padding is None and points.shape == (1, 6, 8)


def test_batch_equals_single_scenes_in_any_row_order():
    neck = build_neck()
    both = level(7, 11)
    points, _ = neck({4: both}, 2)
    first = VoxelLevel(both.features[:7], both.coors[:7])
    second = VoxelLevel(both.features[7:], both.coors[7:] * 0)
    torch.testing.assert_close(points[0], neck({4: first}, 1)[0][0])
    torch.testing.assert_close(points[1], neck({4: second}, 1)[0][0])
    order = torch.randperm(18, generator=torch.Generator().manual_seed(1))
    mixed = VoxelLevel(both.features[order], both.coors[order])
    torch.testing.assert_close(points, neck({4: mixed}, 2)[0])


def test_duplicated_voxels_change_nothing():
    neck = build_neck()
    voxels = level(9)
    twice = VoxelLevel(voxels.features.repeat(2, 1), voxels.coors.repeat(2, 1))
    torch.testing.assert_close(neck({4: voxels}, 1)[0], neck({4: twice}, 1)[0])


def test_empty_scene_gives_finite_points():
    neck = build_neck()
    points, _ = neck({4: level(0, 4)}, 2)
    assert torch.isfinite(points).all()


def test_maps_start_at_their_prior():
    neck = MODELS.build(
        dict(
            type='RPGNeck',
            in_channels=5,
            out_channels=8,
            num_points=6,
            maps=dict(type='SumNormalizedMaps', prior=0.05),
        )
    )
    neck.init_weights()
    start = neck.map_logits(torch.zeros(1, 8)).sigmoid()
    torch.testing.assert_close(start, torch.full((1, 6), 0.05))
    with pytest.raises(ValueError, match='prior is 1.5'):
        MODELS.build(dict(type='SumNormalizedMaps', prior=1.5))


def test_weights_that_init_cfg_names_stay(tmp_path):
    weights = {
        f'neck.{name}': torch.full_like(value, 0.25)
        for name, value in build_neck().state_dict().items()
    }
    torch.save(weights, tmp_path / 'other.pth')
    neck = MODELS.build(
        dict(
            type='RPGNeck',
            in_channels=5,
            out_channels=8,
            num_points=6,
            maps=dict(type='SumNormalizedMaps'),
            mlp_norm=dict(type='LN'),
            post_norm=dict(type='LN'),
            init_cfg=dict(
                type='Pretrained', checkpoint=str(tmp_path / 'other.pth'), prefix='neck.'
            ),
        )
    )
    neck.init_weights()
    assert all((value == 0.25).all() for value in neck.state_dict().values())


def test_pooling_stays_in_fp32_under_autocast():
    neck = build_neck().float()
    voxels = level(50)
    voxels = VoxelLevel(voxels.features.float(), voxels.coors)
    seen = []
    neck.maps.register_forward_hook(
        lambda module, args, output: seen.extend(tensor.dtype for tensor in (*args, output))
    )
    with torch.autocast('cpu', dtype=torch.bfloat16):
        neck({4: voxels}, 1)
    assert seen == [torch.float32] * 3


def test_missing_level_is_named():
    with pytest.raises(ValueError, match=r'stride=4, but the backbone returns strides \[1\]'):
        build_neck()({1: level(3)}, 1)


def test_instance_norm_keeps_points_of_nearly_equal_maps_apart():
    def points_of(post_norm):
        neck = build_neck(post_norm=post_norm)
        torch.nn.init.normal_(neck.map_logits.weight, std=1e-3)
        return neck({4: level(30)}, 1)[0][0]

    together = points_of(dict(type='LN'))
    apart = points_of(dict(type='PointInstanceNorm', eps=1e-15))
    assert together.std(0).max() < 0.01 * together.std()
    zero, one = torch.zeros(8, dtype=torch.float64), torch.ones(8, dtype=torch.float64)
    torch.testing.assert_close(apart.mean(0), zero)
    torch.testing.assert_close(apart.std(0, correction=0), one, rtol=0, atol=1e-3)


def test_instance_norm_written_out_for_each_scene():
    neck = build_neck(post_norm=dict(type='PointInstanceNorm', eps=1e-3))
    plain = build_neck(post_norm=None)
    voxels = level(9, 12)
    for points, plain_points in zip(neck({4: voxels}, 2)[0], plain({4: voxels}, 2)[0]):
        mean, variance = plain_points.mean(0), plain_points.var(0, correction=0)
        torch.testing.assert_close(points, (plain_points - mean) / (variance + 1e-3).sqrt())
