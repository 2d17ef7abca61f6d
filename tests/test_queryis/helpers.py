# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A small head, and random scenes to test it on."""

import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.structures import BaseDataElement, InstanceData

import queryis  # noqa: F401
from insseg3d.structures import SceneBatch, SceneRows, SceneTargets, VoxelLevel

NUM_CLASSES, CHANNELS, WIDTH, QUERIES = 4, 6, 8, 10


def build_head(**changes):
    torch.manual_seed(0)
    cfg = dict(
        type='QueryISHead',
        num_classes=NUM_CLASSES,
        in_channels=CHANNELS,
        embed_dims=WIDTH,
        decoder=dict(
            type='QueryDecoder',
            num_layers=3,
            queries=dict(type='LearnedQueries', num_queries=QUERIES, embed_dims=WIDTH),
            layer=dict(type='QueryDecoderLayer', embed_dims=WIDTH, num_heads=2),
        ),
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='QueryClassCost', weight=2.0),
                dict(type='MaskBCECost', weight=5.0),
                dict(type='MaskDiceCost', weight=5.0),
            ],
        ),
        loss_cls=dict(
            type='mmdet.CrossEntropyLoss', loss_weight=2.0, class_weight=[1.0] * NUM_CLASSES + [0.1]
        ),
        mask_losses=dict(
            bce=dict(type='MaskBCELoss', loss_weight=5.0),
            dice=dict(type='MaskDiceLoss', loss_weight=5.0),
        ),
        ranking=dict(type='ArgmaxRanking', min_points=1),
    )
    cfg.update(changes)
    head = MODELS.build(cfg)
    head.init_weights()
    return head


def make_targets(num_voxels, num_objects, seed=0):
    """Make ground truth: every voxel is in at most one object and contains one to three points."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, 4, (num_voxels,), generator=generator)
    owner = torch.randint(-1, max(num_objects, 1), (num_voxels,), generator=generator)
    owner[:num_objects] = torch.arange(num_objects)
    if num_objects == 0:
        owner.fill_(-1)
    order = torch.argsort(owner, stable=True)
    order = order[owner[order] >= 0]
    labels = torch.randint(NUM_CLASSES, (num_objects,), generator=generator)
    return SceneTargets(counts, order, owner[order], counts[order], labels)


def make_batch(sizes, objects, seed=0):
    """Make memory ``(B, 5, WIDTH)``, features and ground truth of scenes with these sizes."""
    generator = torch.Generator().manual_seed(seed)
    memory = torch.randn(len(sizes), 5, WIDTH, generator=generator)
    features = [torch.randn(size, CHANNELS, generator=generator) for size in sizes]
    targets = [make_targets(*pair, seed=seed + i) for i, pair in enumerate(zip(sizes, objects))]
    return batch_of(memory, features, targets)


def batch_of(memory, features, targets, **changes):
    """Make a batch of scenes whose voxels lie on a line; points are in the order of the voxels."""
    rows = [
        SceneRows(some, scene.counts, torch.arange(len(some)).repeat_interleave(scene.counts))
        for some, scene in zip(features, targets)
    ]
    lines = [torch.arange(len(some)) for some in features]
    coors = [torch.stack([torch.full_like(x, b), x, 0 * x, 0 * x], 1) for b, x in enumerate(lines)]
    finest = VoxelLevel(torch.cat(list(features)), torch.cat(coors))
    coords = [torch.zeros(len(scene.point2row), 3) for scene in rows]
    samples = [sample_of(scene) for scene in targets]
    return SceneBatch(
        **{
            **dict(levels={1: finest}, rows=rows, coords=coords, memory=memory, samples=samples),
            **changes,
        }
    )


def sample_of(targets):
    """Make a data sample with this ground truth."""
    sample = Det3DDataSample()
    sample.voxels = BaseDataElement(
        counts=targets.counts,
        inst_voxel=targets.inst_voxel,
        inst_index=targets.inst_index,
        inst_points=targets.inst_points,
    )
    sample.gt_instances_3d = InstanceData(labels_3d=targets.labels)
    return sample


def scenes_of(batch, which):
    """Select scenes of a batch by their numbers and return them as a batch."""
    features = [batch.rows[b].features for b in which]
    return batch_of(batch.memory[which], features, [batch.voxel_targets()[b] for b in which])
