# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.losses import CrossEntropyLoss
from mmdet3d.registry import MODELS, TASK_UTILS
from mmengine.runner.checkpoint import load_state_dict
from scipy.optimize import linear_sum_assignment

from insseg3d.ops.masks import object_points

from .helpers import NUM_CLASSES, QUERIES, WIDTH, build_head, make_batch, scenes_of


def naive_loss(head, batch, layer):
    """Compute the losses of one decoder layer from dense per-voxel masks, pair by pair."""
    outputs, targets = head(batch), batch.voxel_targets()
    class_total, class_weight, num_masks = 0, 0, 0
    bce_total = dice_total = 0
    for b, scene in enumerate(targets):
        class_logits = outputs.class_logits[layer][b]
        logits = outputs.mask_embeddings[layer][b] @ outputs.mask_features[b].T
        inside = object_points(scene, torch.arange(len(scene.labels)), logits.dtype).T
        w = scene.counts.to(logits.dtype)
        terms = {}
        for g in range(len(scene.labels)):
            for q in range(QUERIES):
                x, probs = logits[q], logits[q].sigmoid()
                share = inside[g] / w
                bce = F.binary_cross_entropy_with_logits(x, share, reduction='none')
                bce = (w * bce).sum() / w.sum()
                dice = 1 - (2 * (inside[g] * probs).sum() + 1) / (
                    (w * probs).sum() + inside[g].sum() + 1
                )
                terms[g, q] = (-class_logits.softmax(-1)[q, scene.labels[g]], bce, dice)
        cost = torch.tensor(
            [
                [
                    float(2 * terms[g, q][0] + 5 * terms[g, q][1] + 5 * terms[g, q][2])
                    for q in range(QUERIES)
                ]
                for g in range(len(scene.labels))
            ]
        ).reshape(-1, QUERIES)
        labels = torch.full((QUERIES,), NUM_CLASSES)
        for g, q in zip(*linear_sum_assignment(cost.numpy())):
            labels[q] = scene.labels[g]
            bce_total = bce_total + terms[g, q][1]
            dice_total = dice_total + terms[g, q][2]
            num_masks += 1
        weight = torch.tensor([1.0] * NUM_CLASSES + [0.1])[labels]
        class_total = (
            class_total + (weight * F.cross_entropy(class_logits, labels, reduction='none')).sum()
        )
        class_weight = class_weight + weight.sum()
    num_masks = max(num_masks, 1)
    return dict(
        loss_cls=2 * class_total / class_weight,
        loss_bce=5 * bce_total / num_masks,
        loss_dice=5 * dice_total / num_masks,
    )


@pytest.mark.parametrize('objects', [(3, 2), (2, 0), (QUERIES + 3, 1)])
def test_losses_of_each_layer_equal_a_dense_naive_transcription(objects):
    head = build_head()
    batch = make_batch([20, 13], objects)
    losses = head.loss(batch)
    for layer, prefix in enumerate(('d0.', 'd1.', '')):
        for name, value in naive_loss(head, batch, layer).items():
            torch.testing.assert_close(losses[prefix + name], value, rtol=1e-5, atol=1e-6)


def test_every_layer_has_its_losses_and_the_last_no_prefix():
    losses = build_head().loss(make_batch([9], [2]))
    assert set(losses) == {
        f'{prefix}loss_{name}' for prefix in ('d0.', 'd1.', '') for name in ('cls', 'bce', 'dice')
    }
    losses = build_head(supervised_layers=[2]).loss(make_batch([9], [2]))
    assert set(losses) == {'loss_cls', 'loss_bce', 'loss_dice'}


def test_last_and_auxiliary_losses_are_the_same_function():
    """If layers change nothing, all layers have the same losses."""
    head = build_head()
    for layer in head.decoder.layers:
        layer.forward = lambda queries, memory, padding: queries
    losses = head.loss(make_batch([15, 8], [3, 0]))
    for name in ('cls', 'bce', 'dice'):
        assert losses[f'd0.loss_{name}'].item() == losses[f'loss_{name}'].item() != 0


def test_loss_of_copies_equals_loss_of_one():
    head = build_head()
    batch = make_batch([17], [3])
    single, triple = head.loss(batch), head.loss(scenes_of(batch, [0, 0, 0]))
    for name in single:
        torch.testing.assert_close(single[name], triple[name], rtol=1e-5, atol=1e-6)


def test_every_parameter_gets_a_gradient():
    head = build_head()
    sum(head.loss(make_batch([17, 5], [3, 1])).values()).backward()
    missing = [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    # The key's bias shifts all attention logits of a query equally, which cancels in the softmax.
    assert [n for n in missing if 'in_proj_bias' not in n] == []


def test_scene_without_objects_trains_the_classifier_only():
    head = build_head()
    losses = head.loss(make_batch([12], [0]))
    assert losses['loss_bce'].item() == losses['loss_dice'].item() == 0
    assert losses['loss_cls'].item() > 0
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in head.parameters())
    assert head.classifier.weight.grad.any()
    assert not any(p.grad.any() for p in head.mask_embedding.parameters())
    assert not any(p.grad.any() for p in head.point_projection.parameters())


