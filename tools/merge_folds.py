# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Figures of six folds: over all rooms together, and the mean over the areas.

    python tools/merge_folds.py area1.npz area2.npz … area6.npz

Each file holds the results of one fold on its own test area (see report.py).
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from terminaltables import AsciiTable

from insseg3d.evaluation.functional import coverage, instance_ap, load_results, merge_results


def figures(run, score_threshold):
    """Name → value of one run."""
    num_classes = len(run.classes)
    scored = instance_ap(run.tables(), num_classes=num_classes, min_points=run.min_points)
    found = scored.summary()
    for mode, tables in (('partition', run.parts()), ('overlap', run.tables())):
        means = coverage(tables, num_classes=num_classes, score_threshold=score_threshold).means()
        found.update({f'{mode}/{name}': value for name, value in means.items()})
    return found


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folds', type=Path, nargs='+')
    parser.add_argument('--score-threshold', type=float, default=0.3)
    parser.add_argument('--json', type=Path, help='write the figures')
    args = parser.parse_args(argv)
    try:
        runs = [load_results(path) for path in args.folds]
        pooled = figures(merge_results(runs), args.score_threshold)
        folds = [figures(run, args.score_threshold) for run in runs]
    except (OSError, ValueError) as error:
        print(f'merge_folds.py: {error}', file=sys.stderr)
        return 1
    mean = {name: float(np.mean([fold[name] for fold in folds])) for name in pooled}
    rows = [['', *(path.stem for path in args.folds), 'mean of areas', 'pooled']]
    rows += [
        [name, *(f'{column[name]:.4f}' for column in (*folds, mean, pooled))] for name in pooled
    ]
    table = AsciiTable(rows)
    table.justify_columns = dict.fromkeys(range(1, len(rows[0])), 'right')
    print(table.table)
    print(
        f'{sum(len(run.scenes) for run in runs)} rooms; coverage, precision and recall of '
        f'predictions with a score of {args.score_threshold:g} or more'
    )
    if args.json:
        args.json.write_text(
            json.dumps(
                dict(pooled=pooled, mean_of_areas=mean, score_threshold=args.score_threshold),
                indent=2,
            )
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
