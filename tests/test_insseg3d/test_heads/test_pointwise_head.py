# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Class and offset of each point: labels, targets, and batches that equal their scenes."""

import pytest
import torch
from mmdet3d.registry import MODELS

import insseg3d  # noqa: F401
from insseg3d.heads import OffsetL1Loss, PackedPoints, PackedTargets
from insseg3d.structures import PointTargets, SceneRows

CHANNELS = 6


def build(**changes):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            dict(
                type='PointwiseHead',
                in_channels=CHANNELS,
                num_classes=3,
                num_stuff=2,
                offset_losses=dict(l1=dict(type='OffsetL1Loss')),
            ),
            **changes,
        )
    ).double()


def scene(seed, num_rows=5, num_points=12, num_objects=2):
    generator = torch.Generator().manual_seed(seed)
    point2row = torch.randint(num_rows, (num_points,), generator=generator)
    rows = SceneRows(
        torch.randn(num_rows, CHANNELS, dtype=torch.float64, generator=generator),
        torch.bincount(point2row, minlength=num_rows),
        point2row,
    )
    coords = torch.rand(num_points, 3, dtype=torch.float64, generator=generator)
    targets = PointTargets(
        torch.randint(6, (num_points,), generator=generator),
        torch.randint(-1, num_objects, (num_points,), generator=generator),
        torch.arange(num_objects) % 3,
    )
    return rows, coords, targets


def losses(head, scenes):
    rows, coords, targets = zip(*scenes)
    points = PackedPoints.pack(rows, coords)
    return head.loss(head(points.features), points, PackedTargets.pack(targets))


def test_label_k_is_unknown_and_surfaces_follow_the_classes():
    head = build()
    assert head._labels(torch.tensor([0, 1, 2, 3, 4, 5, 6])).tolist() == [0, 1, 2, -1, 3, 4, -1]
    alone = build(num_stuff=0)
    assert alone._labels(torch.tensor([0, 2, 3, 4, 5])).tolist() == [0, 2, -1, -1, -1]


def test_losses_equal_a_loop_over_points():
    head, (rows, coords, targets) = build().eval(), scene(1)
    outputs = head(rows.features)
    entropy, distance, known, inside = 0.0, 0.0, 0, 0
    for p, row in enumerate(rows.point2row.tolist()):
        label = {0: 0, 1: 1, 2: 2, 3: None, 4: 3, 5: 4}[int(targets.semantic[p])]
        if label is not None:
            entropy -= float(outputs.logits[row].log_softmax(0)[label])
            known += 1
        owner = int(targets.instance[p])
        if owner >= 0:
            center = coords[targets.instance == owner].mean(0)
            distance += float((outputs.offsets[row] - (center - coords[p])).abs().sum())
            inside += 1
    found = losses(head, [(rows, coords, targets)])
    assert found['loss_semantic'].item() == pytest.approx(entropy / known)
    assert found['loss_offset_l1'].item() == pytest.approx(distance / (inside + 1e-6))


def test_objects_of_a_batch_are_not_mixed():
    head = build().eval()
    one, two = scene(1), scene(2)
    both = losses(head, [one, two])
    counts = [int((s[2].instance >= 0).sum()) for s in (one, two)]
    alone = [losses(head, [s])['loss_offset_l1'].item() for s in (one, two)]
    expected = sum(n * a for n, a in zip(counts, alone)) / sum(counts)
    assert both['loss_offset_l1'].item() == pytest.approx(expected)


def test_number_of_layers():
    assert [type(part).__name__ for part in build(semantic_layers=1).semantic] == ['Linear']
    assert [type(part).__name__ for part in build().semantic] == [
        'Linear',
        'BatchNorm',
        'ReLU',
        'Linear',
    ]
    assert build().semantic[-1].out_features == 5


def test_a_point_may_weigh_the_length_of_its_offset():
    offsets, targets = torch.zeros(2, 3), torch.tensor([[0.5, 0, 0], [0, 3.0, 0]])
    loss = OffsetL1Loss(most_weight=1.0, loss_weight=2.0)
    assert loss(offsets, targets).item() == pytest.approx(2 * (0.5 * 0.5 + 1 * 3) / 2)
