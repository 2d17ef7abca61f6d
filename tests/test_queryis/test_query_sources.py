# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Queries computed from points of the scene instead of learned."""

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

from insseg3d.structures import SceneBatch, VoxelLevel

from ..test_insseg3d.test_segmentors.test_instance_segmentor import (
    batch,
    build_model,
    make_sample,
    pack,
)
from .helpers import CHANNELS, WIDTH, build_head, make_batch


def build(**changes):
    return MODELS.build(
        dict(type='FPSQueries', num_queries=3, embed_dims=WIDTH, in_channels=WIDTH, **changes)
    )


def on_lines(*lines, order=slice(None)):
    """Make scenes with voxels on a line at these positions; features are the row numbers."""
    coors = torch.tensor([[b, 0, x, 0] for b, line in enumerate(lines) for x in line])
    rows = torch.arange(len(coors)).float()
    level = VoxelLevel(rows[:, None].expand(-1, WIDTH)[order], coors.reshape(-1, 4)[order])
    return SceneBatch({1: level}, rows=[None] * len(lines), coords=())


def test_features_of_the_farthest_voxels_by_hand():
    queries = build()(on_lines([0, 1, 5, 9, 10], [0, 7, 9]))
    assert queries[:, :, 0].tolist() == [[0, 4, 2], [5, 7, 6]]


def test_small_scenes_repeat_their_voxels():
    queries = build()(on_lines([], [3, 4], [5]))
    assert queries[:, :, 0].tolist() == [[0, 0, 0], [0, 1, 0], [2, 2, 2]]


def test_rows_of_several_scenes_may_be_mixed():
    lines = [0, 1, 5, 9, 10], [0, 7, 9]
    mixed = on_lines(*lines, order=torch.tensor([5, 0, 1, 6, 2, 3, 7, 4]))
    assert torch.equal(build()(on_lines(*lines)), build()(mixed))


def test_head_takes_them_to_their_width_and_trains_the_projection():
    head = with_points()
    losses = head.loss(make_batch([20, 13], [3, 2]))
    sum(losses.values()).backward()
    assert head.decoder.queries.projection.weight.grad.any()


def with_points(**changes):
    return build_head(
        decoder=dict(
            type='QueryDecoder',
            num_layers=3,
            queries=dict(type='FPSQueries', num_queries=10, embed_dims=WIDTH, in_channels=CHANNELS),
            layer=dict(type='QueryDecoderLayer', embed_dims=WIDTH, num_heads=2),
            **changes,
        )
    )


def test_init_cfg_of_the_decoder_comes_last():
    head = with_points(init_cfg=dict(type='Constant', layer='Linear', val=0.5))
    layers = [layer for layer in head.decoder.layers.modules() if isinstance(layer, nn.Linear)]
    assert layers and all((layer.weight == 0.5).all() for layer in layers)


def model_with_points(**changes):
    return build_model(
        decoder_queries=dict(type='FPSQueries', num_queries=6, embed_dims=16, in_channels=8),
        **changes,
    ).eval()


@torch.no_grad()
def test_model_makes_queries_scene_by_scene():
    model = model_with_points()
    both = model(**batch(make_sample(seed=0), make_sample(seed=1)), mode='predict')
    for seed in (0, 1):
        (alone,) = model(**batch(make_sample(seed=seed)), mode='predict')
        torch.testing.assert_close(
            alone.pred_instances_3d.scores_3d, both[seed].pred_instances_3d.scores_3d
        )
        assert torch.equal(alone.pred_instances_3d.masks, both[seed].pred_instances_3d.masks)


@torch.no_grad()
def test_interleaved_subsets_share_the_queries_of_the_first():
    model = model_with_points(test_strategy=dict(type='SharedQueries', splits=4))
    seen = []
    model.decode_head.decoder.queries.register_forward_pre_hook(
        lambda module, args: seen.append(args[0].levels[1])
    )
    points, sample = make_sample(seed=2)
    (result,) = model(**batch((points, sample)), mode='predict')
    (level,) = seen
    first = torch.unique(sample.voxels.coors[sample.voxels.point2voxel[::4]], dim=0)
    assert torch.equal(level.coors[:, 1:], first)
    assert result.pred_instances_3d.masks.shape[1] == len(points)


@pytest.mark.parametrize('kind', ['AllVoxelsNeck', 'RandomVoxelsNeck', 'FPSNeck'])
@torch.no_grad()
def test_order_of_points_and_company_in_the_batch_change_nothing(kind):
    model = model_with_points()
    points = {} if kind == 'AllVoxelsNeck' else dict(num_points=40)
    model.neck = MODELS.build(
        dict(
            type=kind,
            in_channels=16,
            out_channels=16,
            stride=2,
            post_norm=dict(type='LN'),
            **points,
        )
    )
    model.eval()
    points, sample = make_sample(seed=2)
    plain, other = (
        result.pred_instances_3d
        for result in model(
            **batch((points, sample), make_sample(num_points=20, seed=3)), mode='predict'
        )
    )
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(7))
    grid = points[:, :3].floor().long()
    mixed = pack(points[order], grid[order], torch.full((len(points),), -1), torch.zeros(0).long())
    (alone,) = model(**batch(mixed), mode='predict')
    alone = alone.pred_instances_3d
    torch.testing.assert_close(plain.scores_3d, alone.scores_3d)
    assert torch.equal(plain.masks[:, order], alone.masks) and len(plain) > 0
