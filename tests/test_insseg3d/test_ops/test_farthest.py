# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.ops.farthest import farthest_points


def naive(coords, num_points):
    """Choose point by point, with all distances recomputed in float64."""
    coords = coords.numpy().astype(np.float64)
    chosen = [0]
    while len(chosen) < min(num_points, len(coords)):
        best, best_distance = None, -1.0
        for i, point in enumerate(coords):
            if i in chosen:
                continue
            distance = min(((point - coords[j]) ** 2).sum() for j in chosen)
            if distance > best_distance:
                best, best_distance = i, distance
        chosen.append(best)
    return chosen[: len(coords)]


def test_on_a_line_by_hand():
    # From 0 the farthest is 10, then 4 (4 from 0) before 7 (3 from 10), then 7 and 2, 2 first.
    line = torch.tensor([0, 2, 4, 7, 10])[:, None].expand(-1, 3)
    (chosen,) = farthest_points([line], 4)
    assert chosen.tolist() == [0, 4, 2, 3]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31), st.lists(st.integers(1, 14), min_size=1, max_size=3), st.integers(1, 16)
)
def test_equals_naive_scene_by_scene(seed, lengths, num_points):
    generator = torch.Generator().manual_seed(seed)
    # Few cells cause ties and coinciding points.
    scenes = [torch.randint(0, 4, (n, 3), generator=generator, dtype=torch.int32) for n in lengths]
    together = farthest_points(scenes, num_points)
    for scene, chosen in zip(scenes, together):
        assert chosen.tolist() == naive(scene, num_points)
        assert len(set(chosen.tolist())) == min(num_points, len(scene))
        assert torch.equal(chosen, farthest_points([scene], num_points)[0])


def test_large_grid_indices_are_exact():
    generator = torch.Generator().manual_seed(0)
    scene = torch.randint(0, 2048, (60, 3), generator=generator)
    assert farthest_points([scene], 20)[0].tolist() == naive(scene, 20)


def test_empty_scenes():
    empty, one = torch.zeros(0, 3), torch.ones(1, 3)
    assert [len(rows) for rows in farthest_points([empty, one], 5)] == [0, 1]
    assert [len(rows) for rows in farthest_points([empty], 5)] == [0]
    assert farthest_points([], 5) == []
    with pytest.raises(ValueError, match='num_points is 0'):
        farthest_points([one], 0)
