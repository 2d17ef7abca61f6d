# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure parts of a training. Run it while nothing else runs.

    python tools/benchmark_training.py update configs/queryis/queryis-s_1xb10-150k_scannet.py

times updates of the weights: with a group for each parameter, with merged groups, as configured.

    python tools/benchmark_training.py amp configs/queryis/queryis-s_demo.py --iterations 300

trains three times on the config's data: in float32, with the forward pass under autocast to
bfloat16, and in float32 from first weights that differ by a thousandth. It prints how far the
running means of the losses are from those of the first: the third shows how far trainings lie apart
that differ by next to nothing.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from insseg3d.apis import load_model
from insseg_lab.provenance import ROOT, command_line, commit, machine, shown, versions
from insseg_lab.speed.training import compare_losses, time_updates, training_losses

TRAININGS = {
    'float32': {},
    'bfloat16': dict(half=torch.bfloat16),
    'float32, moved': dict(moved=1e-3),
}


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    for command in (update, amp):
        command.add_argument('config')
        command.add_argument('--threads', type=int, default=1)
        command.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args(argv)


def run_update(args):
    MMLogger.get_instance('benchmark', log_level='ERROR')  # a line for each parameter
    model, config = load_model(args.config, None, args.device)
    kinds = time_updates(model.train(), config, repeat=args.repeat, warm_up=args.warm_up)
    print(
        f'{shown(Path(args.config).resolve())}, {args.device}, {torch.get_num_threads()} '
        f'threads, median of {args.repeat} updates'
    )
    for name, row in kinds.items():
        print(f'{name:30s}{row["groups"]:5d} groups{1000 * row["seconds"]:10.2f} ms an update')
    return dict(
        kinds=kinds,
        device=args.device,
        threads=torch.get_num_threads(),
        machine=machine(args.device),
        command=args.command_line,
        commit=commit(),
        versions=versions(),
    )


def run_amp(args):
    config, curves, seconds = Config.fromfile(args.config), {}, {}
    for name, options in TRAININGS.items():
        start = time.perf_counter()
        curves[name] = training_losses(config, iterations=args.iterations, **options)
        seconds[name] = time.perf_counter() - start
    exact, apart = curves['float32'], {}
    for name, curve in curves.items():
        found = apart[name] = compare_losses(exact, curve, window=args.window)
        print(
            f'{name:16s}mean loss of the last {found["window"]} of {args.iterations} iterations '
            f'{found["last_means"][1]:.4f}, {seconds[name]:.0f} s; running means apart by '
            f'{100 * found["largest"]:.2f} % at most, {100 * found["last"]:.2f} % at the end'
        )
    return dict(
        apart=apart,
        seconds=seconds,
        threads=torch.get_num_threads(),
        losses={name: curve.tolist() for name, curve in curves.items()},
        command=args.command_line,
        commit=commit(),
        versions=versions(),
    )


def main(argv=None):
    args = parse_args(argv)
    args.command_line = command_line(
        ['python', 'tools/benchmark_training.py', *(sys.argv[1:] if argv is None else argv)], ROOT
    )
    torch.set_num_threads(args.threads)
    if args.json:  # now, lest a long measurement end without a place
        Path(args.json).parent.mkdir(parents=True, exist_ok=True)
    report = args.run(args)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
