# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Guessing the units and the up axis of a scan of a room, a floor or a building."""
import numpy as np
from scipy.spatial import cKDTree

from ..datasets.preparation.custom import UNITS

_SAMPLE = 3000
_AROUND = 12  # neighbours of which a plane is made
_ROOM_HEIGHT = (2.0, 4.5)  # metres
_FLAT = 0.9  # cosine from which on a surface looks along an axis


def guess_units(size: np.ndarray) -> tuple[str, str, bool]:
    """Units in which a scan has the size of what people scan.

    Args:
        size: ``(3,)`` of the scan, z up.

    Returns:
        Key of ``UNITS``, what to add to the remark, and whether nothing else is likely.
    """
    longest, height = float(max(size[0], size[1])), float(size[2])
    whole = float(np.max(size))
    if whole < 0.3:
        return 'm', '; very small: scaled to a unit cube?', False
    if 7 <= height <= 12 and 7 <= longest <= 45:
        return 'ft', '; in metres it would be a hall', False
    if longest <= 100 and height <= 25:
        return 'm', '', True
    for units in ('cm', 'mm'):
        if 1 <= longest * UNITS[units] <= 100 and 0.8 <= height * UNITS[units] <= 7:
            return units, '', False
    if longest <= 2000 and height <= 120:
        return 'm', '; large', False
    for units in ('cm', 'mm'):
        if whole * UNITS[units] <= 100:
            return units, '', False
    return 'm', '; very large: stray points, or another unit?', False


def guess_up(coords: np.ndarray, size: np.ndarray) -> tuple[str, str]:
    """Whether z is up, as it nearly always is, or y, as in files from graphics programs.

    It is y only if the scan would then be as high as rooms are, is longer along z than rooms are
    high and has about as many surfaces that look along y, or has twice as many of these.

    Args:
        coords: ``(P, 3)`` of any unit.
        size: ``(3,)``.

    Returns:
        'z' or 'y', and the reason.
    """
    metres = UNITS[guess_units(np.array([size[0], size[2], size[1]]))[0]]
    deep, high = size[2] * metres, size[1] * metres
    low_limit, high_limit = _ROOM_HEIGHT
    if not low_limit <= high <= high_limit:
        return 'z', ''
    along_y, along_z = surfaces_along(coords)[1:]
    if deep > high_limit and size[0] * metres > high_limit and 2 * along_y > along_z:
        return 'y', f'; {high:.2g} m high so, {deep:.2g} m otherwise'
    if along_y > 2 * along_z and along_y > 0.25:
        return 'y', '; most surfaces look that way'
    return 'z', ''


def surfaces_along(coords: np.ndarray) -> np.ndarray:
    """Shares of the points whose surface looks along x, y and z, ``(3,)``.

    Args:
        coords: ``(P, 3)``.
    """
    if len(coords) < 4 * _AROUND:
        return np.zeros(3)
    random = np.random.default_rng(0)
    # The cloud is thinned so that a neighbourhood is a piece of surface, not of noise.
    thin = coords[random.permutation(len(coords))[:20 * _SAMPLE]]
    picked = thin[:_SAMPLE]
    around = thin[cKDTree(thin).query(picked, k=_AROUND)[1]]
    around = around - around.mean(axis=1, keepdims=True)
    normals = np.linalg.eigh(np.einsum('pki,pkj->pij', around, around))[1][:, :, 0]
    return (np.abs(normals) > _FLAT).mean(axis=0)


def spacing(xyz: np.ndarray) -> float | None:
    """Median distance of a point to the nearest that does not lie in its place; None without one.

    Args:
        xyz: ``(P, 3)``.
    """
    picked = xyz[np.random.default_rng(0).permutation(len(xyz))[:_SAMPLE]]
    distances = cKDTree(xyz).query(picked, k=min(4, len(xyz)))[0]
    distances = np.where(distances > 0, distances, np.inf).reshape(len(picked), -1).min(axis=1)
    distances = distances[np.isfinite(distances)]
    return float(np.median(distances)) if len(distances) else None
