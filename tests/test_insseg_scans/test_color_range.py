# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The range of stored colours, which does not depend on a single value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg_scans.color_range import find_color_range, given_color_range, is_one_color, to_bytes

BYTES = np.random.default_rng(3).integers(0, 256, (700, 3))


def stored(factor=1.0, dtype=float, **outliers):
    """Scale colours by a factor; ``at_7=1.5`` sets a value."""
    colors = (BYTES * factor).astype(dtype)
    for name, value in outliers.items():
        colors.reshape(-1)[int(name.removeprefix('at_'))] = value
    return colors


@pytest.mark.parametrize(
    'colors, most, sure',
    [
        (stored(1 / 255), 1, True),
        (stored(1 / 255, np.float32), 1, True),
        (stored(0.4 / 255), 1, True),
        (stored(1, np.uint8), 255, True),
        (stored(1, np.uint16), 255, True),
        (stored(1, np.int64), 255, True),
        (stored(1, np.float32), 255, True),
        (stored(0.97), 255, True),
        (stored(257, np.uint16), 65535, True),
        (stored(256, np.uint16), 65535, True),
        (stored(257, float), 65535, False),
        (stored(40, np.uint16), 65535, False),
        (stored(4, np.uint16), 1023, False),
        (stored(16, np.uint16), 4095, False),
        (stored(4, float), 1023, False),
    ],
)
def test_ranges_by_the_type_and_by_most_of_the_values(colors, most, sure):
    found = find_color_range(colors)
    assert (found.most, found.sure, found.above) == (most, sure, 0)


@pytest.mark.parametrize(
    'colors, most, above',
    [
        (stored(1 / 255, at_7=1.0001), 1, 1),
        (stored(1 / 255, np.float32, at_7=1.0001, at_8=1.004, at_90=1.2), 1, 3),
        (stored(1 / 255, at_0=12.5, at_1=300.0, at_2=4000.0), 1, 3),
        (stored(0.3 / 255, at_4=2.0), 1, 1),
        (stored(1, np.uint16, at_7=256), 255, 1),
        (stored(1, float, at_7=255.5), 255, 1),
        (stored(1, np.int32, at_7=256, at_8=1023, at_9=60000), 255, 3),
        (stored(4, np.uint16, at_3=1024), 1023, 1),
    ],
)
def test_a_few_larger_values_are_clipped_and_make_it_unsure(colors, most, above):
    found = find_color_range(colors)
    assert (found.most, found.sure, found.above) == (most, False, above)
    assert f'{above} value' in str(found) and 'clipped' in str(found)
    scaled = to_bytes(colors, found.most)
    assert scaled.max() == 255 and (scaled == np.round(scaled)).all()
    usual = colors <= most
    np.testing.assert_allclose(scaled[usual], colors[usual].astype(float) * 255 / most, atol=0.5)


def test_whole_numbers_of_0_and_1_are_no_sure_range():
    """Such colours may be fractions that were cast to bytes."""
    colors = np.random.default_rng(0).integers(0, 2, (100, 3)).astype(np.uint8)
    assert find_color_range(colors)[:2] == (255, False)
    colors[7, 1] = 2
    assert find_color_range(colors)[:2] == (255, True)


def test_highlights_brighter_than_white_leave_fractions_fractions():
    colors = stored(1 / 255)
    colors[::20] *= 3
    assert find_color_range(colors)[:2] == (1, False)


def test_a_mostly_black_scan_keeps_the_range_of_what_is_not_black():
    for factor, dtype, most in ((1, np.uint8, 255), (0.97, float, 255), (257, np.uint16, 65535)):
        colors = stored(factor, dtype)
        colors[10:] = 0
        assert find_color_range(colors).most == most


@given(st.integers(0, 2099), st.floats(1.0001, 50), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=40, deadline=None)
def test_wherever_and_however_bright_it_is_one_value_changes_nothing(place, value, dtype):
    plain, odd = stored(1 / 255, dtype), stored(1 / 255, dtype, **{f'at_{place}': value})
    found = find_color_range(odd)
    assert found.most == 1 and not found.sure
    others = np.arange(plain.size) != place
    np.testing.assert_array_equal(
        to_bytes(odd, 1).reshape(-1)[others], to_bytes(plain, 1).reshape(-1)[others]
    )


@pytest.mark.parametrize('value', [np.nan, -0.5, 65536.0, np.inf])
def test_what_is_no_colour_has_no_range(value):
    assert find_color_range(stored(at_5=value)) is None
    assert find_color_range(np.zeros((0, 3))) is None


def test_a_range_that_is_known_takes_a_few_larger_values_but_not_another_range():
    found = given_color_range(stored(1 / 255, at_7=1.0001), 1)
    assert (found.most, found.sure, found.above) == (1, True, 1)
    assert given_color_range(stored(1, at_7=256), 255).above == 1
    assert given_color_range(stored(), 1) is None
    assert given_color_range(stored(257), 255) is None
    assert given_color_range(stored(0.5, np.uint16), 65535)[:3] == (65535, True, 0)
    assert given_color_range(stored(at_0=np.nan), 255) is None


def test_one_colour_is_one_whatever_it_is():
    for color in ((0, 0, 0), (255, 255, 255), (12, 200, 31)):
        colors = np.tile(np.array(color, np.uint8), (50, 1))
        assert is_one_color(colors)
        colors[33, 1] += 1
        assert not is_one_color(colors)
