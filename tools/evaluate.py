# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Score predictions of any method, without a model.

    python tools/evaluate.py --pred DIR|ZIP --gt DIR --label-set scannet|scannet200|s3dis|FILE

Predictions are in the ScanNet benchmark's text format, or .npz; ground truth is its text format,
which tools/export_gt.py writes (docs/evaluation.md describes both). S3DIS also gets coverage,
precision and recall.
"""

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from insseg3d.evaluation.exchange import ExchangeError, open_source, read_predictions, scene_names
from insseg3d.evaluation.exchange.truth import read_truth
from insseg3d.evaluation.functional import (
    COLUMNS,
    RunResults,
    SceneResult,
    instance_ap,
    painted_table,
    save_results,
    scene_table,
)
from insseg3d.evaluation.metrics import coverage_report, format_table, group_means
from insseg_analysis.label_sets import class_groups, label_set


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--pred', type=Path, required=True, help='folder or zip archive')
    parser.add_argument('--gt', type=Path, required=True, help='folder of <scene>.txt')
    parser.add_argument('--label-set', required=True, help='scannet, scannet200, s3dis, or a file')
    parser.add_argument('--min-points', type=int, default=100, help='smallest object that counts')
    parser.add_argument(
        '--score-threshold',
        type=float,
        default=0.3,
        help='of coverage, precision and recall on s3dis',
    )
    parser.add_argument('--json', type=Path, help='write AP, AP50, AP25 and the classes')
    parser.add_argument('--results', type=Path, help='write the tables, for report and compare')
    return parser.parse_args(argv)


def read_run(args, labels):
    """Tables of all scenes; every scene of the ground truth must have predictions."""
    pred, truth = open_source(args.pred), open_source(args.gt)
    scenes, found = scene_names(truth), scene_names(pred)
    if not scenes:
        raise ExchangeError(str(args.gt), 'no <scene>.txt', 'the ground truth of every scene')
    missing, extra = sorted(set(scenes) - set(found)), sorted(set(found) - set(scenes))
    if missing or extra:
        raise ExchangeError(
            str(args.pred),
            f'scenes missing: {missing[:5]}, scenes without ground truth: {extra[:5]}',
            f'the {len(scenes)} scenes of {args.gt}',
        )
    results = []
    for scene in tqdm(scenes, unit='scene', disable=len(scenes) < 20):
        gt = read_truth(truth, scene, labels)
        masks, classes, scores = read_predictions(pred, scene, labels, len(gt.instance))
        room = dict(
            pred_masks=masks,
            pred_labels=classes,
            pred_scores=scores,
            gt_instance=gt.instance,
            gt_semantic=gt.semantic,
            num_classes=len(labels.names),
        )
        parts = painted_table(**room, min_points=args.min_points) if is_s3dis(args) else None
        results.append(SceneResult(scene, scene_table(**room), parts))
    return RunResults(labels.names, args.min_points, results)


def is_s3dis(args):
    return args.label_set == 's3dis'


def main(argv=None):
    args = parse_args(argv)
    try:
        labels = label_set(args.label_set)
        run = read_run(args, labels)
    except (ExchangeError, OSError) as error:
        print(f'evaluate.py: {error}', file=sys.stderr)
        return 1
    scored = instance_ap(run.tables(), num_classes=len(labels.names), min_points=args.min_points)
    print(format_table(scored, labels.names))
    groups = class_groups(args.label_set)
    metrics = scored.summary()
    for name, threshold in COLUMNS.items():
        if groups:
            means = group_means(name, labels.names, scored.per_class(threshold), groups)
            print(', '.join(f'{group} {value:.4f}' for group, value in means.items()))
            metrics.update(means)
    metrics['classes'] = {
        class_name: {
            name: float(scored.per_class(threshold)[k]) for name, threshold in COLUMNS.items()
        }
        for k, class_name in enumerate(labels.names)
    }
    if is_s3dis(args):
        text, means = coverage_report(run, args.score_threshold)
        print(text)
        metrics.update(means)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(without_nan(metrics), indent=2))
    if args.results:
        save_results(args.results, run)
    return 0


def without_nan(value):
    """NaN, of a class without an object, is null: JSON has none."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    return None if value != value else value


if __name__ == '__main__':
    sys.exit(main())
