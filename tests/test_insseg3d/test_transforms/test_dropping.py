# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Transforms that drop points or colours."""

import numpy as np
import pytest
import torch

from insseg3d.transforms import (
    CenterCoordinates,
    DropColor,
    ElasticDistortion,
    NormalizeColor,
    RandomSubsample,
)
from insseg3d.transforms.scene import columns

from .scenes import coords_of, random_scene, scene


def numbered(num_points, **more):
    """Make a scene whose red values and labels are the indices of the points."""
    results = random_scene(num_points, **more)
    numbers = np.arange(num_points)
    results['points'].tensor[:, 3] = torch.from_numpy(numbers)
    results.update(pts_semantic_mask=numbers, pts_instance_mask=numbers + 7)
    return results


@pytest.mark.parametrize(
    'num_points, ratio, left',
    [
        (1000, 0.25, 250),
        (1000, 0.1, 100),
        (3, 0.5, 2),
        (7, 1.0, 7),
        (1, 0.25, 1),
        (2, 0.01, 1),
        (0, 0.25, 0),
    ],
)
def test_share_of_the_points_stays_in_order_with_its_labels(num_points, ratio, left):
    results = RandomSubsample(ratio=ratio)(numbered(num_points))
    kept = results['points'].tensor[:, 3].numpy()
    assert len(kept) == left and (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(results['pts_semantic_mask'], kept)
    np.testing.assert_array_equal(results['pts_instance_mask'], kept + 7)


def test_further_columns_stay_with_their_points():
    results = ElasticDistortion()(numbered(100))
    before = results['points'].tensor.clone()
    after = RandomSubsample()(results)['points']
    assert torch.equal(after.tensor, before[after.tensor[:, 3].long()])
    assert columns(after, 'grid').shape == (25, 3)


def test_every_point_is_drawn_equally_often_over_the_visits():
    visits = [RandomSubsample()(numbered(100, draw=(0, draw)))['points'] for draw in range(400)]
    drawn = np.bincount(np.concatenate([p.tensor[:, 3].int().numpy() for p in visits]))
    # 400 draws with probability 1/4: 100 on average, standard deviation 8.7.
    assert drawn.min() > 65 and drawn.max() < 135 and drawn.sum() == 400 * 25


def test_empty_scene_is_named_behind_the_subsample():
    with pytest.raises(ValueError, match='scene0000_00.bin: the scene has no points'):
        CenterCoordinates()(RandomSubsample()(random_scene(0)))


@pytest.mark.parametrize('ratio', [0, -0.5, 1.01, float('nan')])
def test_ratio_that_is_no_share_is_refused(ratio):
    with pytest.raises(ValueError, match=r'expected a share of points, \(0, 1\]'):
        RandomSubsample(ratio=ratio)


def test_colors_of_a_scene_go_all_or_not_at_all_in_the_given_share():
    grey = 0
    for draw in range(400):
        results = random_scene(20, draw=(0, draw))
        coords = coords_of(results).copy()
        results = DropColor(prob=0.3)(NormalizeColor()(results))
        colors = columns(results['points'], 'color')
        assert (colors == 0).all() or np.allclose(colors, 100 / 127.5 - 1)
        np.testing.assert_array_equal(coords_of(results), coords)
        grey += not colors.any()
    assert 90 <= grey <= 150  # 120 on average, standard deviation 9


def test_scan_without_colors_becomes_mid_grey():
    transform = DropColor(prob=1.0)
    for draw in range(20):
        results = NormalizeColor()(scene(np.zeros((2, 3)), np.zeros((2, 3)), draw=(0, draw)))
        assert (columns(results['points'], 'color') == -1).all()
        assert not columns(transform(results)['points'], 'color').any()


def test_colors_stay_with_probability_0():
    for draw in range(20):
        assert columns(DropColor(prob=0)(random_scene(3, draw=(0, draw)))['points'], 'color').all()


@pytest.mark.parametrize('prob', [-0.1, 1.1, float('nan')])
def test_what_is_no_probability_is_refused(prob):
    with pytest.raises(ValueError, match='expected a probability'):
        DropColor(prob=prob)


@pytest.mark.parametrize('transform', [RandomSubsample(), DropColor(prob=0.5)])
def test_the_draw_decides(transform):
    def tensors(seed):
        return [transform(random_scene(draw=(seed, draw)))['points'].tensor for draw in range(20)]

    first, again, other = tensors(5), tensors(5), tensors(6)
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, other))
    assert repr(transform).startswith(type(transform).__name__ + '(')
