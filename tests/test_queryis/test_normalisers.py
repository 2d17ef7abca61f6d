# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Mask losses are means over the pairs of the assigner, however many there are."""

import pytest
import torch

from insseg3d.ops.masks import mask_bce_loss, mask_dice_loss, object_points

from .helpers import NUM_CLASSES, QUERIES, build_head, make_batch


class Given:
    """An assigner that returns the same pairs in every layer, scene by scene."""

    def __init__(self, *scenes):
        self.scenes, self.calls = scenes, 0

    def assign(self, scene):
        pairs = self.scenes[self.calls % len(self.scenes)]
        self.calls += 1
        queries, objects = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
        return queries, objects


ONE_TO_ONE = [[(4, 0), (1, 2), (7, 1)], [(0, 1), (2, 0)]]
ONE_TO_MANY = [[(4, 0), (1, 2), (7, 1), (3, 0), (5, 0), (9, 2)], [(0, 1), (2, 0), (6, 0)]]
THRESHOLDED = [[(1, 2)], []]
NONE = [[], []]


@pytest.mark.parametrize('pairs', [ONE_TO_ONE, ONE_TO_MANY, THRESHOLDED, NONE])
def test_mask_losses_are_means_over_pairs(pairs):
    head = build_head()
    head.assigner = Given(*pairs)
    batch = make_batch([20, 13], [3, 2])
    losses, outputs, targets = head.loss(batch), head(batch), batch.voxel_targets()
    for layer, prefix in enumerate(('d0.', 'd1.', '')):
        values, labels = [], torch.full((2, QUERIES), NUM_CLASSES)
        for b, scene in enumerate(targets):
            for query, number in pairs[b]:
                labels[b, query] = scene.labels[number]
                logits = outputs.mask_features[b] @ outputs.mask_embeddings[layer][b][[query]].T
                inside = object_points(scene, torch.tensor([number]), logits.dtype)
                values.append(
                    torch.stack(
                        [
                            5 * loss(logits, inside, scene.counts)[0]
                            for loss in (mask_bce_loss, mask_dice_loss)
                        ]
                    )
                )
        expected = torch.stack(values).mean(0) if values else torch.zeros(2)
        found = torch.stack([losses[f'{prefix}loss_{name}'] for name in ('bce', 'dice')])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        weight = torch.tensor([1.0] * NUM_CLASSES + [0.1])
        torch.testing.assert_close(
            losses[f'{prefix}loss_cls'],
            2
            * torch.nn.functional.cross_entropy(
                outputs.class_logits[layer].flatten(0, 1), labels.flatten(), weight
            ),
        )


def test_each_layer_has_its_own_number_of_pairs():
    """The first layers have no pairs: their mask losses are 0, that of the last is unchanged."""
    batch = make_batch([20], [3])
    head = build_head()
    head.assigner = Given([], [], ONE_TO_ONE[0])
    losses = head.loss(batch)
    head.assigner = Given(ONE_TO_ONE[0])
    expected = head.loss(batch)
    assert losses['d0.loss_dice'] == losses['d1.loss_bce'] == 0
    torch.testing.assert_close(losses['loss_dice'], expected['loss_dice'])


def test_one_reduction_for_the_pairs_of_all_layers(monkeypatch):
    """With one reduction per layer or scene, a process with fewer would block the others."""
    told = []
    monkeypatch.setattr(
        'queryis.matched_losses.reduce_mean', lambda value: told.append(value) or value
    )
    build_head().loss(make_batch([20, 13], [3, 0]))
    pairs, *class_weights = told
    assert pairs.tolist() == [3, 3, 3] and len(class_weights) == 3


def test_weights_of_the_classes_are_no_part_of_a_checkpoint():
    head = build_head()
    assert 'class_weight' not in head.state_dict()
    assert head.double().class_weight.dtype == torch.float64
    plain = build_head(loss_cls=dict(type='mmdet.CrossEntropyLoss'))
    assert plain.class_weight.tolist() == [1] * (NUM_CLASSES + 1)
