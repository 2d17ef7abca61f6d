# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Furniture in other sizes."""

import numpy as np
import pytest

from made_rooms import FURNITURE, KINDS, RoomOptions, make_room
from made_rooms.furniture import FAMILIES, WALL_KINDS, openings, tables
from made_rooms.layout.layout import Layout
from made_rooms.layout.pieces import STRETCHED, build, draw_piece, stretched


def layout(seed=0, **more):
    return Layout(rng=np.random.default_rng(seed), size=(4.0, 4.0, 2.5), **more)


def sides(piece):
    return piece.high - piece.low


def test_a_stretched_piece_has_other_sides_and_stands_where_it_stood():
    piece = tables.low_table(np.random.default_rng(0))
    other = stretched(piece, (2.0, 0.5, 1.5))
    np.testing.assert_allclose(sides(other), sides(piece) * (2, 0.5, 1.5))
    assert other.label == piece.label and other.low[2] == pytest.approx(piece.low[2])
    # The place for small things moves with the top.
    assert other.low[1] == pytest.approx(0.5 * piece.low[1])
    for before, after in zip(piece.tops, other.tops, strict=True):
        assert after == pytest.approx(
            (2 * before[0], before[1] / 2, 2 * before[2], before[3] / 2, 1.5 * before[4]), abs=0.02
        )


def test_a_picture_keeps_the_height_of_its_lower_edge():
    piece = openings.picture(np.random.default_rng(0))
    other = stretched(piece, (0.5, 1.0, 0.5))
    assert piece.low[2] > 0.8 and other.low[2] == pytest.approx(piece.low[2])
    assert sides(other)[2] == pytest.approx(0.5 * sides(piece)[2])


def test_usual_pieces_are_those_of_their_makers():
    maker = FAMILIES['bed'][0][0]
    expected = maker(np.random.default_rng(3))
    found = build(layout(3), 'bed', maker)
    assert np.array_equal(found.low, expected.low) and np.array_equal(found.high, expected.high)
    assert FURNITURE['usual'] == {}


@pytest.mark.parametrize('kind', sorted(STRETCHED))
def test_each_kind_is_stretched_within_its_range(kind):
    maker, factors = FAMILIES[kind][0][0], []
    for seed in range(40):
        usual = maker(np.random.default_rng(seed))
        found = build(layout(seed, stretch=STRETCHED), kind, maker)
        factors.append(sides(found) / sides(usual))
    for axis, (low, high) in enumerate(STRETCHED[kind]):
        values = [factor[axis] for factor in factors]
        assert low - 1e-6 <= min(values) and max(values) <= high + 1e-6
        assert np.ptp(values) > 0.6 * (high - low)


def test_every_kind_that_stands_alone_has_a_range():
    assert set(STRETCHED) == set(KINDS) - set(WALL_KINDS)


def test_pieces_with_given_sizes_are_not_stretched():
    fitted = build(layout(stretch=STRETCHED), 'counter', tables.counter, 1.5, 0.6, None)
    assert sides(fitted)[0] == pytest.approx(1.5, abs=0.05)


def test_families_are_drawn_by_weight():
    rooms = layout()
    labels = [draw_piece(rooms, 'sofa').label for _ in range(30)]
    assert len(set(labels)) > 1


def test_rooms_with_stretched_furniture_repeat_themselves_and_differ_from_usual_ones():
    options = dict(spacing=0.06, area=(8.0, 9.0), objects=(4, 6), clutter=(1, 2), frames=30)
    options['vertices'] = (0, 10**6)
    one, again, usual = (
        make_room(4, RoomOptions(furniture=name, **options))
        for name in ('stretched', 'stretched', 'usual')
    )
    assert np.array_equal(one.points, again.points)
    assert one.points.shape != usual.points.shape
    with pytest.raises(ValueError, match="furniture: found 'huge', expected one of .*stretched"):
        RoomOptions(furniture='huge')
