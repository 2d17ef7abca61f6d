# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Convert a folder of own labelled scans; write a config that trains on them. See docs/own-data.md.

    python tools/prepare_custom.py --raw my_scans --classes chair,table --out data/custom \\
        --leaf configs/my_scans.py
"""

import shlex
import sys
from functools import partial
from pathlib import Path

from insseg_preparation.command import new_parser, run
from insseg_preparation.custom.classes import read_classes
from insseg_preparation.custom.leaf import MODELS, describe, write_leaf
from insseg_preparation.custom.release import prepare_custom
from insseg_preparation.custom.scan import CustomOptions
from insseg_scans.columns import ColumnNames
from insseg_scans.units import UNITS, UP_AXES


def parse_args():
    parser = new_parser(
        __doc__,
        'folder of .ply, .npz, .npy, .txt, .csv, .xyz, .pts, or with '
        'the folders train, val, test of these',
    )
    parser.add_argument(
        '--classes',
        required=True,
        metavar='FILE|NAMES',
        help='one class per line, or between commas: "chair,table", or with the ids '
        'of the scans "5 chair,7 table"',
    )
    parser.add_argument(
        '--val-share',
        type=float,
        default=0.2,
        help='of the scans outside such folders, for val (default 0.2)',
    )
    parser.add_argument('--leaf', type=Path, help='config to write, that trains on the data')
    parser.add_argument(
        '--model', choices=MODELS, default='queryis-s', help='of the config (default: queryis-s)'
    )
    parser.add_argument('--voxel-size', type=float, help='of the config, in metres (default: 0.02)')
    parser.add_argument('--units', choices=UNITS, help='of the scans (default: m, checked)')
    parser.add_argument('--up', choices=UP_AXES, default='z', help='upright axis: z, or --up=-y')
    parser.add_argument('--columns', help='of tables, e.g. x,y,z,-,semantic,instance')
    parser.add_argument('--semantic-name', help='of the column or array with the labels')
    parser.add_argument('--instance-name', help='of the column or array with the object ids')
    parser.add_argument(
        '--first-instance',
        type=int,
        choices=(0, 1),
        help='whether the instance id 0 is an object, or none',
    )
    parser.add_argument(
        '--per-class', action='store_true', help='instance ids begin anew in every class'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    columns = tuple(name.strip() for name in args.columns.split(',')) if args.columns else None
    names = ColumnNames(columns, args.semantic_name, args.instance_name)
    options = CustomOptions(names, args.units, args.up, args.first_instance, args.per_class)
    try:
        classes = read_classes(args.classes)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    status = run(
        partial(
            prepare_custom,
            args.raw,
            args.out,
            classes,
            val_share=args.val_share,
            options=options,
            leave_out=[Path(args.classes)],
            workers=args.workers,
            on_remark=print,
        )
    )
    if status == 0:
        print(describe(args.out, classes.names))
        if args.leaf:
            try:
                written = write_leaf(
                    args.leaf, args.out, model=args.model, voxel_size=args.voxel_size
                )
            except (OSError, ValueError) as error:
                print(error, file=sys.stderr)
                return 1
            command = shlex.join(['python', 'tools/train.py', str(args.leaf)])
            print(
                f'{args.leaf} trains on it: {command}'
                if written
                else f'{args.leaf} is another config and was left as it is; remove it for a new one'
            )
    return status


if __name__ == '__main__':
    sys.exit(main())
