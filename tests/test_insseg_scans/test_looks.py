# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Assumptions about a scan: units, up axis, colours, density, offsets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg_scans import Assumptions, Scan, look_at
from insseg_scans.coordinate_steps import spacing
from insseg_scans.errors import RawDataError
from insseg_scans.frame import guess_units
from insseg_scans.units import UNITS, UP_AXES


def room(size=(5.0, 4.0, 2.6), count=6000):
    """Sample floor, two walls and a table top; (P, 3) metres, z up."""
    random = np.random.default_rng(0)
    parts = []
    for axis, at, share in ((2, 0.0, 4), (2, 0.75, 1), (0, 0.0, 2), (1, 0.0, 2)):
        points = random.random((count * share // 9, 3)) * size
        points[:, axis] = at
        parts.append(points)
    return np.concatenate(parts)


COORDS = room()
COLORS = np.random.default_rng(1).integers(0, 256, COORDS.shape).astype(np.uint8)
COLORS[0] = 0, 0, 255


def ready(coords=COORDS, colors=COLORS, voxel_size=0.08, **assumptions):
    return look_at(Scan('scan', coords, colors), Assumptions(**assumptions), voxel_size=voxel_size)


def guesses(result):
    return [remark.text for remark in result.remarks if remark.guessed]


def test_a_clean_scan_needs_no_guess_and_stays_as_it_is():
    result = ready(strict=True)
    assert not guesses(result) and result.scale == 1 and (result.turn == np.eye(3)).all()
    np.testing.assert_array_equal(result.points[:, :3], COORDS.astype(np.float32))
    np.testing.assert_array_equal(result.points[:, 3:], COLORS)
    np.testing.assert_array_equal(result.rows, np.arange(len(COORDS)))
    assert 'assumed' not in ' '.join(map(str, result.remarks))


@pytest.mark.parametrize('units', ['cm', 'mm', 'ft'])
def test_units_are_found_by_the_extent(units):
    coords = COORDS / UNITS[units]
    result = ready(coords)
    assert result.scale == UNITS[units]
    assert [text[:12] for text in guesses(result)] == [f'units are {units}']
    np.testing.assert_allclose(result.points[:, :3], COORDS, rtol=1e-5, atol=1e-5)
    with pytest.raises(RawDataError, match='scan: units are .*--units'):
        ready(coords, strict=True)
    assert not guesses(ready(coords, units=units, strict=True))


@pytest.mark.parametrize(
    'size, units',
    [
        ((8.4, 8.7, 3.0), 'm'),
        ((60, 4, 3), 'm'),
        ((300, 200, 30), 'm'),
        ((3, 2, 1), 'm'),
        ((90, 90, 22), 'm'),
        ((840, 870, 300), 'cm'),
        ((6000, 400, 300), 'cm'),
        ((8400, 8700, 3000), 'mm'),
        ((1500, 900, 800), 'mm'),
        ((60_000, 4000, 3000), 'mm'),
        ((16, 13, 8.5), 'ft'),
        ((0.1, 0.1, 0.1), 'm'),
    ],
)
def test_units_of_what_people_scan(size, units):
    assert guess_units(np.array(size))[0] == units


@pytest.mark.parametrize('up', UP_AXES)
def test_up_axis_by_hand_turns_the_scan_upright(up):
    given_coords = np.empty_like(COORDS)
    for row, (axis, sign) in enumerate(UP_AXES[up]):
        given_coords[:, axis] = sign * COORDS[:, row]
    result = ready(given_coords, up=up, strict=True)
    np.testing.assert_array_equal(result.points[:, :3], COORDS.astype(np.float32))
    assert np.isclose(np.linalg.det(result.turn), 1)
    np.testing.assert_array_equal(result.turn @ result.turn.T, np.eye(3))


@pytest.mark.parametrize('scale', [1, 100, 1000])
def test_y_up_is_found_in_a_large_room_and_in_a_small_one(scale):
    for coords in (room((8, 7, 2.8)), COORDS):
        result = ready(scale * coords[:, [1, 2, 0]], COLORS)
        assert guesses(result)[0].startswith('y up')
        np.testing.assert_allclose(result.points[:, :3], coords, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('size', [(20, 2.5, 2.8), (8, 8, 3), (4, 3, 2.5)])
def test_z_stays_up_in_corridors_and_rooms(size):
    assert not [text for text in guesses(ready(room(size))) if 'up' in text]


@pytest.mark.parametrize('size', [(20, 1.8, 3), (2, 3, 4)])
def test_z_stays_up_but_is_assumed_where_a_wall_would_do_for_a_floor(size):
    result = ready(room(size))
    assert (result.turn == np.eye(3)).all()
    assert 'z up, though' in guesses(result)[0]
    assert not guesses(ready(room(size), up='z', strict=True))


def furnished(ceiling=False):
    """Sample a room of 4 m x 4 m x 2.4 m from inside: floor, walls, tops and sides of furniture."""
    random = np.random.default_rng(4)

    def rectangle(low, high):
        low, high = np.array(low), np.array(high)
        area = np.prod(np.where(high > low, high - low, 1))
        return low + random.random((int(400 * area), 3)) * (high - low)

    def box(x, y, width, depth, height):
        sides = [
            ((x, y, 0), (x + width, y, height)),
            ((x, y, 0), (x, y + depth, height)),
            ((x + width, y, 0), (x + width, y + depth, height)),
            ((x, y + depth, 0), (x + width, y + depth, height)),
        ]
        return [
            rectangle((x, y, height), (x + width, y + depth, height)),
            *(rectangle(*side) for side in sides),
        ]

    boxes = (
        (0.1, 0.1, 2, 1.6, 0.5),
        (2.6, 2.4, 1.2, 0.8, 0.75),
        (3.4, 0.2, 0.5, 0.5, 0.45),
        (0.2, 3.3, 1.6, 0.5, 0.9),
        (2.3, 1.2, 0.5, 0.5, 0.45),
    )
    floor = rectangle((0, 0, 0), (4, 4, 0))
    for x, y, width, depth, _ in boxes:
        hidden = ((floor[:, :2] > (x, y)) & (floor[:, :2] < (x + width, y + depth))).all(axis=1)
        floor = floor[~hidden]
    walls = [
        ((0, 0, 0), (4, 0, 2.4)),
        ((0, 0, 0), (0, 4, 2.4)),
        ((4, 0, 0), (4, 4, 2.4)),
        ((0, 4, 0), (4, 4, 2.4)),
    ]
    parts = [floor, *(rectangle(*wall) for wall in walls), *(p for b in boxes for p in box(*b))]
    if ceiling:
        parts.append(rectangle((0, 0, 2.4), (4, 4, 2.4)))
    return np.concatenate(parts)


@pytest.mark.parametrize('yaw, ceiling, scale', [(0, False, 1), (0.5, False, 0.01), (0, True, 1)])
@pytest.mark.parametrize('up', UP_AXES)
def test_a_small_room_is_turned_upright_or_doubted_whichever_way_it_came(yaw, ceiling, up, scale):
    room = furnished(ceiling)
    room[:, :2] = room[:, :2] @ [[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]]
    given_coords = np.empty_like(room)
    for row, (axis, sign) in enumerate(UP_AXES[up]):
        given_coords[:, axis] = sign * room[:, row] / scale
    result = ready(given_coords, np.resize(COLORS, room.shape))
    np.testing.assert_allclose(
        result.points[:, :3],
        room - np.where(np.abs(room).max() > 1000, room.min(axis=0), 0),
        atol=1e-4,
    )
    told = [text for text in guesses(result) if f'{up} up' in text]
    assert bool(told) == (up != 'z')


def test_few_points_leave_z_up_but_assumed():
    few = np.random.default_rng(0).random((30, 3)) * (4, 1, 3)
    result = ready(few, COLORS[:30])
    assert (result.turn == np.eye(3)).all() and 'z up, though' in guesses(result)[0]


MAP = np.array([500_000.0, 4_649_776, 100])


def lost(name):
    """Make map coordinates without their last digits."""
    if name == 'text':  # as C++ prints doubles by default
        return np.array([[float(f'{v:.6g}') for v in row] for row in COORDS + MAP])
    factor, dtype = {
        'float32': (1, np.float32),
        'feet': (1 / UNITS['ft'], np.float32),
        'mm': (1000, np.float32),
        'axis': (1, np.float32),
    }[name]
    coords = (COORDS + (MAP[[1, 2, 0]] if name == 'axis' else MAP)) * factor
    return coords.astype(dtype)


@pytest.mark.parametrize(
    'name, units, axis, step',
    [
        ('float32', None, 'y', '0.5'),
        ('axis', None, 'x', '0.5'),
        ('mm', 'mm', 'y', '0.51'),
        ('feet', 'ft', 'y', '0.3'),
        ('text', 'm', 'x', '1'),
    ],
)
def test_lost_digits_are_told_and_refused_if_strict(name, units, axis, step):
    coords = lost(name)
    result = ready(coords, units=units, up='z')
    (told,) = [text for text in guesses(result) if 'stored in steps' in text]
    assert f'{step} m along {axis}' in told and '0.08 m' in told and 'export them as double' in told
    with pytest.raises(RawDataError, match='stored in steps'):
        ready(coords, units=units, up='z', strict=True)


def test_whole_coordinates_and_those_on_a_grid_have_lost_nothing():
    for coords, dtype in (
        (COORDS + MAP, float),
        (np.round(COORDS * 1000), np.int32),
        (COORDS, np.float16),
        (COORDS, np.float32),
        (COORDS + 5000, np.float32),
    ):
        result = ready(coords.astype(dtype), up='z')
        assert not [text for text in guesses(result) if 'steps' in text]
    grid = np.unique(np.round(room(count=90_000) / 0.1), axis=0) * 0.1
    result = ready(grid, np.resize(COLORS, grid.shape), voxel_size=0.06)
    assert not [text for text in guesses(result) if 'steps' in text]


def test_spacing_is_that_of_points_in_different_places():
    assert spacing(np.array([[0.0, 0, 0], [0, 0, 2], [0, 0, 2]])) == 2
    assert spacing(np.zeros((5, 3))) is None


@pytest.mark.parametrize(
    'factor, dtype, most',
    [(1 / 255, float, 1), (1, np.uint8, 255), (1, float, 255), (257, np.uint16, 65535)],
)
def test_colour_ranges(factor, dtype, most):
    colors = COLORS.astype(dtype) if factor == 1 else (COLORS * factor).astype(dtype)
    result = ready(colors=colors)
    np.testing.assert_array_equal(result.points[:, 3:], COLORS)
    assert not guesses(result)
    assert f'colours of 0..{most}' in ' '.join(map(str, result.remarks))


def test_a_dark_scan_of_16_bits_is_read_by_hand():
    result = ready(colors=(COLORS // 2).astype(np.uint16), color_range='65535')
    assert result.points[:, 3:].max() == 0
    assert 'colours of 0..65535' in guesses(ready(colors=257.0 * COLORS))[0]
    with pytest.raises(RawDataError, match='colours up to 255'):
        ready(color_range='1')


def test_missing_colours_are_grey_and_told():
    result = ready(colors=None)
    assert (result.points[:, 3:] == 127.5).all() and 'no colours' in guesses(result)[0]
    assert 'all points have the colour' in guesses(ready(colors=COLORS * 0))[0]


@pytest.mark.parametrize(
    'color, dtype',
    [
        ((0, 0, 0), np.uint16),
        ((255, 255, 255), np.uint8),
        ((1, 1, 1), float),
        ((200, 30, 31), np.uint8),
        ((0.2, 0.5, 0.4), np.float32),
    ],
)
def test_one_colour_is_as_none_and_refused_if_strict(color, dtype):
    colors = np.tile(np.array(color, dtype), (len(COORDS), 1))
    result = ready(colors=colors)
    np.testing.assert_array_equal(result.points, ready(colors=None).points)
    assert len(guesses(result)) == 1 and 'grey instead' in guesses(result)[0]
    with pytest.raises(RawDataError, match='all points have the colour'):
        ready(colors=colors, strict=True)
    assert not guesses(ready(colors=colors, color_range='none', strict=True))


@pytest.mark.parametrize(
    'factor, dtype, value, most',
    [
        (1 / 255, float, 1.0001, '1'),
        (1 / 255, np.float32, 7.5, '1'),
        (1, np.uint16, 256, '255'),
        (1, float, 300, '255'),
        (4, np.uint16, None, '1023'),
        (16, np.uint16, None, '4095'),
    ],
)
def test_colour_ranges_that_are_not_clear_are_assumed_until_somebody_says_them(
    factor, dtype, value, most
):
    colors = (COLORS.astype(float) * factor).astype(dtype)
    if value is not None:
        colors[17, 1] = value
    result = ready(colors=colors)
    assert f'colours of 0..{most}' in guesses(result)[0]
    np.testing.assert_allclose(result.points[:17, 3:], COLORS[:17], atol=1)
    assert result.points[:, 3:].max() == 255 or value is None
    with pytest.raises(RawDataError, match='colours of 0..'):
        ready(colors=colors, strict=True)
    known = ready(colors=colors, color_range=most, strict=True)
    np.testing.assert_array_equal(known.points, result.points)
    assert ('clipped' in ' '.join(map(str, known.remarks))) == (value is not None)


def test_lost_and_double_points_are_told_and_keep_their_rows():
    coords = COORDS.copy()
    coords[[3, 10]] = np.nan, np.inf, 0
    coords[20:25] = coords[19]
    result = ready(coords)
    assert '2 points with NaN' in guesses(result)[0]
    np.testing.assert_array_equal(np.delete(np.arange(len(coords)), [3, 10]), result.rows)
    assert any('5 points lie where' in remark.text for remark in result.remarks)


def test_sparse_scans_are_told():
    assert 'it was trained on denser scans' in guesses(ready(voxel_size=0.01))[0]
    assert not guesses(ready(voxel_size=0.2))


@given(st.integers(-4, 4), st.integers(-4, 4), st.integers(0, 500))
@settings(max_examples=20, deadline=None)
def test_survey_coordinates_do_not_change_what_the_model_sees(east, north, height):
    # Whole metres make the sum exact, and the corner of the scan is at a whole metre.
    coords = np.r_[[[0.0, 0, 0]], np.round(COORDS[::20] * 1024) / 1024]
    colors = COLORS[:1].repeat(len(coords), axis=0)
    offset = np.array([east * 1e6, north * 1e6, height])
    near, far = ready(coords, colors), ready(coords + offset, colors)
    np.testing.assert_array_equal(
        far.points[:, :3] - far.points[0, :3], near.points[:, :3] - near.points[0, :3]
    )
    np.testing.assert_array_equal(far.scan.coords, coords + offset)


@pytest.mark.parametrize(
    'name, value', [('units', 'miles'), ('up', 'north'), ('color_range', '12')]
)
def test_misspelt_assumptions_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is '{value}'; expected one of"):
        ready(**{name: value})
