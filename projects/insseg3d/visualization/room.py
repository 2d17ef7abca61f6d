# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Geometry of a scanned room for views into it: walls, ceiling and density of points."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

_SAMPLE = 6000
_LEAST_EXTENT = 0.2  # metres, for a scan that is a point or a line


@dataclass(frozen=True)
class RoomFrame:
    """The upright box around a room, aligned with its walls.

    Attributes:
        centre: ``(2,)`` x y metres.
        axes: ``(2, 2)`` unit vectors of the two walls' directions, one per row.
        half: ``(2,)`` half extents along them, metres.
        floor: Height z of the floor, metres.
        top: Height z of the highest points below the ceiling, metres.
        ceiling: Height z above which the ceiling lies, or None if there is no ceiling.
        spacing: Typical distance of neighbouring points, metres.
    """

    centre: np.ndarray
    axes: np.ndarray
    half: np.ndarray
    floor: float
    top: float
    ceiling: float | None
    spacing: float


def room_frame(coords: np.ndarray) -> RoomFrame:
    """Measure a room from its points (P, 3), z up. Stray points have little influence."""
    if len(coords) == 0:
        return RoomFrame(np.zeros(2), np.eye(2), np.ones(2), 0.0, 1.0, None, 0.02)
    sample = coords[:: max(1, len(coords) // _SAMPLE)]
    best = None
    for angle in np.deg2rad(np.arange(0.0, 90.0, 1.5)):
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        low, high = np.quantile(sample[:, :2] @ axes.T, [0.004, 0.996], axis=0)
        area = float(np.prod(high - low + 1e-3))
        if best is None or area < best[0] - 1e-9:
            best = (area, axes, low, high)
    _, axes, low, high = best
    floor, top = np.quantile(sample[:, 2], [0.004, 0.996])
    top = max(top, floor + _LEAST_EXTENT)
    ceiling = _ceiling(sample, float(floor), float(top))
    return RoomFrame(
        centre=(low + high) / 2 @ axes,
        axes=axes,
        half=np.maximum((high - low) / 2, _LEAST_EXTENT / 2),
        floor=float(floor),
        top=float(top) if ceiling is None else ceiling,
        ceiling=ceiling,
        spacing=_spacing(coords),
    )


def wall_sides(coords: np.ndarray, frame: RoomFrame, *, margin: float = 0.2) -> np.ndarray:
    """Find the sides of the room on which each point lies.

    Args:
        coords: ``(P, 3)`` metres.
        frame: Frame of the same scan.
        margin: Thickness of a wall, metres. The lowest 4 cm, the floor, belong to no wall.

    Returns:
        ``(P,)`` uint8 bit set: 1 and 2 for the far ends along +axes[0] and +axes[1], 4 and 8 for
        those along the opposite directions.
    """
    local = (coords[:, :2] - frame.centre) @ frame.axes.T
    above = coords[:, 2] > frame.floor + 0.04
    sides = np.zeros(len(coords), dtype=np.uint8)
    for bit, (axis, sign) in enumerate(((0, 1), (1, 1), (0, -1), (1, -1))):
        at_side = sign * local[:, axis] > frame.half[axis] - margin
        sides |= ((at_side & above) << bit).astype(np.uint8)
    return sides


def facing_sides(frame: RoomFrame, azimuth: float) -> int:
    """Return the bit set of the sides between the room and a viewer at an azimuth (radians)."""
    towards = np.array([np.cos(azimuth), np.sin(azimuth)])
    cosines = frame.axes @ towards
    bits = [cosines[0] > 0.25, cosines[1] > 0.25, cosines[0] < -0.25, cosines[1] < -0.25]
    return int(sum(int(bit) << index for index, bit in enumerate(bits)))


def _ceiling(sample: np.ndarray, floor: float, top: float) -> float | None:
    """Find a ceiling: a thin top layer that covers much of the ground plan."""
    if top - floor < 1.8:
        return None
    cell = np.floor(sample[:, :2] / 0.4).astype(np.int64)
    cut = top - 0.25
    covered = len(np.unique(cell[sample[:, 2] > cut], axis=0))
    return cut if covered > 0.45 * len(np.unique(cell, axis=0)) else None


def _spacing(coords: np.ndarray) -> float:
    if len(coords) < 3:
        return 0.02
    queries = coords[:: max(1, len(coords) // 1500)]
    distance, _ = cKDTree(coords).query(queries, k=3)
    return float(max(np.median(distance[:, 2]), 1e-3))
