# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Packed lists of proposals against lists of sets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.ops.grouping.clusters import (
    Proposals,
    choose_at_random,
    join_proposals,
    keep_members,
    keep_proposals,
    no_proposals,
    proposal_masks,
    radius_clusters,
    repeat_proposals,
)
from insseg3d.ops.grouping.radius_graph import radius_components


def packed(sets):
    members = [sorted(points) for points in sets]
    return Proposals(
        torch.tensor([p for points in members for p in points], dtype=torch.int64),
        torch.tensor([n for n, points in enumerate(members) for _ in points], dtype=torch.int64),
        torch.tensor([len(points) for points in members], dtype=torch.int64),
    )


def sets_of(proposals):
    """Convert the list back to sets, after checking its invariants."""
    members, proposal, sizes = (part.tolist() for part in proposals)
    assert proposal == sorted(proposal) and len(members) == sum(sizes) and 0 not in sizes
    found = [[] for _ in sizes]
    for point, number in zip(members, proposal):
        found[number].append(point)
    assert all(points == sorted(points) for points in found)
    assert [len(points) for points in found] == sizes
    return [set(points) for points in found]


def random_sets(seed):
    rng = np.random.default_rng(seed)
    return [
        set(rng.choice(30, int(rng.integers(1, 9)), replace=False).tolist())
        for _ in range(int(rng.integers(0, 8)))
    ], rng


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_choosing_and_joining_equal_lists_of_sets(seed):
    sets, rng = random_sets(seed)
    proposals = packed(sets)
    assert sets_of(proposals) == sets
    kept = rng.random(len(sets)) < 0.5
    some = keep_proposals(proposals, torch.from_numpy(kept))
    assert sets_of(some) == [points for points, is_kept in zip(sets, kept) if is_kept]
    assert sets_of(join_proposals([some, proposals, some])) == (
        sets_of(some) + sets + sets_of(some)
    )
    which = rng.integers(0, max(len(sets), 1), 5 if sets else 0)
    again, entry = repeat_proposals(proposals, torch.from_numpy(which))
    assert sets_of(again) == [sets[n] for n in which]
    assert torch.equal(proposals.members[entry], again.members)
    assert proposals.first_members.tolist() == [min(points) for points in sets]
    order = torch.from_numpy(rng.permutation(len(sets)))
    for which in (order, order[: len(order) // 2]):
        masks = proposal_masks(proposals, which, 30)
        assert [set(mask.nonzero()[:, 0].tolist()) for mask in masks] == [
            sets[n] for n in which.tolist()
        ]


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_dropping_members_equals_cutting_sets(seed):
    sets, rng = random_sets(seed)
    proposals = packed(sets)
    good = {p for p in range(30) if rng.random() < 0.3}
    inside = torch.tensor([p in good for p in proposals.members.tolist()], dtype=torch.bool)
    found, which = keep_members(proposals, inside)
    expected = [(n, points & good) for n, points in enumerate(sets) if points & good]
    assert sets_of(found) == [points for _, points in expected]
    assert which.tolist() == [n for n, _ in expected]


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_clusters_are_the_large_components(seed):
    rng = np.random.default_rng(seed)
    num = int(rng.integers(0, 60))
    coords = torch.from_numpy(rng.uniform(0, 1, (num, 3)))
    groups = torch.from_numpy(rng.integers(0, 3, num))
    points = torch.from_numpy(np.sort(rng.choice(1000, num, replace=False)))
    label = radius_components(coords, groups, radius=0.25)
    expected = [set(points[label == k].tolist()) for k in range(int(label.max()) + 1 if num else 0)]
    for min_points in (1, 3):
        found = radius_clusters(coords, groups, points, radius=0.25, min_points=min_points)
        assert sets_of(found) == [s for s in expected if len(s) >= min_points]


def test_too_many_are_thinned_at_random_and_the_same_for_a_seed():
    proposals = packed([{n, n + 1} for n in range(100)])

    def thinned(seed):
        return sets_of(choose_at_random(proposals, 10, torch.Generator().manual_seed(seed)))

    one = thinned(0)
    assert len(one) == 10 and one == thinned(0) != thinned(1)
    assert [min(s) for s in one] == sorted(min(s) for s in one)
    counts = np.zeros(100)
    for seed in range(300):
        for points in thinned(seed):
            counts[min(points)] += 1
    assert counts.min() > 10 and counts.max() < 60  # 30 on average, uniform over all
    few = choose_at_random(proposals, 100, torch.Generator())
    assert few is proposals


def test_none_at_all():
    none = no_proposals(torch.device('cpu'))
    assert sets_of(none) == [] and none.first_members.shape == (0,)
    assert sets_of(join_proposals([none, packed([{3}]), none])) == [{3}]
    assert proposal_masks(none, none.members, 5).shape == (0, 5)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_clusters():
    coords, groups = torch.rand(5000, 3), torch.randint(0, 4, (5000,))
    points = torch.arange(5000)
    one = radius_clusters(coords, groups, points, radius=0.06, min_points=3)
    two = radius_clusters(
        *(t.to('cuda') for t in (coords, groups, points)), radius=0.06, min_points=3
    )
    assert sets_of(one) == sets_of(Proposals(*(part.cpu() for part in two)))
