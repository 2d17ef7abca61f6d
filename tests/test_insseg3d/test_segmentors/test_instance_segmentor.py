# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A small model as a whole, on random voxel scenes."""

from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement, InstanceData
from torch import nn

import queryis  # noqa: F401
from insseg3d.layers import spconv_tensor
from insseg3d.segmentors import instance_segmentor

NUM_CLASSES = 3


def build_model(decoder_queries=None, test_strategy=None, backbone=None, level=(2, 16), **changes):
    torch.manual_seed(0)
    init_default_scope('mmdet3d')
    model = MODELS.build(
        dict(
            type='InstanceSegmentor3D',
            test_strategy=test_strategy,
            data_preprocessor=dict(type='Det3DDataPreprocessor'),
            backbone=backbone
            or dict(
                type='SparseResUNet',
                in_channels=6,
                base_channels=8,
                num_levels=3,
                out_strides=(1, 2),
            ),
            neck=dict(
                type='RPGNeck',
                in_channels=level[1],
                out_channels=16,
                num_points=12,
                stride=level[0],
                maps=dict(type='SumNormalizedMaps'),
                mlp_norm=dict(type='LN'),
                post_norm=dict(type='LN'),
            ),
            decode_head=dict(
                type='QueryISHead',
                num_classes=NUM_CLASSES,
                in_channels=8,
                embed_dims=16,
                decoder=dict(
                    type='QueryDecoder',
                    num_layers=2,
                    queries=decoder_queries
                    or dict(type='LearnedQueries', num_queries=6, embed_dims=16),
                    layer=dict(type='QueryDecoderLayer', embed_dims=16, num_heads=4),
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
                    type='mmdet.CrossEntropyLoss',
                    loss_weight=2.0,
                    class_weight=[1.0] * NUM_CLASSES + [0.1],
                ),
                mask_losses=dict(
                    bce=dict(type='MaskBCELoss', loss_weight=5.0),
                    dice=dict(type='MaskDiceLoss', loss_weight=5.0),
                ),
                ranking=dict(type='ArgmaxRanking', min_points=1),
            ),
            **changes,
        )
    )
    model.init_weights()
    return model


