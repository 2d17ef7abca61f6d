# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Make docs/results.md and its pictures of the results that are kept, beside the paper's tables.

    python tools/results.py [DIR ...] [--out docs/results.md]

DIR holds the JSON files of run_experiments.py, or those of `benchmark.py speed`; default: the
folders of results/. Pictures are written beside the page, as results_<folder>….png; others of
that name are removed.
"""

import argparse
import sys
from pathlib import Path

from insseg_lab.experiments.results_page import write_page
from insseg_lab.provenance import ROOT


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folders', nargs='*', type=Path, metavar='DIR')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'results.md')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    folders = args.folders or sorted(path for path in (ROOT / 'results').glob('*') if path.is_dir())
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        print(f'results.py: no folder {", ".join(missing)}', file=sys.stderr)
        return 1
    print(f'{args.out}: {write_page(args.out, folders)} pictures')
    return 0


if __name__ == '__main__':
    sys.exit(main())
