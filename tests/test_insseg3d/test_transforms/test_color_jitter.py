# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Augmentations of colours against numbers by hand."""

import colorsys

import numpy as np
import pytest

from insseg3d.transforms import (
    RandomChannelGain,
    RandomContrast,
    RandomGamma,
    RandomHue,
    RandomSaturation,
)
from insseg3d.transforms.scene import columns

from .scenes import scene

ALL = [RandomGamma, RandomContrast, RandomSaturation, RandomHue, RandomChannelGain]


def changed(transform, colors, draw=(0, 0)):
    results = scene(np.zeros((len(colors), 3)), colors, draw=draw)
    return columns(transform(results)['points'], 'color').astype(np.float64)


def random_colors(number=50, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (number, 3))


def test_gamma_by_hand():
    # Shares of white: 0, 1/4, 1/2, 1; squared: 0, 1/16, 1/4, 1.
    found = changed(RandomGamma(gamma=(2.0, 2.0)), [[-1, -0.5, 0], [1, 1, 1]])
    np.testing.assert_allclose(found, [[-1, -0.875, -0.5], [1, 1, 1]], atol=1e-6)


def test_contrast_by_hand():
    colors = [[0.2, 0, -0.9], [-0.2, 0.4, 0.9]]  # means 0, 0.2, 0
    found = changed(RandomContrast(factor=(1.5, 1.5)), colors)
    np.testing.assert_allclose(found, [[0.3, -0.1, -1], [-0.3, 0.5, 1]], atol=1e-6)


def test_saturation_by_hand():
    colors = [[0.6, 0.3, 0.0], [0.5, 0.5, 0.5]]
    grey = changed(RandomSaturation(factor=(0.0, 0.0)), colors)
    np.testing.assert_allclose(grey, [[0.3] * 3, [0.5] * 3], atol=1e-6)
    double = changed(RandomSaturation(factor=(2.0, 2.0)), colors)
    np.testing.assert_allclose(double, [[0.9, 0.3, -0.3], [0.5] * 3], atol=1e-6)


@pytest.mark.parametrize('degrees, turned', [(120, [2, 0, 1]), (-120, [1, 2, 0]), (360, [0, 1, 2])])
def test_a_third_of_a_turn_permutes_the_channels(degrees, turned):
    colors = 0.5 * random_colors()
    low, high = (degrees, degrees) if degrees < 180 else (0, 0)
    found = changed(RandomHue(degrees=(low, high)), colors)
    np.testing.assert_allclose(found, colors[:, turned], atol=1e-6)


def test_hue_turns_as_in_hsv_for_small_saturations():
    colors = 0.5 + 0.05 * random_colors(20)
    found = changed(RandomHue(degrees=(30.0, 30.0)), 2 * colors - 1)
    np.testing.assert_allclose(found.mean(1), (2 * colors - 1).mean(1), atol=1e-6)
    turns = [
        (colorsys.rgb_to_hsv(*after)[0] - colorsys.rgb_to_hsv(*before)[0]) % 1 * 360
        for before, after in zip(colors, 0.5 * (found + 1))
    ]
    assert np.allclose(turns, 30, atol=6)  # HSV's hexagon against a circle


def test_channel_gain_multiplies_shares_of_white():
    colors = 0.3 * random_colors() - 0.4
    found = changed(RandomChannelGain(factor=(0.5, 2.0)), colors)
    gains = (found + 1) / (colors + 1)
    inside = np.abs(found) < 1
    for channel in range(3):
        values = gains[inside[:, channel], channel]
        np.testing.assert_allclose(values, values[0], rtol=1e-4)
        assert 0.5 <= values[0] <= 2
    assert np.ptp([gains[0, channel] for channel in range(3)]) > 0.05


@pytest.mark.parametrize('transform', ALL)
def test_all_points_of_a_scene_change_alike_and_draws_differ(transform):
    colors = np.concatenate([random_colors(20, seed=1)] * 2)
    one, again, other = (changed(transform(), colors, draw) for draw in ((0, 1), (0, 1), (0, 2)))
    assert np.array_equal(one, again) and not np.allclose(one, other)
    assert np.array_equal(one[:20], one[20:])
    assert np.abs(one).max() <= 1 + 1e-6 and one.dtype == np.float64


@pytest.mark.parametrize(
    'transform',
    [
        RandomGamma(gamma=(1.0, 1.0)),
        RandomContrast(factor=(1.0, 1.0)),
        RandomSaturation(factor=(1.0, 1.0)),
        RandomHue(degrees=(0.0, 0.0)),
        RandomChannelGain(factor=(1.0, 1.0)),
    ],
    ids=repr,
)
def test_neutral_values_change_nothing(transform):
    np.testing.assert_allclose(changed(transform, random_colors()), random_colors(), atol=1e-6)
    assert changed(transform, np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize('transform', [RandomGamma, RandomContrast, RandomChannelGain])
def test_half_and_double_are_equally_likely(transform):
    part = transform()
    part.low, part.high = 0.5, 2.0
    draws = part.log_uniform(np.random.default_rng(0), 2000)
    assert np.mean(draws < 1) == pytest.approx(0.5, abs=0.04)
    assert 0.5 <= draws.min() < 0.52 and 1.95 < draws.max() <= 2


@pytest.mark.parametrize(
    'transform, ranges, message',
    [
        (RandomGamma, dict(gamma=(0.0, 1.0)), 'RandomGamma: gamma is .0.0, 1.0.*0.001 <= low'),
        (RandomContrast, dict(factor=(2.0, 1.0)), 'RandomContrast: factor is'),
        (RandomSaturation, dict(factor=(-1.0, 1.0)), 'RandomSaturation: factor is'),
        (RandomHue, dict(degrees=(10.0, 0.0)), 'RandomHue: degrees is'),
        (RandomChannelGain, dict(factor=(-1.0, 1.0)), 'RandomChannelGain: factor is'),
    ],
)
def test_ranges_are_checked(transform, ranges, message):
    with pytest.raises(ValueError, match=message):
        transform(**ranges)
