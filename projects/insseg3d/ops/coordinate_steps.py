# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Digits that places have lost: the steps in which they are stored."""

import numpy as np
from scipy.spatial import cKDTree

_POINTS_A_VALUE = 50  # of a coordinate with few values
_FEWEST_VALUES = 3  # two planes are no steps
_SAMPLE = 3000


def type_steps(coords: np.ndarray) -> np.ndarray:
    """The distance of neighbouring numbers of the coordinates' type at the largest, ``(3,)``.

    Args:
        coords: ``(P, 3)`` of the type that they were stored in, P > 0; 0 for integers, which have
            lost nothing by their type.
    """
    if coords.dtype.kind != 'f':
        return np.zeros(3)
    return np.spacing(np.abs(coords).max(axis=0)).astype(np.float64)


def regular_steps(coords: np.ndarray) -> np.ndarray:
    """The step of each axis along which all points lie in few, evenly spaced planes, ``(3,)``.

    Args:
        coords: ``(P, 3)`` of any unit, finite.

    Returns:
        0 where there is no such step, or where it is no more than twice the distance of a point to
        the nearest other one, as in scans that were thinned on a grid.
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
