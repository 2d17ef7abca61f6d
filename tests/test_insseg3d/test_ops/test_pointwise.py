# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Losses over points against loops in float64."""

import math

import pytest
import torch

from insseg3d.ops.grouping.pointwise import (
    instance_centres,
    offset_direction_loss,
    offset_l1_loss,
    point_cross_entropy,
)


def test_cross_entropy_counts_points_not_rows():
    logits = torch.randn(3, 4, dtype=torch.float64)
    point2row = torch.tensor([0, 0, 0, 2, 1, 2])
    labels = torch.tensor([1, 1, 3, 0, -1, 2])
    total = 0.0
    for row, label in zip(point2row.tolist(), labels.tolist()):
        if label >= 0:
            x = logits[row].tolist()
            total += math.log(sum(math.exp(v) for v in x)) - x[label]
    assert point_cross_entropy(logits, point2row, labels).item() == pytest.approx(total / 5)


def test_nothing_labelled_is_zero_and_has_a_gradient():
    logits = torch.randn(3, 4, requires_grad=True)
    loss = point_cross_entropy(logits, torch.tensor([0, 1]), torch.tensor([-1, -1]))
    loss.backward()
    assert loss.item() == 0 and torch.equal(logits.grad, torch.zeros(3, 4))


def test_centers_are_means_of_the_objects_points():
    coords = torch.tensor([[0.0, 0, 0], [2, 4, 6], [9, 9, 9], [1, 1, 1]])
    centres = instance_centres(coords, torch.tensor([1, 1, -1, 0]), 3)
    assert centres.tolist() == [[1, 1, 1], [1, 2, 3], [0, 0, 0]]


def test_offset_losses_by_hand():
    offsets = torch.tensor([[1.0, 0, 0], [0, 0, 2]], dtype=torch.float64)
    targets = torch.tensor([[0.0, 3, 0], [0, 0, 1]], dtype=torch.float64)
    assert offset_l1_loss(offsets, targets).item() == pytest.approx((4 + 1) / (2 + 1e-6), rel=1e-12)
    weights = torch.tensor([0.5, 1.0], dtype=torch.float64)
    assert offset_l1_loss(offsets, targets, weights).item() == pytest.approx(3 / (2 + 1e-6))
    # A right angle and the same direction.
    assert offset_direction_loss(offsets, targets).item() == pytest.approx(
        -(0 + 1) / (2 + 1e-6), rel=1e-6
    )


def test_zero_vectors_and_no_points_have_finite_gradients():
    for num in (0, 2):
        offsets = torch.zeros(num, 3, requires_grad=True)
        loss = offset_direction_loss(offsets, torch.zeros(num, 3)) + offset_l1_loss(
            offsets, torch.ones(num, 3)
        )
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(offsets.grad).all()
