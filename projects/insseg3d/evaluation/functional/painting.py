# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From masks that may overlap to a partition of the points."""

from typing import NamedTuple

import numpy as np


class Painting(NamedTuple):
    """A partition of the points.

    Attributes:
        index: ``(R,)`` int64, which masks have a part, in descending order of score.
        owner: ``(P,)`` int64 number of the part, 0 to R − 1, that a point belongs to; −1 = none.
        sizes: ``(R,)`` int64 points of each part.
    """

    index: np.ndarray
    owner: np.ndarray
    sizes: np.ndarray


def paint_masks(
    masks: np.ndarray, scores: np.ndarray, *, min_points: int = 100, min_share: float = 0.5
) -> Painting:
    """Gives each point to the best mask that holds it.

    Masks come in descending order of score (in input order where scores are equal); each takes
    those of its points that are still free. If these are fewer than ``min_points``, or less than
    ``min_share`` of the mask, it takes none, and they stay free for the masks behind it. So the
    parts of the masks above a score do not depend on those below it.

    Args:
        masks: ``(Q, P)`` bool or numbers (non-zero = inside).
        scores: ``(Q,)``.
        min_points: smallest part.
        min_share: smallest share of its mask that a part may have.
    """
    owner = np.full(masks.shape[1], -1, dtype=np.int64)
    index, sizes = [], []
    for number in np.argsort(-np.asarray(scores), kind='stable').tolist():
        points = np.flatnonzero(masks[number])
        free = points[owner[points] < 0]
        if len(free) < max(min_points, 1) or len(free) < min_share * len(points):
            continue
        owner[free] = len(index)
        index.append(number)
        sizes.append(len(free))
    return Painting(np.array(index, dtype=np.int64), owner, np.array(sizes, dtype=np.int64))
