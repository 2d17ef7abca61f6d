# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Small heads of each method, and random scenes and proposals to test them on."""

import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.structures import BaseDataElement, InstanceData

import insseg_baselines  # noqa: F401
from insseg3d.heads import GroupingInput, PackedPoints, PackedTargets, ProposalVoxels
from insseg3d.ops.grouping.clusters import Proposals
from insseg3d.ops.grouping.proposals import ProposalGrid
from insseg3d.structures import PointTargets, SceneBatch, SceneRows

NUM_CLASSES, NUM_STUFF, CHANNELS = 4, 2, 6
METHODS = ('PointGroupHead', 'HAISHead', 'SoftGroupHead')
GROUPINGS = dict(
    PointGroupHead=dict(type='DualSpaceGrouping', radius=0.2, min_points=3),
    HAISHead=dict(
        type='HierarchicalGrouping',
        radius=0.2,
        class_points=[20] * NUM_CLASSES,
        class_radii=[0.3] * NUM_CLASSES,
    ),
    SoftGroupHead=dict(
        type='SoftGrouping', radius=0.2, class_points=[20] * NUM_CLASSES, min_class_points=4
    ),
)


def head_config(method, **changes):
    return dict(
        dict(
            type=method,
            num_classes=NUM_CLASSES,
            in_channels=CHANNELS,
            pointwise=dict(
                type='PointwiseHead',
                num_stuff=NUM_STUFF,
                offset_losses=dict(l1=dict(type='OffsetL1Loss')),
            ),
            grouping=GROUPINGS[method],
            proposal_net=dict(
                type='ProposalNet',
                full_scale=8,
                unet=dict(
                    type='SparseResUNet',
                    in_channels=None,
                    base_channels=CHANNELS,
                    num_levels=2,
                    blocks_per_level=1,
                    out_strides=1,
                ),
            ),
            ranking=dict(type='ProposalRanking', min_points=3, score_thr=0.0),
        ),
        **changes,
    )


def build_head(method, **changes):
    torch.manual_seed(0)
    return MODELS.build(head_config(method, **changes))


def make_scene(seed=0, num_rows=60, num_points=150, num_objects=3):
    """Make rows, coordinates and ground truth of a scene; points form blobs that can be grouped."""
    generator = torch.Generator().manual_seed(seed)
    blob = torch.randint(4, (num_points,), generator=generator)
    coords = blob[:, None] + 0.15 * torch.randn(num_points, 3, generator=generator)
    point2row = torch.randint(num_rows, (num_points,), generator=generator)
    rows = SceneRows(
        torch.randn(num_rows, CHANNELS, generator=generator),
        torch.bincount(point2row, minlength=num_rows),
        point2row,
    )
    instance = torch.where(blob < num_objects, blob, -1)
    labels = torch.randint(NUM_CLASSES, (num_objects,), generator=generator)
    semantic = torch.full((num_points,), NUM_CLASSES + 1)
    semantic[instance >= 0] = labels[instance[instance >= 0]]
    return rows, coords, PointTargets(semantic, instance, labels)


def batch_of(scenes, iteration=0):
    """Make a batch of scenes, each with rows, coordinates and optionally ground truth."""
    rows, coords, *targets = zip(*scenes)
    samples = [sample_of(scene) for scene in targets[0]] if targets else ()
    return SceneBatch({}, rows, coords, iteration=iteration, samples=samples)


def sample_of(targets):
    """Make a data sample with this ground truth."""
    sample = Det3DDataSample()
    sample.voxels = BaseDataElement(inst_voxel=targets.labels[:0])
    sample.gt_pts_seg = PointData(
        pts_semantic_mask=targets.semantic, pts_instance_mask=targets.instance
    )
    sample.gt_instances_3d = InstanceData(labels_3d=targets.labels)
    return sample


def grouping_input(coords, logits, *, offsets=None, scene=None, num_scenes=1, is_object=None):
    """Make the input of a grouping in which each point has its own row."""
    num = len(coords)
    scene = torch.zeros(num, dtype=torch.int64) if scene is None else scene
    points = PackedPoints(torch.zeros(num, 1), torch.arange(num), coords, scene, num_scenes)
    shifted = coords if offsets is None else coords + offsets
    if is_object is None:
        is_object = torch.arange(logits.shape[1]) < NUM_CLASSES
    return GroupingInput(points, logits, shifted, is_object)


def sure(labels, num_columns=NUM_CLASSES + NUM_STUFF):
    """Make logits of points whose class is certain."""
    return 20.0 * torch.nn.functional.one_hot(torch.as_tensor(labels), num_columns).double()


def sets_of(proposals):
    return [
        set(proposals.members[proposals.proposal == n].tolist())
        for n in range(proposals.num_proposals)
    ]


def make_proposals(seed=0, num_points=40, num_proposals=5, num_objects=3, objects=True):
    """Make proposals, the output of the network for them, and ground truth; float64.

    The first two proposals are the first two objects, except for one point.
    """
    rng = np.random.default_rng(seed)
    instance = rng.integers(-1, num_objects, num_points)
    instance[:num_objects] = np.arange(num_objects)
    sets = [np.flatnonzero(rng.random(num_points) < 0.3) for _ in range(num_proposals)]
    for number in range(min(2, num_proposals)):
        sets[number] = np.flatnonzero(instance == number)
    members = np.concatenate([np.zeros(0, int), *sets])
    proposal = np.repeat(np.arange(num_proposals), [len(points) for points in sets])
    voxel = rng.integers(0, 4, len(members))
    coors, member2voxel, counts = np.unique(
        np.stack([proposal, voxel], 1), axis=0, return_inverse=True, return_counts=True
    )
    coors = np.concatenate([coors, np.zeros((len(coors), 2), int)], 1)
    if not objects:
        instance[:] = -1
    labels = rng.integers(0, NUM_CLASSES, num_objects if objects else 0)
    as_tensor = torch.from_numpy
    proposals = Proposals(
        as_tensor(members),
        as_tensor(proposal),
        as_tensor(np.array([len(points) for points in sets], dtype=np.int64)),
    )
    grid = ProposalGrid(as_tensor(coors), as_tensor(member2voxel.reshape(-1)), as_tensor(counts))
    voxels = ProposalVoxels(
        as_tensor(rng.standard_normal((len(coors), CHANNELS))), grid, num_proposals
    )
    semantic = np.where(instance >= 0, labels[instance] if objects else 0, NUM_CLASSES)
    return (
        proposals,
        voxels,
        PackedTargets(as_tensor(semantic), as_tensor(instance), as_tensor(labels)),
    )


def dense_iou(members, owner, truth):
    """Compute the IoU of a set of points with an object, as the sources print it."""
    gt = set((truth == owner).nonzero()[:, 0].tolist())
    both = len(members & gt)
    return both / (len(members) + len(gt) - both + 1e-5)


def best_of(members, targets):
    """Find the best IoU and the first object that has it; (0, -1) if no points are shared."""
    ious = [dense_iou(members, g, targets.instance) for g in range(len(targets.labels))]
    best = max(ious, default=0)
    return (best, ious.index(best)) if best > 0 else (0, -1)


def entropy(probability, wanted):
    p = torch.as_tensor(probability, dtype=torch.float64)
    return float(-(wanted * p.log() + (1 - wanted) * (1 - p).log()))
