# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Footprints of pieces: rectangles (4, 2) in metres, at any angle."""

import numpy as np

SLACK = 0.004
"""Depth in metres by which two pieces may overlap without a collision."""


def rectangles_overlap(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Test which of ``many`` (n, 4, 2) rectangles overlap the rectangle ``one`` (4, 2): (n,) bool.

    Separating axes: two rectangles are apart if their projections on one of their four edge
    directions are disjoint.
    """
    apart = np.zeros(len(many), dtype=bool)
    for edge in (1, 3):
        axis = one[edge] - one[0]
        axis = axis / np.linalg.norm(axis)
        mine, theirs = one @ axis, many @ axis
        apart |= (theirs.min(1) >= mine.max() - SLACK) | (theirs.max(1) <= mine.min() + SLACK)
        axes = many[:, edge] - many[:, 0]
        axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        mine = axes @ one.T
        theirs = np.einsum('nij,nj->ni', many, axes)
        apart |= (theirs.min(1) >= mine.max(1) - SLACK) | (theirs.max(1) <= mine.min(1) + SLACK)
    return ~apart
