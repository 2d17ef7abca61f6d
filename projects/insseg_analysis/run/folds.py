# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures of folds: over all rooms together, and as a mean over the areas."""

from collections.abc import Sequence

import numpy as np

from insseg3d.evaluation.functional import RunResults, coverage, instance_ap, merge_results
from insseg3d.evaluation.metrics.insseg_metric import right_aligned


def figures(run: RunResults, score_threshold: float) -> dict[str, float]:
    """Return AP, AP50, AP25, coverage, precision and recall of one run.

    Args:
        run: Tables of its scenes.
        score_threshold: Least score of the predictions in all but the APs.
    """
    num_classes = len(run.classes)
    scored = instance_ap(run.tables(), num_classes=num_classes, min_points=run.min_points)
    found = scored.summary()
    for mode, tables in (('partition', run.parts()), ('overlap', run.tables())):
        means = coverage(tables, num_classes=num_classes, score_threshold=score_threshold).means()
        found.update({f'{mode}/{name}': value for name, value in means.items()})
    return found


def merge_figures(
    runs: Sequence[RunResults], score_threshold: float
) -> tuple[list[dict[str, float]], dict[str, float], dict[str, float]]:
    """Return the figures of each fold, their means, and those of all rooms together.

    Args:
        runs: Results of each fold.
        score_threshold: See :func:`figures`.

    Raises:
        ValueError: If the runs do not fit together.
    """
    pooled = figures(merge_results(runs), score_threshold)
    folds = [figures(run, score_threshold) for run in runs]
    return folds, {name: float(np.mean([fold[name] for fold in folds])) for name in pooled}, pooled


def fold_table(
    names: Sequence[str],
    folds: Sequence[dict[str, float]],
    mean: dict[str, float],
    pooled: dict[str, float],
) -> str:
    """Return the figures as a table with a column per fold.

    Args:
        names: Name of each fold.
        folds: Figures of each fold.
        mean: Their means.
        pooled: Figures of all rooms together.
    """
    columns = (*folds, mean, pooled)
    rows = [['', *names, 'mean of areas', 'pooled']]
    rows += [[name, *(f'{column[name]:.4f}' for column in columns)] for name in pooled]
    return right_aligned(rows, first=1).table
