# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Make furnished rooms and write them as raw scans of a public dataset."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

from insseg_lab.synthesis import DEFAULTS, synthesize
from made_rooms import CAMERAS, FITTINGS, FURNITURE, KINDS, RELEASES, WEAR


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--layout', choices=DEFAULTS, required=True, help='files to write')
    parser.add_argument('--out', type=Path, required=True, help='root folder of the dataset')
    parser.add_argument('--scenes', type=int, required=True, help='number of rooms')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same bytes')
    parser.add_argument(
        '--splits',
        default='',
        metavar='train=A,val=B,test=C',
        help='scannet: rooms of each split (default: every fifth for val)',
    )
    parser.add_argument(
        '--release',
        choices=RELEASES,
        default='aligned',
        help='s3dis: which of the two releases to look like',
    )
    parser.add_argument(
        '--faults',
        action='store_true',
        help='s3dis: with the faults that are known of it, each in one room',
    )
    for name, known in (('kinds', KINDS), ('fittings', FITTINGS)):
        parser.add_argument(f'--{name}', default='', help=f'comma list among {", ".join(known)}')
    parser.add_argument(
        '--spacing', type=float, help='median distance of neighbouring vertices in metres'
    )
    for name, text in (
        ('area', 'floor area in square metres'),
        ('objects', 'objects in a room'),
        ('clutter', 'small things in a room'),
    ):
        parser.add_argument(
            f'--{name}',
            type=float if name == 'area' else int,
            nargs=2,
            help=text,
            metavar=('LEAST', 'MOST'),
        )
    for name, choices, text in (
        ('camera', CAMERAS, 'way of scanning (default: that of the dataset)'),
        ('wear', WEAR, 'marks that the recording leaves in shapes and colours (default: plain)'),
        ('furniture', FURNITURE, 'sizes of furniture: usual (default), or from a wider range'),
    ):
        parser.add_argument(f'--{name}', choices=choices, help=text)
    parser.add_argument(
        '--mixed-segments',
        action='store_true',
        help='scannet: let over-segments reach across objects',
    )
    text = 'scannet: not rooms, but floors with a hall so long and such rooms on both sides'
    parser.add_argument('--corridor', type=float, metavar='METRES', help=text)
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    parser.add_argument('--overwrite', action='store_true', help='replace scenes that exist')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        names = synthesize(args)
    except (ValueError, OSError) as error:
        print(f'synthesize.py: {error}', file=sys.stderr)
        return 1
    parts = ', '.join(f'{len(scenes)} {split}' for split, scenes in names.items() if scenes)
    print(f'{args.out}: {parts}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
