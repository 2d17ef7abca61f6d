# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Proposals against dense masks, naive loops and hand-computed numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.ops.grouping.proposals import (
    grid_features,
    mask_nms,
    matrix_nms,
    overlaps_by_sorting,
    pairwise_iou,
    pairwise_overlaps,
    proposal_iou,
    voxelize_proposals,
)


def random_masks(seed):
    """Make masks (N, P), their members in random order, and objects (P,)."""
    rng = np.random.default_rng(seed)
    masks = rng.random((int(rng.integers(0, 7)), int(rng.integers(1, 40)))) < 0.4
    proposal, members = (torch.from_numpy(index) for index in masks.nonzero())
    order = torch.from_numpy(rng.permutation(len(members)))
    instance = torch.from_numpy(rng.integers(-1, 4, masks.shape[1]))
    return masks, members[order], proposal[order], instance


@given(st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_overlaps_and_ious_equal_those_of_dense_masks(seed):
    masks, members, proposal, instance = random_masks(seed)
    num = len(masks)
    shared = masks.astype(int) @ masks.T.astype(int)
    np.testing.assert_array_equal(pairwise_overlaps(members, proposal, num_proposals=num), shared)
    if len(members):  # the path of GPUs
        np.testing.assert_array_equal(overlaps_by_sorting(members, proposal, num), shared)
    union = masks.sum(1)[:, None] + masks.sum(1)[None] - shared
    np.testing.assert_allclose(
        pairwise_iou(members, proposal, num_proposals=num), shared / np.maximum(union, 1)
    )
    found = proposal_iou(members, proposal, instance, num_proposals=num, num_instances=4)
    assert found.shape == (num, 4)
    for q in range(num):
        for g in range(4):
            both = (masks[q] & (instance.numpy() == g)).sum()
            either = masks[q].sum() + (instance == g).sum().item() - both
            assert found[q, g].item() == pytest.approx(both / (either + 1e-5), abs=1e-6)


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 0.7]))
@settings(max_examples=100, deadline=None)
def test_greedy_suppression_equals_the_naive_loop(seed, threshold):
    masks, members, proposal, _ = random_masks(seed)
    rng = np.random.default_rng(seed)
    scores = torch.from_numpy(rng.integers(0, 4, len(masks)) / 4)
    iou = pairwise_iou(members, proposal, num_proposals=len(masks))
    left, kept = sorted(range(len(masks)), key=lambda q: (-scores[q].item(), q)), []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [q for q in left if iou[best, q] <= threshold]
    assert mask_nms(iou, scores, threshold=threshold).tolist() == kept


def suppressed(iou, scores, labels, sigma):
    """Compute the scores of matrix NMS in loops."""

    def f(x):
        return 1 - x if sigma is None else np.exp(-sigma * x**2)

    def better_than(j):
        before = [i for i in range(len(scores)) if (-scores[i], i) < (-scores[j], j)]
        return [i for i in before if labels[i] == labels[j]]

    for j, score in enumerate(scores):
        decay = 1.0
        for i in better_than(j):
            worst = max((iou[k, i].item() for k in better_than(i)), default=0.0)
            decay = min(decay, f(iou[i, j].item()) / max(f(worst), 1e-6))
        yield score.item() * min(decay, 1)


@pytest.mark.parametrize('sigma', [None, 2.0])
def test_matrix_suppression_equals_its_formula(sigma):
    rng = np.random.default_rng(0)
    for num in [*range(8)] * 5:
        iou = rng.choice([0, 0.3, 0.9, 1], (num, num))  # also exact copies
        iou = torch.from_numpy(np.triu(iou, 1) + np.triu(iou, 1).T)
        scores = torch.from_numpy(rng.integers(1, 4, num) / 4)  # and equal scores
        labels = torch.from_numpy(rng.integers(0, 2, num))
        expected = [*suppressed(iou, scores, labels, sigma)]
        np.testing.assert_allclose(
            matrix_nms(iou, scores, labels, sigma=sigma), expected, atol=1e-9
        )


