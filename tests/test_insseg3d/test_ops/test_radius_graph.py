# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Components of the radius graph against all pairs, on the CPU path and the parallel one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from insseg3d.ops.grouping import radius_graph
from insseg3d.ops.grouping.radius_graph import radius_components


def all_pairs(coords, groups, radius):
    """Compute all distances in float64, and the components, numbered by their first points."""
    coords = np.asarray(coords, dtype=np.float64)
    difference = coords[:, None] - coords[None]
    square = difference[..., 0] ** 2 + difference[..., 1] ** 2 + difference[..., 2] ** 2
    edges = (square < float(radius) ** 2) & (groups[:, None] == groups[None])
    found = connected_components(coo_matrix(edges), directed=False)[1]
    order = {}
    return np.array([order.setdefault(label, len(order)) for label in found], dtype=np.int64)


def by_scatter(monkeypatch):
    monkeypatch.setattr(radius_graph, '_link_on_cpu', radius_graph.link_by_scatter)


def check(coords, groups, radius):
    coords, groups = torch.as_tensor(coords), torch.as_tensor(groups)
    expected = all_pairs(coords.numpy(), groups.numpy(), radius)
    np.testing.assert_array_equal(
        radius_components(coords, groups, radius=radius).numpy(), expected
    )
    with pytest.MonkeyPatch.context() as patch:
        by_scatter(patch)
        # Small chunks, of which a case has several.
        patch.setattr(radius_graph, '_PAIRS_AT_ONCE', 7)
        np.testing.assert_array_equal(
            radius_components(coords, groups, radius=radius).numpy(), expected
        )


def random_case(seed):
    rng = np.random.default_rng(seed)
    num = int(rng.integers(1, 90))
    kind = rng.integers(4)
    if kind == 0:  # on a lattice: many points coincide or have distances of exactly r
        coords = rng.integers(0, rng.integers(2, 9), (num, 3)) * 0.25
        radius = float(rng.choice([0.25, 0.5, 0.25 * 2**0.5, 0.75]))
    elif kind == 1:  # balls, some touching
        centres = rng.uniform(0, 1, (int(rng.integers(1, 6)), 3))
        coords = centres[rng.integers(0, len(centres), num)] + rng.normal(0, 0.05, (num, 3))
        radius = float(rng.uniform(0.01, 0.2))
    elif kind == 2:  # a thin line far from the origin
        coords = np.zeros((num, 3))
        coords[:, rng.integers(3)] = rng.uniform(0, 3, num)
        coords += rng.uniform(-1e4, 1e4, 3)
        radius = 0.05
    else:
        coords = rng.uniform(-1, 1, (num, 3)) * rng.choice([0.01, 1, 100])
        radius = float(rng.uniform(0.05, 0.6))
    kind_of_float = np.float32 if rng.random() < 0.5 else np.float64
    return coords.astype(kind_of_float), rng.integers(0, rng.integers(1, 4), num), radius


@given(st.integers(0, 2**31))
@settings(max_examples=120, deadline=None)
def test_equals_all_pairs(seed):
    check(*random_case(seed))


@pytest.mark.slow
def test_equals_all_pairs_on_thousands_of_cases():
    for seed in range(3000):
        check(*random_case(seed))


def test_exactly_r_is_no_edge_and_a_trifle_less_is():
    groups = np.zeros(2, dtype=np.int64)
    for axis in range(3):
        coords = np.zeros((2, 3))
        coords[1, axis] = 0.5
        check(coords, groups, 0.5)
        assert radius_components(
            torch.tensor(coords), torch.tensor(groups), radius=0.5
        ).tolist() == [0, 1]
        close = np.nextafter(0.5, 0)
        coords[1, axis] = close
        assert radius_components(
            torch.tensor(coords), torch.tensor(groups), radius=0.5
        ).tolist() == [0, 0]


def test_groups_are_never_connected_and_duplicates_always():
    coords = torch.zeros(6, 3)
    groups = torch.tensor([3, 0, 3, 7, 0, 3])
    assert radius_components(coords, groups, radius=1e-3).tolist() == [0, 1, 0, 2, 1, 0]


@pytest.mark.parametrize('path', ['compiled', 'scatter'])
def test_a_chain_of_many_cells_and_two_crowded_cells(monkeypatch, path):
    if path == 'scatter':
        by_scatter(monkeypatch)
    chain = torch.zeros(5000, 3, dtype=torch.float64)
    chain[:, 0] = torch.arange(5000) * 0.029
    order = torch.randperm(5000)
    groups = torch.zeros(5000, dtype=torch.int64)
    assert radius_components(chain[order], groups, radius=0.03).max() == 0
    chain[2500:, 0] += 0.002  # one step of more than 3 cm
    assert radius_components(chain, groups, radius=0.03).unique().tolist() == [0, 1]
    crowd = torch.rand(4000, 3, dtype=torch.float64) * 0.01
    for gap, expected in ((0.031, [0, 1]), (0.0285, [0])):
        two = crowd.clone()
        two[2000:, 0] += 0.01 + gap  # the nearest two, one of each, are about this far apart
        found = radius_components(two, groups[:4000], radius=0.03)
        assert found.unique().tolist() == expected


def test_order_of_points_only_renames():
    coords, groups, radius = random_case(11)
    coords, groups = torch.as_tensor(coords), torch.as_tensor(groups)
    one = radius_components(coords, groups, radius=radius)
    order = torch.randperm(len(coords))
    two = radius_components(coords[order], groups[order], radius=radius)
    pairs = torch.stack([one[order], two], 1).unique(dim=0)
    assert len(pairs) == len(one.unique()) == len(two.unique())


def test_nothing_and_nonsense():
    none = radius_components(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), radius=1.0)
    assert none.shape == (0,) and none.dtype == torch.int64
    with pytest.raises(ValueError, match='positive'):
        radius_components(torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64), radius=0)
    with pytest.raises(ValueError, match=r'\(P, 3\)'):
        radius_components(torch.zeros(2, 3), torch.zeros(1, dtype=torch.int64), radius=1)
    far = torch.tensor([[0.0, 0, 0], [1e8, 1e8, 1e8]])
    with pytest.raises(ValueError, match='far from the others'):
        radius_components(far, torch.zeros(2, dtype=torch.int64), radius=0.03)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_components():
    for seed in range(50):
        coords, groups, radius = random_case(seed)
        coords, groups = torch.as_tensor(coords), torch.as_tensor(groups)
        one = radius_components(coords, groups, radius=radius)
        two = radius_components(coords.cuda(), groups.cuda(), radius=radius)
        assert torch.equal(one, two.cpu())
