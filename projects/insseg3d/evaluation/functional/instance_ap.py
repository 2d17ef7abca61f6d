# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Average precision of instance masks, as the ScanNet benchmark defines it.

T thresholds, K classes, Q predicted masks, G objects.

The rules, for each threshold t and each class:
  * objects of fewer than ``min_points`` points are not scored, and such predictions are dropped;
  * objects are processed in ascending order, and for each object the predictions in input order:
    the first free prediction with IoU > t (strictly) is matched; each further one counts as one
    false positive, with the lower of the two scores, and stays free;
  * a prediction whose IoU exceeds t for no object of its class is a false positive, unless more
    than the share t of its points is void or belongs to objects too small to be scored;
  * the precision-recall curve has one point per distinct score and an artificial end point
    (precision 1, recall 0); it is summed with central differences of the recall.

Source: ScanNet, BenchmarkScripts/3d_evaluation/evaluate_semantic_instance.py
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .tables import SceneTable

# Nine thresholds 0.50, 0.55, ..., 0.90, rounded as in the benchmark's own `arange`, which decides
# whether an IoU of exactly 0.6 counts; then 0.25, which is not part of "AP".
AP_THRESHOLDS: tuple[float, ...] = (*np.arange(0.5, 0.95, 0.05).tolist(), 0.25)
COLUMNS: dict[str, float | None] = {'AP': None, 'AP50': 0.5, 'AP25': 0.25}
"""The reported scores and their thresholds; None for the mean over the nine thresholds."""


@dataclass(frozen=True)
class InstanceAP:
    """Average precision per class and threshold; NaN if the class has no scored object.

    Attributes:
        thresholds: ``(T,)`` float64 IoU thresholds.
        ap: ``(K, T)`` float64.
        num_gt: ``(K,)`` int64 number of ground-truth objects.
        num_gt_scored: ``(K,)`` int64 number of objects of at least ``min_points`` points.
        num_pred: ``(K,)`` int64 number of predictions of at least ``min_points`` points.
    """

    thresholds: np.ndarray
    ap: np.ndarray
    num_gt: np.ndarray
    num_gt_scored: np.ndarray
    num_pred: np.ndarray

    def per_class(self, threshold: float | None = None) -> np.ndarray:
        """Return ``(K,)`` AP at a threshold, or the mean over all thresholds but 0.25 ("AP")."""
        quarter = np.isclose(self.thresholds, 0.25)
        if threshold is None:
            columns = ~quarter
        else:
            columns = np.isclose(self.thresholds, threshold)
            if not columns.any():
                raise ValueError(
                    f'AP at IoU {threshold} was not computed; computed were '
                    f'{np.round(self.thresholds, 3).tolist()}.'
                )
        return self.ap[:, columns].mean(axis=1)

    def overall(self, threshold: float | None = None) -> float:
        """Average ``per_class`` over the classes that have objects; NaN if there are none."""
        return mean_of_scored(self.per_class(threshold))

    def summary(self) -> dict[str, float]:
        """Return ``overall`` for each of :data:`COLUMNS`."""
        return {name: self.overall(threshold) for name, threshold in COLUMNS.items()}


def mean_of_scored(values: np.ndarray) -> float:
    """Average over the classes that have objects (values that are not NaN); NaN if none has."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float('nan')


class ClassMatches(NamedTuple):
    """The outcome of one class in one scene; the lists have one entry per threshold.

    Attributes:
        true_scores: Scores of found objects.
        false_scores: Scores of false positives.
        num_missed: ``(T,)`` objects without any match.
    """

    true_scores: list[np.ndarray]
    false_scores: list[np.ndarray]
    num_missed: np.ndarray


def instance_ap(
    tables: Sequence[SceneTable],
    *,
    num_classes: int,
    min_points: int = 100,
    thresholds: Sequence[float] = AP_THRESHOLDS,
) -> InstanceAP:
    """Compute the average precision over a set of scenes.

    Args:
        tables: One table per scene; their order does not matter.
        num_classes: K. Predictions of other classes are ignored.
        min_points: Objects and predictions of fewer points are not scored.
        thresholds: IoU thresholds, exceeded strictly.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)
    result = InstanceAP(
        thresholds=thresholds,
        ap=np.full((num_classes, len(thresholds)), np.nan),
        num_gt=np.zeros(num_classes, dtype=np.int64),
        num_gt_scored=np.zeros(num_classes, dtype=np.int64),
        num_pred=np.zeros(num_classes, dtype=np.int64),
    )
    for label in range(num_classes):
        matches = []
        for table in tables:
            gt_sizes = table.gt_sizes[table.gt_labels == label]
            kept = (table.pred_labels == label) & (table.pred_sizes >= min_points)
            result.num_gt[label] += len(gt_sizes)
            result.num_gt_scored[label] += int((gt_sizes >= min_points).sum())
            result.num_pred[label] += int(kept.sum())
            if len(gt_sizes) or kept.any():
                matches.append(match_class(table, label, thresholds, min_points))
        if result.num_gt_scored[label] == 0:
            continue
        for column in range(len(thresholds)):
            result.ap[label, column] = average_precision(
                np.concatenate([match.true_scores[column] for match in matches]),
                np.concatenate([match.false_scores[column] for match in matches]),
                num_missed=sum(int(match.num_missed[column]) for match in matches),
            )
    return result


