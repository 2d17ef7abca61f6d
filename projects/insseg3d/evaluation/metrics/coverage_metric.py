# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Coverage, precision and recall beside AP, for mmengine's evaluator."""

from pathlib import Path

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.logging import MMLogger, print_log
from terminaltables import AsciiTable

from ..functional import RunResults, SceneResult, coverage, coverage_curve, painted_table
from .insseg_metric import InsSegMetric, format_value, table_of


@METRICS.register_module()
class CoverageInsSegMetric(InsSegMetric):
    """AP and also mCov, mWCov, mPrec50 and mRec50, as reported on S3DIS.

    The latter are defined in ``functional/coverage.py``, for the masks painted into a partition
    (``partition/mCov`` and so on) and for the masks as they are (``overlap/mCov``). Every
    prediction above ``score_threshold`` counts in them, so it is printed with them, and the log
    also shows them against it.

    Args:
        score_threshold: predictions with a lower score count neither in coverage nor in precision
            and recall. Choose it on training data.
        min_points: see :class:`InsSegMetric`; also the smallest part of a painted mask.
        min_share: smallest share of its mask that a painted part may have.
        results_file: see :class:`InsSegMetric`, as are the others.
        collect_device: see there.
        prefix: see there.
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
        parts = table_of(
            painted_table,
            data_sample,
            num_classes,
            min_points=self.min_points,
            min_share=self.min_share,
        )
        return SceneResult(result.scene, result.masks, parts)

    def compute_metrics(self, results: list[SceneResult]) -> dict[str, float]:
        """Scores all scenes and prints the tables."""
        metrics = super().compute_metrics(results)
        run = RunResults(tuple(self._classes()), self.min_points, results)
        text, means = coverage_report(run, self.score_threshold)
        print_log('\n' + text, logger=MMLogger.get_current_instance())
        return {**metrics, **means}


def coverage_report(run: RunResults, score_threshold: float) -> tuple[str, dict[str, float]]:
    """The table of mCov, mWCov, mPrec50 and mRec50 against the score threshold, and the means.

    Args:
        run: with painted masks.
        score_threshold: where the means are taken; its row is marked.
    """
    thresholds = sorted({*np.arange(0, 1, 0.1).round(1).tolist(), score_threshold})
    rows, means = [['score ≥']], {}
    for mode, tables in (('partition', run.parts()), ('overlap', run.tables())):
        num_classes = len(run.classes)
        chosen = coverage(tables, num_classes=num_classes, score_threshold=score_threshold)
        means.update({f'{mode}/{name}': value for name, value in chosen.means().items()})
        rows[0] += [f'{mode} {name}' for name in chosen.means()]
        curve = coverage_curve(tables, num_classes=num_classes, thresholds=thresholds)
        for k, entry in enumerate(curve, start=1):
            threshold = entry.pop('score_threshold')
            if len(rows) <= k:
                mark = '→ ' if threshold == score_threshold else ''
                rows.append([f'{mark}{threshold:g}'])
            rows[k] += [format_value(value) for value in entry.values()]
    means['score_threshold'] = float(score_threshold)
    table = AsciiTable(rows)
    table.justify_columns = dict.fromkeys(range(len(rows[0])), 'right')
    return table.table, means
