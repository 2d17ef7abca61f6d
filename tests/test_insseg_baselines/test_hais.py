# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""HAIS: primaries that absorb fragments; masks and scores inside proposals."""

import math

import pytest
import torch

from insseg_baselines import HierarchicalGrouping
from insseg_baselines.hais import absorb

from .helpers import (
    best_of,
    build_head,
    entropy,
    grouping_input,
    make_proposals,
    sets_of,
    sure,
)


def line(*blobs):
    """Make blobs (position, number of points) on a line, points 1 mm apart, and their sets."""
    coords, sets = [], []
    for place, count in blobs:
        sets.append(set(range(len(coords), len(coords) + count)))
        coords += [(place + 1e-3 * n, 0.0, 0.0) for n in range(count)]
    return torch.tensor(coords, dtype=torch.float64), sets


def grouping(**changes):
    return HierarchicalGrouping(
        **dict(dict(radius=0.03, class_points=[100] * 4, class_radii=[0.5] * 4), **changes)
    )


def test_sizes_split_components():
    # Primaries have at least 30 % of 100 points, kept fragments at least 5 %.
    coords, (large, middle, small, tiny) = line((0, 30), (5, 29), (10, 5), (15, 4))
    inputs = grouping_input(coords, sure([0] * len(coords)))
    assert sets_of(grouping()(inputs, training=True)) == [middle, small, large]
    # Out of reach, a test has the same result.
    assert sets_of(grouping()(inputs, training=False)) == [middle, small, large]


def test_near_fragments_are_absorbed_at_test_time_only():
    coords, (primary, near, far) = line((0, 40), (0.3, 4), (0.9, 4))
    inputs = grouping_input(coords, sure([0] * len(coords)))
    assert sets_of(grouping()(inputs, training=True)) == [primary]
    assert sets_of(grouping()(inputs, training=False)) == [primary | near]
    # The reach depends on the root of the primary's points: 0.2 * sqrt(40) = 1.26 m.
    wide = grouping(size_radius=0.2)
    assert sets_of(wide(inputs, training=False)) == [primary | near | far]
    # A kept fragment is a proposal itself and is also absorbed.
    kept = grouping(kept_share=0.04)
    assert sets_of(kept(inputs, training=False)) == [near, far, primary | near]


def test_fragments_go_to_their_class_and_scene():
    coords, (one, other, between) = line((0, 40), (0.8, 40), (0.45, 4))
    labels = torch.tensor([0] * 40 + [1] * 40 + [1] * 4)
    wide = grouping(class_radii=[1.0] * 4)
    assert sets_of(wide(grouping_input(coords, sure(labels)), training=False)) == [
        one,
        other | between,
    ]
    scene = torch.tensor([0] * 80 + [1] * 4)
    inputs = grouping_input(coords, sure(labels), scene=scene, num_scenes=2)
    assert sets_of(wide(inputs, training=False)) == [one, other]


def test_a_class_without_a_table_entry_has_primaries_only():
    coords, (large, tiny) = line((0, 40), (5, 1))
    alone = grouping(class_points=[-1] * 4, class_radii=[-1] * 4)
    assert sets_of(alone(grouping_input(coords, sure([0] * 41)), training=False)) == [large, tiny]


def test_each_class_has_its_own_size_and_radius():
    coords, (primary, near, other, beside) = line((0, 40), (0.3, 4), (9, 40), (9.3, 4))
    labels = [0] * 44 + [2] * 44
    small = grouping(class_points=[100, 100, 10, 100])  # four points of class 2 are primary
    assert sets_of(small(grouping_input(coords, sure(labels)), training=False)) == [
        primary | near,
        other,
        beside,
    ]
    tight = grouping(class_radii=[0.5, 0.5, 0.01, 0.5])
    assert sets_of(tight(grouping_input(coords, sure(labels)), training=False)) == [
        primary | near,
        other,
    ]


