# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure parts of a training. Run it while nothing else runs.

    python tools/benchmark_training.py update configs/queryis/queryis-s_1xb10-150k_scannet.py

times updates of the weights: with a group for each parameter, with merged groups, as configured.

    python tools/benchmark_training.py step CONFIG --device cuda --batches 1 2 4 8 10

times iterations on batches of scenes of 150,000 points with made labels, and measures their memory,
until memory ends.

    python tools/benchmark_training.py amp configs/queryis/queryis-s_demo.py --iterations 300

trains three times on the config's data: in float32, with the forward pass under autocast to
bfloat16, and in float32 from first weights that differ by a thousandth. It prints how far the
running means of the losses are from those of the first: the third shows how far trainings lie apart
that differ by next to nothing.
"""

import json
import sys
from pathlib import Path

import torch

from insseg3d.engine.command import command_parser
from insseg_lab.provenance import command_line
from insseg_lab.speed.scenes import add_scan_arguments
from insseg_lab.speed.training import run_amp, run_step, run_update


def parse_args(argv=None):
    parser = command_parser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    update = commands.add_parser('update', help='updates of the weights, by optimiser')
    update.set_defaults(run=run_update)
    update.add_argument('--device', default='cpu')
    update.add_argument('--repeat', type=int, default=20, help='timed updates of each')
    update.add_argument('--warm-up', type=int, default=5, help='updates before them')
    amp = commands.add_parser('amp', help='losses in bfloat16 beside those in float32')
    amp.set_defaults(run=run_amp)
    amp.add_argument('--iterations', type=int, default=300)
    amp.add_argument('--window', type=int, default=50, help='iterations that are averaged')
    step = commands.add_parser('step', help='iterations, by the number of scenes')
    step.set_defaults(run=run_step)
    step.add_argument('--device', default='cpu')
    step.add_argument('--batches', type=int, nargs='+', default=[1, 2, 4, 8, 10], metavar='SCENES')
    step.add_argument('--amp', action='store_true', help='under autocast to float16, on a GPU')
    add_scan_arguments(step, warm_up=1, threads=1)
    for command in (update, amp, step):
        command.add_argument('config')
    for command in (update, amp):
        command.add_argument('--threads', type=int, default=1)
        command.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    args.command_line = command_line(['python', 'tools/benchmark_training.py', *words])
    torch.set_num_threads(args.threads)
    if args.json:  # now, lest a long measurement end without a place
        Path(args.json).parent.mkdir(parents=True, exist_ok=True)
    report = args.run(args)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
