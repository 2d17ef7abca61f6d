# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""AP with coverage, precision and recall, for mmengine's evaluator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.logging import MMLogger, print_log

from ..functional import RunResults, SceneResult, coverage, coverage_curve, painted_table
from .insseg_metric import InsSegMetric, format_value, right_aligned, table_of


@METRICS.register_module()
class CoverageInsSegMetric(InsSegMetric):
    """AP, and mCov, mWCov, mPrec50 and mRec50 as reported on S3DIS.

    The latter four are defined in ``functional/coverage.py``. They are computed for the masks
    painted into a partition (``partition/mCov`` and so on) and for the masks as predicted
    (``overlap/mCov``). They depend on ``score_threshold``: it is part of the results, and the log
    contains a table of the four scores at several thresholds.

    See :class:`InsSegMetric` for the arguments not listed here.

    Args:
        score_threshold: Predictions with a lower score count neither in coverage nor in precision
            and recall. Choose it on training data.
        min_points: See :class:`InsSegMetric`; also the least number of points of a painted mask.
        min_share: Least share of its points that a painted mask must keep.
    """

    def __init__(
        self,
        *,
        score_threshold: float = 0.3,
        min_points: int = 100,
        min_share: float = 0.5,
        results_file: str | Path | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            min_points=min_points,
            results_file=results_file,
            collect_device=collect_device,
            prefix=prefix,
        )
        self.score_threshold = score_threshold
        self.min_share = min_share

    def _scene_result(self, data_sample: dict, num_classes: int) -> SceneResult:
        result = super()._scene_result(data_sample, num_classes)
        partition = table_of(
            painted_table,
            data_sample,
            num_classes,
            min_points=self.min_points,
            min_share=self.min_share,
        )
        return replace(result, partition=partition)

    def compute_metrics(self, results: list[SceneResult]) -> dict[str, float]:
        """Score all scenes and print the tables."""
        metrics = super().compute_metrics(results)
        run = RunResults(tuple(self._classes()), self.min_points, results)
        text, means = coverage_report(run, self.score_threshold)
        print_log('\n' + text, logger=MMLogger.get_current_instance())
        return {**metrics, **means}


def coverage_report(run: RunResults, score_threshold: float) -> tuple[str, dict[str, float]]:
    """Compute mCov, mWCov, mPrec50 and mRec50 at several score thresholds.

    Args:
        run: Run with painted masks.
        score_threshold: Threshold of the returned means; its row in the table is marked.

    Returns:
        The table, and the means ``partition/mCov``, ``overlap/mCov`` and so on.

    Raises:
        ValueError: The run has no painted masks.
    """
    thresholds = sorted({*np.arange(0, 1, 0.1).round(1).tolist(), score_threshold})
    columns, means, num_classes = {}, {}, len(run.classes)
    for mode, tables in (('partition', run.parts()), ('overlap', run.tables())):
        chosen = coverage(tables, num_classes=num_classes, score_threshold=score_threshold).means()
        curve = coverage_curve(tables, num_classes=num_classes, thresholds=thresholds)
        means.update({f'{mode}/{name}': value for name, value in chosen.items()})
        columns.update({f'{mode} {name}': [point[name] for point in curve] for name in chosen})
    means['score_threshold'] = float(score_threshold)
    marked = [f'→ {value:g}' if value == score_threshold else f'{value:g}' for value in thresholds]
    rows = [
        [mark, *(format_value(column[row]) for column in columns.values())]
        for row, mark in enumerate(marked)
    ]
    return right_aligned([['score ≥', *columns], *rows]).table, means
