# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import convolve

from insseg3d.ops.distortion import (
    displacement_field,
    elastic_distortion,
    interpolate_field,
    node_counts,
)


def naive_distortion(coords, rng, granularity, magnitude):
    """Compute it by box convolutions and one interpolator per component, in float64."""
    nodes = np.floor(np.abs(coords).max(0) / granularity).astype(int) + 3
    noise = rng.standard_normal((3, *nodes), dtype=np.float32).astype(np.float64)
    axes = [np.linspace(-(n - 1) * granularity, (n - 1) * granularity, n) for n in nodes]
    moved = coords.astype(np.float64)
    for component in range(3):
        field = noise[component]
        for shape in 2 * [(3, 1, 1), (1, 3, 1), (1, 1, 3)]:
            field = convolve(field, np.full(shape, 1 / 3), mode='constant', cval=0)
        interpolate = RegularGridInterpolator(axes, field, bounds_error=False, fill_value=0)
        moved[:, component] += magnitude * interpolate(coords)
    return moved


@pytest.mark.parametrize('granularity, magnitude', [(0.12, 0.8), (0.4, 3.2), (6, 40)])
def test_equals_naive_version(granularity, magnitude):
    coords = np.random.default_rng(0).uniform(-2, 2, (500, 3)).astype(np.float32) * [1, 2, 0.5]
    fast, naive = (
        distort(coords, np.random.default_rng(7), granularity=granularity, magnitude=magnitude)
        for distort in (elastic_distortion, naive_distortion)
    )
    assert np.abs(fast - coords).max() > 0.01 * magnitude
    np.testing.assert_allclose(fast, naive, atol=3e-6 * magnitude)


def test_node_counts_of_hand_made_extent():
    # max |x| / g = 4.17, 2, 0 → 4 + 3, 2 + 3, 0 + 3
    coords = np.array([[0.5, -0.24, 0], [-0.1, 0.1, 0]])
    assert node_counts(coords, granularity=0.12).tolist() == [7, 5, 3]


def test_nodes_are_two_granularities_apart():
    field = np.zeros((3, 7, 5, 3), np.float32)
    field[1, 3, 2, 1] = 1  # a tent about the centre
    coords = np.array([[0, 0, 0], [0.12, 0, 0], [0.24, 0, 0], [0, -0.12, 0.12]])
    half_widths = (np.array([7, 5, 3]) - 1) * 0.12
    values = interpolate_field(field, coords, half_widths=half_widths)
    np.testing.assert_allclose(values[:, 1], [1, 0.5, 0, 0.25], atol=1e-6)
    assert not values[:, [0, 2]].any()


@pytest.mark.parametrize('magnitude, centimetres', [(0.8, 9), (3.2, 36)])
def test_standard_deviation_at_the_nodes(magnitude, centimetres):
    field = displacement_field(np.random.default_rng(0), (64, 64, 64))
    inner = field[:, 4:-4, 4:-4, 4:-4]
    np.testing.assert_allclose(inner.std(axis=(1, 2, 3)), (19**0.5 / 9) ** 3, rtol=0.02)
    assert round(100 * magnitude * float(inner.std())) == centimetres


def test_scans_in_centimetres_are_refused_before_memory_is_taken():
    coords = np.array([[-250, -200, -130], [250, 200, 130.0]], np.float32)
    with pytest.raises(ValueError, match=r'2086 × 1669 × 1086 = \d+ nodes.*134217728.*in metres'):
        elastic_distortion(coords, np.random.default_rng(0), granularity=0.12, magnitude=0.8)


def test_same_generator_same_distortion():
    coords = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    one, same, other = (
        elastic_distortion(coords, np.random.default_rng(seed), granularity=0.4, magnitude=3.2)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
