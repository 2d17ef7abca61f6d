# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Results of runs by leaf: means and deviations over seeds, tables and pictures."""

import json
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

SCORES = ('AP', 'AP50', 'AP25')
NUMBERED = re.compile(r'^(.*)-(\d+)$')


@dataclass(frozen=True)
class LeafResult:
    """All runs of one leaf with one budget.

    Attributes:
        leaf: Path of the leaf.
        runs: Results in the form of the runner, one per seed.
    """

    leaf: str
    runs: tuple[dict, ...]

    @property
    def name(self) -> str:
        """The leaf's name."""
        return Path(self.leaf).stem

    def values(self, key: str) -> list[float]:
        """Return a number of every run that has it."""
        return [run[key] for run in self.runs if run[key] is not None]

    def mean(self, key: str) -> float | None:
        """Return the mean over the runs; None without values."""
        values = self.values(key)
        return statistics.fmean(values) if values else None

    def deviation(self, key: str) -> float | None:
        """Return the sample standard deviation over the runs; None for fewer than two."""
        values = self.values(key)
        return statistics.stdev(values) if len(values) > 1 else None

    def class_mean(self, name: str, key: str) -> float | None:
        """Return the mean score of a class over the runs that have objects of it."""
        values = [run['classes'][name][key] for run in self.runs if name in run['classes']]
        return statistics.fmean(values) if values else None


def read_runs(folder: Path) -> list[dict]:
    """Return the results of runs in a folder, by file name; other JSON is passed over.

    Raises:
        ValueError: If a file is not JSON.
    """
    runs = []
    for path in sorted(folder.glob('*.json')):
        try:
            found = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(
                f'{path}: no JSON ({error}); expected what run_experiments.py or benchmark.py wrote'
            ) from error
        if isinstance(found, dict) and {'leaf', 'seed', 'budget', 'AP'} <= found.keys():
            runs.append(found)
    return runs


def by_leaf(runs: Sequence[dict], order: Sequence[str] = ()) -> list[LeafResult]:
    """Gather runs by leaf and budget.

    Args:
        runs: Results from ``read_runs``.
        order: Names of leaves that come first, in this order; the rest by name and number.
    """
    groups = {}
    for run in runs:
        key = (run['leaf'], json.dumps(run['budget'], sort_keys=True))
        groups.setdefault(key, []).append(run)
    leaves = [
        LeafResult(leaf, tuple(sorted(group, key=lambda run: run['seed'])))
        for (leaf, _), group in groups.items()
    ]

    def place(result: LeafResult) -> tuple:
        rank = order.index(result.name) if result.name in order else len(order)
        numbered = NUMBERED.match(result.name)
        return rank, *((numbered[1], int(numbered[2])) if numbered else (result.name, 0))

    return sorted(leaves, key=place)


def percent(value: float | None, deviation: float | None = None) -> str:
    """Format a score as a percentage with one decimal, and its deviation if there is one."""
    if value is None:
        return '–'
    text = f'{100 * value:.1f}'
    return text if deviation is None else f'{text} ± {100 * deviation:.1f}'


def difference(result: LeafResult, base: LeafResult, key: str) -> str:
    """Format the difference of two leaves' means, and their pooled standard deviation.

    Leaves with different budgets are not compared.
    """
    if result is base:
        return ''
    if result.runs[0]['budget'] != base.runs[0]['budget']:
        return 'another budget'
    text = f'{100 * (result.mean(key) - base.mean(key)):+.1f}'
    pooled = pooled_deviation(result.values(key), base.values(key))
    return text if pooled is None else f'{text} ({100 * pooled:.1f})'


def pooled_deviation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the root of the mean variance of two samples, weighted by degrees of freedom."""
    freedom = len(first) + len(second) - 2
    if min(len(first), len(second)) < 2:
        return None
    squares = sum(
        (value - statistics.fmean(sample)) ** 2 for sample in (first, second) for value in sample
    )
    return (squares / freedom) ** 0.5


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown; None becomes a dash."""
    lines = ['| ' + ' | '.join(columns) + ' |', '|' + '---|' * len(columns)]
    lines += [
        '| ' + ' | '.join('–' if cell is None else str(cell) for cell in row) + ' |' for row in rows
    ]
    return '\n'.join(lines)


def draw_leaves(results: Sequence[LeafResult], label: Callable[[LeafResult], str]) -> Figure:
    """Draw the scores of every leaf: as curves if all names end in a number, else as bars.

    Args:
        results: Leaves from ``by_leaf``.
        label: Function that names a leaf.
    """
    numbered = [NUMBERED.match(result.name) for result in results]
    if results and all(numbered):
        return _curves(results, [(match[1], int(match[2])) for match in numbered])
    figure = Figure(figsize=(8, 1.4 + 0.5 * len(results)), layout='constrained')
    axis = figure.subplots()
    place = np.arange(len(results))
    for number, (key, color) in enumerate(zip(SCORES, ('#5b8ec9', '#e0a030', '#4f9d69'))):
        means = [100 * result.mean(key) for result in results]
        errors = [100 * (result.deviation(key) or 0) for result in results]
        axis.barh(place + 0.26 * (number - 1), means, 0.24, xerr=errors, color=color, label=key)
    axis.set_yticks(place, [label(result) for result in results])
    axis.invert_yaxis()
    axis.set(xlabel='on held-out made rooms; mean and standard deviation over seeds')
    return _finished(figure, [axis])


def _curves(results: Sequence[LeafResult], names: Sequence[tuple[str, int]]) -> Figure:
    words = sorted({word for word, _ in names})
    figure = Figure(figsize=(4.6 * len(words), 3.4), layout='constrained')
    axes = figure.subplots(1, len(words), squeeze=False)[0]
    for axis, word in zip(axes, words):
        chosen = [
            (number, result) for (name, number), result in zip(names, results) if name == word
        ]
        for key, color in zip(SCORES, ('#5b8ec9', '#e0a030', '#4f9d69')):
            axis.errorbar(
                [number for number, _ in chosen],
                [100 * r.mean(key) for _, r in chosen],
                yerr=[100 * (r.deviation(key) or 0) for _, r in chosen],
                color=color,
                label=key,
                marker='o',
                markersize=4,
                capsize=3,
            )
        axis.set(
            xlabel=f"{word}, before the budget's factor",
            ylabel='on held-out made rooms',
            xticks=[number for number, _ in chosen],
        )
    return _finished(figure, axes)


def _finished(figure: Figure, axes: Sequence) -> Figure:
    for axis in axes:
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(color='#eeeeee')
        axis.set_axisbelow(True)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc='outside upper center',
        ncols=3,
        frameon=False,
        fontsize=8,
    )
    return figure
