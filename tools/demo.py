# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The whole way once: made rooms, conversion, training, test, and a page to look at.

Every step is one of the other tools, with the data through the same door as real scans; the
commands are printed, so that each can be typed by itself.
"""

import argparse
from pathlib import Path

from insseg_lab.demo import demo_config, run_demo
from insseg_lab.provenance import ROOT

DEFAULT = 'queryis-plus-s'


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='default: work_dirs/demo, or work_dirs/MODEL_demo with --model',
    )
    parser.add_argument(
        '--model',
        default=DEFAULT,
        help='the model to train; one with a config configs/*/MODEL_demo.py, such as queryis-s, '
        "the paper's own",
    )
    parser.add_argument('--train-rooms', type=int, default=400)
    parser.add_argument('--held-out-rooms', type=int, default=24)
    parser.add_argument('--seed', type=int, default=0, help='of the rooms')
    parser.add_argument('--iterations', type=int, help="default: the config's")
    args = parser.parse_args(argv)
    try:
        args.config = demo_config(args.model)
    except ValueError as error:
        parser.error(str(error))
    name = 'demo' if args.model == DEFAULT else f'{args.model}_demo'
    args.work_dir = args.work_dir or ROOT / 'work_dirs' / name
    return args


def main(argv=None):
    args = parse_args(argv)
    run_demo(
        args.work_dir.resolve(),
        config=args.config,
        train_rooms=args.train_rooms,
        held_out_rooms=args.held_out_rooms,
        seed=args.seed,
        iterations=args.iterations,
    )


if __name__ == '__main__':
    main()
