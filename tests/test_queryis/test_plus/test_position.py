# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Position features are functions of metres."""

import math

import pytest
import torch
from mmdet3d.registry import MODELS

import queryis  # noqa: F401


def build(**changes):
    return MODELS.build(dict(type='FourierPosition', **changes))


def naive(place, wavelengths, scale):
    """Compute the features of one place with the functions of ``math``."""
    angles = [2 * math.pi * x / length for length in wavelengths for x in place]
    return [*(scale * x for x in place), *map(math.sin, angles), *map(math.cos, angles)]


@pytest.mark.parametrize('wavelengths', [(16.0, 8.0, 4.0, 2.0, 1.0), (3.0,), ()])
def test_equals_a_naive_loop(wavelengths):
    places = torch.randn(7, 3, dtype=torch.float64) * 5
    position = build(wavelengths=wavelengths, scale=0.2).double()
    expected = [naive(place, wavelengths, 0.2) for place in places.tolist()]
    # The frequencies are float32.
    torch.testing.assert_close(position(places), torch.tensor(expected).double(), atol=1e-5, rtol=0)
    assert position.num_channels == 3 + 6 * len(wavelengths) == position(places).shape[1]


def test_wavelengths_are_metres():
    """After a quarter of a wavelength the sine is 1, after half of it the cosine is -1."""
    position = build(wavelengths=(4.0,), scale=0.5)
    found = position(torch.tensor([1.0, 2.0, 0.0]))
    expected = torch.tensor([0.5, 1, 0, 1, 0, 0, 0, -1, 1])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_shape_and_dtype_of_the_places_are_kept():
    position = build()
    places = torch.rand(2, 5, 3, dtype=torch.float64)
    found = position(places)
    assert found.shape == (2, 5, 33) and found.dtype == torch.float64
    torch.testing.assert_close(found[1, 4], position(places[1, 4]))
    torch.testing.assert_close(found.float(), position(places.float()), atol=1e-5, rtol=0)
    assert position(torch.zeros(2, 0, 3)).shape == (2, 0, 33)


def test_a_checkpoint_has_no_part_of_it():
    assert not build().state_dict() and not list(build().parameters())


@pytest.mark.parametrize('length', [0.0, -1.0])
def test_wavelengths_are_checked(length):
    with pytest.raises(ValueError, match=r'wavelengths are \(2.0, .*\), expected metres above 0'):
        build(wavelengths=(2.0, length))
