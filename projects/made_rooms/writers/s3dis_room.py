# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A made room from seed to annotated objects, as S3DIS stores them."""

from typing import NamedTuple

import numpy as np

from ..interior import make_interior
from ..labels.categories import S3DIS_CLASSES
from ..layout.fittings import OFFICE
from ..options import RoomOptions

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
    fittings=OFFICE,
    camera='tripod',
)

# Pieces with fewer points are too small to annotate; only the room's file contains them.
_LEAST_POINTS = 20


class S3DISRoom(NamedTuple):
    """An annotated room as S3DIS stores it.

    Attributes:
        coords: (P, 3) int64 millimetres, in the building's coordinates.
        colors: (P, 3) uint8.
        owner: (P,) index of the object each point belongs to, -1 if it is in no annotation.
        classes: Class of each object, in the order of ``owner``.
        angle: Rotation of the room against the axes, whole degrees, counter-clockwise.
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
        seed: The same seed and options result in the same room, bit for bit.
        options: Options of the room.
        aligned: Whether the walls are parallel to the axes; otherwise to those of the building.

    Returns:
        The annotated room, in millimetres.
    """
    interior = make_interior(seed, options)
    pieces, scan, rng = interior.pieces, interior.scan, interior.rng
    sizes = np.bincount(interior.owner, minlength=len(pieces))
    kept = np.flatnonzero(sizes >= _LEAST_POINTS)
    number = np.full(len(pieces), -1)
    number[kept] = np.arange(len(kept))
    classes = [S3DIS_CLASSES.get(pieces[k].label, 'clutter') for k in kept]
    # Most rooms are parallel to the corridors; those in some wings of the building are not.
    angle = int(rng.choice([0, 90, 180, 270]) + (rng.integers(1, 90) if rng.random() < 0.2 else 0))
    shift = np.array([*rng.uniform(-30.0, 30.0, 2), rng.normal(0.0, 0.01)])
    turn = 0.0 if aligned else np.deg2rad(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    x, y, z = scan.points.astype(np.float64).T
    coords = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1) + shift
    return S3DISRoom(
        coords=np.rint(1000.0 * coords).astype(np.int64),
        colors=scan.colors,
        owner=number[interior.owner],
        classes=classes,
        angle=angle,
    )
