# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Convert raw ScanNet v2 (real or made by tools/synthesize.py) to mmdetection3d's format."""

import argparse
import os
import sys
from pathlib import Path

from mmengine import ProgressBar

from insseg3d.datasets.preparation.scannet_release import SPLITS, Report, prepare_scannet


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--raw', type=Path, required=True, help='folder with scans, lists, tsv')
    parser.add_argument('--out', type=Path, required=True, help='folder of the prepared data')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, help='default: all with a list')
    parser.add_argument('--workers', type=int, default=min(os.cpu_count() or 1, 8))
    return parser.parse_args()


def show(report: Report) -> int:
    """Print what became of the scenes; return the exit status."""
    by_state = {'converted': [], 'kept': [], 'failed': []}
    for outcome in report.outcomes:
        by_state[outcome.state].append(outcome)
        if outcome.state == 'converted':
            for remark in outcome.remarks:
                print(f'{outcome.scene}: {remark}')
    print(', '.join(f'{len(outcomes)} {state}' for state, outcomes in by_state.items()))
    if not by_state['converted'] and not by_state['failed']:
        print('Nothing to do: all scenes were converted before')
    for path in report.infos:
        print(f'{path} is up to date')
    for outcome in by_state['failed']:
        print(f'FAILED {outcome.scene}: {outcome.remarks[0]}', file=sys.stderr)
    if report.incomplete:
        print(
            f'No info file was written for {report.incomplete}: mend the scenes above, or take '
            'them out of the list, and run the same command again',
            file=sys.stderr,
        )
    return 1 if by_state['failed'] else 0


def main() -> int:
    args = parse_args()
    bar = None

    def start(num_scenes: int) -> None:
        nonlocal bar
        bar = ProgressBar(num_scenes)

    try:
        report = prepare_scannet(
            args.raw,
            args.out,
            splits=args.splits,
            workers=args.workers,
            on_start=start,
            on_scene=lambda outcome: bar.update(),
        )
    except (OSError, ValueError) as error:
        print(f'\n{error}', file=sys.stderr)
        return 1
    print()
    return show(report)


if __name__ == '__main__':
    sys.exit(main())
