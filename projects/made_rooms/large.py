# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Large scenes of millions of points, for timings."""

import numpy as np

from .furniture import KINDS
from .room import make_points

BLOCK = 150_000
"""Number of points of the repeated room."""
COPIES = 4
"""Number of copies of each room, which make it as dense as a terrestrial laser scan."""


def make_large_points(
    *, seed: int, num_points: int, kinds: frozenset[str] = frozenset(KINDS)
) -> np.ndarray:
    """Make a dense scene of any number of points: one made room, repeated in a square grid.

    Each cell of the grid contains four copies of the room, whose points are jittered with a
    standard deviation of half a centimetre; this makes it as dense as the scans of S3DIS. Up to
    150 000 points, the result is that of :func:`made_rooms.make_points`.

    Args:
        seed: The same seed results in the same points.
        num_points: Number of points.
        kinds: Kinds of objects that may occur, among ``KINDS``.

    Returns:
        (num_points, 6) float32: x, y, z in metres, r, g, b from 0 to 255.
    """
    room = make_points(seed=seed, num_points=min(num_points, BLOCK), kinds=kinds)
    if num_points <= BLOCK:
        return room
    rng = np.random.default_rng(seed)
    extent = room[:, :2].max(0) - room[:, :2].min(0)
    num_copies = -(-num_points // len(room))
    edge = int(np.ceil(np.sqrt(-(-num_copies // COPIES))))
    points = np.tile(room, (num_copies, 1))
    cell = np.arange(num_copies).repeat(len(room)) // COPIES
    points[:, 0] += cell % edge * (extent[0] + 0.1)
    points[:, 1] += cell // edge * (extent[1] + 0.1)
    points[:, :3] += rng.normal(0, 0.005, (len(points), 3))
    return points[:num_points]
