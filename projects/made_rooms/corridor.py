# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A made floor of a building: a furnished hall with furnished rooms on both sides, in one scan.

The rooms are those of :func:`made_rooms.make_room`, each with its own seed. The hall consists of
sections, each scanned like a room without end walls, so the cost is linear in the length.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .interior import Interior, make_interior, scanned
from .layout.groups import stand
from .layout.layout import Layout
from .layout.programs import strew
from .options import RoomOptions
from .room import Room, annotated, turned

_WALL = 0.12  # between two rooms; this length and the next two in metres
_SECTION = 6.0
_PASSAGE = 0.8  # width that is kept free
# Kinds of pieces in a section of the hall, with their greatest number.
_IN_HALL = {
    'door': 3,
    'cabinet': 2,
    'bookshelf': 1,
    'table': 1,
    'refrigerator': 1,
    'otherfurniture': 1,
    'chair': 3,
    'picture': 3,
}


@dataclass(frozen=True, kw_only=True)
class CorridorOptions:
    """Options of made floors.

    Attributes:
        length: Length of the hall, metres; both sides are lined with as many rooms as fit.
        width: Least and greatest width of the hall, metres.
        rooms: Options of the rooms; ``vertices`` does not apply to the sections of the hall.
    """

    length: float
    width: tuple[float, float] = (2.0, 2.4)
    rooms: RoomOptions = RoomOptions()

    def __post_init__(self):
        if not 4.0 <= self.length <= 500.0:
            raise ValueError(f'length: found {self.length}, expected 4 to 500 metres')
        if not 1.6 <= self.width[0] <= self.width[1]:
            raise ValueError(
                f'width: found {self.width[0]} to {self.width[1]}, expected 1.6 <= '
                'least <= greatest'
            )


def make_corridor(seed: int | tuple[int, ...], options: CorridorOptions) -> Room:
    """Make, furnish, scan and annotate a floor.

    Args:
        seed: The same seed and options result in the same floor, bit for bit.
        options: Options of the floor.

    Returns:
        The floor as one room, with the scene type ``Hallway``.
    """
    seed = seed if isinstance(seed, tuple) else (seed,)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    parts = [
        _moved(annotated(interior, options.rooms), angle, offset)
        for interior, angle, offset in _interiors(seed, options, rng)
    ]
    return turned(_joined(parts), rng)


def _interiors(
    seed: tuple[int, ...], options: CorridorOptions, rng: np.random.Generator
) -> Iterator[tuple[Interior, float, tuple[float, float]]]:
    """Yield the sections of the hall, then the rooms, each with its angle and offset."""
    width, height = float(rng.uniform(*options.width)), float(rng.uniform(2.4, 2.6))
    count = max(1, round(options.length / _SECTION))
    deep = options.length / count
    for k in range(count):
        ends = tuple(w for w, there in ((1, k == count - 1), (3, k == 0)) if there)
        yield (
            _section((*seed, 0, k), (deep, width, height), ends, options.rooms),
            0.0,
            (k * deep, 0.0),
        )
    for side in (1, 2):
        x, k = 0.0, 0
        while True:
            room = make_interior((*seed, side, k), options.rooms)
            if x + room.size[0] > options.length:
                break
            if side == 1:
                yield room, 0.0, (x, width + _WALL)
            else:  # turned by 180 degrees: its front faces the hall too
                yield room, np.pi, (x + room.size[0], -_WALL)
            x, k = x + room.size[0] + _WALL, k + 1


def _section(
    seed: tuple[int, ...],
    size: tuple[float, float, float],
    ends: tuple[int, ...],
    options: RoomOptions,
) -> Interior:
    """Make a section of the hall; ``ends`` lists those of its end walls that exist."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    layout = Layout(rng=rng, size=size, kinds=options.kinds, capacity=options.objects[1])
    length, width, height = size
    for k in {1, 3} - set(ends):
        layout.holes[k].append((0.0, width, 0.0, height))  # open: no door fits there
    low, high = (width - _PASSAGE) / 2, (width + _PASSAGE) / 2
    layout.block(np.array([[0, low], [length, low], [length, high], [0, high]]), 0.0, 2.0)
    for kind, most in _IN_HALL.items():
        for _ in range(int(rng.integers(0, most + 1))):
            stand(layout, kind)
    strew(layout, int(rng.integers(0, 4)))
    options = dataclasses.replace(options, frames=int(options.frames * length / _SECTION) + 1)
    return scanned(layout, 'Hallway', rng, options, walls=(0, 2, *ends))


def _moved(room: Room, angle: float, offset: tuple[float, float]) -> Room:
    """Turn a room about z by ``angle`` (radians), then shift it by ``offset`` (metres)."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    points = (room.points.astype(np.float64) @ turn.T + (*offset, 0.0)).astype(np.float32)
    return room._replace(points=points)


def _joined(parts: list[Room]) -> Room:
    """Join scans into one; ids of vertices, segments and pieces are shifted to stay unique."""
    points = segments = pieces = 0
    faces, all_segments, groups, owners = [], [], [], []
    for part in parts:
        faces.append(part.faces + np.int32(points))
        all_segments.append(part.segments + np.int32(segments))
        owners.append(part.owner + np.int32(pieces))
        groups += [(label, ids + segments) for label, ids in part.groups]
        points += len(part.points)
        segments += int(part.segments.max(initial=-1)) + 1
        pieces += int(part.owner.max(initial=-1)) + 1
    return Room(
        points=np.concatenate([part.points for part in parts]),
        colors=np.concatenate([part.colors for part in parts]),
        faces=np.concatenate(faces),
        segments=np.concatenate(all_segments),
        groups=groups,
        axis_alignment=np.eye(4),
        scene_type='Hallway',
        owner=np.concatenate(owners),
        seen=np.concatenate([part.seen for part in parts]),
    )
