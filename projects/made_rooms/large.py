# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scenes of millions of points, for timings."""

import numpy as np

from .furniture import KINDS
from .room import make_points

BLOCK = 150_000
"""Points of the room that is repeated."""
COPIES = 4
"""Scans of each room, which make it as dense as a scan of a terrestrial laser scanner."""


def make_large_points(
    *, seed: int, num_points: int, kinds: frozenset[str] = frozenset(KINDS)
) -> np.ndarray:
    """Points of a dense scene as large as wanted: one made room, repeated side by side.

    Each room stands there four times over, at four slightly different places with jitter of half
    a centimetre, as dense as the scans of S3DIS; the rooms lie in a square grid. Up to
    150 000 points this is :func:`made_rooms.make_points`.

    Args:
        seed: the same seed gives the same points.
        num_points: how many.
        kinds: kinds of objects that may occur, among ``KINDS``.

    Returns:
        ``(num_points, 6)`` float32: x, y, z in metres, r, g, b from 0 to 255.
    """
    room = make_points(seed=seed, num_points=min(num_points, BLOCK), kinds=kinds)
    if num_points <= BLOCK:
        return room
    rng = np.random.default_rng(seed)
    extent = room[:, :2].max(0) - room[:, :2].min(0)
    num_copies = -(-num_points // len(room))
    edge = int(np.ceil(np.sqrt(-(-num_copies // COPIES))))
    points = np.tile(room, (num_copies, 1))
    place = np.arange(num_copies).repeat(len(room)) // COPIES
    points[:, 0] += place % edge * (extent[0] + 0.1)
    points[:, 1] += place // edge * (extent[1] + 0.1)
    points[:, :3] += rng.normal(0, 0.005, (len(points), 3))
    return points[:num_points]
