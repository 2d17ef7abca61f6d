# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Set two runs side by side, class by class, with confidence over scenes.

    python tools/compare.py RUN_A RUN_B

A run is the file of its results (see report.py), or a folder of such files, one a seed: then mean
and standard deviation over the seeds are shown.
"""

import sys
from pathlib import Path

from insseg3d.engine.command import command, command_parser
from insseg3d.evaluation.functional import load_results
from insseg_analysis.run import compare_runs, comparison_table


def read(path):
    """Return the runs of one method."""
    if not path.is_dir():
        return [load_results(path)]
    files = sorted(path.glob('*.npz'))
    if not files:
        raise FileNotFoundError(f'{path}: no .npz in this folder; expected one for each seed')
    return [load_results(file) for file in files]


@command
def main(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('runs', type=Path, nargs=2, metavar='RUN')
    parser.add_argument('--resamples', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=0, help='of the resampling')
    args = parser.parse_args(argv)
    a, b = (read(path) for path in args.runs)
    comparison = compare_runs(a, b, num_resamples=args.resamples, seed=args.seed)
    titles = tuple(path.stem for path in args.runs)
    for name in ('AP', 'AP50', 'AP25'):
        print(comparison_table(comparison, name, titles))
    print(
        f'{len(a)} and {len(b)} seeds, {len(a[0].scenes)} scenes, {args.resamples} resamples. '
        '*: the interval leaves out 0. It shows how far the difference would move with other '
        'scenes, not with other seeds'
    )


if __name__ == '__main__':
    sys.exit(main())
