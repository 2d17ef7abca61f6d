# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures of scans beside those of real ones."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .measures import Figures, measure
from .scene import LabelledScan

REAL = Path(__file__).with_name('real_scans.json')
FACTOR = 1.5
"""Medians that differ by less are alike."""


class Row(NamedTuple):
    """One figure of both kinds of scans.

    Attributes:
        name: Name of the figure.
        real: 10th, 50th and 90th percentile; None where not measured, a pair for a range.
        found: The same of the scans; None if there is no value.
        count: Number of values.
        ratio: Median divided by the real one, or by the nearer end of its range; None without one
            of them.
    """

    name: str
    real: Sequence
    found: tuple[float, float, float] | None
    count: int
    ratio: float | None

    @property
    def is_alike(self) -> bool:
        """Result of the comparison of the ratio with ``FACTOR``."""
        return self.ratio is not None and 1 / FACTOR <= self.ratio <= FACTOR


def compare(scans: Iterable[LabelledScan], seed: int = 0) -> list[Row]:
    """Measure scans and compare them with the real ones, figure by figure.

    Args:
        scans: The scans.
        seed: Seed of the places at which surfaces are measured.
    """
    rng, figures = np.random.default_rng(seed), {}
    for scan in scans:
        for name, values in measure(scan, rng).items():
            figures.setdefault(name, []).extend(values)
    for color in ('red', 'green', 'blue'):
        if figures.get(f'mean {color}'):
            spread = float(np.std(figures[f'mean {color}']))
            figures[f'deviation of mean {color} between scans'] = [spread]
    real = json.loads(REAL.read_text())['figures']
    return [_row(name, values, figures) for name, values in real.items()]


def _row(name: str, real: Sequence, figures: Figures) -> Row:
    values = figures.get(name) or []
    if not values:
        return Row(name, real, None, 0, None)
    found = tuple(float(value) for value in np.percentile(values, (10, 50, 90)))
    return Row(name, real, found, len(values), _ratio(found[1], real[1]))


def _ratio(found: float, real: float | Sequence[float]) -> float:
    """Divide by a value, or by the nearer end of a range; 1 within the range."""
    low, high = (real, real) if isinstance(real, (int, float)) else real
    return found / min(max(found, low), high)


def as_text(rows: Sequence[Row]) -> str:
    """Return a table of rows."""
    lines = [f'{"":40s}{"real 10 / 50 / 90 %":>26s}{"these":>28s}{"n":>7s}{"ratio":>8s}']
    for row in rows:
        ratio = '–' if row.ratio is None else f'{row.ratio:.2f}{" " if row.is_alike else "!"}'
        lines.append(
            f'{row.name:40s}{_three(row.real):>26s}{_three(row.found):>28s}{row.count:7d}{ratio:>9s}'
        )
    judged = [row for row in rows if row.ratio is not None]
    alike = sum(row.is_alike for row in judged)
    lines.append(
        f'{alike} of {len(judged)} medians are within a factor of {FACTOR} of the real one'
        f' (others: !); {len(rows) - len(judged)} figures without a value'
    )
    return '\n'.join(lines)


def as_json(rows: Sequence[Row]) -> list[Mapping]:
    """Return rows as they are written to a JSON file."""
    return [row._asdict() for row in rows]


def _three(values: Sequence | None) -> str:
    return '–' if values is None else ' / '.join(_number(value) for value in values)


def _number(value: float | Sequence[float] | None) -> str:
    if value is None:
        return '–'
    if isinstance(value, (int, float)):
        return f'{value:.3g}'
    return '–'.join(f'{end:.3g}' for end in value)
