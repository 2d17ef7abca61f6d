# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Make furnished rooms and write them as raw scans of a public data set."""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

from made_rooms import (
    FAULTS,
    KINDS,
    RELEASES,
    S3DIS_OPTIONS,
    CorridorOptions,
    RoomOptions,
    synthesize_s3dis,
    synthesize_scannet,
)

DEFAULTS = {'scannet': RoomOptions(), 's3dis': S3DIS_OPTIONS}


def parse_splits(text: str, scenes: int) -> dict[str, int]:
    """Read ``train=A,val=B,test=C``; without it a fifth of the scenes is held out."""
    if not text:
        held_out = scenes // 5
        return {'train': scenes - held_out, 'val': held_out}
    splits = {}
    for part in text.split(','):
        name, _, number = part.partition('=')
        if name not in ('train', 'val', 'test') or not number.isdigit() or name in splits:
            raise ValueError(f'--splits: found {part!r}, expected e.g. train=60,val=16,test=4')
        splits[name] = int(number)
    if sum(splits.values()) != scenes:
        raise ValueError(
            f'--splits: the parts add up to {sum(splits.values())}, --scenes is {scenes}'
        )
    return splits


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--layout', choices=DEFAULTS, required=True, help='files to write')
    parser.add_argument('--out', type=Path, required=True, help='root folder of the data set')
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
    parser.add_argument('--kinds', default='', help=f'comma list among {", ".join(KINDS)}')
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
    parser.add_argument(
        '--mixed-segments',
        action='store_true',
        help='scannet: let over-segments reach across objects',
    )
    parser.add_argument(
        '--corridor',
        type=float,
        metavar='METRES',
        help='scannet: instead of rooms, floors with a hall so long and such '
        'rooms on both sides, each in one scan',
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    parser.add_argument('--overwrite', action='store_true', help='replace scenes that exist')
    return parser.parse_args(argv)


def room_options(args: argparse.Namespace) -> RoomOptions:
    """The layout's own rooms, but for what was asked for."""
    asked = {
        name: tuple(value)
        for name in ('area', 'objects', 'clutter')
        if (value := getattr(args, name)) is not None
    }
    if args.spacing is not None:
        asked['spacing'] = args.spacing
    default = DEFAULTS[args.layout]
    if any(
        asked.get(name, usual) != usual
        for name, usual in (('spacing', default.spacing), ('area', default.area))
    ):
        # The range of vertices is that of default rooms; other rooms have what they have.
        asked['vertices'] = (0, 2**31)
    if args.kinds:
        asked['kinds'] = frozenset(args.kinds.split(','))
    return dataclasses.replace(default, mixed_segments=args.mixed_segments, **asked)


def synthesize(args: argparse.Namespace) -> dict[str, list[str]]:
    """Write the rooms; names of those of each split or area."""
    if args.scenes < 1:
        raise ValueError(f'--scenes: found {args.scenes}, expected at least 1')
    options = room_options(args)
    common = dict(seed=args.seed, options=options, workers=args.workers, overwrite=args.overwrite)
    if args.layout == 'scannet':
        if args.faults:
            raise ValueError('--faults: only known of --layout s3dis')
        if args.corridor is not None:
            common['options'] = CorridorOptions(length=args.corridor, rooms=options)
        return synthesize_scannet(args.out, parse_splits(args.splits, args.scenes), **common)
    if args.splits or args.mixed_segments or args.corridor is not None:
        raise ValueError('--splits, --mixed-segments and --corridor: only with --layout scannet')
    return synthesize_s3dis(
        args.out,
        args.scenes,
        release=args.release,
        faults=tuple(FAULTS) if args.faults else (),
        **common,
    )


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
