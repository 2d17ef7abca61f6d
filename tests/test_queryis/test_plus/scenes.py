# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Small scenes with points, voxels and ground truth, and a head with all parts of this folder."""

import dataclasses
from typing import NamedTuple

import torch
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from insseg3d.segmentors import SharedQueries
from insseg3d.structures import SceneBatch, SceneRows, VoxelLevel

from ..helpers import CHANNELS, NUM_CLASSES, QUERIES, WIDTH, build_head

CELL = 0.5
"""Metres."""
POSITION = dict(type='FourierPosition', wavelengths=(8.0, 2.0))  # 15 channels
VOTES = dict(type='FourierPosition', wavelengths=(4.0,))  # 9 channels
POINTWISE = dict(
    type='PointwiseHead',
    in_channels=CHANNELS,
    num_classes=NUM_CLASSES,
    num_stuff=2,
    offset_losses=dict(l1=dict(type='OffsetL1Loss')),
)
PLACED = dict(type='PlacedFeatures', position=POSITION)
VOTED = dict(
    type='VotedFeatures',
    position=POSITION,
    votes=VOTES,
    pointwise=POINTWISE,
    class_channels=5,
    loss_weight=3.0,
)
DECODER = dict(
    type='MaskReadingDecoder',
    num_layers=2,
    embed_dims=WIDTH,
    reading_channels=CHANNELS,
    position=POSITION,
    relation=dict(type='MaskRelation', num_heads=2),
    queries=dict(type='LearnedQueries', num_queries=QUERIES, embed_dims=WIDTH),
    layer=dict(type='QueryDecoderLayer', embed_dims=WIDTH, num_heads=2),
)
CHANNELS_OF = dict(
    BackboneFeatures=CHANNELS, PlacedFeatures=CHANNELS + 15, VotedFeatures=CHANNELS + 15 + 9 + 5
)
QUALITY = dict(type='MaskQuality', embed_dims=WIDTH, hidden_channels=7, loss_weight=2.0)
WHOLE = dict(type='MaskPilots', embed_dims=WIDTH, radius=(99.0, 99.0), noise=(0.0, 0.0))
"""Pilots whose regions are whole objects, whatever is drawn."""


class Scene(NamedTuple):
    """Points ``(P, 3)`` in metres, their sample, features ``(V, C)`` and memory ``(5, WIDTH)``."""

    coords: Tensor
    sample: Det3DDataSample
    features: Tensor
    memory: Tensor


def make_scene(num_points=80, num_objects=3, seed=0, cell=CELL):
    """Make random points and objects; only the voxels depend on the size of a cell."""
    generator = torch.Generator().manual_seed(seed)
    coords = torch.rand(num_points, 3, generator=generator) * 3
    instance = torch.randint(-1, max(num_objects, 1), (num_points,), generator=generator)
    instance[:num_objects] = torch.arange(num_objects)
    if num_objects == 0:
        instance.fill_(-1)
    labels = torch.randint(NUM_CLASSES, (num_objects,), generator=generator)
    stuff = torch.randint(3, (num_points,), generator=generator)
    return scene_of(coords, instance, labels, stuff, seed=seed, cell=cell)


def scene_of(coords, instance, labels, stuff, *, seed=0, cell=CELL):
    """Make a scene in the format of the pipeline; points of no object are of some surface."""
    grid = (coords / cell).floor().long()
    coors, point2voxel, counts = torch.unique(grid, dim=0, return_inverse=True, return_counts=True)
    inside = instance >= 0
    table, shared = torch.unique(
        torch.stack([instance[inside], point2voxel[inside]], 1), dim=0, return_counts=True
    )
    sample = Det3DDataSample()
    sample.voxels = BaseDataElement(
        coors=coors,
        point2voxel=point2voxel,
        counts=counts,
        inst_index=table[:, 0],
        inst_voxel=table[:, 1],
        inst_points=shared,
    )
    sample.gt_instances_3d = InstanceData(labels_3d=labels)
    semantic = NUM_CLASSES + stuff
    semantic[inside] = labels[instance[inside]]
    sample.gt_pts_seg = PointData(pts_instance_mask=instance, pts_semantic_mask=semantic)
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(len(counts), CHANNELS, generator=generator)
    return Scene(coords, sample, features, torch.randn(5, WIDTH, generator=generator))


def batch_of(*scenes, dtype=torch.float32, coords=None):
    """Make a batch in which each scene passed through the backbone as a whole."""
    tables = [scene.sample.voxels for scene in scenes]
    features = [scene.features.to(dtype) for scene in scenes]
    coors = [
        torch.cat([torch.full((len(part.coors), 1), b), part.coors], 1)
        for b, part in enumerate(tables)
    ]
    return SceneBatch(
        levels={1: VoxelLevel(torch.cat(features), torch.cat(coors))},
        rows=[
            SceneRows(some, part.counts, part.point2voxel) for some, part in zip(features, tables)
        ],
        coords=[scene.coords.to(coords or dtype) for scene in scenes],
        memory=torch.stack([scene.memory for scene in scenes]).to(dtype),
        samples=[scene.sample for scene in scenes],
    )


def in_pieces(scene, splits=3):
    """Make a batch of one scene whose rows are those of its parts."""
    whole, tables = batch_of(scene), scene.sample.voxels
    strategy = SharedQueries(splits=splits)
    parts = strategy.split(scene.coords, tables)
    renumber = {tuple(coor): v for v, coor in enumerate(tables.coors.tolist())}
    voxels = [[renumber[tuple(coor)] for coor in part.coors.tolist()] for part in parts]
    rows = strategy.join(parts, [scene.features[some] for some in voxels])
    return dataclasses.replace(whole, rows=[rows]), torch.tensor(sum(voxels, []))


def plus_head(features=VOTED, decoder=None, pilots=WHOLE, quality=QUALITY, **changes):
    """Build a head whose masks cover a part of each scene, other parts for other queries."""
    channels = dict(reading_channels=CHANNELS_OF[features['type']])
    decoder = dict(DECODER, **channels, **(decoder or {}))
    quality = None if quality is None else dict(quality, **channels)
    parts = dict(features=features, decoder=decoder, pilots=pilots, quality=quality)
    head = build_head(**parts, **changes)
    torch.nn.init.normal_(head.mask_embedding[-1].weight)
    if pilots is not None:
        torch.nn.init.normal_(head.pilots.embedding)
    return head
