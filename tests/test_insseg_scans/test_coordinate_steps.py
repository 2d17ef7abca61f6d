# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Steps in which coordinates are stored."""

import numpy as np
import pytest

from insseg_scans.coordinate_steps import regular_steps, spacing, type_steps

CLOUD = np.random.default_rng(0).random((8000, 3)) * (5, 4, 2.5)


@pytest.mark.parametrize(
    'offset, dtype, steps',
    [
        ((500_000, 4_649_776, 100), np.float32, (0.03125, 0.5, 2**-17)),
        ((0, 0, 9e6), np.float32, (2**-21, 2**-22, 1)),
        ((40, 0, 0), np.float16, (2**-5, 2**-9, 2**-9)),
    ],
)
def test_steps_of_a_type_are_those_at_the_largest_number(offset, dtype, steps):
    found = type_steps((CLOUD + offset).astype(dtype))
    np.testing.assert_allclose(found, steps, rtol=1e-12)
    assert type_steps(CLOUD + offset).max() < 1e-8
    assert not type_steps(np.zeros((3, 3), np.int64)).any()


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('step', [0.3048, 0.5, 0.8])
def test_planes_at_even_distances_are_seen_after_a_move_and_a_change_of_units(axis, step):
    coords = CLOUD.copy()
    coords[:, axis] = step * np.round(coords[:, axis] / step)
    moved = (0.01 * (coords - coords.min(axis=0)) * 100).astype(np.float32)
    found = regular_steps(moved)
    assert found[axis] == pytest.approx(step, rel=1e-3)
    assert not np.delete(found, axis).any()


def test_what_is_no_loss_has_no_steps():
    assert not regular_steps(CLOUD).any()
    floors = CLOUD.copy()
    floors[:, 2] = np.where(CLOUD[:, 2] > 1, 2.5, 0)  # only two planes
    assert not regular_steps(floors).any()
    uneven = CLOUD.copy()
    uneven[:, 2] = np.array([0, 0.4, 0.75, 0.9, 2.1])[np.arange(len(CLOUD)) % 5]
    assert not regular_steps(uneven).any()
    grid = np.round(CLOUD / 0.25) * 0.25  # thinned on a grid, with copies
    assert not regular_steps(grid).any()
    assert not regular_steps(np.zeros((200, 3))).any() and not regular_steps(CLOUD[:1]).any()


def test_spacing_passes_over_copies():
    assert spacing(np.array([[0.0, 0, 0], [0, 0, 3], [0, 0, 3], [0, 4, 3]])) == 3
    assert spacing(np.ones((4, 3))) is None
