# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Facts and findings as text, and statistics of classes."""

import textwrap
from collections.abc import Sequence

import numpy as np

from insseg3d.evaluation.metrics.insseg_metric import right_aligned

from .facts import SceneFacts
from .findings import Finding


def summary_table(splits: dict[str, Sequence[SceneFacts]]) -> str:
    """Return numbers, sizes, density, colours and labels as a table, a column per split.

    Args:
        splits: Facts of the scenes of each split.
    """
    columns = {name: _summary(scenes) for name, scenes in splits.items()}
    rows = [['', *columns]]
    rows += [
        [key, *(column[key] for column in columns.values())] for key in next(iter(columns.values()))
    ]
    return right_aligned(rows, first=1).table


def _summary(scenes: Sequence[SceneFacts]) -> dict[str, str]:
    read = [scene for scene in scenes if scene.low is not None]
    annotated = [scene for scene in read if scene.objects is not None]
    objects = [len(scene.objects.labels) for scene in annotated]
    colors = [scene.colors for scene in read if scene.colors is not None]
    ids = set().union(*(scene.semantic_points or () for scene in scenes))
    upright = [scene.upright for scene in read if scene.upright is not None] or [np.zeros(3)]
    mixed = sum(int((scene.objects.num_classes > 1).sum()) for scene in annotated)
    return {
        'scenes': str(len(scenes)),
        'that stop the pipeline': str(sum(scene.error is not None for scene in scenes)),
        'points per scene': _spread([scene.num_points for scene in read]),
        'points after the pipeline': _spread([scene.num_kept for scene in read if scene.num_kept]),
        'voxels': _spread([scene.num_voxels for scene in read if scene.num_voxels]),
        'size along x': _spread([scene.extent[0] for scene in read]),
        'size along y': _spread([scene.extent[1] for scene in read]),
        'size along z': _spread([scene.extent[2] for scene in read]),
        'spacing of points': _spread([scene.spacing for scene in read]),
        'surface facing along x, y, z': ', '.join(
            f'{share:.0%}' for share in np.mean(upright, axis=0)
        ),
        'colours': f'{min(c[0] for c in colors):g} to {max(c[1] for c in colors):g}'
        if colors
        else 'none',
        'stored semantic ids': f'{min(ids)} to {max(ids)}' if ids else 'none',
        'points without a class': _spread([100 * scene.unlabelled for scene in annotated], ' %'),
        'objects': str(sum(objects)) if annotated else 'not annotated',
        'objects per scene': _spread(objects),
        'scenes without objects': str(sum(not count for count in objects)),
        'objects of mixed classes': str(mixed),
    }


def _spread(values: Sequence[float], unit: str = '') -> str:
    """Format the median, and the range if there is one."""
    values = [value for value in values if np.isfinite(value)]
    if not values:
        return '–'
    low, middle, high = np.min(values), np.median(values), np.max(values)
    text = f'{_short(middle)}{unit}'
    return text if low == high else f'{text} ({_short(low)} to {_short(high)})'


def _short(value: float) -> str:
    return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.3g}'


def class_statistics(scenes: Sequence[SceneFacts], classes: Sequence[str]) -> dict[str, dict]:
    """Return number and mean sizes of the objects of each class.

    Args:
        scenes: Facts of the scenes of one split.
        classes: Names of the classes.

    Returns:
        ``num_objects``, ``mean_points`` (points per object) and ``mean_radius`` (mean over the
        objects of the mean distance of their points from their mean, in metres) of each class. The
        last two are None for classes without objects.
    """
    objects = [scene.objects for scene in scenes if scene.objects is not None]
    if not objects:
        return {}
    labels, points, radius = (
        np.concatenate([getattr(table, name) for table in objects])
        for name in ('labels', 'num_points', 'radius')
    )
    statistics = {}
    for label, name in enumerate(classes):
        is_class = labels == label
        some = bool(is_class.any())
        statistics[name] = {
            'num_objects': int(is_class.sum()),
            'mean_points': float(points[is_class].mean()) if some else None,
            'mean_radius': float(radius[is_class].mean()) if some else None,
        }
    return statistics


# From mean distance to the radii of HAIS, whose table for ScanNet has no documented origin: the
# median ratio of that table to the mean distances in made rooms, over eight kinds of furniture,
# which have real sizes there.
RADIUS_FACTOR = 1.65


def class_tables(statistics: dict[str, dict]) -> dict[str, list[float]]:
    """Return the statistics as lists for configs of grouping methods, in the order of the classes.

    Args:
        statistics: Statistics from :func:`class_statistics`.

    Returns:
        ``class_points``, mean points per object, and ``class_radii``, metres; -1 for a class
        without objects.
    """
    rows = statistics.values()
    return dict(
        class_points=[
            -1 if row['mean_points'] is None else round(row['mean_points']) for row in rows
        ],
        class_radii=[
            -1 if row['mean_radius'] is None else round(RADIUS_FACTOR * row['mean_radius'], 3)
            for row in rows
        ],
    )


def class_table(statistics: dict[str, dict[str, dict]]) -> str:
    """Return a row per class: objects of each split, and mean sizes in the first split.

    Args:
        statistics: Split → what :func:`class_statistics` returns.
    """
    statistics = {split: table for split, table in statistics.items() if table}
    if not statistics:
        return ''
    first = next(iter(statistics.values()))
    rows = [['class', *statistics, 'points an object', 'radius']]
    for name, values in first.items():
        rows.append(
            [
                name,
                *(
                    str(table.get(name, {}).get('num_objects', '–'))
                    for table in statistics.values()
                ),
                '–' if values['mean_points'] is None else f'{values["mean_points"]:.0f}',
                '–' if values['mean_radius'] is None else f'{values["mean_radius"]:.2f}',
            ]
        )
    return right_aligned(rows, first=1).table


def findings_text(findings: Sequence[Finding], *, most: int = 20) -> str:
    """Return the findings as text, one paragraph each.

    Args:
        findings: The findings, in their order.
        most: Findings of one level that are shown, at most.
    """
    lines = []
    for level in ('error', 'warning', 'note'):
        of_level = [finding for finding in findings if finding.level == level]
        for finding in of_level[:most]:
            text = f'{finding.split}: {finding.what}. {finding.remedy}.'
            lines += textwrap.wrap(f'{level.upper():8s}{text}', 100, subsequent_indent=' ' * 8)
        if len(of_level) > most:
            lines.append(f'        … and {len(of_level) - most} more of this level')
    return '\n'.join(lines) or 'Nothing to object to.'
