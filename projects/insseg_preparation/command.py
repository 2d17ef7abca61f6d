# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Parts that the command lines of the converters share: arguments, progress, report, status."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from mmengine import ProgressBar

from insseg3d.engine.command import command_parser

from .conversion import Report


def new_parser(description: str, raw_help: str) -> argparse.ArgumentParser:
    """Return a parser with the arguments that all converters have."""
    parser = command_parser(description)
    parser.add_argument('--raw', type=Path, required=True, help=raw_help)
    parser.add_argument('--out', type=Path, required=True, help='folder of the prepared data')
    parser.add_argument(
        '--workers', type=int, default=min(os.cpu_count() or 1, 8), help='processes'
    )
    return parser


def run(prepare: Callable[..., Report]) -> int:
    """Convert with a progress bar, print the outcome, and return the exit status.

    Args:
        prepare: Function of the keywords ``on_start`` and ``on_scene``.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors='backslashreplace')  # names may hold what is no text
    bar = None

    def start(num_scenes: int) -> None:
        nonlocal bar
        bar = ProgressBar(num_scenes)

    try:
        report = prepare(on_start=start, on_scene=lambda outcome: bar.update())
    except (OSError, ValueError) as error:
        print(f'\n{error}', file=sys.stderr)
        return 1
    print()
    return show(report)


def show(report: Report) -> int:
    """Print the outcomes of the scenes, and return the exit status."""
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
            'them out, and run the same command again',
            file=sys.stderr,
        )
    return 1 if by_state['failed'] else 0
