# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The whole model as the runner calls it, from points and voxels to instances."""

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement, InstanceData

from insseg3d.ops.grouping.radius_graph import radius_components

from .helpers import CHANNELS, METHODS, NUM_CLASSES, head_config
from .test_all_methods import certain


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def build_model(method, **changes):
    init_default_scope('mmdet3d')
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='GroupingSegmentor3D',
            data_preprocessor=dict(type='Det3DDataPreprocessor'),
            backbone=dict(
                type='SparseResUNet',
                in_channels=6,
                base_channels=CHANNELS,
                num_levels=2,
                out_strides=(1,),
            ),
            decode_head=head_config(method),
            **changes,
        )
    )
    certain(model.decode_head, 1)
    return model


def make_sample(seed, num_points=120, order=None):
    """Make points in blobs, and voxels with an edge of 0.25 m in the order of their indices."""
    generator = torch.Generator().manual_seed(seed)
    blob = torch.randint(4, (num_points,), generator=generator)
    coords = blob[:, None] + 0.15 * torch.randn(num_points, 3, generator=generator)
    points = torch.cat([coords, torch.rand(num_points, 3, generator=generator)], 1)
    if order is not None:
        points, blob = points[order], blob[order]
    grid = ((points[:, :3] - points[:, :3].min(0).values) / 0.25).floor().int()
    coors, point2voxel, counts = torch.unique(grid, dim=0, return_inverse=True, return_counts=True)
    sample = Det3DDataSample()
    sample.voxels = BaseDataElement(
        coors=coors, point2voxel=point2voxel, counts=counts, inst_voxel=counts[:0]
    )
    instance = torch.where(blob < 3, blob, -1)
    labels = torch.tensor([0, 1, 1])
    sample.gt_instances_3d = InstanceData(labels_3d=labels)
    sample.gt_pts_seg = PointData(
        pts_instance_mask=instance,
        pts_semantic_mask=torch.where(blob < 3, labels[blob.clamp(max=2)], NUM_CLASSES + 1),
    )
    return points, sample


def batch(*scenes):
    return dict(
        inputs=dict(points=[points for points, _ in scenes]),
        data_samples=[sample for _, sample in scenes],
    )


def test_losses_reach_every_parameter(method):
    model = build_model(method).train()
    data = model.data_preprocessor(batch(make_sample(0), make_sample(1)), True)
    total, _ = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    assert torch.isfinite(total)
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_batch_equals_single_scenes(method):
    model = build_model(method).eval()
    both = model(**batch(make_sample(0), make_sample(1, 90)), mode='predict')
    for number, size in ((0, 120), (1, 90)):
        (alone,) = model(**batch(make_sample(number, size)), mode='predict')
        one, two = alone.pred_instances_3d, both[number].pred_instances_3d
        assert len(one.masks) > 0 and torch.equal(one.masks, two.masks)
        torch.testing.assert_close(one.scores_3d, two.scores_3d)
        assert torch.equal(
            alone.pred_pts_seg.pts_instance_mask, both[number].pred_pts_seg.pts_instance_mask
        )


def test_permuted_points_permute_the_masks(method):
    model = build_model(method).eval()
    order = torch.randperm(120, generator=torch.Generator().manual_seed(7))
    (plain,) = model(**batch(make_sample(0)), mode='predict')
    (mixed,) = model(**batch(make_sample(0, order=order)), mode='predict')
    plain, mixed = plain.pred_instances_3d, mixed.pred_instances_3d

    def as_set(masks, scores):
        return {
            (tuple(mask.nonzero()[:, 0].tolist()), round(score, 4))
            for mask, score in zip(masks, scores.tolist())
        }

    assert len(plain.masks) > 0
    assert as_set(plain.masks[:, order], plain.scores_3d) == as_set(mixed.masks, mixed.scores_3d)


def test_points_are_grouped_where_they_are(method):
    """Offsets are 0, so each instance is within a component of the coordinates in metres."""
    points, sample = make_sample(0)
    (result,) = build_model(method).eval()(**batch((points, sample)), mode='predict')
    zeros = torch.zeros(len(points), dtype=torch.int64)
    label = radius_components(points[:, :3], zeros, radius=0.2)
    masks = result.pred_instances_3d.masks
    if method != 'HAISHead':  # there, a component may absorb others
        assert all(len(label[mask].unique()) == 1 for mask in masks)
    if method == 'PointGroupHead':  # it groups twice
        assert sorted(masks.sum(1).tolist()) == sorted(
            2 * [size for size in torch.bincount(label).tolist() if size >= 3]
        )


def test_interleaved_subsets_are_grouped_together(method):
    """Each object is found once, over the points of all subsets."""
    model = build_model(method, test_strategy=dict(type='SharedQueries', splits=4)).eval()
    (result,) = model(**batch(make_sample(0)), mode='predict')
    (whole,) = build_model(method).eval()(**batch(make_sample(0)), mode='predict')
    # Offsets are 0 and all points have the same class, so the groups are the same.
    if method == 'PointGroupHead':
        sizes = sorted(result.pred_instances_3d.masks.sum(1).tolist())
        assert sizes == sorted(whole.pred_instances_3d.masks.sum(1).tolist())
    assert result.pred_instances_3d.masks.shape[1] == 120
    assert result.pred_instances_3d.masks.any(1).all()


def test_tensor_mode_gives_what_is_said_of_points(method):
    points, outputs = build_model(method)(**batch(make_sample(0)), mode='tensor')
    assert outputs.logits.shape[0] == outputs.offsets.shape[0] == len(points.features)


def test_scenes_without_ground_truth_or_voxels_say_so(method):
    model = build_model(method)
    points, sample = make_sample(0)
    del sample.voxels.inst_voxel
    with pytest.raises(ValueError, match='no ground-truth instances to train on'):
        model(**batch((points, sample)), mode='loss')
    with pytest.raises(ValueError, match='AddVoxelTables'):
        model(dict(points=[points]), [Det3DDataSample()], mode='predict')


def test_losses_are_finite_float32_under_autocast(method):
    model = build_model(method).train()
    data = batch(make_sample(0), make_sample(1))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(**data, mode='loss')
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())
