# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""PointGroup: two runs of grouping; scores from rescaled IoUs."""

import pytest
import torch

from insseg_baselines import DualSpaceGrouping

from .helpers import best_of, build_head, entropy, grouping_input, make_proposals, sets_of, sure


def test_components_of_the_places_then_of_the_shifted_ones():
    # Two pairs, 10 m apart, with offsets to the same position; a wall point; a single point.
    x = torch.tensor([0, 0.02, 10, 10.02, 0.01, 5], dtype=torch.float64)
    coords = torch.stack([x, 0 * x, 0 * x], 1)
    offsets = torch.zeros(6, 3, dtype=torch.float64)
    offsets[:2, 0], offsets[2:4, 0] = 5, -5
    labels = [0, 0, 0, 0, 4, 1]
    inputs = grouping_input(coords, sure(labels), offsets=offsets)
    found = DualSpaceGrouping(radius=0.03, min_points=2)(inputs, training=True)
    assert sets_of(found) == [{0, 1}, {2, 3}, {0, 1, 2, 3}]
    assert sets_of(DualSpaceGrouping(radius=0.03, min_points=1)(inputs, training=False)) == [
        {0, 1},
        {2, 3},
        {5},
        {0, 1, 2, 3},
        {5},
    ]


def test_classes_and_scenes_are_grouped_apart():
    coords = torch.zeros(4, 3, dtype=torch.float64)
    inputs = grouping_input(
        coords, sure([0, 1, 0, 0]), scene=torch.tensor([0, 0, 0, 1]), num_scenes=2
    )
    found = DualSpaceGrouping(radius=1.0, min_points=1)(inputs, training=True)
    assert sets_of(found) == [{0, 2}, {1}, {3}] * 2


@pytest.mark.parametrize('seed', range(4))
def test_score_loss_equals_the_loop(seed):
    head = build_head('PointGroupHead').double()
    proposals, voxels, targets = make_proposals(seed)
    expected = 0.0
    for n, members in enumerate(sets_of(proposals)):
        inside = voxels.features[voxels.proposal == n]
        score = torch.sigmoid(head.score(inside.max(0).values)).item()
        iou, _ = best_of(members, targets)
        wanted = 1.0 if iou > 0.75 else 0.0 if iou < 0.25 else 2 * iou - 0.5
        expected += entropy(score, wanted) / 5
    found = head.proposal_loss(proposals, voxels, targets, 0)
    assert found['loss_score'].item() == pytest.approx(expected, rel=1e-6)


def test_scores_and_classes_of_proposals():
    head = build_head('PointGroupHead').double()
    proposals, voxels, targets = make_proposals(1)
    labels = torch.arange(40) % 3
    found, classes, scores = head.judge(proposals, voxels, labels)
    assert found is proposals
    assert classes.tolist() == [min(members) % 3 for members in sets_of(proposals)]
    largest = torch.stack([voxels.features[voxels.proposal == n].max(0).values for n in range(5)])
    torch.testing.assert_close(scores, head.score(largest).sigmoid()[:, 0])
