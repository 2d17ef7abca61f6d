# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures of six folds: over all rooms together, and the mean over the areas.

    python tools/merge_folds.py area1.npz area2.npz … area6.npz

Each file holds the results of one fold on its own test area (see report.py).
"""

import json
import sys
from pathlib import Path

from insseg3d.engine.command import command, command_parser
from insseg3d.evaluation.functional import load_results
from insseg_analysis.run.folds import fold_table, merge_figures


@command
def main(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('folds', type=Path, nargs='+')
    parser.add_argument('--score-threshold', type=float, default=0.3)
    parser.add_argument('--json', type=Path, help='write the figures')
    args = parser.parse_args(argv)
    runs = [load_results(path) for path in args.folds]
    folds, mean, pooled = merge_figures(runs, args.score_threshold)
    print(fold_table([path.stem for path in args.folds], folds, mean, pooled))
    print(
        f'{sum(len(run.scenes) for run in runs)} rooms; coverage, precision and recall of '
        f'predictions with a score of {args.score_threshold:g} or more'
    )
    if args.json:
        found = dict(pooled=pooled, mean_of_areas=mean, score_threshold=args.score_threshold)
        args.json.write_text(json.dumps(found, indent=2))


if __name__ == '__main__':
    sys.exit(main())