def test_more_objects_than_queries():
    losses = build_head().loss(make_batch([40], [QUERIES + 3]))
    assert all(torch.isfinite(value) for value in losses.values())


def test_diverged_predictions_still_match():
    head = build_head()
    batch = make_batch([12], [3])
    batch.rows[0].features[:] = float('nan')
    assert set(head.loss(batch))


def test_one_copy_to_the_host_a_step(monkeypatch):
    head = build_head()
    calls = []
    original = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, 'cpu', lambda self: calls.append(self) or original(self))
    head.loss(make_batch([17, 9, 11], [3, 1, 0]))
    assert len(calls) == 1


def test_batch_equals_single_scenes():
    head = build_head().eval()
    batch = make_batch([20, 13], [3, 2])
    both = head.predict(batch)
    for b in range(2):
        (alone,) = head.predict(scenes_of(batch, [b]))
        assert torch.equal(alone.masks, both[b].masks)
        assert torch.equal(alone.labels_3d, both[b].labels_3d)
        torch.testing.assert_close(alone.scores_3d, both[b].scores_3d)


def test_padding_is_ignored():
    head = build_head().eval()
    batch = make_batch([20], [3])
    padded = dataclasses.replace(
        batch,
        memory=torch.cat([batch.memory, 100 * torch.randn(1, 4, WIDTH)], 1),
        padding=torch.arange(9)[None] >= 5,
    )
    plain = head(batch).class_logits[-1]
    torch.testing.assert_close(plain, head(padded).class_logits[-1])


def test_without_memory_the_error_names_the_neck():
    batch = dataclasses.replace(make_batch([20], [3]), memory=None)
    with pytest.raises(ValueError, match='no memory, .* a neck'):
        build_head()(batch)


def test_checkpoint_with_other_classes_is_refused():
    state = build_head().state_dict()
    other = build_head(num_classes=7, loss_cls=dict(type='mmdet.CrossEntropyLoss'))
    with pytest.raises(RuntimeError, match='has 4 classes, the config num_classes=7'):
        other.load_state_dict(state, strict=False)
    # mmengine loads with strict=False and only logs what does not fit.
    with pytest.raises(RuntimeError, match='NewClassesHook.*docs/own-data.md'):
        load_state_dict(other, state, strict=False)
    del state['classifier.weight'], state['classifier.bias']
    load_state_dict(other, state, strict=False)
    assert torch.equal(other.query_norm.weight, state['query_norm.weight'])


@pytest.mark.parametrize('by', [-1, 1])
def test_class_weight_of_another_length_is_refused_and_the_remedy_builds(by):
    loss = dict(type='mmdet.CrossEntropyLoss', class_weight=[1.0] * (NUM_CLASSES + 1 + by))
    with pytest.raises(
        ValueError,
        match=(
            rf'class_weight has {NUM_CLASSES + 1 + by} entries, num_classes={NUM_CLASSES}; '
            rf'expected {NUM_CLASSES + 1}, .* and one for "no object"\. '
            r'Set class_weight=\[1.0\] \* 4 \+ \[0.1\]'
        ),
    ):
        build_head(loss_cls=loss)
    build_head(loss_cls=dict(loss, class_weight=[1.0] * 4 + [0.1]))


def test_class_weights_stay_on_the_device(monkeypatch):
    """A tensor made from a list would wait for its copy in each call and layer."""
    head = build_head()
    batch = make_batch([20, 15], [3, 2])
    expected = head.loss(batch)['loss_cls']
    monkeypatch.setattr(torch.Tensor, 'new_tensor', lambda *_, **__: pytest.fail('a copy'))
    head.loss(batch)
    assert 'class_weight' not in head.state_dict()
    assert head.to('meta').class_weight.device.type == 'meta'
    monkeypatch.undo()

    class OtherLoss(CrossEntropyLoss):
        """A subclass may use its weights differently, so it is called with its own list."""

    MODELS.register_module(name='OtherLossForTest', module=OtherLoss, force=True)
    other = build_head(
        loss_cls=dict(
            type='OtherLossForTest', loss_weight=2.0, class_weight=[1.0] * NUM_CLASSES + [0.1]
        )
    )
    torch.testing.assert_close(other.loss(batch)['loss_cls'], expected)


def test_dense_costs_of_mmdet_match_in_the_head():
    costs = [
        dict(type='DenseMatchCost', cost=dict(type='mmdet.ClassificationCost', weight=2.0)),
        dict(
            type='DenseMatchCost',
            needs_masks=True,
            cost=dict(type='mmdet.DiceCost', pred_act=True, eps=1.0, weight=5.0),
        ),
    ]
    head = build_head(assigner=dict(type='HungarianAssigner', match_costs=costs))
    losses = head.loss(make_batch([17, 9], [3, 0]))
    assert all(torch.isfinite(value) for value in losses.values()) and losses['loss_dice'] > 0


