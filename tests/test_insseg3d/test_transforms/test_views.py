# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Augmentations that drop and bend what a recording would miss and bend."""

import numpy as np
import pytest
import torch

from insseg3d.transforms import RandomDensity, RandomHoles, RandomPart, RandomWaves

from .scenes import coords_of, random_scene, scene

DROPPING = [RandomPart(share=(0.3, 0.9)), RandomHoles(number=(3, 8)), RandomDensity()]


def numbered(num_points=2000, **more):
    """Make a scene whose red values and labels are the indices of the points."""
    results = random_scene(num_points, **more)
    numbers = np.arange(num_points)
    results['points'].tensor[:, 3] = torch.from_numpy(numbers)
    results.update(pts_semantic_mask=numbers, pts_instance_mask=numbers + 7)
    return results


def kept_of(results):
    return results['points'].tensor[:, 3].numpy().astype(int)


@pytest.mark.parametrize('transform', DROPPING, ids=repr)
def test_points_stay_in_order_with_their_labels_and_draws_differ(transform):
    draws = [transform(numbered(draw=(0, draw))) for draw in (1, 1, 2, 3)]
    for results in draws:
        kept = kept_of(results)
        assert (np.diff(kept) > 0).all() and 0 < len(kept) < 2000
        assert np.array_equal(results['pts_semantic_mask'], kept)
        assert np.array_equal(results['pts_instance_mask'], kept + 7)
    first, again, *others = (kept_of(results) for results in draws)
    assert np.array_equal(first, again)
    assert not any(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize('transform', [*DROPPING, RandomWaves()], ids=repr)
@pytest.mark.parametrize('number', [0, 1])
def test_one_point_stays_and_none_is_none(transform, number):
    for draw in range(5):
        assert len(transform(random_scene(number, draw=(0, draw)))['points']) == number


@pytest.mark.parametrize('share', [0.25, 0.5, 1.0])
def test_a_part_lies_on_one_side_of_an_upright_plane(share):
    before = numbered()
    coords = coords_of(before).copy()
    results = RandomPart(share=(share, share))(before)
    kept = kept_of(results)
    assert len(kept) == 2000 * share
    gone = np.setdiff1d(np.arange(2000), kept)
    if len(gone) == 0:
        return
    # Some horizontal direction separates both: the one between their centres, nearly.
    angles = np.linspace(0, 2 * np.pi, 3600, endpoint=False)
    ways = np.stack([np.cos(angles), np.sin(angles)])
    overlap = (coords[kept, :2] @ ways).max(0) - (coords[gone, :2] @ ways).min(0)
    assert overlap.min() < 0.01


def test_holes_are_balls():
    before = numbered(20000, extent=2.0)
    coords = coords_of(before).copy()
    results = RandomHoles(number=(1, 1), radius=(0.8, 0.8))(before)
    gone = coords[np.setdiff1d(np.arange(20000), kept_of(results))]
    centre = (gone.min(0) + gone.max(0)) / 2
    inside = np.abs(centre) < 1.2  # a ball at the edge of the scene is cut
    if inside.all():
        distance = np.linalg.norm(coords - centre, axis=1)
        assert np.linalg.norm(gone - centre, axis=1).max() == pytest.approx(0.8, abs=0.05)
        assert (distance < 0.75).sum() <= len(gone) <= (distance < 0.85).sum()


def test_no_holes_keep_everything_and_a_hole_over_all_too():
    assert len(RandomHoles(number=(0, 0))(numbered())['points']) == 2000
    assert len(RandomHoles(number=(1, 1), radius=(99.0, 99.0))(numbered())['points']) == 2000


def test_density_falls_with_the_square_of_the_distance():
    line = np.zeros((40000, 3))
    line[1:, 0] = np.linspace(0, 10, 39999)
    for draw in range(3):
        results = RandomDensity(distance=(2.0, 2.0), least=0.05)(scene(line, draw=(0, draw)))
        kept = coords_of(results)[:, 0]
        share, edges = np.histogram(kept, bins=40, range=(0, 10))
        share = share / 1000
        full = np.flatnonzero(share > 0.97)
        place = edges[[full[0], full[-1] + 1]].mean()
        if full[0] == 0:  # the place lies less than 2 m from the beginning
            place = edges[full[-1] + 1] - 2
        elif full[-1] == 39:
            place = edges[full[0]] + 2
        middle = 0.5 * (edges[1:] + edges[:-1])
        expected = np.clip((2 / np.maximum(np.abs(middle - place), 1e-6)) ** 2, 0.05, 1)
        assert np.abs(share - expected).max() < 0.12


def test_waves_bend_by_no_more_than_their_amplitudes():
    before = random_scene(500)
    coords = coords_of(before).copy()
    moved = coords_of(RandomWaves(amplitude=(0.02, 0.02), number=3)(before)) - coords
    size = np.linalg.norm(moved, axis=1)
    assert 0.02 < size.max() <= 0.06 + 1e-6
    near = coords + np.float32(0.01)
    other = coords_of(RandomWaves(amplitude=(0.02, 0.02), number=3)(scene(near))) - near
    assert np.abs(other - moved).max() < 0.01  # neighbours move alike


def test_one_wave_by_hand():
    before = random_scene(500)
    coords = coords_of(before).astype(np.float64)
    transform = RandomWaves(amplitude=(0.03, 0.03), wavelength=(2.0, 2.0), number=1)
    moved = coords_of(transform(before)) - coords
    # All points move along one line, by a sine of the place along another.
    along = np.linalg.svd(moved, full_matrices=False)
    assert along[1][1] < 1e-3 * along[1][0]
    height = moved @ along[2][0]
    assert np.abs(height).max() == pytest.approx(0.03, rel=0.01)


def test_waves_of_no_amplitude_change_nothing():
    before = random_scene(50)
    coords = coords_of(before).copy()
    assert np.array_equal(coords_of(RandomWaves(amplitude=(0.0, 0.0))(before)), coords)


@pytest.mark.parametrize(
    'transform, ranges, message',
    [
        (RandomPart, dict(share=(0.5, 1.5)), r'RandomPart: share is .0.5, 1.5.*<= 1'),
        (RandomPart, dict(share=(0.0, 1.0)), 'RandomPart: share'),
        (RandomHoles, dict(number=(3, 2)), 'RandomHoles: number'),
        (RandomHoles, dict(radius=(0.0, 2.0)), 'RandomHoles: radius'),
        (RandomDensity, dict(distance=(2.0, 1.0)), 'RandomDensity: distance'),
        (RandomDensity, dict(least=0.0), 'RandomDensity: least'),
        (RandomWaves, dict(amplitude=(-1.0, 1.0)), 'RandomWaves: amplitude'),
        (RandomWaves, dict(wavelength=(0.0, 1.0)), 'RandomWaves: wavelength'),
    ],
)
def test_ranges_are_checked(transform, ranges, message):
    with pytest.raises(ValueError, match=message):
        transform(**ranges)