def class_agnostic_ap(
    tables: Sequence[SceneTable], *, num_classes: int, min_points: int = 100
) -> InstanceAP:
    """Compute the average precision as if all objects and predictions were of one class.

    Two predictions of one object are then one too many even if they differ in class.

    Args:
        tables: One table per scene.
        num_classes: K. Predictions of other classes are ignored, as in :func:`instance_ap`.
        min_points: Objects and predictions of fewer points are not scored.

    Returns:
        The scores of the one class.
    """
    merged = [
        dataclasses.replace(
            table,
            pred_labels=np.where(
                (table.pred_labels >= 0) & (table.pred_labels < num_classes), 0, -1
            ),
            gt_labels=np.zeros_like(table.gt_labels),
        )
        for table in tables
    ]
    return instance_ap(merged, num_classes=1, min_points=min_points)


def match_class(
    table: SceneTable, label: int, thresholds: np.ndarray, min_points: int
) -> ClassMatches:
    """Match the predictions and objects of one class in one scene, for every threshold."""
    pred = np.flatnonzero((table.pred_labels == label) & (table.pred_sizes >= min_points))
    gt = np.flatnonzero(table.gt_labels == label)
    inter = table.intersections[np.ix_(pred, gt)].astype(np.int64)
    pred_sizes, gt_sizes = table.pred_sizes[pred], table.gt_sizes[gt]
    iou = inter / (gt_sizes[None, :] + pred_sizes[:, None] - inter)
    scored = gt_sizes >= min_points
    scores = table.pred_scores[pred]

    # Predictions that match no object, neither a scored nor a small one.
    best_iou = iou.max(axis=1, initial=0.0)
    ignorable = (table.pred_void[pred] + inter[:, ~scored].sum(axis=1)) / pred_sizes
    background = (best_iou[None, :] <= thresholds[:, None]) & (
        ignorable[None, :] <= thresholds[:, None]
    )

    # Pairs are ordered by object, then by prediction in input order.
    scored_iou = iou[:, scored].T
    candidates = np.nonzero(scored_iou > thresholds.min())
    pairs = list(zip(*(index.tolist() for index in candidates), scored_iou[candidates].tolist()))
    true_scores, false_scores = [], []
    for column, threshold in enumerate(thresholds.tolist()):
        found, surplus = _match_greedily(pairs, scores.tolist(), threshold)
        true_scores.append(np.array(found))
        false_scores.append(np.concatenate([np.array(surplus), scores[background[column]]]))
    missed = int(scored.sum()) - np.array([len(found) for found in true_scores])
    return ClassMatches(true_scores, false_scores, missed)


def _match_greedily(
    pairs: list[tuple[int, int, float]], scores: list[float], threshold: float
) -> tuple[list[float], list[float]]:
    """Return the scores of the objects found and of surplus predictions on them."""
    found: dict[int, float] = {}
    surplus: list[float] = []
    used: set[int] = set()
    for gt, pred, iou in pairs:
        if iou <= threshold or pred in used:
            continue
        score = scores[pred]
        if gt in found:
            surplus.append(min(found[gt], score))
            found[gt] = max(found[gt], score)
        else:
            found[gt] = score
            used.add(pred)
    return list(found.values()), surplus


def average_precision(
    true_scores: np.ndarray, false_scores: np.ndarray, *, num_missed: int
) -> float:
    """Compute the area under the precision-recall curve with the benchmark's summation rule.

    Args:
        true_scores: Scores of the objects found.
        false_scores: Scores of the false positives.
        num_missed: Number of objects not found at any score.

    Returns:
        The area; 0 if nothing was predicted, NaN if there is no object.
    """
    num_true = len(true_scores)
    if num_true + num_missed == 0:
        return float('nan')
    precision, recall = precision_recall_curve(true_scores, false_scores, num_missed=num_missed)
    # Central differences; the curve is padded with its first recall, and with 0 at its end.
    padded = np.concatenate([recall[:1], recall, [0.0]])
    return float(precision @ ((padded[:-2] - padded[2:]) / 2))


def precision_recall_curve(
    true_scores: np.ndarray, false_scores: np.ndarray, *, num_missed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall at every distinct score, ascending, then the final (1, 0)."""
    true_sorted = np.sort(true_scores)
    all_sorted = np.sort(np.concatenate([true_scores, false_scores]))
    distinct = np.unique(all_sorted)
    lost = np.searchsorted(true_sorted, distinct, side='left')  # objects below the score
    true_positives = len(true_sorted) - lost
    num_kept = len(all_sorted) - np.searchsorted(all_sorted, distinct, side='left')
    precision = np.append(true_positives / num_kept, 1.0)
    recall = np.append(true_positives / (len(true_sorted) + num_missed), 0.0)
    return precision, recall
