# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Make furnished rooms and write them as raw scans of a public data set."""
import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

from insseg3d.synthesis import KINDS, RoomOptions, synthesize_scannet  # noqa: E402


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
        raise ValueError(f'--splits: the parts add up to {sum(splits.values())}, '
                         f'--scenes is {scenes}')
    return splits


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    default = RoomOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--layout', choices=['scannet'], required=True, help='files to write')
    parser.add_argument('--out', type=Path, required=True, help='root folder of the data set')
    parser.add_argument('--scenes', type=int, required=True, help='number of rooms')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same bytes')
    parser.add_argument('--splits', default='', metavar='train=A,val=B,test=C',
                        help='rooms of each split (default: every fifth for val, none for test)')
    parser.add_argument('--kinds', default='', help=f'comma list among {", ".join(KINDS)}')
    parser.add_argument('--spacing', type=float, default=default.spacing,
                        help='median distance of neighbouring vertices in metres')
    parser.add_argument('--area', type=float, nargs=2, default=default.area,
                        metavar=('LEAST', 'MOST'), help='floor area in square metres')
    parser.add_argument('--objects', type=int, nargs=2, default=default.objects,
                        metavar=('LEAST', 'MOST'), help='objects in a room')
    parser.add_argument('--clutter', type=int, nargs=2, default=default.clutter,
                        metavar=('LEAST', 'MOST'), help='small things in a room')
    parser.add_argument('--mixed-segments', action='store_true',
                        help='let over-segments reach across objects')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    parser.add_argument('--overwrite', action='store_true', help='replace scenes that exist')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.scenes < 1:
            raise ValueError(f'--scenes: found {args.scenes}, expected at least 1')
        # The range of vertices is that of default rooms; other rooms have what they have.
        default = RoomOptions()
        usual = tuple(args.area) == default.area and args.spacing == default.spacing
        options = RoomOptions(
            kinds=frozenset(args.kinds.split(',') if args.kinds else KINDS), spacing=args.spacing,
            area=tuple(args.area), objects=tuple(args.objects), clutter=tuple(args.clutter),
            vertices=default.vertices if usual else (0, 2 ** 31),
            mixed_segments=args.mixed_segments)
        names = synthesize_scannet(args.out, parse_splits(args.splits, args.scenes),
                                   seed=args.seed, options=options, workers=args.workers,
                                   overwrite=args.overwrite)
    except (ValueError, OSError) as error:
        print(f'synthesize.py: {error}', file=sys.stderr)
        return 1
    parts = ', '.join(f'{len(scenes)} {split}' for split, scenes in names.items() if scenes)
    print(f'{args.out}: {parts}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
