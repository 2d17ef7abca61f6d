# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The upward direction, inferred from the geometry."""

import numpy as np
import pytest

from insseg_scans.upright import DIRECTIONS, find_up, judge_up, up_evidence, up_scores


def rectangle(random, low, high, density=300):
    low, high = np.array(low, float), np.array(high, float)
    area = np.prod(np.where(high > low, high - low, 1))
    return low + random.random((int(density * area), 3)) * (high - low)


def room(seed, size=(4.2, 3.9, 2.3), ceiling=False, origin=(0, 0)):
    """Make a floor, four walls, and boxes that hide parts of the floor."""
    random = np.random.default_rng(seed)
    wide, deep, high = size
    floor = rectangle(random, (0, 0, 0), (wide, deep, 0))
    parts = [
        rectangle(random, (0, 0, 0), (wide, 0, high)),
        rectangle(random, (0, 0, 0), (0, deep, high)),
        rectangle(random, (wide, 0, 0), (wide, deep, high)),
        rectangle(random, (0, deep, 0), (wide, deep, high)),
    ]
    for _ in range(int(wide * deep / 2.5)):
        w, d, h = random.uniform((0.4, 0.4, 0.4), (1.2, 0.9, 0.9))
        x, y = random.uniform((0, 0), (wide - w, deep - d))
        hidden = ((floor[:, :2] > (x, y)) & (floor[:, :2] < (x + w, y + d))).all(axis=1)
        floor = floor[~hidden]
        parts += [
            rectangle(random, (x, y, h), (x + w, y + d, h)),
            rectangle(random, (x, y, 0), (x + w, y, h)),
            rectangle(random, (x, y, 0), (x, y + d, h)),
        ]
    if ceiling:
        parts.append(rectangle(random, (0, 0, high), (wide, deep, high)))
    return np.concatenate([floor, *parts]) + (*origin, 0)


def turned(coords, up):
    """Turn ``coords``, z up, to another upward direction."""
    flip = [1, -1, -1] if up[0] == '-' else [1, 1, 1]
    return np.roll(coords * flip, 'xyz'.index(up[-1]) - 2, axis=1)


def test_turned_is_a_turn_that_ends_where_it_says():
    for up in DIRECTIONS:
        ends = turned(np.array([[0, 0, 0], [0, 0, 1.0]]), up)
        wanted = np.zeros(3)
        wanted['xyz'.index(up[-1])] = -1 if up[0] == '-' else 1
        np.testing.assert_array_equal(ends[1] - ends[0], wanted)


@pytest.mark.parametrize('up', DIRECTIONS)
@pytest.mark.parametrize('ceiling', [False, True])
def test_it_is_right_or_unsure_in_small_rooms(up, ceiling):
    right = 0
    for seed in range(5):
        found = find_up(turned(room(seed, ceiling=ceiling), up))
        right += found.up == up
        assert found.up == up or not found.sure
    assert right >= 4


def test_units_offsets_order_and_density_change_little():
    plain = find_up(room(1))
    assert plain.up == 'z' and plain.sure
    for coords in (1000 * room(1), room(1) + (5e5, 4e6, 100), room(1)[::-1], room(1)[::4]):
        other = find_up(coords)
        assert other.up == 'z' and other.sure and abs(other.lead - plain.lead) < 3


@pytest.mark.parametrize('up', ['z', 'y', '-z'])
def test_a_long_floor_of_many_rooms_is_looked_at_in_parts(up):
    floor = np.concatenate([room(k, origin=(4.2 * k, 0)) for k in range(12)])
    found = find_up(turned(floor, up))
    assert found.up == up and found.sure


def test_a_few_stray_points_change_nothing():
    coords = np.concatenate([room(2), [[0, 0, -6.0], [1, 9, 8], [-7, 2, 0], [1e30, 0, 0]]])
    assert find_up(coords)[:2] == find_up(room(2))[:2] == ('z', True)


@pytest.mark.parametrize(
    'coords',
    [
        np.random.default_rng(0).random((3000, 3)),
        np.random.default_rng(0).random((40, 3)) * (4, 3, 9),
        np.zeros((500, 3)),
        np.zeros((1, 3)),
        np.arange(900.0).reshape(-1, 1) * (1, 0, 0),
        np.zeros((0, 3)),
        1e305 * np.random.default_rng(0).random((300, 3)) - 5e304,
    ],
    ids=['cube of noise', 'few points', 'one place', 'one point', 'line', 'none', 'huge'],
)
def test_what_says_nothing_leaves_z_up_and_unsure(coords):
    found = find_up(coords)
    assert found.up == 'z' and not found.sure


def test_evidence_has_a_row_a_direction_and_opposite_signs():
    evidence = up_evidence(room(0))
    np.testing.assert_allclose(evidence[:3, :4], -evidence[3:, :4], atol=0.05)
    np.testing.assert_allclose(evidence[:3, 4:], evidence[3:, 4:])


def test_scores_are_judged_with_a_preference_for_z():
    assert judge_up(np.array([0, 2.0, 0, 0, 0, 0]))[:3] == ('z', False, 'y')
    assert judge_up(np.array([0, 4.0, 0, 0, 0, 0]))[:2] == ('y', True)
    assert judge_up(np.array([0, 4.0, 0, 0, 3.5, 0]))[:3] == ('y', False, '-y')
    assert judge_up(np.array([0, 0, 4.0, 0, 0, 1]))[:4] == ('z', True, '-z', 3)
    assert judge_up(up_scores(room(3))) == find_up(room(3))
