# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Small parts of the building on walls."""

import dataclasses

import numpy as np
import pytest

from made_rooms import FITTINGS, S3DIS_OPTIONS, RoomOptions, make_room
from made_rooms.furniture import KINDS
from made_rooms.layout.fittings import hang
from made_rooms.layout.layout import Layout

SIZE = (4.0, 3.0, 2.5)


def layout(seed=0, holes=()):
    room = Layout(rng=np.random.default_rng(seed), size=SIZE)
    for wall, hole in holes:
        room.holes[wall].append(hole)
    return room


def hung(fitting, seeds=range(12), **more):
    """Hang one kind of fitting in several rooms; return the pieces of each."""
    rooms = [layout(seed, **more) for seed in seeds]
    for room in rooms:
        hang(room, (fitting,))
    return [room.placed for room in rooms]


def points_of(piece):
    return np.concatenate([surface.lattice.reshape(-1, 3) for surface in piece.surfaces])


def test_baseboards_line_all_walls_but_doors():
    door, window = (1.0, 1.9, 0.0, 2.0), (0.5, 1.5, 0.9, 2.0)
    found = [pieces for pieces in hung('baseboard', holes=[(0, door), (1, window)]) if pieces]
    assert 4 <= len(found) < 12  # not in every room
    for pieces in found:
        assert [piece.label for piece in pieces] == ['wall'] * 4
        assert all(piece.kind is None for piece in pieces)
        for k, piece in enumerate(pieces):
            points = points_of(piece)
            assert points[:, 2].min() == 0 and 0.05 <= points[:, 2].max() <= 0.14
            # Each touches its wall, and is thin: walls 0 and 2 along x, 1 and 3 along y.
            across = points[:, 1 - k % 2]
            wall = (0.0, SIZE[0], SIZE[1], 0.0)[k]
            assert np.abs(across - wall).min() < 1e-9 and 0.008 <= np.ptp(across) <= 0.02
            assert points.min() > -1e-9 and (points.max(0)[:2] <= np.array(SIZE[:2]) + 1e-9).all()
        along = points_of(pieces[0])[:, 0]
        assert not ((along > 1.0 + 1e-9) & (along < 1.9 - 1e-9)).any()
        assert len(pieces[0].surfaces) == 2 * len(pieces[1].surfaces)  # left and right of the door


def test_sockets_are_small_parts_of_walls():
    pieces = [piece for room in hung('socket') for piece in room]
    assert len(pieces) > 20
    for piece in pieces:
        sides = np.ptp(points_of(piece), axis=0)
        assert piece.label == 'wall' and piece.kind is None
        assert sides.max() <= 0.2 and sides.min() <= 0.0121
    low = np.array([piece.span[0] for piece in pieces])
    assert (low < 0.5).any() and (low > 0.9).any() and low.min() > 0.2


def test_posters_are_pictures_and_only_hang_where_pictures_may():
    pieces = [piece for room in hung('poster') for piece in room]
    assert pieces and {(piece.label, piece.kind) for piece in pieces} == {('poster', 'picture')}
    room = dataclasses.replace(layout(), kinds=frozenset(KINDS) - {'picture'})
    hang(room, ('poster',))
    assert not room.placed


def test_nothing_is_drawn_without_fittings():
    room = layout()
    state = room.rng.bit_generator.state
    hang(room, ())
    assert not room.placed and room.rng.bit_generator.state == state


def test_rooms_with_all_small_fittings():
    options = dict(spacing=0.05, area=(8.0, 9.0), objects=(4, 6), clutter=(1, 2), frames=40)
    options |= dict(vertices=(0, 10**6), fittings=('baseboard', 'socket', 'poster'))
    rooms = [make_room(seed, RoomOptions(**options)) for seed in range(3)]
    walls = [[label for label, _ in room.groups].count('wall') for room in rooms]
    assert max(walls) > 4


def test_offices_of_s3dis_have_those_of_offices():
    assert S3DIS_OPTIONS.fittings == ('column', 'beam', 'board')
    assert set(FITTINGS) > set(S3DIS_OPTIONS.fittings)
    with pytest.raises(ValueError, match=r"fittings: unknown \['pipe'\].*baseboard"):
        RoomOptions(fittings=('pipe',))
