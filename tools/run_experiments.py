# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Train and test a list of leaves on made rooms, with equal budgets.

    python tools/run_experiments.py configs/experiments/table4.txt --budget cpu --seeds 0,1,2 \\
        --out work_dirs/table4 --results results/table4

The rooms are made once, in OUT/data. Each leaf is trained and tested with each seed by train.py and
test.py, brought to the size of made rooms by the budget (docs/experiments.md). What was stopped,
even by kill -9, goes on when the same command is given again; what is finished is not done again;
what failed does not stop the rest. Given a second time beside it, the command takes runs that the
first has not begun. One JSON a run is written into RESULTS as the run ends, beside the metric's
tables (.npz); tools/results.py makes tables and plots of them.
"""

import dataclasses
import sys
from pathlib import Path

import insseg3d  # noqa: F401  (first: its cures let mmdet3d import with mmcv-lite)
from insseg3d.engine.command import command, command_parser
from insseg_lab.experiments.budgets import BUDGETS, DEMO_ROOMS
from insseg_lab.experiments.lists import read_list, read_seeds
from insseg_lab.experiments.runs import Experiments
from insseg_lab.provenance import ROOT, command_line, machine, state_of_code, versions

CHANGES = ('iterations', 'train_rooms', 'held_out_rooms', 'workers')


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument(
        'list',
        type=Path,
        help=(
            'text file with one leaf or pattern of leaves per line, from the root of the repository'
        ),
    )
    parser.add_argument('--budget', choices=BUDGETS, required=True)
    parser.add_argument('--seeds', default='0', help='say 0,1,2')
    parser.add_argument('--out', type=Path, required=True, help='rooms, work dirs, logs')
    parser.add_argument('--results', type=Path, help='JSON and tables (default: OUT/results)')
    for name in CHANGES:
        option = f'--{name.replace("_", "-")}'
        parser.add_argument(option, type=int, help="another number than the budget's")
    return parser.parse_args(argv)


def words_of(args):
    """Return the command word by word, whatever the order in which it was given."""
    words = ['python', 'tools/run_experiments.py', args.list]
    for name in ('budget', 'seeds', 'out'):
        words += [f'--{name}', getattr(args, name)]
    for name in ('results', *CHANGES):
        if getattr(args, name) is not None:
            words += [f'--{name.replace("_", "-")}', getattr(args, name)]
    return words


@command
def main(argv=None):
    args = parse_args(argv)
    leaves, seeds = read_list(args.list), read_seeds(args.seeds)
    other = {name: getattr(args, name) for name in CHANGES if getattr(args, name) is not None}
    budget = dataclasses.replace(BUDGETS[args.budget], **other)
    experiments = Experiments(
        out=args.out.resolve(),
        results=(args.results or args.out / 'results').resolve(),
        tools=ROOT / 'tools',
        root=ROOT,
        budget_name=args.budget,
        budget=budget,
        room_options=DEMO_ROOMS if budget.room_options is None else budget.room_options,
        facts=dict(
            commit=state_of_code(),
            command=command_line(words_of(args)),
            machine=machine(),
            versions=versions(),
        ),
    )
    failures = experiments.run_all(leaves, seeds)
    print(f'{len(leaves) * len(seeds) - len(failures)} runs are done, {len(failures)} failed')
    for failure in failures:
        print(f'  {failure}', file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
