# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A picture of the distributions in a dataset."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .expectations import Expectations
from .facts import SceneFacts
from .report import class_statistics

_COLORS = ('#2f6db5', '#e08a2e', '#4f9d5b')


def save_distributions(
    path: Path, splits: dict[str, Sequence[SceneFacts]], expected: Expectations
) -> None:
    """Draw how points, spacing, sizes, objects and classes are distributed, split by split.

    Args:
        path: PNG file; its folder is made.
        splits: Facts of the scenes of each split.
        expected: Names of the classes, and the voxel size and queries that lines mark.
    """
    read = {
        name: [scene for scene in scenes if scene.low is not None]
        for name, scenes in splits.items()
    }
    tall = max(3.2, 0.2 * min(len(expected.classes), 60))
    figure = Figure(figsize=(15, 6.4 + tall), layout='constrained')
    axes = figure.subplot_mosaic(
        [
            ['points', 'spacing', 'width', 'height'],
            ['objects', 'size', 'radius', 'unlabelled'],
            ['classes', 'classes', 'classes', 'classes'],
        ],
        height_ratios=[3.2, 3.2, tall],
    )
    _scene_histograms(axes, read, expected)
    _object_histograms(axes, read, expected)
    _class_bars(axes['classes'], read, expected.classes)
    if len(splits) > 1:
        figure.legend(
            *axes['points'].get_legend_handles_labels(),
            loc='outside upper right',
            ncols=len(splits),
            frameon=False,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _scene_histograms(
    axes: dict[str, Axes], read: dict[str, list[SceneFacts]], expected: Expectations
) -> None:
    """Draw how points and extents of the scenes are distributed."""
    _histogram(axes['points'], 'points per scene', _each(read, lambda s: s.num_points))
    _histogram(
        axes['spacing'],
        'spacing of points, metres',
        _each(read, lambda s: s.spacing),
        mark=expected.voxel_size,
        mark_label='voxel',
    )
    _histogram(
        axes['width'], 'longer side of the floor, metres', _each(read, lambda s: s.extent[:2].max())
    )
    _histogram(axes['height'], 'size along z, metres', _each(read, lambda s: s.extent[2]))
    _histogram(
        axes['unlabelled'], 'share of points without a class', _each(read, lambda s: s.unlabelled)
    )


def _object_histograms(
    axes: dict[str, Axes], read: dict[str, list[SceneFacts]], expected: Expectations
) -> None:
    """Draw how numbers and sizes of the annotated objects are distributed."""
    annotated = {
        name: [scene.objects for scene in scenes if scene.objects is not None]
        for name, scenes in read.items()
    }
    _histogram(
        axes['objects'],
        'objects per scene',
        _each(annotated, lambda o: len(o.labels)),
        mark=expected.num_queries,
        mark_label='queries',
    )
    points, radius = (
        {
            name: np.concatenate([getattr(table, key) for table in tables] or [[]])
            for name, tables in annotated.items()
        }
        for key in ('num_points', 'radius')
    )
    _histogram(axes['size'], 'points an object', points, log=True)
    _histogram(axes['radius'], 'radius of an object, metres', radius)


def _each(scenes: dict[str, Sequence], value) -> dict[str, np.ndarray]:
    return {
        name: np.array([value(scene) for scene in some], dtype=np.float64)
        for name, some in scenes.items()
    }


def _histogram(
    axis,
    label: str,
    values: dict[str, np.ndarray],
    *,
    log: bool = False,
    mark: float | None = None,
    mark_label: str = '',
) -> None:
    """Draw the share of each split by value, with a line at the value of the config."""
    values = {
        name: some[np.isfinite(some) & ((some > 0) | (not log))] for name, some in values.items()
    }
    everything = np.concatenate([*values.values(), np.zeros(0) if mark is None else [mark]])
    axis.set_xlabel(label)
    axis.set_yticks([])
    axis.spines[['top', 'right', 'left']].set_visible(False)
    if not any(len(some) for some in values.values()):
        axis.text(0.5, 0.5, 'none', transform=axis.transAxes, ha='center', color='#888888')
        return
    low, high = everything.min(), everything.max()
    if log:
        axis.set_xscale('log')
        bins = np.geomspace(low, max(high, low * 1.01), 25)
    else:
        bins = np.linspace(low, max(high, low + 1e-3 * max(abs(low), 1)), 41)
    for color, (name, some) in zip(_COLORS, values.items()):
        weights = np.full(len(some), 1 / max(len(some), 1))
        axis.hist(some, bins=bins, weights=weights, color=color, alpha=0.55, label=name)
    if mark is not None:
        axis.axvline(mark, color='#b03030', linewidth=1)
        side = 'right' if mark > (low + high) / 2 else 'left'
        axis.text(
            mark,
            0.98,
            f' {mark_label} {mark:g} ',
            transform=axis.get_xaxis_transform(),
            color='#b03030',
            va='top',
            ha=side,
            fontsize=9,
        )


def _class_bars(axis, read: dict[str, Sequence[SceneFacts]], classes: Sequence[str]) -> None:
    """Draw the objects of each class, the most frequent first."""
    counts = {}
    for name, scenes in read.items():
        table = class_statistics(scenes, classes)
        if table:
            counts[name] = np.array([table[label]['num_objects'] for label in classes])
    axis.spines[['top', 'right']].set_visible(False)
    axis.set_xlabel('objects')
    if not counts:
        axis.text(0.5, 0.5, 'not annotated', transform=axis.transAxes, ha='center', color='#888888')
        return
    order = np.argsort(-sum(counts.values()), kind='stable')[:60]
    if len(order) < len(classes):
        axis.set_title(f'the {len(order)} most frequent of {len(classes)} classes', fontsize=9)
    thick = 0.8 / len(counts)
    most = sum(counts.values()).max()
    for k, (color, some) in enumerate(zip(_COLORS, counts.values())):
        places = np.arange(len(order)) + (k - (len(counts) - 1) / 2) * thick
        axis.barh(places, some[order], height=thick, color=color, alpha=0.75)
        for place, count in zip(places, some[order]):
            axis.text(count, place, f' {count}', va='center', fontsize=7, color='#555555')
    if most > 2000:
        axis.set_xscale('symlog', linthresh=100)
    axis.set_yticks(np.arange(len(order)), [classes[label] for label in order], fontsize=8)
    axis.set_ylim(len(order) - 0.4, -0.6)
