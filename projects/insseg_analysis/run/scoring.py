# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Score predictions that lie in files: the body of ``tools/evaluate.py``."""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from insseg3d.evaluation.exchange import (
    ExchangeError,
    LabelSet,
    open_source,
    read_predictions,
    scene_names,
)
from insseg3d.evaluation.exchange.truth import read_truth
from insseg3d.evaluation.functional import (
    COLUMNS,
    RunResults,
    SceneResult,
    class_agnostic_ap,
    instance_ap,
    painted_table,
    scene_table,
)
from insseg3d.evaluation.metrics import coverage_report, format_table, group_means


def read_run(
    pred: Path, gt: Path, labels: LabelSet, *, min_points: int, partition: bool
) -> RunResults:
    """Return the tables of all scenes.

    Args:
        pred: Folder or archive of the predictions.
        gt: Folder of the ground truth.
        labels: Ids and names of the classes.
        min_points: Points of the smallest object that counts.
        partition: Whether to paint the masks as well, for coverage.

    Raises:
        ExchangeError: If a file cannot be used, or the scenes of both differ.
    """
    predictions, truth = open_source(pred), open_source(gt)
    scenes, found = scene_names(truth), scene_names(predictions)
    if not scenes:
        raise ExchangeError(str(gt), 'no <scene>.txt', 'the ground truth of every scene')
    missing, extra = sorted(set(scenes) - set(found)), sorted(set(found) - set(scenes))
    if missing or extra:
        raise ExchangeError(
            str(pred),
            f'scenes missing: {missing[:5]}, scenes without ground truth: {extra[:5]}',
            f'the {len(scenes)} scenes of {gt}',
        )
    results = []
    for scene in tqdm(scenes, unit='scene', disable=len(scenes) < 20):
        true = read_truth(truth, scene, labels)
        masks, classes, scores = read_predictions(predictions, scene, labels, len(true.instance))
        room = dict(
            pred_masks=masks,
            pred_labels=classes,
            pred_scores=scores,
            gt_instance=true.instance,
            gt_semantic=true.semantic,
            num_classes=len(labels.names),
        )
        parts = painted_table(**room, min_points=min_points) if partition else None
        results.append(SceneResult(scene, scene_table(**room), parts))
    return RunResults(labels.names, min_points, results)


def print_scores(
    run: RunResults, groups: dict[str, str] | None, score_threshold: float | None
) -> dict[str, Any]:
    """Print the scores of a run, and return them.

    Args:
        run: Tables of all scenes.
        groups: Group of each class, such as head, common and tail, or None.
        score_threshold: Least score for coverage, precision and recall; None: without these.
    """
    scored = instance_ap(run.tables(), num_classes=len(run.classes), min_points=run.min_points)
    print(format_table(scored, run.classes))
    metrics = scored.summary()
    agnostic = class_agnostic_ap(
        run.tables(), num_classes=len(run.classes), min_points=run.min_points
    ).summary()
    print('without classes:', ', '.join(f'{name} {value:.4f}' for name, value in agnostic.items()))
    metrics.update({f'{name}_agnostic': value for name, value in agnostic.items()})
    for name, threshold in COLUMNS.items():
        if groups:
            means = group_means(name, run.classes, scored.per_class(threshold), groups)
            print(', '.join(f'{group} {value:.4f}' for group, value in means.items()))
            metrics.update(means)
    metrics['classes'] = {
        class_name: {
            name: float(scored.per_class(threshold)[k]) for name, threshold in COLUMNS.items()
        }
        for k, class_name in enumerate(run.classes)
    }
    if score_threshold is not None:
        text, means = coverage_report(run, score_threshold)
        print(text)
        metrics.update(means)
    return metrics


def without_nan(value: Any) -> Any:
    """Replace NaN, of a class without an object, by None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    return None if value != value else value
