# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Average precision of overlapping instance masks, for mmengine's evaluator."""
from collections.abc import Sequence

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from terminaltables import AsciiTable

from ..functional import InstanceAP, SceneTable, instance_ap, scene_table

_COLUMNS = {'AP': None, 'AP50': 0.5, 'AP25': 0.25}


@METRICS.register_module()
class InsSegMetric(BaseMetric):
    """AP, AP50 and AP25 of predicted instance masks, which may overlap.

    The definition is the ScanNet benchmark's (see ``functional/instance_ap.py``); classes are the
    data set's ``classes``, by index. Each scene is reduced to a small table of counts as its
    result arrives; masks are never kept, and processes exchange tables only.

    Reads from every data sample ``pred_instances_3d`` (``masks (Q, P)`` bool, ``labels_3d (Q,)``
    in [0, K), ``scores_3d (Q,)``) and ``eval_ann_info`` (``pts_instance_mask (P,)``, negative = no
    instance, and ``pts_semantic_mask (P,)`` in [0, K), K = ignored), arrays or tensors.

    The results hold ``AP``, ``AP50`` and ``AP25``, each also per class (``AP/chair``; NaN for a
    class without a scored object), and ``num_objects``, ``num_objects_scored`` and
    ``share_objects_scored``: how many ground-truth objects there are and how many of them are
    large enough to count.

    Args:
        min_points: objects and predictions of fewer points are not scored. 100 in the benchmark.
        collect_device: 'cpu' or 'gpu', where processes exchange their tables.
        prefix: put before the names of the results.
    """

    def __init__(
        self,
        *,
        min_points: int = 100,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if min_points < 1:
            raise ValueError(f'min_points must be at least 1, found {min_points}.')
        self.min_points = min_points

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Adds one table for each data sample to ``self.results``."""
        del data_batch
        num_classes = len(self._classes())
        for data_sample in data_samples:
            self.results.append(_table_of(data_sample, num_classes))

    def compute_metrics(self, results: list[SceneTable]) -> dict[str, float]:
        """Scores all scenes and prints the table per class."""
        classes = self._classes()
        scored = instance_ap(results, num_classes=len(classes), min_points=self.min_points)
        print_log('\n' + _format_table(scored, classes), logger=MMLogger.get_current_instance())
        metrics = {name: scored.overall(threshold) for name, threshold in _COLUMNS.items()}
        for name, threshold in _COLUMNS.items():
            for class_name, value in zip(classes, scored.per_class(threshold)):
                metrics[f'{name}/{class_name}'] = float(value)
        num_gt, num_scored = int(scored.num_gt.sum()), int(scored.num_gt_scored.sum())
        # Not int: mmengine's logger writes null for what is not a float.
        metrics['num_objects'] = float(num_gt)
        metrics['num_objects_scored'] = float(num_scored)
        metrics['share_objects_scored'] = num_scored / num_gt if num_gt else float('nan')
        return metrics

    def _classes(self) -> Sequence[str]:
        meta = self.dataset_meta or {}
        if 'classes' not in meta:
            raise KeyError(
                "InsSegMetric needs the class names: the data set's metainfo has no 'classes'; "
                f'found {sorted(meta)}. Set METAINFO in the data set class, or metainfo in its '
                'config.'
            )
        return meta['classes']


def class_metrics(
    metrics: dict[str, float], classes: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Regroups what ``InsSegMetric`` returned (without a prefix) by class.

    Returns:
        ``{class: {'AP': …, 'AP50': …, 'AP25': …}}``; None where the class has no scored object
        (NaN is not valid JSON).
    """
    grouped = {}
    for class_name in classes:
        values = {name: metrics[f'{name}/{class_name}'] for name in _COLUMNS}
        grouped[class_name] = {
            name: None if np.isnan(value) else value for name, value in values.items()
        }
    return grouped


def _table_of(data_sample: dict, num_classes: int) -> SceneTable:
    scene = _scene_name(data_sample)
    pred = data_sample.get('pred_instances_3d')
    if pred is None or any(key not in pred for key in ('masks', 'labels_3d', 'scores_3d')):
        raise KeyError(
            f'{scene}: InsSegMetric reads pred_instances_3d with masks, labels_3d and scores_3d; '
            f"found {'no pred_instances_3d' if pred is None else sorted(pred)}."
        )
    truth = data_sample.get('eval_ann_info') or {}
    for key in ('pts_instance_mask', 'pts_semantic_mask'):
        if truth.get(key) is None:
            raise KeyError(
                f'{scene}: eval_ann_info has no {key}, so this scan has no ground truth to be '
                'scored with. Run unlabelled scans without an evaluator, or point the data set to '
                'its annotations.'
            )
    try:
        table = scene_table(
            pred_masks=pred['masks'],
            pred_labels=pred['labels_3d'],
            pred_scores=pred['scores_3d'],
            gt_instance=truth['pts_instance_mask'],
            gt_semantic=truth['pts_semantic_mask'],
            num_classes=num_classes,
        )
    except ValueError as error:
        raise ValueError(f'{scene}: {error}') from error
    outside = (table.pred_labels < 0) | (table.pred_labels >= num_classes)
    if outside.any():
        raise ValueError(
            f'{scene}: predicted class {table.pred_labels[outside][0]} is outside the '
            f'{num_classes} classes of the data set. Does num_classes of the model match?'
        )
    return table


def _scene_name(data_sample: dict) -> str:
    for key in ('lidar_path', 'lidar_idx', 'sample_idx'):
        if data_sample.get(key) is not None:
            return str(data_sample[key])
    return 'scene without a name'


def _format_table(scored: InstanceAP, classes: Sequence[str]) -> str:
    columns = [scored.per_class(threshold) for threshold in _COLUMNS.values()]
    counts = (scored.num_gt, scored.num_gt_scored, scored.num_pred)
    rows = [['class', *_COLUMNS, 'objects', 'scored', 'predictions']]
    for index, class_name in enumerate(classes):
        rows.append(
            [class_name]
            + [_format(column[index]) for column in columns]
            + [str(count[index]) for count in counts]
        )
    rows.append(
        ['all']
        + [_format(scored.overall(threshold)) for threshold in _COLUMNS.values()]
        + [str(count.sum()) for count in counts]
    )
    table = AsciiTable(rows)
    table.inner_footing_row_border = True
    for column in range(1, len(rows[0])):
        table.justify_columns[column] = 'right'
    return table.table


def _format(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.4f}'