def test_denser_scans_at_test_time_are_measured_as_in_training():
    coords, (large, middle) = line((0, 140), (5, 100))  # four times 35 and 25 points
    inputs = grouping_input(coords, sure([0] * len(coords)))
    assert sets_of(grouping(train_share=0.25)(inputs, training=False)) == [middle, large]
    assert sets_of(grouping()(inputs, training=False)) == [large, middle]


def test_tables_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match='4 class_points and 3 class_radii'):
        grouping(class_radii=[1] * 3)


@pytest.mark.parametrize('seed', range(6))
def test_absorbing_equals_the_loop(seed, monkeypatch):
    monkeypatch.setattr('insseg_baselines.hais._AT_ONCE', 9)
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(30, 3, dtype=torch.float64, generator=generator)
    groups = torch.randint(4, (30,), generator=generator)
    is_fragment = torch.rand(30, generator=generator) < 0.7
    reach = 0.6 * torch.rand(30, dtype=torch.float64, generator=generator)
    expected = []
    for n in range(30):
        if not is_fragment[n]:
            expected.append(n)
            continue
        others = [
            (math.dist(centres[n].tolist(), centres[p].tolist()), p)
            for p in range(30)
            if not is_fragment[p] and groups[p] == groups[n]
        ]
        distance, nearest = min(others, default=(math.inf, -1))
        expected.append(nearest if distance < float(reach[nearest]) else -1)
    assert absorb(centres, groups, is_fragment, reach).tolist() == expected


@pytest.mark.parametrize('mask_iters', [0, 10])
@pytest.mark.parametrize('seed', range(4))
def test_losses_equal_the_loop(seed, mask_iters):
    head = build_head('HAISHead', mask_iters=mask_iters).double()
    with torch.no_grad():
        head.mask[-1].weight.mul_(5)  # masks differ
    proposals, voxels, targets = make_proposals(seed)
    by_mask = mask_iters == 0
    mask_total = score_total = 0.0
    for n, members in enumerate(sets_of(proposals)):
        entries = (proposals.proposal == n).nonzero()[:, 0].tolist()
        logits = {
            proposals.members[e].item(): head.mask(
                voxels.features[voxels.grid.member2voxel[e]]
            ).item()
            for e in entries
        }
        compared = {p for p in members if logits[p] > 0} if by_mask else members
        iou, owner = best_of(compared, targets)
        if iou > 0.5:
            for p in members:
                inside = float(targets.instance[p] == owner)
                mask_total += entropy(1 / (1 + math.exp(-logits[p])), inside)
        inside = voxels.features[voxels.proposal == n].clone()
        if by_mask:
            inside[head.mask(inside)[:, 0] < 0] = 0
        score_total += entropy(torch.sigmoid(head.score(inside.max(0).values)).item(), iou)
    found = head.proposal_loss(proposals, voxels, targets, 5)
    assert found['loss_mask'].item() == pytest.approx(mask_total / len(proposals.members), rel=1e-6)
    assert found['loss_score'].item() == pytest.approx(score_total / 5, rel=1e-6)
    assert mask_total > 0  # some masks are learned


def test_points_inside_the_mask_come_out():
    head = build_head('HAISHead').double()
    with torch.no_grad():
        head.mask[-1].weight.mul_(5)
    proposals, voxels, targets = make_proposals(2)
    labels = torch.arange(40) % 3
    found, classes, scores = head.judge(proposals, voxels, labels)
    logits = head.mask(voxels.features)[:, 0]
    expected = []
    for n in range(5):
        entries = (proposals.proposal == n).nonzero()[:, 0]
        inside = entries[logits[voxels.grid.member2voxel[entries]] > -0.5]
        if len(inside):
            expected.append(
                (
                    set(proposals.members[inside].tolist()),
                    int(labels[proposals.members[entries[0]]]),
                )
            )
    assert list(zip(sets_of(found), classes.tolist())) == expected and len(scores) == len(expected)
