# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Score predictions of any method, without a model.

    python tools/evaluate.py --pred DIR|ZIP --gt DIR --label-set scannet|scannet200|s3dis|FILE

Predictions are in the ScanNet benchmark's text format, or .npz; ground truth is its text format,
which tools/export_gt.py writes (docs/evaluation.md describes both). S3DIS also gets coverage,
precision and recall.
"""

import json
import sys
from pathlib import Path

from insseg3d.engine.command import command, command_parser
from insseg3d.evaluation.exchange import ExchangeError
from insseg3d.evaluation.functional import save_results
from insseg_analysis.label_sets import class_groups, label_set
from insseg_analysis.run.scoring import print_scores, read_run, without_nan


def parse_args(argv=None):
    parser = command_parser(__doc__)
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


@command(expected=(ExchangeError, OSError))
def main(argv=None):
    args = parse_args(argv)
    labels, is_s3dis = label_set(args.label_set), args.label_set == 's3dis'
    run = read_run(args.pred, args.gt, labels, min_points=args.min_points, partition=is_s3dis)
    threshold = args.score_threshold if is_s3dis else None
    metrics = print_scores(run, class_groups(args.label_set), threshold)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(without_nan(metrics), indent=2))
    if args.results:
        save_results(args.results, run)


if __name__ == '__main__':
    sys.exit(main())
