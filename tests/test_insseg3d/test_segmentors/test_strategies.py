# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scenes that pass through the backbone in interleaved subsets."""

import pytest
import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.structures import BaseDataElement

from insseg3d.segmentors import SharedQueries, VoxelFull
from insseg3d.structures import SceneBatch, VoxelLevel

from .test_instance_segmentor import batch, build_model, make_sample, pack

NONE = torch.zeros(0, dtype=torch.long)


def dense_scene(num_points=300, seed=0):
    """Make the points of an unlabelled scene, and their sample."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(num_points, 6, generator=generator) * 5
    return scene_of(points)


def scene_of(points):
    return pack(points, points[:, :3].long(), torch.full((len(points),), -1), NONE)


def with_strategy(model, **cfg):
    model.test_strategy = TASK_UTILS.build(cfg)
    return model


def predict(model, *scenes):
    with torch.no_grad():
        return [sample.pred_instances_3d for sample in model(**batch(*scenes), mode='predict')]


def assert_same(ours, theirs, exactly=False):
    assert torch.equal(ours.labels_3d, theirs.labels_3d) and len(ours) > 0
    assert torch.equal(ours.masks, theirs.masks)
    if exactly:
        assert torch.equal(ours.scores_3d, theirs.scores_3d)
    torch.testing.assert_close(ours.scores_3d, theirs.scores_3d)


def test_split_and_join_by_hand():
    points = torch.arange(7.0)[:, None]
    voxels = BaseDataElement(
        coors=torch.tensor([[0, 0, 0], [0, 0, 4], [2, 0, 0]]),
        counts=torch.tensor([2, 2, 3]),
        point2voxel=torch.tensor([2, 0, 1, 2, 2, 0, 1]),
    )
    strategy = SharedQueries(splits=3)
    parts = strategy.split(points, voxels)
    assert [part.points[:, 0].tolist() for part in parts] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [part.coors[:, [0, 2]].tolist() for part in parts] == [
        [[0, 4], [2, 0]],
        [[0, 0], [2, 0]],
        [[0, 0], [0, 4]],
    ]
    assert [part.point2voxel.tolist() for part in parts] == [[1, 1, 0], [0, 1], [1, 0]]
    assert [part.counts.tolist() for part in parts] == [[1, 2], [1, 1], [1, 1]]
    rows = strategy.join(parts, [torch.tensor([[1.0], [2.0]]) + 10 * k for k in range(3)])
    assert rows.features[:, 0].tolist() == [1, 2, 11, 12, 21, 22]
    assert rows.counts.tolist() == [1, 2, 1, 1, 1, 1]
    assert rows.point2row.tolist() == [1, 2, 5, 1, 3, 4, 0]


def test_one_subset_is_the_whole_scene_to_the_bit():
    model = build_model().eval()
    scenes = [dense_scene(seed=1), make_sample(seed=2)]
    whole = predict(with_strategy(model, type='VoxelFull'), *scenes)
    one = predict(with_strategy(model, type='SharedQueries', splits=1), *scenes)
    for ours, theirs in zip(one, whole):
        assert_same(ours, theirs, exactly=True)
    assert isinstance(build_model().test_strategy, VoxelFull)  # the default


def test_subsets_that_look_alike_give_what_the_whole_scene_gives():
    points, _ = dense_scene(100, seed=3)
    model = build_model().eval()
    four = scene_of(points.repeat_interleave(4, 0))  # every subset has each point once
    (whole,) = predict(with_strategy(model, type='VoxelFull'), four)
    (split,) = predict(with_strategy(model, type='SharedQueries', splits=4), four)
    assert_same(split, whole)
    (single,) = predict(with_strategy(model, type='VoxelFull'), scene_of(points))
    assert torch.equal(split.masks, single.masks.repeat_interleave(4, 1))


def naive_masks(model, points, splits):
    """Compute mask logits (P, Q) and class logits subset by subset and point by point."""
    head, logits = model.decode_head, {}
    for first in range(splits):
        members = list(range(first, len(points), splits))
        if not members:
            continue
        cells = sorted({tuple(points[i, :3].long().tolist()) for i in members})
        inside = {
            cell: [i for i in members if tuple(points[i, :3].long().tolist()) == cell]
            for cell in cells
        }
        means = torch.stack([points[inside[cell]].mean(0) for cell in cells])
        coors = torch.tensor([[0, *cell] for cell in cells], dtype=torch.int32)
        levels = model.backbone(means, coors)
        if first == 0:
            memory, padding = model.neck(levels, 1)
            source = SceneBatch(levels, [None], (), memory, padding)
            class_logits, embeddings, _ = head.decode(source)
        rows = head.point_projection(levels[1].features) @ embeddings[-1][0].T
        for row, cell in zip(rows, cells):
            logits.update(dict.fromkeys(inside[cell], row))
    return torch.stack([logits[i] for i in range(len(points))]), class_logits[-1][0]


@pytest.mark.parametrize('num_points, splits', [(203, 4), (50, 3), (5, 4)])
@torch.no_grad()
def test_equals_a_naive_loop(num_points, splits):
    model = with_strategy(build_model().eval(), type='SharedQueries', splits=splits)
    scene = dense_scene(num_points, seed=4)
    (result,) = predict(model, scene)
    logits, class_logits = naive_masks(model, scene[0], splits)
    probs, labels = class_logits.softmax(-1)[:, :-1].max(-1)
    inside = logits > 0
    score = probs * (logits.sigmoid() * inside).sum(0) / inside.sum(0).clamp(min=1)
    score = torch.where(inside.any(0), score, -1.0)
    order = score.argsort(descending=True)[: int((score >= 0).sum())]
    assert torch.equal(result.masks, inside[:, order].T) and len(order) > 0
    assert torch.equal(result.labels_3d, labels[order])
    torch.testing.assert_close(result.scores_3d, score[order])


def test_points_that_change_places_within_their_subset_take_their_masks_along():
    model = with_strategy(build_model().eval(), type='SharedQueries', splits=4)
    points, _ = dense_scene(202, seed=5)
    generator = torch.Generator().manual_seed(0)
    order = torch.arange(202)
    for first in range(4):
        members = order[first::4].clone()
        order[first::4] = members[torch.randperm(len(members), generator=generator)]
    (plain,) = predict(model, scene_of(points))
    (mixed,) = predict(model, scene_of(points[order]))
    assert torch.equal(plain.masks[:, order], mixed.masks)
    torch.testing.assert_close(plain.scores_3d, mixed.scores_3d)


@pytest.mark.parametrize('num_points', [1, 2, 3, 4])
def test_scene_with_fewer_points_than_subsets(num_points):
    model = with_strategy(build_model().eval(), type='SharedQueries', splits=4)
    tiny = dense_scene(num_points, seed=6)
    (alone,) = predict(model, tiny)
    assert alone.masks.shape[1] == num_points
    # In a batch with a scene of four subsets, its empty subsets have no voxels.
    shared, large = predict(model, tiny, dense_scene(seed=7))
    assert torch.equal(shared.masks, alone.masks)
    assert_same(large, predict(model, dense_scene(seed=7))[0])


def test_queries_come_from_the_first_subset_alone():
    model = with_strategy(build_model().eval(), type='SharedQueries', splits=4)
    calls = []
    neck = model.neck.forward
    model.neck.forward = lambda levels, size: calls.append(levels) or neck(levels, size)
    points, _ = dense_scene(40, seed=8)
    predict(model, scene_of(points))
    (levels,), cells = calls, torch.unique(points[::4, :3].long(), dim=0)
    assert torch.equal(levels[1].coors[:, 1:].long(), cells)


def test_backbone_with_one_level_serves_too():
    model = build_model().eval()
    points, sample = dense_scene(40)
    model.backbone.forward = lambda features, coors: features[:, :3]
    model.neck = None
    for make in (model.split_scenes, model.whole_scenes):
        scenes = make(*batch((points, sample)).values())
        assert isinstance(scenes.levels[1], VoxelLevel)
        assert torch.equal(scenes.rows[0].point2row, sample.voxels.point2voxel)


@pytest.mark.parametrize('splits', [0, -1, 2.0])
def test_number_of_subsets_is_checked(splits):
    with pytest.raises(ValueError, match='expected an integer >= 1'):
        SharedQueries(splits=splits)
