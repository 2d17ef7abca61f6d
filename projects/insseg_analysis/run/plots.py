# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures of precision and recall, of coverage, and of the account of errors."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from insseg3d.evaluation.functional import mean_of_scored, precision_recall_curve

from .bootstrap import ClassScores
from .errors import KINDS, ErrorAccount

KIND_COLORS = dict(
    zip(KINDS, ('#7a7a7a', '#c8553d', '#e0a030', '#5b8ec9', '#b9b9c6', '#7b5ea7', '#4f9d69'))
)


def draw_curves(
    outcomes: Sequence[ClassScores], ap: np.ndarray, classes: Sequence[str], title: str
) -> Figure:
    """Draw a curve per class with objects; the legend has the best twenty.

    Args:
        outcomes: Outcomes of each class at one threshold.
        ap: ``(K,)`` AP of each class, NaN without objects.
        classes: Names of the classes.
        title: Title above the axes.
    """
    figure = Figure(figsize=(8.2, 5), layout='constrained')
    axis = figure.subplots()
    shown = [
        k for k in np.argsort(-np.nan_to_num(ap, nan=-1), kind='stable') if not np.isnan(ap[k])
    ]
    colors = colormaps['turbo'](np.linspace(0.05, 0.95, max(len(shown), 1)))
    for place, k in enumerate(shown):
        scores, is_true = outcomes[k].scores, outcomes[k].is_true
        precision, recall = precision_recall_curve(
            scores[is_true],
            scores[~is_true],
            num_missed=int(outcomes[k].num_gt.sum() - is_true.sum()),
        )
        label = f'{classes[k]} {ap[k]:.2f}' if place < 20 else None
        axis.plot(recall, precision, color=colors[place], linewidth=1.4, label=label)
    axis.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel='recall', ylabel='precision', title=title)
    axis.spines[['top', 'right']].set_visible(False)
    axis.grid(color='#eeeeee')
    if shown:
        axis.legend(loc='center left', bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return figure


def draw_errors(account: ErrorAccount, classes: Sequence[str]) -> Figure:
    """Draw the errors of each class (left) and the AP50 that each kind costs (right)."""
    counts = np.array([account.counts[kind] for kind in KINDS])
    shown = [
        k
        for k in np.argsort(-counts.sum(axis=0), kind='stable')
        if counts[:, k].sum() or account.found[k]
    ][:40]
    figure = Figure(figsize=(11, max(3.4, 0.24 * len(shown) + 1.2)), layout='constrained')
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    start = np.zeros(len(shown))
    for kind, row in zip(KINDS, counts):
        left.barh(range(len(shown)), row[shown], left=start, color=KIND_COLORS[kind], label=kind)
        start += row[shown]
    left.set_yticks(range(len(shown)), [classes[k] for k in shown], fontsize=8)
    left.invert_yaxis()
    left.set_xlabel('errors')
    left.legend(frameon=False, fontsize=8)
    gains = [float(np.nan_to_num(mean_of_scored(account.gains[kind]))) for kind in KINDS]
    right.barh(KINDS, gains, color=[KIND_COLORS[kind] for kind in KINDS])
    for place, gain in enumerate(gains):
        right.text(max(gain, 0), place, f' {gain:+.3f}', va='center', fontsize=8)
    right.invert_yaxis()
    right.set_xlabel('AP50 gained if cured')
    right.margins(x=0.2)
    for axis in (left, right):
        axis.spines[['top', 'right']].set_visible(False)
    return figure


def draw_coverage(curves: dict[str, Sequence[dict[str, float]]]) -> Figure:
    """Draw coverage, precision and recall against the score threshold.

    Args:
        curves: 'partition' and 'overlap' → what :func:`coverage_curve` returns.
    """
    figure = Figure(figsize=(11, 3.8), layout='constrained')
    for axis, (mode, entries) in zip(figure.subplots(1, 2, sharey=True), curves.items()):
        for name in ('mPrec50', 'mRec50', 'mCov', 'mWCov'):
            axis.plot(
                [entry['score_threshold'] for entry in entries],
                [entry[name] for entry in entries],
                label=name,
            )
        axis.set(title=mode, xlabel='score threshold', xlim=(0, 1), ylim=(0, 1.02))
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(color='#eeeeee')
    axis.legend(frameon=False)
    return figure
