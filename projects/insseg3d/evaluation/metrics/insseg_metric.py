# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scores of overlapping instance masks, for mmengine's evaluator."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from terminaltables import AsciiTable

from ..functional import (
    COLUMNS,
    InstanceAP,
    RunResults,
    SceneResult,
    SceneTable,
    class_agnostic_ap,
    instance_ap,
    mean_of_scored,
    save_results,
    scene_table,
)


@METRICS.register_module()
class InsSegMetric(BaseMetric):
    """AP, AP50 and AP25 of predicted instance masks, which may overlap.

    The definition is the ScanNet benchmark's (see ``functional/instance_ap.py``); classes are the
    dataset's ``classes``, by index. Each scene is reduced to a small table of counts as soon as
    its result arrives. Masks are not kept; processes exchange tables only.

    Each data sample must have ``pred_instances_3d`` (``masks (Q, P)`` bool, ``labels_3d (Q,)`` in
    [0, K), ``scores_3d (Q,)``) and ``eval_ann_info`` (``pts_instance_mask (P,)``, negative = no
    instance, and ``pts_semantic_mask (P,)`` in [0, K), K = ignored), as arrays or tensors.

    The results contain ``AP``, ``AP50`` and ``AP25``, overall and per class (``AP/chair``; NaN for
    a class without a scored object). They also contain the number of ground-truth objects
    (``num_objects``), and the number and share of objects that are large enough to be scored
    (``num_objects_scored``, ``share_objects_scored``), and the scores without regard to classes
    (``AP_agnostic`` and so on; see :func:`class_agnostic_ap`). If the dataset's ``METAINFO`` has a
    ``frequency`` (class name → group), the results also contain the means over each group
    (``AP_head`` and so on).

    Args:
        min_points: Objects and predictions of fewer points are not scored. The benchmark uses 100.
        results_file: File for the tables (``.npz``), from which the run can be scored, compared
            and explained later without the model; None writes no file.
        collect_device: Device on which processes exchange their tables, 'cpu' or 'gpu'.
        prefix: Prefix of the names of the results.
    """

    def __init__(
        self,
        *,
        min_points: int = 100,
        results_file: str | Path | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if min_points < 1:
            raise ValueError(f'min_points must be at least 1, found {min_points}.')
        self.min_points = min_points
        self.results_file = results_file

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add the tables of each data sample to ``self.results``."""
        del data_batch
        num_classes = len(self._classes())
        self.results += [self._scene_result(sample, num_classes) for sample in data_samples]

    def _scene_result(self, data_sample: dict, num_classes: int) -> SceneResult:
        """Make the tables of a scene."""
        overlap = table_of(scene_table, data_sample, num_classes)
        return SceneResult(Path(scene_name(data_sample)).stem, overlap)

    def compute_metrics(self, results: list[SceneResult]) -> dict[str, float]:
        """Score all scenes and print the table of classes."""
        classes = self._classes()
        run = RunResults(tuple(classes), self.min_points, results)
        if self.results_file is not None:
            save_results(self.results_file, run)
        scored = instance_ap(run.tables(), num_classes=len(classes), min_points=self.min_points)
        print_log('\n' + format_table(scored, classes), logger=MMLogger.get_current_instance())
        agnostic = class_agnostic_ap(
            run.tables(), num_classes=len(classes), min_points=self.min_points
        )
        groups = self.dataset_meta.get('frequency')
        metrics = {}
        for name, threshold in COLUMNS.items():
            metrics[name] = scored.overall(threshold)
            metrics[f'{name}_agnostic'] = agnostic.overall(threshold)
            if groups is not None:
                metrics.update(group_means(name, classes, scored.per_class(threshold), groups))
        for name, threshold in COLUMNS.items():
            for class_name, value in zip(classes, scored.per_class(threshold)):
                metrics[f'{name}/{class_name}'] = float(value)
        num_gt, num_scored = int(scored.num_gt.sum()), int(scored.num_gt_scored.sum())
        # Floats, because mmengine's logger writes null for integers.
        metrics['num_objects'] = float(num_gt)
        metrics['num_objects_scored'] = float(num_scored)
        metrics['share_objects_scored'] = num_scored / num_gt if num_gt else float('nan')
        return metrics

    def _classes(self) -> Sequence[str]:
        meta = self.dataset_meta or {}
        if 'classes' not in meta:
            raise KeyError(
                "InsSegMetric needs the class names: the dataset's metainfo has no 'classes'; "
                f'found {sorted(meta)}. Set METAINFO in the dataset class, or metainfo in its '
                'config.'
            )
        return meta['classes']


def class_metrics(
    metrics: dict[str, float], classes: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Regroup the results of ``InsSegMetric`` (without a prefix) by class.

    Returns:
        ``{class: {'AP': …, 'AP50': …, 'AP25': …}}``. The value of a class without a scored object
        is None, because NaN is not valid JSON.
    """
    grouped = {}
    for class_name in classes:
        values = {name: metrics[f'{name}/{class_name}'] for name in COLUMNS}
        grouped[class_name] = {
            name: None if np.isnan(value) else value for name, value in values.items()
        }
    return grouped


def group_means(
    name: str, classes: Sequence[str], values: np.ndarray, groups: dict[str, str]
) -> dict[str, float]:
    """Average a score over the classes of each group that have a scored object.

    Args:
        name: Name of the score.
        classes: Names of the K classes.
        values: ``(K,)`` score of each class, NaN without objects.
        groups: Group of each class, by name.

    Returns:
        The mean of each group under ``<name>_<group>``; NaN for a group without objects.
    """
    means = {}
    for group in dict.fromkeys(groups.values()):
        is_member = np.array([groups[class_name] == group for class_name in classes])
        means[f'{name}_{group}'] = mean_of_scored(values[is_member])
    return means


def table_of(
    make: Callable[..., SceneTable], data_sample: dict, num_classes: int, **settings
) -> SceneTable:
    """Reduce the predictions of a data sample to a table.

    Args:
        make: :func:`scene_table` or a function with the same arguments.
        data_sample: Data sample as a dict, the format of mmengine's evaluator.
        num_classes: K.
        settings: Further arguments of ``make``.

    Raises:
        KeyError: Predictions or ground truth are missing.
        ValueError: Predictions and ground truth do not match.
    """
    scene = scene_name(data_sample)
    pred = data_sample.get('pred_instances_3d')
    if pred is None or any(key not in pred for key in ('masks', 'labels_3d', 'scores_3d')):
        raise KeyError(
            f'{scene}: InsSegMetric reads pred_instances_3d with masks, labels_3d and scores_3d; '
            f'found {"no pred_instances_3d" if pred is None else sorted(pred)}.'
        )
    gt = data_sample.get('eval_ann_info') or {}
    for key in ('pts_instance_mask', 'pts_semantic_mask'):
        if gt.get(key) is None:
            raise KeyError(
                f'{scene}: eval_ann_info has no {key}, so this scan has no ground truth to be '
                'scored with. Run unlabelled scans without an evaluator, or point the dataset to '
                'its annotations.'
            )
    try:
        table = make(
            pred_masks=pred['masks'],
            pred_labels=pred['labels_3d'],
            pred_scores=pred['scores_3d'],
            gt_instance=gt['pts_instance_mask'],
            gt_semantic=gt['pts_semantic_mask'],
            num_classes=num_classes,
            **settings,
        )
    except ValueError as error:
        raise ValueError(f'{scene}: {error}') from error
    outside = (table.pred_labels < 0) | (table.pred_labels >= num_classes)
    if outside.any():
        raise ValueError(
            f'{scene}: predicted class {table.pred_labels[outside][0]} is outside the '
            f'{num_classes} classes of the dataset. Does num_classes of the model match?'
        )
    return table


def scene_name(data_sample: dict) -> str:
    """Return the file or the number of a data sample."""
    for key in ('lidar_path', 'lidar_idx', 'sample_idx'):
        if data_sample.get(key) is not None:
            return str(data_sample[key])
    return 'scene without a name'


def format_table(scored: InstanceAP, classes: Sequence[str]) -> str:
    """Format AP, AP50, AP25 and the numbers of objects and predictions per class and overall."""
    columns = [scored.per_class(threshold) for threshold in COLUMNS.values()]
    counts = (scored.num_gt, scored.num_gt_scored, scored.num_pred)
    rows = [['class', *COLUMNS, 'objects', 'scored', 'predictions']]
    for index, class_name in enumerate(classes):
        rows.append(
            [class_name]
            + [format_value(column[index]) for column in columns]
            + [str(count[index]) for count in counts]
        )
    rows.append(
        ['all']
        + [format_value(scored.overall(threshold)) for threshold in COLUMNS.values()]
        + [str(count.sum()) for count in counts]
    )
    table = right_aligned(rows, first=1)
    table.inner_footing_row_border = True
    return table.table


def right_aligned(rows: Sequence[Sequence[str]], *, first: int = 0) -> AsciiTable:
    """Make a table whose columns are aligned to the right, from column ``first`` on."""
    table = AsciiTable(rows)
    table.justify_columns = dict.fromkeys(range(first, len(rows[0])), 'right')
    return table


def format_value(value: float) -> str:
    """Format a score with four decimals, NaN as a dash."""
    return '–' if np.isnan(value) else f'{value:.4f}'