def make_sample(num_points=80, num_objects=3, seed=0):
    """Make random points, their voxels and instances in the format of the pipeline."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.randint(0, 6, (num_points, 3), generator=generator)
    points = torch.cat(
        [
            grid + torch.rand(num_points, 3, generator=generator),
            torch.rand(num_points, 3, generator=generator) * 2 - 1,
        ],
        1,
    )
    instance = torch.randint(-1, max(num_objects, 1), (num_points,), generator=generator)
    instance[:num_objects] = torch.arange(num_objects)
    if num_objects == 0:
        instance.fill_(-1)
    labels = torch.randint(NUM_CLASSES, (num_objects,), generator=generator)
    return pack(points, grid, instance, labels)


def pack(points, grid, instance, labels):
    coors, point2voxel, counts = torch.unique(grid, dim=0, return_inverse=True, return_counts=True)
    inside = instance >= 0
    table, shared = torch.unique(
        torch.stack([instance[inside], point2voxel[inside]], 1), dim=0, return_counts=True
    )
    sample = Det3DDataSample()
    sample.voxels = BaseDataElement(
        coors=coors.int(),
        point2voxel=point2voxel,
        counts=counts,
        inst_index=table[:, 0],
        inst_voxel=table[:, 1],
        inst_points=shared,
    )
    sample.gt_instances_3d = InstanceData(labels_3d=labels)
    return points, sample


def batch(*scenes):
    return dict(
        inputs=dict(points=[points for points, _ in scenes]),
        data_samples=[sample for _, sample in scenes],
    )


def scenes(*seeds):
    return batch(*(make_sample(seed=seed) for seed in seeds))


def test_loss_trains_every_parameter():
    model = build_model().train()
    data = model.data_preprocessor(scenes(0, 1), True)
    losses = model(**data, mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    assert missing == []


def test_loss_of_copies_equals_loss_of_one():
    model = build_model().eval()
    one, many = model(**scenes(4), mode='loss'), model(**scenes(4, 4, 4), mode='loss')
    for name in one:
        torch.testing.assert_close(one[name], many[name], rtol=1e-4, atol=1e-5)


def test_batch_equals_single_scenes_in_predict_mode():
    model = build_model().eval()
    both = model(**scenes(0, 1), mode='predict')
    for seed in (0, 1):
        (alone,) = model(**scenes(seed), mode='predict')
        alone, shared = alone.pred_instances_3d, both[seed].pred_instances_3d
        assert torch.equal(alone.labels_3d, shared.labels_3d)
        torch.testing.assert_close(alone.scores_3d, shared.scores_3d)
        assert torch.equal(alone.masks, shared.masks)


def test_permuted_points_permute_the_masks():
    model = build_model().eval()
    points, sample = make_sample(seed=2)
    grid = points[:, :3].floor().long()
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(7))
    instance = torch.full((len(points),), -1)
    labels = torch.zeros(0, dtype=torch.long)
    (plain,) = model(**batch(pack(points, grid, instance, labels)), mode='predict')
    (mixed,) = model(**batch(pack(points[order], grid[order], instance, labels)), mode='predict')
    plain, mixed = plain.pred_instances_3d, mixed.pred_instances_3d
    torch.testing.assert_close(plain.scores_3d, mixed.scores_3d)
    assert torch.equal(plain.labels_3d, mixed.labels_3d)
    assert torch.equal(plain.masks[:, order], mixed.masks)


def test_predictions_speak_of_points():
    model = build_model().eval()
    (result,) = model(**scenes(3), mode='predict')
    instances, point_map = result.pred_instances_3d, result.pred_pts_seg
    assert instances.masks.dtype == torch.bool and instances.masks.shape[1] == 80
    assert (instances.scores_3d[1:] <= instances.scores_3d[:-1]).all()
    assert point_map.pts_instance_mask.shape == (80,)
    assert point_map.pts_instance_mask.max() < len(point_map.instance_labels)


def test_voxels_hold_the_mean_of_their_points_scene_after_scene():
    model = build_model()
    seen = {}
    model.backbone.forward = lambda features, coors: seen.update(f=features, c=coors) or features
    first, second = make_sample(seed=0), make_sample(seed=1)
    levels = model.extract_feat(*batch(first, second).values())
    assert list(levels) == [1]
    start = 0
    for number, (points, sample) in enumerate((first, second)):
        voxels = sample.voxels
        for v in range(len(voxels.coors)):
            mean = points[voxels.point2voxel == v].mean(0)
            torch.testing.assert_close(seen['f'][start + v], mean)
            assert seen['c'][start + v].tolist() == [number, *voxels.coors[v].tolist()]
        start += len(voxels.coors)
    assert start == len(seen['f'])


def test_heads_get_the_same_in_training_and_in_a_test(monkeypatch):
    monkeypatch.setattr(instance_segmentor, 'current_iteration', lambda: 7)
    model = build_model()
    data = batch(make_sample(seed=0), make_sample(50, seed=1))
    batches = [
        make(*data.values()) for make in (model.train().whole_scenes, model.eval().split_scenes)
    ]
    for number, (points, sample) in enumerate(data_of(data)):
        for scenes in batches:
            rows = scenes.rows[number]
            assert torch.equal(rows.point2row, sample.voxels.point2voxel)
            assert torch.equal(rows.counts, sample.voxels.counts)
            assert len(rows.features) == len(sample.voxels.coors)
            assert torch.equal(scenes.coords[number], points[:, :3])
            targets = scenes.voxel_targets()[number]
            assert torch.equal(targets.inst_voxel, sample.voxels.inst_voxel)
            assert torch.equal(targets.labels, sample.gt_instances_3d.labels_3d)
    for scenes in batches:
        assert scenes.num_scenes == len(scenes.memory) == 2 and scenes.iteration == 7
        assert torch.equal(
            torch.cat([rows.features for rows in scenes.rows]), scenes.levels[1].features
        )


def data_of(data):
    return zip(data['inputs']['points'], data['data_samples'])


def test_scene_without_ground_truth_needs_no_table():
    model = build_model().eval()
    points, sample = make_sample(seed=1)
    for name in ('inst_voxel', 'inst_index', 'inst_points'):
        sample.voxels.pop(name)
    data = batch((points, sample))
    assert len(model(**data, mode='predict')) == 1
    with pytest.raises(ValueError, match='no ground-truth instances to train on'):
        model(**data, mode='loss')


def test_tensor_mode_gives_raw_outputs():
    outputs = build_model()(**scenes(0, 1), mode='tensor')
    assert outputs.class_logits[-1].shape == (2, 6, NUM_CLASSES + 1)
    assert len(outputs.mask_features) == 2


def test_sample_without_voxels_says_which_transform_is_missing():
    with pytest.raises(ValueError, match='AddVoxelTables'):
        build_model()(dict(points=[torch.rand(4, 6)]), [Det3DDataSample()], mode='predict')


def test_modes_return_the_model():
    model = build_model()
    assert model.eval() is model and model.train() is model


def test_backbone_without_the_finest_level_is_refused():
    backbone = dict(
        type='SparseResUNet', in_channels=6, base_channels=8, num_levels=3, out_strides=(2, 4)
    )
    with pytest.raises(ValueError, match=r'returns strides \[2, 4\], expected 1 .*out_strides'):
        build_model(backbone=backbone)(**scenes(0), mode='predict')


class Finds(nn.Module):
    """A head that finds the same masks in every scene."""

    def __init__(self, **ranking):
        super().__init__()
        if ranking:
            self.ranking = SimpleNamespace(**ranking)

    def predict(self, batch):
        masks = torch.zeros(4, len(batch.coords[0]), dtype=torch.bool)
        masks[0, 0:6] = masks[1, 4:8] = masks[2, 3:10] = masks[3, 20:30] = True
        found = InstanceData(
            masks=masks,
            labels_3d=torch.tensor([2, 1, 0, 1]),
            scores_3d=torch.tensor([0.9, 0.8, 0.7, 0.29]),
        )
        found.set_metainfo(dict(pts_semantic_mask=torch.arange(len(batch.coords[0]))))
        return [found]


@pytest.mark.parametrize(
    'ranking, owners, labels',
    [
        # The second mask keeps two of its four points, the third two of seven.
        (dict(), [0, 0, 0, 0, 0, 0, 1, 1, -1, -1], [2, 1]),
        # Two points are too few for the second; then the third keeps four of seven.
        (dict(min_points=3), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1], [2, 0]),
    ],
)
def test_map_without_overlaps_by_hand(ranking, owners, labels):
    """The score of the last mask is too low for the map."""
    model = build_model()
    model.decode_head = Finds(**ranking)
    (result,) = model(**scenes(0), mode='predict')
    found = result.pred_pts_seg
    assert found.pts_instance_mask.tolist() == owners + [-1] * 70
    assert found.instance_labels.tolist() == labels
    assert len(found.instance_scores) == 2
    assert found.pts_semantic_mask.tolist() == list(range(80))
    assert result.pred_instances_3d.labels_3d.tolist() == [2, 1, 0, 1]
    assert not result.pred_instances_3d.metainfo_keys()


def test_two_identical_calls_agree_to_the_bit():
    model = build_model().eval()
    (first,) = model(**scenes(0), mode='predict')
    (second,) = model(**scenes(0), mode='predict')
    assert torch.equal(first.pred_instances_3d.scores_3d, second.pred_instances_3d.scores_3d)


def test_backbone_of_finest_features_alone_serves_with_stride_one():
    """mmdetection3d's own backbones return one tensor."""
    backbone = dict(
        type='SparseResUNet', in_channels=6, base_channels=8, num_levels=3, out_strides=1
    )
    alone = build_model(backbone=backbone, level=(1, 8)).eval()
    levels = build_model(backbone=dict(backbone, out_strides=(1,)), level=(1, 8)).eval()
    first, second = alone(**scenes(0, 1), mode='loss'), levels(**scenes(0, 1), mode='loss')
    assert first == second and all(torch.isfinite(value) for value in first.values())
    (result,) = alone(**scenes(3), mode='predict')
    assert len(result.pred_instances_3d) > 0


def test_stock_mink_unet_serves_with_stride_one():
    pytest.importorskip('spconv.pytorch')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # spconv's CPU code is correct with one thread only
    try:
        # The stock class lacks the fix for spconv's backward on a CPU; this call applies it.
        spconv_tensor(torch.zeros(1, 1), torch.zeros(1, 4, dtype=torch.int32))
        model = build_model(
            level=(1, 8),
            backbone=dict(
                type='MinkUNetBackbone',
                in_channels=6,
                base_channels=8,
                num_stages=2,
                encoder_channels=[8, 16],
                encoder_blocks=[1, 1],
                decoder_channels=[16, 8],
                decoder_blocks=[1, 1],
                sparseconv_backend='spconv',
            ),
        )
        model.parse_losses(model.train()(**scenes(0, 1), mode='loss'))[0].backward()
        assert all(p.grad is not None for p in model.parameters())
        (result,) = model.eval()(**scenes(3), mode='predict')
        assert result.pred_instances_3d.masks.shape[1] == 80
    finally:
        torch.set_num_threads(threads)
