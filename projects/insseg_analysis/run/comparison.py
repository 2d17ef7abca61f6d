# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Comparison of two methods, each with one run or several seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from insseg3d.evaluation.functional import RunResults
from insseg3d.evaluation.metrics.insseg_metric import right_aligned

from .bootstrap import class_scores, draw_scenes, resampled_ap

NAMES = ('AP', 'AP50', 'AP25')


class Comparison(NamedTuple):
    """Scores of two methods on the same scenes; ``(K + 1,)`` each, the mean of classes last.

    Attributes:
        classes: K names.
        a: Scores of the first method by name, means over its seeds.
        b: The same of the second.
        spread_a: Sample standard deviation over the seeds; NaN with one seed.
        spread_b: The same of the second.
        low: 2.5 % quantile of b − a over resampled scenes.
        high: 97.5 % quantile.
    """

    classes: tuple[str, ...]
    a: dict[str, np.ndarray]
    b: dict[str, np.ndarray]
    spread_a: dict[str, np.ndarray]
    spread_b: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]


def compare_runs(
    a: Sequence[RunResults], b: Sequence[RunResults], *, num_resamples: int = 1000, seed: int = 0
) -> Comparison:
    """Compare two methods.

    The interval shows how far the difference would move with other scenes of the same kind: scenes
    are drawn with replacement, the same for both methods and all seeds, and the mean over the seeds
    is taken. It does not account for seeds that were not run.

    Args:
        a: Runs of the first method, one per seed.
        b: Runs of the second.
        num_resamples: Number of resamples.
        seed: Seed of the resamples.

    Raises:
        ValueError: If the runs differ in classes or scenes.
    """
    first = a[0]
    scenes = [scene.scene for scene in first.scenes]
    for run in (*a, *b):
        names = [scene.scene for scene in run.scenes]
        if run.classes != first.classes or run.min_points != first.min_points:
            raise ValueError('the runs differ in classes or min_points; expected the same')
        if sorted(names) != sorted(scenes):
            other = sorted(set(names) ^ set(scenes))
            raise ValueError(
                f'the runs differ in their scenes, {len(names)} and {len(scenes)}, for instance in '
                f'{other[:3]}; expected the same'
            )
    weights = np.concatenate(
        [
            np.ones((1, len(scenes)), dtype=np.int64),
            draw_scenes(len(scenes), num_resamples, seed=seed),
        ]
    )
    scored_a, scored_b = (
        [_with_mean(_resampled(run, scenes, weights)) for run in runs] for runs in (a, b)
    )
    mean_a, mean_b = (
        {name: np.mean([scored[name] for scored in runs], axis=0) for name in NAMES}
        for runs in (scored_a, scored_b)
    )
    difference = {name: mean_b[name][1:] - mean_a[name][1:] for name in NAMES}
    low, high = (
        {name: _quantile(values, share) for name, values in difference.items()}
        for share in (0.025, 0.975)
    )
    return Comparison(
        first.classes,
        {name: mean_a[name][0] for name in NAMES},
        {name: mean_b[name][0] for name in NAMES},
        _spread(scored_a),
        _spread(scored_b),
        low,
        high,
    )


def _resampled(
    run: RunResults, scenes: Sequence[str], weights: np.ndarray
) -> dict[str, np.ndarray]:
    by_name = {scene.scene: scene.overlap for scene in run.scenes}
    outcomes = class_scores(
        [by_name[name] for name in scenes], num_classes=len(run.classes), min_points=run.min_points
    )
    return resampled_ap(outcomes, weights)


def _with_mean(scored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Append the mean over the classes that have objects in the resample."""
    extended = {}
    for name, values in scored.items():
        count = (~np.isnan(values)).sum(axis=1)
        mean = np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)
        extended[name] = np.concatenate([values, mean[:, None]], axis=1)
    return extended


def _spread(runs: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    if len(runs) < 2:
        return {name: np.full_like(runs[0][name][0], np.nan) for name in NAMES}
    return {name: np.std([scored[name][0] for scored in runs], axis=0, ddof=1) for name in NAMES}


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    """Return the quantile of each column without its NaN; NaN if it has nothing else."""
    return np.array(
        [
            np.quantile(column[~np.isnan(column)], share) if (~np.isnan(column)).any() else np.nan
            for column in values.T
        ]
    )


def comparison_table(comparison: Comparison, name: str, titles: tuple[str, str]) -> str:
    """Return a row per class: both methods, their difference and its 95 % interval.

    An interval without 0 has a '*'.

    Args:
        comparison: Comparison of two methods.
        name: 'AP', 'AP50' or 'AP25'.
        titles: Names of the methods.
    """
    rows = [[name, *titles, 'difference', '95 % over scenes', '']]
    for k, label in enumerate((*comparison.classes, 'all')):
        a, b = comparison.a[name][k], comparison.b[name][k]
        low, high = comparison.low[name][k], comparison.high[name][k]
        interval = '–' if np.isnan(low) else f'{low:+.4f} to {high:+.4f}'
        rows.append(
            [
                label,
                _pair(a, comparison.spread_a[name][k]),
                _pair(b, comparison.spread_b[name][k]),
                '–' if np.isnan(b - a) else f'{b - a:+.4f}',
                interval,
                '*' if low > 0 or high < 0 else '',
            ]
        )
    table = right_aligned(rows, first=1)
    table.inner_footing_row_border = True
    return table.table


def _pair(value: float, spread: float) -> str:
    if np.isnan(value):
        return '–'
    return f'{value:.4f}' if np.isnan(spread) else f'{value:.4f} ± {spread:.4f}'
