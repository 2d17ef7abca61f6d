# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Account of errors: every false prediction and every missed object gets one reason.

At IoU 0.5, each class's predictions look for objects in descending order of score. A prediction
that finds none is, by the first of these that holds:

  * ``duplicate``: IoU > 0.5 with an object of its class that a better one has found;
  * ``wrong class``: IoU > 0.5 with an object of another class;
  * ``merged``: it holds more than half of the points of two objects or more;
  * ``split``: more than half of it lies on one object of its class, and so does another prediction
    of that class, and neither found it;
  * ``poorly located``: 0.25 ≤ IoU ≤ 0.5 with an object of its class;
  * ``background``: all else.

Objects that no prediction found and none of these reasons explains are ``missed``.

The gain of a kind is the AP50 with all errors of that kind cured minus the actual AP50. Wrong
classes are corrected, badly placed masks moved onto their object, merged ones cut, split ones
joined, and the rest dropped; missed objects are found with the lowest score of their scene. Gains
do not add up, because one cure hides another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from insseg3d.evaluation.functional.instance_ap import instance_ap
from insseg3d.evaluation.functional.tables import SceneTable

KINDS = ('missed', 'wrong class', 'poorly located', 'duplicate', 'background', 'merged', 'split')
_MATCH, _NEAR = 0.5, 0.25


@dataclass(frozen=True)
class SceneErrors:
    """The reasons in one scene.

    Attributes:
        pred_kind: One per prediction: a kind, 'found', or '' where it is not scored (too small,
            or mostly on void).
        pred_target: ``(Q,)`` int64 object that the reason refers to; −1 = none.
        gt_kind: One per object: 'found', 'missed', '' where it is not scored, or the kind of the
            prediction that explains it.
    """

    pred_kind: list[str]
    pred_target: np.ndarray
    gt_kind: list[str]


def scene_errors(table: SceneTable, *, min_points: int = 100) -> SceneErrors:
    """Find the reason of every false prediction and every missed object of a scene."""
    inter = table.intersections.astype(np.int64)
    iou = inter / np.maximum(table.pred_sizes[:, None] + table.gt_sizes[None, :] - inter, 1)
    same = table.pred_labels[:, None] == table.gt_labels[None, :]
    scored_gt = table.gt_sizes >= min_points
    own_iou = np.where(same, iou, 0)
    kinds = _match(table, own_iou, scored_gt, min_points)
    found_by = kinds.target_of_pred
    is_found = np.zeros(len(table.gt_sizes), dtype=bool)
    is_found[found_by[found_by >= 0]] = True

    pred_kind = list(kinds.state)
    target = found_by.copy()
    open_preds = [q for q, state in enumerate(pred_kind) if state == 'false']
    on_object = inter / np.maximum(table.pred_sizes, 1)[:, None]
    of_object = inter / np.maximum(table.gt_sizes, 1)[None, :]
    pieces = (on_object > 0.5) & same & ~is_found[None, :]
    pieces[[q for q, state in enumerate(pred_kind) if state != 'false']] = False
    for q in open_preds:
        best_own, best_any = _best(own_iou[q]), _best(iou[q])
        covered = np.flatnonzero((of_object[q] > 0.5) & scored_gt)
        piece_of = np.flatnonzero(pieces[q])
        if best_own >= 0 and own_iou[q, best_own] > _MATCH:
            pred_kind[q], target[q] = 'duplicate', best_own
        elif best_any >= 0 and iou[q, best_any] > _MATCH:
            pred_kind[q], target[q] = 'wrong class', best_any
        elif len(covered) >= 2:
            pred_kind[q], target[q] = 'merged', covered[0]
        elif len(piece_of) and pieces[:, piece_of[0]].sum() >= 2:
            pred_kind[q], target[q] = 'split', piece_of[0]
        elif best_own >= 0 and own_iou[q, best_own] >= _NEAR:
            pred_kind[q], target[q] = 'poorly located', best_own
        else:
            pred_kind[q] = 'background'
    return SceneErrors(
        pred_kind, target, _explain(pred_kind, target, of_object, scored_gt, is_found)
    )


def _best(values: np.ndarray) -> int:
    """Return the index of the largest value above 0, or −1."""
    return int(values.argmax()) if len(values) and values.max() > 0 else -1


@dataclass(frozen=True)
class _Matching:
    state: list[str]
    target_of_pred: np.ndarray


def _match(
    table: SceneTable, own_iou: np.ndarray, scored_gt: np.ndarray, min_points: int
) -> _Matching:
    """Return 'found', 'false' or '' for every prediction, and the object that it found."""
    num_pred = len(table.pred_sizes)
    state, target = [''] * num_pred, np.full(num_pred, -1, dtype=np.int64)
    taken = np.zeros(len(table.gt_sizes), dtype=bool)
    same_small = np.where(
        (table.pred_labels[:, None] == table.gt_labels[None, :]) & ~scored_gt[None, :],
        table.intersections,
        0,
    ).sum(axis=1)
    for q in np.argsort(-table.pred_scores, kind='stable').tolist():
        if table.pred_sizes[q] < min_points:
            continue
        hits = np.flatnonzero(own_iou[q] > _MATCH)
        free = hits[scored_gt[hits] & ~taken[hits]]
        if len(free):
            # There is one only: objects are disjoint, and each takes more than half of the union.
            state[q], target[q], taken[free] = 'found', free[0], True
        elif len(hits):  # on an object that is found already, or on one too small to be scored
            state[q] = 'false' if scored_gt[hits].any() else ''
        else:
            ignorable = (table.pred_void[q] + same_small[q]) / table.pred_sizes[q]
            state[q] = 'false' if ignorable <= _MATCH else ''
    return _Matching(state, target)


