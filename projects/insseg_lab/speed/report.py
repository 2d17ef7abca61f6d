# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The figures of a speed measurement as text and as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .stages import STAGES, SUMS

STAGE_COLORS = dict(
    zip(STAGES, ('#c9c9d4', '#a5a5b5', '#7a7a8c', '#5b8ec9', '#e0a030', '#4f9d69', '#c8553d'))
)


def speed_table(entry: dict, details: dict) -> str:
    """Return stages, medians, spread and sizes of one model as text.

    Args:
        entry: Figures from ``measure``, with ``config`` and ``device``.
        details: Details from ``measure``.
    """
    lines = [
        f'{entry["config"]}',
        f'{entry["device"]}, batch 1, {entry["scans"]} scans of {entry["points"]} points and '
        f'{entry["voxels"]} voxels (medians)',
        f'{"stage":24s}{"median ms":>12s}{"spread ms":>12s}   spread: interquartile range',
    ]
    for stage in (*STAGES, *SUMS):
        lines.append(
            f'{stage.replace("_", " "):24s}{entry["stages_ms"][stage]:12.1f}'
            f'{details["spread_ms"][stage]:12.1f}'
        )
    lines += [
        f'{"peak memory":24s}{entry["peak_memory_mb"]:12.0f} MB',
        f'{"parameters":24s}{entry["parameters"] / 1e6:12.2f} M',
    ]
    for kind, number in (details['operations'] or {}).items():
        lines.append(f'{kind:24s}{number / 1e9:12.2f} GFLOP')
    for kind, number in (details['launches'] or {}).items():
        lines.append(f'{kind + " requested" if kind == "operations" else kind:24s}{number:12d}')
    if entry['exponent'] is not None:
        sizes = [size for size, _ in details['scaling']]
        lines.append(f'total ~ points^{entry["exponent"]:.2f} from {min(sizes)} to {max(sizes)}')
    return '\n'.join(lines)


def component_table(entries: Sequence[dict], others: Sequence[dict] = ()) -> str:
    """Return a table in milliseconds with Table 5's columns.

    They are features, query generation, mask prediction and all of it.

    Args:
        entries: Figures from ``measure``, with ``config`` and ``device``.
        others: Rows for comparison: ``method``, ``device`` and ``ms``, the four numbers.
    """
    rows = [(Path(entry['config']).stem, entry['device'], *components(entry)) for entry in entries]
    rows += [(row['method'], row['device'], *row['ms']) for row in others]
    width = max((len(row[0]) for row in rows), default=6) + 2
    lines = [
        f'{"method":{width}s}{"device":16s}{"features":>10s}{"queries":>10s}{"masks":>10s}'
        f'{"total":>10s}'
    ]
    for name, device, *numbers in rows:
        lines.append(
            f'{name:{width}s}{device:16s}' + ''.join(f'{number:10.1f}' for number in numbers)
        )
    return '\n'.join(lines)


def components(entry: dict) -> tuple[float, float, float, float]:
    """Return features, query generation, mask prediction (with the ranking), and their sum."""
    stages = entry['stages_ms']
    return (
        stages['backbone'],
        stages['query_generation'],
        stages['masks'] + stages['postprocess'],
        stages['total'],
    )


def draw_speed(entries: Sequence[dict], details: Sequence[dict]) -> Figure:
    """Draw the stages of each model (left), and the total over points, if measured (right).

    Args:
        entries: See ``component_table``.
        details: Details of the same models from ``measure``.
    """
    curves = [(entry, rest['scaling']) for entry, rest in zip(entries, details) if rest['scaling']]
    figure = Figure(
        figsize=(11 if curves else 7, 1.8 + 0.55 * max(len(entries), 3)), layout='constrained'
    )
    axes = figure.subplots(1, 2 if curves else 1, squeeze=False)[0]
    left = np.zeros(len(entries))
    names = [f'{Path(entry["config"]).stem}\n{entry["device"]}' for entry in entries]
    for stage, color in STAGE_COLORS.items():
        values = np.array([entry['stages_ms'][stage] for entry in entries])
        axes[0].barh(
            range(len(entries)), values, left=left, color=color, label=stage.replace('_', ' ')
        )
        left += values
    axes[0].set(xlabel='milliseconds per scan, medians', yticks=range(len(entries)))
    axes[0].set_yticklabels(names, fontsize=8)
    axes[0].invert_yaxis()
    axes[0].legend(
        frameon=False, fontsize=8, ncols=4, loc='lower center', bbox_to_anchor=(0.4, 1.0)
    )
    if curves:
        _draw_curves(axes[1], curves)
    for axis in axes:
        axis.spines[['top', 'right']].set_visible(False)
    return figure


def _draw_curves(axis, curves: Sequence[tuple[dict, list]]) -> None:
    sizes = sorted({size for _, curve in curves for size, _ in curve})
    for entry, curve in curves:
        exponent = '' if entry['exponent'] is None else f': points^{entry["exponent"]:.2f}'
        axis.loglog(
            *zip(*curve), marker='o', markersize=4, label=Path(entry['config']).stem + exponent
        )
    axis.set_xticks(sizes, [f'{size / 1000:g}k' for size in sizes], rotation=45)
    axis.set_xticks([], minor=True)
    axis.set(xlabel='points', ylabel='milliseconds, total')
    axis.set_ylim(bottom=0.4 * axis.get_ylim()[0])  # the names lie below the curves
    axis.legend(frameon=False, fontsize=7, loc='lower right')
    axis.grid(color='#eeeeee')
