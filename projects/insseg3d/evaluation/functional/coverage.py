# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Coverage, precision and recall of instances, as reported on S3DIS.

The same predictions are scored in two modes:
  * ``partition``: masks are painted in descending order of score; each point has at most one mask
    (:func:`paint_masks`). The definition of mCov, mWCov, mPrec and mRec assumes this.
  * ``overlap``: the masks are scored as predicted.

Per room and class with an object, the coverage of an object is the highest IoU of a prediction of
its class (0 if none); weighted coverage weights objects by their points. Both are averaged over
the rooms that contain the class. A prediction is right if its IoU with an object of its class is
at least 0.5; precision and recall are computed over all rooms together, then averaged over the
classes.

Source: ASIS, eval_iou_accuracy.py, and gorilla-3d's evaluator for overlapping masks.
Deviation: the class of a prediction is the one that the model predicted; ASIS takes the most
frequent semantic label of its points. An object that is found by two predictions (both with IoU
0.5) counts once in the recall, which therefore cannot exceed 1. A class with objects but without
a prediction has precision 0; ASIS divides 0 by 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .instance_ap import mean_of_scored
from .tables import SceneTable


@dataclass(frozen=True)
class Coverage:
    """Scores per class, ``(K,)`` float64 each; NaN if the class has no object.

    Attributes:
        coverage: Highest IoU of each object, averaged over objects, then over rooms.
        weighted_coverage: The same with objects weighted by their points.
        precision: Share of the predictions that are right.
        recall: Share of the objects that are found.
    """

    coverage: np.ndarray
    weighted_coverage: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    def means(self) -> dict[str, float]:
        """Return ``mCov``, ``mWCov``, ``mPrec50``, ``mRec50``: means over classes with objects."""
        values = (self.coverage, self.weighted_coverage, self.precision, self.recall)
        names = ('mCov', 'mWCov', 'mPrec50', 'mRec50')
        return {name: mean_of_scored(value) for name, value in zip(names, values)}


def coverage(
    tables: Sequence[SceneTable],
    *,
    num_classes: int,
    score_threshold: float,
    min_iou: float = 0.5,
) -> Coverage:
    """Compute coverage, precision and recall over a set of rooms.

    Args:
        tables: One table per room, of painted masks or of the masks as predicted.
        num_classes: K.
        score_threshold: Predictions with a lower score are dropped. Unlike AP, the precision
            needs a threshold, because every prediction counts in it.
        min_iou: Least IoU of a prediction that is right.
    """
    rooms: list[list[tuple[float, float]]] = [[] for _ in range(num_classes)]
    num_right = np.zeros(num_classes)
    num_pred = np.zeros(num_classes)
    num_found = np.zeros(num_classes)
    num_gt = np.zeros(num_classes)
    for table in tables:
        kept = table.pred_scores >= score_threshold
        inter = table.intersections[kept].astype(np.int64)
        union = table.pred_sizes[kept][:, None] + table.gt_sizes[None, :] - inter
        iou = inter / np.maximum(union, 1)
        iou[table.pred_labels[kept][:, None] != table.gt_labels[None, :]] = 0
        best_of_pred, best_of_gt = iou.max(axis=1, initial=0), iou.max(axis=0, initial=0)
        labels = table.pred_labels[kept]
        for label in np.unique(table.gt_labels):
            of_class = table.gt_labels == label
            best, sizes = best_of_gt[of_class], table.gt_sizes[of_class]
            rooms[label].append((best.mean(), (best * sizes).sum() / sizes.sum()))
        is_class = (labels >= 0) & (labels < num_classes)
        num_pred += np.bincount(labels[is_class], minlength=num_classes)
        num_right += np.bincount(
            labels[is_class & (best_of_pred >= min_iou)], minlength=num_classes
        )
        num_gt += np.bincount(table.gt_labels, minlength=num_classes)
        num_found += np.bincount(table.gt_labels[best_of_gt >= min_iou], minlength=num_classes)
    means = np.array([np.mean(room, axis=0) if room else (np.nan, np.nan) for room in rooms])
    has_objects = num_gt > 0
    return Coverage(
        coverage=means[:, 0],
        weighted_coverage=means[:, 1],
        precision=np.where(has_objects, num_right / np.maximum(num_pred, 1), np.nan),
        recall=np.where(has_objects, num_found / np.maximum(num_gt, 1), np.nan),
    )


def coverage_curve(
    tables: Sequence[SceneTable], *, num_classes: int, thresholds: Sequence[float]
) -> list[dict[str, float]]:
    """Compute the four means at several score thresholds.

    Returns:
        One entry per threshold: ``score_threshold`` and the means of :class:`Coverage`.
    """
    return [
        dict(
            score_threshold=float(threshold),
            **coverage(tables, num_classes=num_classes, score_threshold=threshold).means(),
        )
        for threshold in thresholds
    ]
