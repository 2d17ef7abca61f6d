# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Look at a config's data before a training does.

    python tools/check_dataset.py configs/queryis/queryis-s_1xb10-150k_scannet.py

sends every scene of every split through the config's own pipeline and prints what it found: sizes,
units, density, colours, labels, objects of each class, and what would spoil a training, with the
remedy. Builds the model as well, which compares its settings per class. Exit status 1 if something
would. Writes into --out: distributions.png and
class_statistics.json (points and radius of an object of each class, from the first split, and
the tables that configs of grouping methods hold).
"""

import os
import sys
from pathlib import Path

from mmengine.config import DictAction

from insseg3d.engine.command import command, command_parser, load_config
from insseg_analysis.dataset.check import check

SPLITS = ('train', 'val', 'test')


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('config', type=Path)
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parser.add_argument('--scenes', type=int, help='look at so many of each split (default: all)')
    parser.add_argument('--out', type=Path, help='default: work_dirs/<config>/data')
    parser.add_argument('--workers', type=int, default=min(os.cpu_count() or 1, 8))
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='see train.py')
    return parser.parse_args(argv)


@command
def main(argv=None) -> int:
    args = parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    out = args.out or Path('work_dirs', args.config.stem, 'data')
    return 0 if check(config, args.splits, out, limit=args.scenes, workers=args.workers) else 1


if __name__ == '__main__':
    sys.exit(main())
