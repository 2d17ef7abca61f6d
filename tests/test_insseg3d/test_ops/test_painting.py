# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Painting of overlapping masks into parts that share no point."""

import numpy as np
import pytest
import torch

from insseg3d.ops import painting
from insseg3d.ops.painting import resolve_overlaps


@pytest.fixture(autouse=True, params=[None, 100, 2])
def implementation(request, monkeypatch):
    """Resolve as on a CPU, and as on a GPU, which may change its way after some drops."""
    if request.param is not None:
        monkeypatch.setattr(painting, 'prefers_few_operations', lambda masks: True)
        monkeypatch.setattr(painting, 'MOST_DROPS', request.param)


def test_overlaps_go_to_the_better_mask_and_crumbs_are_dropped():
    masks = torch.tensor(
        [
            [1, 1, 1, 1, 0, 0, 0, 0],
            [0, 0, 0, 1, 1, 1, 0, 0],  # keeps 2 of 3
            [0, 0, 0, 0, 1, 1, 1, 0],  # keeps 1 of 3: dropped, its last point stays free
            [0, 0, 0, 0, 0, 0, 1, 1],
        ],
        dtype=torch.bool,
    )
    owner = resolve_overlaps(masks, min_points=1, min_share=0.5)
    assert owner.tolist() == [0, 0, 0, 0, 1, 1, 3, 3]
    assert resolve_overlaps(masks, min_points=3).tolist() == [0, 0, 0, 0, 2, 2, 2, -1]
    assert resolve_overlaps(masks[:0]).tolist() == [-1] * 8


@pytest.mark.parametrize('seed', range(20))
def test_overlaps_of_random_masks_are_resolved_point_by_point(seed):
    """Compare with the rule written with sets of points."""
    rng = np.random.default_rng(seed)
    masks = rng.random((12, 60)) < rng.uniform(0.1, 0.6)
    min_points, min_share = int(rng.integers(1, 6)), float(rng.choice([0.0, 0.3, 0.5, 1.0]))
    expected, taken = np.full(60, -1), set()
    for rank, mask in enumerate(masks):
        points = set(np.flatnonzero(mask))
        left = points - taken
        if left and len(left) >= min_points and len(left) >= min_share * len(points):
            taken |= left
            expected[list(left)] = rank
    found = resolve_overlaps(torch.from_numpy(masks), min_points=min_points, min_share=min_share)
    assert found.tolist() == expected.tolist()