def test_of_exact_copies_the_first_keeps_its_score():
    iou = torch.ones(3, 3)
    scores, labels = torch.full((3,), 0.5), torch.zeros(3)
    assert matrix_nms(iou, scores, labels).tolist() == [0.5, 0, 0]
    assert matrix_nms(iou, scores, torch.tensor([0, 1, 0])).tolist() == [0.5, 0.5, 0]
    assert matrix_nms(iou[:1, :1], scores[:1], labels[:1]).tolist() == [0.5]


def test_a_proposal_fills_its_grid_by_hand():
    # 1 m long: 14 voxels, minus a hundredth; 11 cm long: at most 50 voxels per metre.
    coords = torch.tensor([[0, 0, 0], [1.0, 0.5, 0.1], [0.999, 0, 0], [5, 5, 5], [5.11, 5, 5]])
    proposal = torch.tensor([0, 0, 0, 1, 1])
    grid = voxelize_proposals(coords, proposal, num_proposals=2, full_scale=14)
    assert grid.coors.tolist() == [
        [0, 0, 0, 0],
        [0, 13, 0, 0],
        [0, 13, 6, 1],
        [1, 0, 0, 0],
        [1, 5, 0, 0],
    ]
    assert grid.member2voxel.tolist() == [0, 2, 1, 3, 4] and grid.counts.tolist() == [1] * 5


@given(st.integers(0, 2**31), st.booleans())
@settings(max_examples=60, deadline=None)
def test_grids_hold_every_member_and_change_no_other_proposal(seed, at_random):
    rng = np.random.default_rng(seed)
    num, size = int(rng.integers(1, 5)), int(rng.integers(1, 60))
    proposal = torch.from_numpy(rng.integers(0, num, size))
    coords = torch.from_numpy(rng.normal(0, rng.choice([0, 0.01, 1, 30]), (size, 3))).float()
    place = torch.from_numpy(rng.random(3)).float() if at_random else None
    grid = voxelize_proposals(coords, proposal, num_proposals=num, full_scale=14, place=place)
    assert (grid.coors[:, 1:] >= 0).all() and (grid.coors[:, 1:] < 14).all()
    assert torch.equal(grid.coors[grid.member2voxel, 0], proposal)
    assert torch.equal(torch.bincount(grid.member2voxel, minlength=len(grid.coors)), grid.counts)
    features = torch.from_numpy(rng.random((9, 2))).requires_grad_()
    rows = torch.from_numpy(rng.integers(0, 9, size))
    means = grid_features(features, rows, grid)
    expected = torch.stack(
        [features[rows[grid.member2voxel == voxel]].mean(0) for voxel in range(len(grid.coors))]
    )
    torch.testing.assert_close(means, expected)
    weights = torch.from_numpy(rng.random(means.shape))
    torch.testing.assert_close(
        *(torch.autograd.grad((m * weights).sum(), features)[0] for m in (means, expected))
    )
    one = proposal == proposal[0]
    alone = voxelize_proposals(
        coords[one], torch.zeros_like(proposal[one]), num_proposals=1, full_scale=14, place=place
    )
    assert torch.equal(alone.coors[alone.member2voxel, 1:], grid.coors[grid.member2voxel[one], 1:])


def test_nothing_at_all():
    none = torch.zeros(0, dtype=torch.int64)
    assert pairwise_overlaps(none, none, num_proposals=0).shape == (0, 0)
    iou = proposal_iou(none, none, torch.tensor([-1, 0]), num_proposals=0, num_instances=1)
    assert iou.shape == (0, 1)
    assert mask_nms(torch.zeros(0, 0), torch.zeros(0), threshold=0.3).shape == (0,)
    assert matrix_nms(torch.zeros(0, 0), torch.zeros(0), none).shape == (0,)
    grid = voxelize_proposals(torch.zeros(0, 3), none, num_proposals=0, full_scale=14)
    assert grid.coors.shape == (0, 4)
    for rows in (0, 3):
        features = torch.zeros(rows, 5, requires_grad=True)
        means = grid_features(features, none, grid)
        means.sum().backward()
        assert means.shape == (0, 5) and features.grad.shape == (rows, 5)