def test_dense_losses_of_mmdet_by_hand():
    logits = torch.tensor([[1.0, -1.0], [0.5, 2.0], [-2.0, 0.0]])
    inside = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    counts = torch.tensor([2, 2, 3])
    share, probs = inside / counts[:, None], logits.sigmoid()
    bce = MODELS.build(
        dict(
            type='DenseMaskLoss',
            loss=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0),
        )
    )
    expected = (
        5
        * (
            counts[:, None] * F.binary_cross_entropy_with_logits(logits, share, reduction='none')
        ).sum(0)
        / 7
    )
    torch.testing.assert_close(bce(logits, inside, counts), expected)
    # The result equals that of this project's own loss.
    own = MODELS.build(dict(type='MaskBCELoss', loss_weight=5.0))
    torch.testing.assert_close(own(logits, inside, counts), expected)
    dice = MODELS.build(
        dict(
            type='DenseMaskLoss',
            loss=dict(type='mmdet.DiceLoss', naive_dice=True, eps=1.0, loss_weight=5.0),
        )
    )
    expected = 5 * (1 - (2 * (probs * share).sum(0) + 1) / (probs.sum(0) + share.sum(0) + 1))
    torch.testing.assert_close(dice(logits, inside, counts), expected)


def test_dense_losses_of_mmdet_in_the_head():
    losses = {
        name: dict(type='DenseMaskLoss', loss=dict(type=f'mmdet.{kind}', use_sigmoid=True))
        for name, kind in dict(bce='CrossEntropyLoss', dice='DiceLoss', focal='FocalLoss').items()
    }
    head = build_head(mask_losses=losses)
    values = head.loss(make_batch([17, 9], [3, 0]))
    assert {name for name in values if '.' not in name} == {
        'loss_cls',
        'loss_bce',
        'loss_dice',
        'loss_focal',
    }
    assert all(torch.isfinite(value) and value > 0 for value in values.values())
    nothing = head.loss(make_batch([12], [0]))
    assert nothing['loss_bce'].item() == nothing['loss_focal'].item() == 0


class VoxelDistance:
    """A custom cost with mmdet's interface: voxels in which mask and object differ."""

    def __call__(self, pred, gt):
        return torch.cdist((pred.masks > 0).float(), (gt.masks > 0.5).float(), p=1)


class SquaredError(torch.nn.Module):
    """A custom loss with mmdet's interface, per element."""

    def forward(self, logits, share, reduction_override):
        assert reduction_override == 'none'
        return (logits.sigmoid() - share).square()


def test_costs_and_losses_of_ones_own_serve_through_the_adapters():
    TASK_UTILS.register_module(name='VoxelDistanceForTest', module=VoxelDistance, force=True)
    MODELS.register_module(name='SquaredErrorForTest', module=SquaredError, force=True)
    cost = dict(type='DenseMatchCost', needs_masks=True, cost=dict(type='VoxelDistanceForTest'))
    head = build_head(
        assigner=dict(type='HungarianAssigner', match_costs=[cost]),
        mask_losses=dict(error=dict(type='DenseMaskLoss', loss=dict(type='SquaredErrorForTest'))),
    )
    batch = make_batch([17, 9], [3, 1])
    losses, outputs = head.loss(batch), head(batch)
    total, number = 0.0, 0
    for features, embeddings, scene in zip(
        outputs.mask_features, outputs.mask_embeddings[-1], batch.voxel_targets()
    ):
        logits = embeddings @ features.T
        inside = object_points(scene, torch.arange(len(scene.labels)), logits.dtype).T
        share = inside / scene.counts
        differing = (share[:, None] > 0.5) != (logits[None] > 0)
        for g, q in zip(*linear_sum_assignment(differing.sum(2))):
            error = (logits[q].sigmoid() - share[g]).square()
            total = total + (error * scene.counts).sum() / scene.counts.sum()
            number += 1
    torch.testing.assert_close(losses['loss_error'], total / number)
    losses['loss_error'].backward()
    assert head.mask_embedding[-1].weight.grad.any()


@pytest.mark.parametrize('layers', [[0, 1], [0, 3], [-1, 2]])
def test_supervised_layers_are_checked(layers):
    with pytest.raises(ValueError, match='supervised_layers'):
        build_head(supervised_layers=layers)


def test_misspelt_key_is_named():
    with pytest.raises(TypeError, match='mask_loses'):
        build_head(mask_loses={})


def test_literal_width_needs_no_projection():
    head = build_head(in_channels=WIDTH)
    assert sum(p.numel() for p in head.point_projection.parameters()) == 0
