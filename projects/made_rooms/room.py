# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A made room from seed to annotated scan."""

from typing import NamedTuple

import numpy as np

from .furniture import KINDS
from .interior import Interior, make_interior
from .labels.annotation import annotate, turn_by_chance
from .labels.oversegment import mix_segments, oversegment
from .options import RoomOptions


class Room(NamedTuple):
    """An annotated scan as ScanNet stores it.

    Attributes:
        points: (P, 3) float32 metres, z up, at any angle about z.
        colors: (P, 3) uint8.
        faces: (F, 3) int32.
        segments: (P,) int32 over-segment ids, not consecutive.
        groups: (raw category, ids of its segments) of each annotated object.
        axis_alignment: (4, 4) float64 matrix that aligns the walls with the axes.
        scene_type: The type of room.
        owner: (P,) int32 index of the piece a vertex belongs to (not written to files).
        seen: Share of each annotated object's surface that the camera saw (not written).
    """

    points: np.ndarray
    colors: np.ndarray
    faces: np.ndarray
    segments: np.ndarray
    groups: list[tuple[str, np.ndarray]]
    axis_alignment: np.ndarray
    scene_type: str
    owner: np.ndarray
    seen: np.ndarray


def make_room(seed: int | tuple[int, ...], options: RoomOptions) -> Room:
    """Make, furnish, scan and annotate a room.

    Args:
        seed: The same seed and options result in the same room, bit for bit.
        options: Options of the room.

    Returns:
        The room, turned by a random angle about z.
    """
    interior = make_interior(seed, options)
    return turned(annotated(interior, options), interior.rng)


def annotated(interior: Interior, options: RoomOptions) -> Room:
    """Over-segment a scan and annotate its objects, without turning it."""
    scan, owner = interior.scan, interior.owner
    segments = oversegment(scan.points, scan.faces, owner, threshold=0.0005, least=20)
    if options.mixed_segments:
        segments = mix_segments(
            scan.points, segments, owner, gap=1.5 * options.spacing, share=0.2, rng=interior.rng
        )
    groups, holders = annotate(interior.pieces, owner, segments, interior.rng)
    return Room(
        points=scan.points,
        colors=scan.colors,
        faces=scan.faces,
        segments=segments,
        groups=groups,
        axis_alignment=np.eye(4),
        scene_type=interior.scene_type,
        owner=owner,
        seen=interior.seen[holders],
    )


def turned(room: Room, rng: np.random.Generator) -> Room:
    """Turn and shift a room at random, as recordings are; record the matrix that aligns it."""
    points, alignment = turn_by_chance(room.points, rng)
    return room._replace(points=points, axis_alignment=alignment)


def make_points(
    *, seed: int, num_points: int, kinds: frozenset[str] = frozenset(KINDS)
) -> np.ndarray:
    """Make the points of a room at the density of real scans, for timings.

    Args:
        seed: The same seed results in the same points.
        num_points: Number of points; it determines the size of the room.
        kinds: Kinds of objects that may occur, among ``KINDS``.

    Returns:
        (num_points, 6) float32: x, y, z in metres, r, g, b from 0 to 255.

    Raises:
        ValueError: If no room of that many points can be made, or if a kind is unknown.
    """
    base = max(4.0, num_points / 7500.0)
    for growth in (1.0, 1.3, 1.7, 2.2, 3.0, 4.0):
        area = growth * base
        options = RoomOptions(
            kinds=kinds,
            area=(area, 1.2 * area),
            objects=(int(area / 2), int(area) + 8),
            frames=int(84 * max(1.0, area / 16)),
            vertices=(0, 2**31),
        )
        room = make_room(seed, options)
        if len(room.points) >= num_points:
            centre = np.median(room.points[:, :2], axis=0)
            far = np.abs(room.points[:, :2] - centre).max(axis=1)
            keep = np.sort(np.argsort(far, kind='stable')[:num_points])
            return np.concatenate([room.points[keep], room.colors[keep]], axis=1, dtype=np.float32)
    raise ValueError(f'num_points: no made room has {num_points} points, ask for fewer')