def _explain(
    pred_kind: list[str],
    target: np.ndarray,
    of_object: np.ndarray,
    scored_gt: np.ndarray,
    is_found: np.ndarray,
) -> list[str]:
    """Explain each object that was not found by the first kind of a prediction on it."""
    gt_kind = [
        'found' if found else 'missed' if scored else ''
        for found, scored in zip(is_found, scored_gt)
    ]
    for kind in ('wrong class', 'merged', 'split', 'poorly located'):
        for q in [q for q, found in enumerate(pred_kind) if found == kind]:
            objects = np.flatnonzero(of_object[q] > 0.5) if kind == 'merged' else [target[q]]
            for g in objects:
                if gt_kind[g] == 'missed':
                    gt_kind[g] = kind
    return gt_kind


@dataclass(frozen=True)
class ErrorAccount:
    """Counts and gains per class.

    Attributes:
        counts: ``(K,)`` int64 of each kind: false predictions of that kind by their own class; for
            'missed', the objects by theirs.
        found: ``(K,)`` int64 objects found.
        ap50: ``(K,)`` float64, the actual AP50.
        gains: ``(K,)`` float64 of each kind: AP50 gained if it were cured; NaN without objects.
    """

    counts: dict[str, np.ndarray]
    found: np.ndarray
    ap50: np.ndarray
    gains: dict[str, np.ndarray]


def error_account(
    tables: Sequence[SceneTable], *, num_classes: int, min_points: int = 100
) -> ErrorAccount:
    """Count the errors of a run by kind and class, and compute the gain of curing each kind.

    Args:
        tables: One per scene.
        num_classes: K.
        min_points: See :func:`instance_ap`.
    """
    errors = [scene_errors(table, min_points=min_points) for table in tables]
    counts = {kind: np.zeros(num_classes, dtype=np.int64) for kind in KINDS}
    found = np.zeros(num_classes, dtype=np.int64)
    for table, scene in zip(tables, errors):
        for label, kind in zip(table.pred_labels, scene.pred_kind):
            if kind in counts and 0 <= label < num_classes:
                counts[kind][label] += 1
        for label, kind in zip(table.gt_labels, scene.gt_kind):
            found[label] += kind == 'found'
            counts['missed'][label] += kind == 'missed'

    def ap50(changed: Sequence[SceneTable]) -> np.ndarray:
        return instance_ap(
            changed, num_classes=num_classes, min_points=min_points, thresholds=(_MATCH,)
        ).ap[:, 0]

    now = ap50(tables)
    gains = {
        kind: ap50([_cure(table, scene, kind) for table, scene in zip(tables, errors)]) - now
        for kind in KINDS
    }
    return ErrorAccount(counts, found, now, gains)


def _cure(table: SceneTable, errors: SceneErrors, kind: str) -> SceneTable:
    """Return the table without the errors of one kind."""
    wrong = np.array([found == kind for found in errors.pred_kind], dtype=bool)
    keep = np.flatnonzero(~wrong)
    is_open = np.array([found not in ('found', '') for found in errors.gt_kind], dtype=bool)
    perfect = []  # (score, object)
    if kind == 'missed':
        lowest = table.pred_scores.min() if len(table.pred_scores) else 0.0
        perfect = [(lowest, g) for g, found in enumerate(errors.gt_kind) if found == kind]
    if kind in ('wrong class', 'poorly located', 'merged', 'split'):
        of_object = table.intersections / np.maximum(table.gt_sizes, 1)[None, :]
        for q in sorted(np.flatnonzero(wrong), key=lambda q: -table.pred_scores[q]):
            objects = (
                np.flatnonzero(of_object[q] > 0.5) if kind == 'merged' else [errors.pred_target[q]]
            )
            for g in objects:
                if is_open[g]:
                    is_open[g] = False
                    perfect.append((table.pred_scores[q], g))
    scores = np.array([score for score, _ in perfect], dtype=np.float64)
    objects = np.array([g for _, g in perfect], dtype=np.int64)
    onto = np.zeros((len(perfect), len(table.gt_sizes)), dtype=table.intersections.dtype)
    onto[np.arange(len(perfect)), objects] = table.gt_sizes[objects]
    return replace(
        table,
        pred_labels=np.concatenate([table.pred_labels[keep], table.gt_labels[objects]]),
        pred_scores=np.concatenate([table.pred_scores[keep], scores]),
        pred_sizes=np.concatenate([table.pred_sizes[keep], table.gt_sizes[objects]]),
        pred_void=np.concatenate([table.pred_void[keep], 0 * objects]),
        intersections=np.concatenate([table.intersections[keep], onto]),
    )
