# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A made room from seed to annotated objects, as S3DIS stores them."""

from typing import NamedTuple

import numpy as np

from ..labels.categories import S3DIS_CLASSES
from ..layout.fittings import FITTINGS
from ..room import RoomOptions, make_interior

# Type of room → its name in the release.
ROOM_NAMES = {
    'Office': 'office',
    'Living room / Lounge': 'lounge',
    'Kitchen': 'pantry',
    'Bathroom': 'WC',
    'Bookstore / Library': 'storage',
}
OPTIONS = RoomOptions(
    spacing=0.01,
    area=(9.0, 30.0),
    objects=(8, 24),
    frames=180,
    vertices=(0, 2**31),
    programs=tuple(ROOM_NAMES),
    fittings=FITTINGS,
    camera='tripod',
)

# Pieces with fewer points are too small to annotate: they are in the room's file only.
_LEAST_POINTS = 20


class S3DISRoom(NamedTuple):
    """An annotated room as S3DIS stores it.

    Attributes:
        coords: (P, 3) int64 millimetres, in the building's coordinates.
        colors: (P, 3) uint8.
        owner: (P,) index of the object each point belongs to, -1 if it is in no annotation.
        classes: Class of each object, in the order of ``owner``.
        angle: Whole degrees by which the room is turned against the axes, counter-clockwise.
    """

    coords: np.ndarray
    colors: np.ndarray
    owner: np.ndarray
    classes: list[str]
    angle: int


def make_s3dis_room(
    seed: int | tuple[int, ...], options: RoomOptions, *, aligned: bool
) -> S3DISRoom:
    """Make, furnish, scan and annotate a room.

    Args:
        seed: The same seed and options give the same room to the last bit.
        options: What rooms are like.
        aligned: Whether walls lie along the axes, or as the building lies.

    Returns:
        ``S3DISRoom``.
    """
    pieces, scan, piece_of, _, _, rng, _ = make_interior(seed, options)
    sizes = np.bincount(piece_of, minlength=len(pieces))
    kept = np.flatnonzero(sizes >= _LEAST_POINTS)
    number = np.full(len(pieces), -1)
    number[kept] = np.arange(len(kept))
    classes = [S3DIS_CLASSES.get(pieces[k].label, 'clutter') for k in kept]
    # Most rooms lie along the corridors, some wings of the building do not.
    angle = int(rng.choice([0, 90, 180, 270]) + (rng.integers(1, 90) if rng.random() < 0.2 else 0))
    place = np.array([*rng.uniform(-30.0, 30.0, 2), rng.normal(0.0, 0.01)])
    turn = 0.0 if aligned else np.deg2rad(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    x, y, z = scan.points.astype(np.float64).T
    coords = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1) + place
    return S3DISRoom(
        np.rint(1000.0 * coords).astype(np.int64), scan.colors, number[piece_of], classes, angle
    )
