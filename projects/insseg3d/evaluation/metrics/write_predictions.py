# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Writing predictions while a test runs."""

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
    """An evaluator that scores nothing and writes all predictions to one zip archive.

    In the text format of the ScanNet benchmark, as its submissions are. One process only.

    Args:
        out_file: the archive; it is complete when the test is.
        label_ids: id of each class in the files; more than 0.
        collect_device: as in mmengine.
        prefix: as in mmengine.
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
        """Writes each sample's predictions."""
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
        """Completes the archive."""
        self._archive.close()
        self._archive = None
        return {'scenes_written': float(len(results))}
