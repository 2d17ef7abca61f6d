# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Upright boxes around objects."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError


@dataclass(frozen=True)
class OrientedBox:
    """The smallest upright box around an object.

    Attributes:
        centre: ``(3,)`` centre of the box.
        size: ``(3,)`` length, width, height; length ≥ width.
        axes: ``(3, 3)`` orthonormal rows: the directions of length, width, and up.
    """

    centre: np.ndarray
    size: np.ndarray
    axes: np.ndarray


def upright_box(points: np.ndarray, up: np.ndarray) -> OrientedBox:
    """Find the upright box with the smallest ground area around points.

    One side of the smallest rectangle around points lies along their convex hull; all sides of the
    hull are tried.

    Args:
        points: ``(P, 3)``, at least one.
        up: ``(3,)`` unit vector along one of the axes.
    """
    middle = points.mean(axis=0)
    local = points - middle  # large survey coordinates would cost precision
    side = np.roll(up, 1)
    frame = np.stack([side, np.cross(up, side), up])
    ground = local @ frame[:2].T
    corners, angles = _hull(ground)
    best = None
    for angle in angles:
        cos, sin = np.cos(angle), np.sin(angle)
        along = np.array([[cos, sin], [-sin, cos]])
        area = np.prod(np.ptp(corners @ along.T, axis=0))
        if best is None or area < best[0] * (1 - 1e-9):
            best = area, along
    along = best[1]
    turned = ground @ along.T  # all points, because the hull omits points within its rounding
    low, high = turned.min(axis=0), turned.max(axis=0)
    if high[0] - low[0] < high[1] - low[1]:  # the longer side first, still right-handed
        along, low, high = (
            np.array([[0, 1], [-1, 0]]) @ along,
            np.array([low[1], -high[0]]),
            np.array([high[1], -low[0]]),
        )
    heights = local @ up
    axes = np.concatenate([along @ frame[:2], up[None]])
    size = np.append(high - low, np.ptp(heights))
    centre = np.append((low + high) / 2, (heights.min() + heights.max()) / 2)
    return OrientedBox(middle + centre @ axes, size, axes)


def _hull(ground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the convex hull of ``(P, 2)`` points, and its angles in [0, π/2)."""
    try:
        corners = ground[ConvexHull(ground).vertices]
    except (QhullError, ValueError):  # collinear or too few points
        far = ground[np.argmax((ground**2).sum(axis=1))]
        return ground, np.array([np.arctan2(far[1], far[0])])
    sides = np.roll(corners, -1, axis=0) - corners
    return corners, np.unique(np.round(np.arctan2(sides[:, 1], sides[:, 0]) % (np.pi / 2), 9))
