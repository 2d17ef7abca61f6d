# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sums over voxels against a dense, per-point, float64 transcription of the definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.ops.masks import (
    binary_masks,
    mask_bce_loss,
    mask_dice_loss,
    mask_sums,
    object_points,
    pairwise_bce_cost,
    pairwise_dice_cost,
)
from insseg3d.structures import SceneTargets


def make_scene(num_voxels=7, num_objects=3, seed=0):
    """Make points in voxels; some voxels contain points of two objects and of none."""
    generator = torch.Generator().manual_seed(seed)
    num_points = 5 * num_voxels
    voxel = torch.cat(
        [
            torch.arange(num_voxels),
            torch.randint(num_voxels, (num_points - num_voxels,), generator=generator),
        ]
    )
    instance = torch.randint(-1, max(num_objects, 1), (num_points,), generator=generator)
    if num_objects == 0:
        instance.fill_(-1)
    counts = torch.bincount(voxel, minlength=num_voxels)
    inside = instance >= 0
    pairs, points = torch.unique(
        torch.stack([instance[inside], voxel[inside]], 1), dim=0, return_counts=True
    )
    targets = SceneTargets(counts, pairs[:, 1], pairs[:, 0], points, torch.arange(num_objects))
    return voxel, instance, targets


def dense_masks(instance, num_objects):
    return (
        torch.stack([(instance == g).double() for g in range(num_objects)])
        if num_objects
        else torch.zeros(0, len(instance), dtype=torch.float64)
    )


def point_bce(logits, mask):
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, mask)


def point_dice(logits, mask):
    probs = logits.sigmoid()
    return 1 - (2 * (probs * mask).sum() + 1) / (probs.sum() + mask.sum() + 1)


@settings(max_examples=40, deadline=None)
@given(num_voxels=st.integers(1, 12), num_objects=st.integers(0, 5), seed=st.integers(0, 999))
def test_pairwise_costs_equal_the_dense_per_point_form(num_voxels, num_objects, seed):
    voxel, instance, targets = make_scene(num_voxels, num_objects, seed)
    logits = 4 * torch.randn(
        num_voxels, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    masks = dense_masks(instance, num_objects)
    sums = mask_sums(logits, targets)
    bce, dice = pairwise_bce_cost(sums), pairwise_dice_cost(sums)
    assert bce.shape == dice.shape == (num_objects, 6)
    for g in range(num_objects):
        for q in range(6):
            points = logits[voxel, q]
            for cost, expected in ((bce, point_bce), (dice, point_dice)):
                assert cost[g, q].item() == pytest.approx(
                    expected(points, masks[g]).item(), abs=1e-10
                )


def test_losses_and_gradients_equal_the_dense_per_point_form():
    voxel, instance, targets = make_scene(9, 4, seed=3)
    masks = dense_masks(instance, 4)
    objects = torch.tensor([2, 0, 3])
    logits = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    inside = object_points(targets, objects, torch.float64)
    loss = 2 * mask_bce_loss(logits, inside, targets.counts) + 3 * mask_dice_loss(
        logits, inside, targets.counts
    )
    expected = torch.stack(
        [
            2 * point_bce(logits[voxel, i], masks[g]) + 3 * point_dice(logits[voxel, i], masks[g])
            for i, g in enumerate(objects)
        ]
    )
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=0)
    weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    (grad,) = torch.autograd.grad((loss * weights).sum(), logits, retain_graph=True)
    (grad_expected,) = torch.autograd.grad((expected * weights).sum(), logits)
    torch.testing.assert_close(grad, grad_expected, atol=1e-12, rtol=0)


def test_a_perfect_mask_costs_nothing_and_scores_one():
    voxel, instance, targets = make_scene(8, 2, seed=5)
    # Voxels of one object only: with mixed voxels no mask can be perfect.
    instance = voxel % 2
    pairs, points = torch.unique(torch.stack([instance, voxel], 1), dim=0, return_counts=True)
    targets = targets._replace(inst_voxel=pairs[:, 1], inst_index=pairs[:, 0], inst_points=points)
    logits = torch.where(
        torch.arange(8)[:, None] % 2 == torch.arange(2)[None], 20.0, -20.0
    ).double()
    inside = object_points(targets, torch.arange(2), torch.float64)
    assert mask_bce_loss(logits, inside, targets.counts).max() < 1e-8
    assert mask_dice_loss(logits, inside, targets.counts).max() < 1e-8
    assert pairwise_dice_cost(mask_sums(logits, targets)).diagonal().max() < 1e-8
    torch.testing.assert_close(
        binary_masks(logits.__getitem__, targets.counts).scores,
        torch.ones(2, dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )


def test_hand_made_scores():
    logits = torch.tensor([[0.6, 0.1], [0.9, 0.2], [0.2, 0.3]]).logit()
    masks = binary_masks(logits.__getitem__, torch.tensor([1, 2, 5]))
    torch.testing.assert_close(masks.scores, torch.tensor([(0.6 + 2 * 0.9) / 3, 0.0]))
    assert masks.inside.tolist() == [[True, True, False], [False] * 3]
    assert masks.points.tolist() == [3, 0]


def test_masks_made_in_pieces_are_the_same():
    logits, counts = torch.randn(23, 5).double(), torch.randint(1, 9, (23,))
    whole = binary_masks(logits.__getitem__, counts)
    for chunk in (1, 7, 22, 23):
        pieces = binary_masks(logits.__getitem__, counts, chunk=chunk)
        assert torch.equal(pieces.inside, whole.inside)
        assert torch.equal(pieces.points, whole.points)
        torch.testing.assert_close(pieces.scores, whole.scores)
    seen = []
    binary_masks(lambda rows: seen.append(rows) or logits[rows], counts, chunk=10)
    assert [len(range(23)[rows]) for rows in seen] == [10, 10, 3]


def test_masks_on_a_cpu_are_made_for_as_many_voxels_as_its_caches_hold(monkeypatch):
    monkeypatch.setattr('insseg3d.ops.masks.MOST_VOXELS_IN_CACHE', 9)
    logits, seen = torch.randn(23, 5), []
    binary_masks(lambda rows: seen.append(rows) or logits[rows], torch.ones(23))
    assert [len(range(23)[rows]) for rows in seen] == [9, 9, 5]


def test_scene_without_voxels_has_empty_masks():
    masks = binary_masks(torch.zeros(0, 4).__getitem__, torch.zeros(0, dtype=torch.long))
    assert masks.inside.shape == (4, 0) and masks.scores.tolist() == [0] * 4


def test_no_object_gives_empty_connected_losses():
    _, _, targets = make_scene(6, 0)
    logits = torch.randn(6, 0, requires_grad=True)
    inside = object_points(targets, torch.zeros(0, dtype=torch.long), torch.float32)
    total = (
        mask_bce_loss(logits, inside, targets.counts).sum()
        + mask_dice_loss(logits, inside, targets.counts).sum()
    )
    assert total.item() == 0 and total.requires_grad


def test_an_object_may_be_chosen_several_times():
    """An assigner may match an object with several queries."""
    _, _, targets = make_scene()
    chosen = torch.tensor([1, 0, 1, 1])
    each = object_points(targets, torch.arange(3), torch.float64)
    assert torch.equal(object_points(targets, chosen, torch.float64), each[:, chosen])
