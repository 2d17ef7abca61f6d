# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Precision that coordinates have lost: the steps in which they are stored."""

import numpy as np
from scipy.spatial import cKDTree

_POINTS_A_VALUE = 50  # least points per value of a coordinate with few values
_FEWEST_VALUES = 3  # two planes do not make a step
_SAMPLE = 3000


def type_steps(coords: np.ndarray) -> np.ndarray:
    """Compute the spacing of the coordinates' type at the largest value of each axis, ``(3,)``.

    Args:
        coords: ``(P, 3)`` coordinates in the type in which they were stored, P > 0.

    Returns:
        The spacing; 0 for integers, whose type loses no digits.
    """
    if coords.dtype.kind != 'f':
        return np.zeros(3)
    return np.spacing(np.abs(coords).max(axis=0)).astype(np.float64)


def regular_steps(coords: np.ndarray) -> np.ndarray:
    """Find the step of each axis along which all points lie in few, evenly spaced planes.

    Args:
        coords: ``(P, 3)`` in any unit, finite.

    Returns:
        ``(3,)`` steps. 0 if there is no step, or if it is at most twice the distance between
        neighbouring points, as in scans that were thinned on a grid.
    """
    steps = np.array([_regular_step(column) for column in coords.T])
    if not steps.any():
        return steps
    apart = spacing(coords)
    return np.where(steps > 2 * apart, steps, 0.0) if apart is not None else np.zeros(3)


def _regular_step(column: np.ndarray) -> float:
    sample = column[:: max(1, len(column) // _SAMPLE)]
    if len(np.unique(sample)) * 2 > len(sample):
        return 0.0
    values = np.unique(column)
    if len(values) < _FEWEST_VALUES or len(values) * _POINTS_A_VALUE > len(column):
        return 0.0
    gaps = np.diff(values.astype(np.float64))
    step = float(gaps.min())
    return step if (np.abs(gaps / step - np.round(gaps / step)) < 0.01).all() else 0.0


def spacing(coords: np.ndarray) -> float | None:
    """Compute the median distance between neighbouring points at different positions.

    Args:
        coords: ``(P, 3)``.

    Returns:
        The distance, or None if there are no two such points.
    """
    picked = coords[np.random.default_rng(0).permutation(len(coords))[:_SAMPLE]]
    distances = cKDTree(coords).query(picked, k=min(4, len(coords)))[0]
    distances = np.where(distances > 0, distances, np.inf).reshape(len(picked), -1).min(axis=1)
    distances = distances[np.isfinite(distances)]
    return float(np.median(distances)) if len(distances) else None
