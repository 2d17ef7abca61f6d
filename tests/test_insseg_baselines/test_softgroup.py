# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""SoftGroup: points in several classes; class, mask and IoU of proposals."""

import math

import pytest
import torch

from insseg_baselines import SoftGrouping

from .helpers import (
    NUM_CLASSES,
    best_of,
    build_head,
    dense_iou,
    entropy,
    grouping_input,
    make_proposals,
    sets_of,
    sure,
)


def grouping(**changes):
    return SoftGrouping(
        **dict(dict(radius=0.04, class_points=[20] * 4, min_class_points=2), **changes)
    )


def test_a_point_may_be_grouped_in_several_classes():
    coords = torch.zeros(5, 3, dtype=torch.float64)
    coords[3:, 0] = 1.0
    probs = torch.tensor(
        [  # the last two are surfaces
            [0.50, 0.30, 0.10, 0.05, 0.03, 0.02],
            [0.50, 0.25, 0.15, 0.05, 0.03, 0.02],
            [0.90, 0.05, 0.01, 0.01, 0.02, 0.01],
            [0.10, 0.25, 0.10, 0.05, 0.30, 0.20],
            [0.10, 0.10, 0.05, 0.05, 0.40, 0.30],
        ],
        dtype=torch.float64,
    )
    inputs = grouping_input(coords, probs.log())
    assert sets_of(grouping()(inputs, training=True)) == [{0, 1, 2}, {0, 1}, {3}]
    # There are three points of class 1. With a limit of four per class, nothing is left.
    assert sets_of(grouping(min_class_points=4)(inputs, training=True)) == []
    assert sets_of(grouping(min_prob=0.4)(inputs, training=True)) == [{0, 1, 2}]


def test_limit_of_points_counts_scene_by_scene():
    coords = torch.zeros(6, 3, dtype=torch.float64)
    scene = torch.tensor([0, 0, 0, 0, 1, 1])
    inputs = grouping_input(coords, sure([0] * 6), scene=scene, num_scenes=2)
    for limit in (3, 4):
        found = grouping(min_class_points=limit)(inputs, training=True)
        assert sets_of(found) == [{0, 1, 2, 3}]


def test_small_components_are_left_out():
    coords = torch.zeros(8, 3, dtype=torch.float64)
    coords[5:, 0] = 1.0
    inputs = grouping_input(coords, sure([0] * 8))
    assert sets_of(grouping(class_points=[100] * 4)(inputs, training=True)) == [{0, 1, 2, 3, 4}]
    # A test scene has as many points as four training scenes: five count as 1.25.
    dense = grouping(class_points=[100] * 4, train_share=0.25)
    assert sets_of(dense(inputs, training=False)) == []
    unknown = grouping(class_points=[-1] * 4)
    assert sets_of(unknown(inputs, training=False)) == [{0, 1, 2, 3, 4}, {5, 6, 7}]


def test_each_class_has_its_own_size():
    coords = torch.zeros(10, 3, dtype=torch.float64)
    scene = torch.tensor([0] * 5 + [1] * 5)
    inputs = grouping_input(coords, sure([0, 0, 0, 2, 2, 0, 0, 0, 2, 2]), scene=scene, num_scenes=2)
    for class_points, expected in (
        ([20, 20, 20, 20], [{0, 1, 2}, {3, 4}, {5, 6, 7}, {8, 9}]),
        ([100, 20, 20, 20], [{3, 4}, {8, 9}]),
        ([20, 100, 100, 20], [{0, 1, 2}, {5, 6, 7}]),
    ):
        found = grouping(class_points=class_points)(inputs, training=True)
        assert sorted(sets_of(found), key=min) == expected


def described(head, voxels, n):
    """Make class probabilities, IoUs, and the mask logits of each voxel, of one proposal."""
    inside = voxels.features[voxels.proposal == n]
    mean = inside.mean(0)
    return head.classify(mean).softmax(0), head.iou(mean)


@pytest.mark.parametrize('seed', range(4))
def test_losses_equal_the_loop(seed):
    head = build_head('SoftGroupHead').double()
    with torch.no_grad():
        head.mask[-1].weight.mul_(5)
    proposals, voxels, targets = make_proposals(seed)
    class_total = mask_total = iou_total = 0.0
    positive_points = positives = 0
    for n, members in enumerate(sets_of(proposals)):
        probs, ious = described(head, voxels, n)
        iou, owner = best_of(members, targets)
        label = int(targets.labels[owner]) if iou >= 0.5 else NUM_CLASSES
        class_total -= math.log(probs[label].item())
        if iou < 0.5:
            continue
        positives += 1
        positive_points += len(members)
        masked = set()
        for e in (proposals.proposal == n).nonzero()[:, 0].tolist():
            p = proposals.members[e].item()
            x = head.mask(voxels.features[voxels.grid.member2voxel[e]])[label].item()
            mask_total += entropy(1 / (1 + math.exp(-x)), float(targets.instance[p] == owner))
            if x > 0:
                masked.add(p)
        iou_total += (ious[label].item() - dense_iou(masked, owner, targets.instance)) ** 2
    found = head.proposal_loss(proposals, voxels, targets, 0)
    assert positives >= 2
    assert found['loss_class'].item() == pytest.approx(class_total / 5, rel=1e-6)
    assert found['loss_mask'].item() == pytest.approx(mask_total / (positive_points + 1), rel=1e-6)
    assert found['loss_iou'].item() == pytest.approx(iou_total / (positives + 1), rel=1e-6)


@pytest.mark.parametrize('seed', range(3))
def test_every_proposal_comes_out_for_every_likely_class(seed):
    head = build_head('SoftGroupHead', min_class_prob=0.15).double()
    with torch.no_grad():
        head.mask[-1].weight.mul_(5)
        head.iou.bias.fill_(0.5)
    proposals, voxels, _ = make_proposals(seed)
    expected = []
    for n in range(proposals.num_proposals):
        probs, ious = described(head, voxels, n)
        entries = (proposals.proposal == n).nonzero()[:, 0]
        logits = head.mask(voxels.features[voxels.grid.member2voxel[entries]])
        for k in range(NUM_CLASSES):
            inside = entries[logits[:, k] > -0.5]
            if probs[k] > 0.15 and len(inside) >= 3:
                score = probs[k] * ious[k].clamp(0, 1)
                expected.append(
                    (round(score.item(), 9), k, frozenset(proposals.members[inside].tolist()))
                )
    found, classes, scores = head.judge(proposals, voxels, torch.zeros(40, dtype=torch.long))
    ours = [
        (round(s, 9), k, frozenset(points))
        for s, k, points in zip(scores.tolist(), classes.tolist(), sets_of(found))
    ]
    assert len(expected) > 2 and sorted(ours, key=str) == sorted(expected, key=str)
    assert [s for s, _, _ in ours] == sorted((s for s, _, _ in ours), reverse=True)
    head.ranking.max_instances = 2
    found, _, best = head.judge(proposals, voxels, torch.zeros(40, dtype=torch.long))
    assert found.num_proposals == 2 and torch.equal(best, scores[:2])
