# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Say what went wrong in a run: a page, curves, an account of errors, tables as CSV.

    python tools/report.py RESULTS.npz --out DIR

RESULTS is what test.py writes with --cfg-options test_evaluator.results_file=RESULTS.npz, or
evaluate.py with --results.
"""

import sys
from pathlib import Path

from insseg3d.engine.command import command, command_parser
from insseg3d.evaluation.functional import load_results
from insseg_analysis.run import write_report


@command
def main(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('results', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--title', help='default: the name of the file')
    args = parser.parse_args(argv)
    run = load_results(args.results)
    scores = write_report(run, args.out, title=args.title or args.results.stem)
    print(', '.join(f'{name} {value:.4f}' for name, value in scores.items()))
    print(f'Written: {args.out / "report.html"}, classes.csv, errors.csv, and the pictures')


if __name__ == '__main__':
    sys.exit(main())
