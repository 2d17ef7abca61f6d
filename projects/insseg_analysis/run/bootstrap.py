# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The spread of AP over scenes: resampling with replacement.

S scenes, R resamples, K classes, T thresholds. A resample is a weight per scene, the number of its
draws; all resamples of a class and threshold are scored at once, from one sorted list of scores.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from insseg3d.evaluation.functional.instance_ap import AP_THRESHOLDS, match_class
from insseg3d.evaluation.functional.tables import SceneTable


class ClassScores(NamedTuple):
    """The outcome of one class at one threshold over all scenes.

    Attributes:
        scores: ``(N,)`` float64, descending, of found objects and of false positives.
        is_true: ``(N,)`` bool, which of them are found objects.
        scene: ``(N,)`` int64, number of the scene of each.
        num_gt: ``(S,)`` int64, objects to be found in each scene.
    """

    scores: np.ndarray
    is_true: np.ndarray
    scene: np.ndarray
    num_gt: np.ndarray


def class_scores(
    tables: Sequence[SceneTable],
    *,
    num_classes: int,
    min_points: int = 100,
    thresholds: Sequence[float] = AP_THRESHOLDS,
) -> list[list[ClassScores]]:
    """Match all scenes once.

    Returns:
        For each class, one entry for each threshold.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)
    found = []
    for label in range(num_classes):
        matches = [match_class(table, label, thresholds, min_points) for table in tables]
        num_gt = np.array(
            [
                np.count_nonzero((table.gt_labels == label) & (table.gt_sizes >= min_points))
                for table in tables
            ],
            dtype=np.int64,
        )
        found.append([_of_threshold(matches, column, num_gt) for column in range(len(thresholds))])
    return found


def _of_threshold(matches: Sequence, column: int, num_gt: np.ndarray) -> ClassScores:
    lists = [(match.true_scores[column], match.false_scores[column]) for match in matches]
    scores = np.concatenate([np.zeros(0), *(part for pair in lists for part in pair)])
    is_true = np.concatenate(
        [
            np.zeros(0, bool),
            *(np.full(len(part), k == 0) for pair in lists for k, part in enumerate(pair)),
        ]
    )
    scene = np.repeat(np.arange(len(lists)), [len(true) + len(false) for true, false in lists])
    order = np.argsort(-scores, kind='stable')
    return ClassScores(scores[order], is_true[order], scene[order], num_gt)


def weighted_ap(outcome: ClassScores, weights: np.ndarray) -> np.ndarray:
    """Compute AP with weighted scenes.

    The benchmark's sum over the curve is the area under straight lines between its points, from
    (recall 0, precision 1) on; a score that no drawn scene has therefore changes nothing.

    Args:
        outcome: Outcome of one class and threshold.
        weights: ``(R, S)`` number of times that each scene counts.

    Returns:
        ``(R,)`` float64; NaN if no drawn scene has an object of the class.
    """
    num_gt = weights @ outcome.num_gt
    of_item = weights[:, outcome.scene].astype(np.float64)
    # One point at the last entry of each distinct score.
    last = (
        np.flatnonzero(np.append(outcome.scores[1:] != outcome.scores[:-1], True))
        if len(outcome.scores)
        else np.zeros(0, np.int64)
    )
    true = np.cumsum(of_item * outcome.is_true, axis=1)[:, last]
    kept = np.cumsum(of_item, axis=1)[:, last]
    start = np.ones((len(weights), 1))
    precision = np.concatenate([start, np.where(kept > 0, true / np.maximum(kept, 1), 1)], axis=1)
    recall = np.concatenate([0 * start, true / np.maximum(num_gt, 1)[:, None]], axis=1)
    area = (np.diff(recall, axis=1) * (precision[:, 1:] + precision[:, :-1]) / 2).sum(axis=1)
    return np.where(num_gt > 0, area, np.nan)


def draw_scenes(num_scenes: int, num_resamples: int, *, seed: int = 0) -> np.ndarray:
    """Draw the weights of resamples, ``(R, S)`` int64; the same for every compared run."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(num_scenes, np.full(num_scenes, 1 / num_scenes), size=num_resamples)


def resampled_ap(
    outcomes: Sequence[Sequence[ClassScores]],
    weights: np.ndarray,
    thresholds: Sequence[float] = AP_THRESHOLDS,
) -> dict[str, np.ndarray]:
    """Compute AP, AP50 and AP25 of each class in each resample.

    Args:
        outcomes: Outcomes from :func:`class_scores`.
        weights: ``(R, S)``.
        thresholds: Thresholds of the outcomes.

    Returns:
        ``(R, K)`` float64 by name of the score, NaN as in :func:`weighted_ap`.
    """
    thresholds = np.asarray(thresholds)
    ap = np.stack(
        [np.stack([weighted_ap(outcome, weights) for outcome in row], axis=1) for row in outcomes],
        axis=1,
    )  # (R, K, T)
    quarter = np.isclose(thresholds, 0.25)
    return {
        'AP': ap[:, :, ~quarter].mean(axis=2),
        'AP50': ap[:, :, np.isclose(thresholds, 0.5)][:, :, 0],
        'AP25': ap[:, :, quarter][:, :, 0],
    }
