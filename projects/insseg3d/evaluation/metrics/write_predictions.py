# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""An evaluator that writes predictions while a test runs."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric

from ...structures import to_array
from ..exchange import LabelSet, Predictions, write_predictions
from .insseg_metric import scene_name


@METRICS.register_module()
class WritePredictions(BaseMetric):
    """Evaluator that scores nothing and writes all predictions to one zip archive.

    The archive has the text format of submissions to the ScanNet benchmark. Works with a single
    process only.

    Args:
        out_file: The archive; it is complete at the end of the test.
        label_ids: Id of each class in the files; greater than 0.
        collect_device: See mmengine's ``BaseMetric``.
        prefix: See mmengine's ``BaseMetric``.
    """

    def __init__(
        self,
        *,
        out_file: str | Path,
        label_ids: Sequence[int],
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.out_file = Path(out_file)
        self.label_ids = tuple(label_ids)
        self._archive: zipfile.ZipFile | None = None

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Write the predictions of each sample."""
        del data_batch
        if self._archive is None:
            self.out_file.parent.mkdir(parents=True, exist_ok=True)
            self._archive = zipfile.ZipFile(
                self.out_file, 'w', zipfile.ZIP_DEFLATED, compresslevel=1
            )
        labels = LabelSet(tuple(self.dataset_meta['classes']), self.label_ids)
        for sample in data_samples:
            found = sample['pred_instances_3d']
            scene = Path(scene_name(sample)).stem
            write_predictions(
                self._archive.writestr,
                scene,
                Predictions(
                    to_array(found['masks']),
                    to_array(found['labels_3d']),
                    to_array(found['scores_3d']),
                ),
                labels,
            )
            self.results.append(scene)

    def compute_metrics(self, results: list[str]) -> dict[str, float]:
        """Complete the archive."""
        self._archive.close()
        self._archive = None
        return {'scenes_written': float(len(results))}
