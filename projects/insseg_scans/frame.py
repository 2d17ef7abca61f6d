# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Guess of the units of a scan of a room, a floor, a building or a single object."""

import numpy as np

from .units import UNITS


def guess_units(size: np.ndarray) -> tuple[str, str, bool]:
    """Find the units in which a scan has the size of a typical scan.

    Args:
        size: ``(3,)`` size of the scan, z up.

    Returns:
        Key of ``UNITS``, an addition to the remark, and whether no other unit is likely.
    """
    longest, height = float(max(size[0], size[1])), float(size[2])
    whole = float(np.max(size))
    if whole < 0.3:
        return 'm', '; very small: scaled to a unit cube?', False
    if 7 <= height <= 12 and 7 <= longest <= 45:
        return 'ft', '; in metres it would be a hall', False
    if longest <= 100 and height <= 25:
        return 'm', '', True
    if _is_object_in_mm(np.asarray(size), longest, height):
        return 'mm', '; a single object?', False
    for units in ('cm', 'mm'):
        if 1 <= longest * UNITS[units] <= 100 and 0.8 <= height * UNITS[units] <= 7:
            return units, '', False
    if longest <= 2000 and height <= 120:
        return 'm', '; large', False
    for units in ('cm', 'mm'):
        if whole * UNITS[units] <= 100:
            return units, '', False
    return 'm', '; very large: stray points, or another unit?', False


def _is_object_in_mm(size: np.ndarray, longest: float, height: float) -> bool:
    """Return whether it is furniture in millimetres: too high for a room in cm, or round sizes."""
    if not (400 <= height <= 2500 and 300 <= longest <= 2500):
        return False
    return height > 700 or bool((size == np.round(size, -2)).all())
