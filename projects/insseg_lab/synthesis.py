# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Made rooms from options: the body of ``tools/synthesize.py``.

It imports nothing but made rooms, because the tool also runs where the project is not installed.
"""

import argparse
import dataclasses

from made_rooms import (
    FAULTS,
    S3DIS_OPTIONS,
    CorridorOptions,
    RoomOptions,
    synthesize_s3dis,
    synthesize_scannet,
)

DEFAULTS = {'scannet': RoomOptions(), 's3dis': S3DIS_OPTIONS}
"""Rooms of each layout."""


def synthesize(args: argparse.Namespace) -> dict[str, list[str]]:
    """Write the rooms, and return the names of those of each split or area.

    Args:
        args: Parsed options of the tool.

    Raises:
        OSError: If a file cannot be written.
        ValueError: If the options do not fit each other.
    """
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


def parse_splits(text: str, scenes: int) -> dict[str, int]:
    """Read ``train=A,val=B,test=C``; if it is empty, a fifth of the scenes is held out.

    Raises:
        ValueError: If the text has another form or sum.
    """
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


def room_options(args: argparse.Namespace) -> RoomOptions:
    """Return the options of the layout, with those that were given on the command line."""
    asked = {
        name: tuple(value)
        for name in ('area', 'objects', 'clutter')
        if (value := getattr(args, name)) is not None
    }
    asked |= {
        name: value
        for name in ('spacing', 'camera', 'wear', 'furniture')
        if (value := getattr(args, name)) is not None
    }
    default = DEFAULTS[args.layout]
    if any(
        asked.get(name, usual) != usual
        for name, usual in (('spacing', default.spacing), ('area', default.area))
    ):
        # The range of vertices is that of default rooms; other rooms have what they have.
        asked['vertices'] = (0, 2**31)
    if args.kinds:
        asked['kinds'] = frozenset(args.kinds.split(','))
    if args.fittings:
        asked['fittings'] = tuple(args.fittings.split(','))
    return dataclasses.replace(default, mixed_segments=args.mixed_segments, **asked)
