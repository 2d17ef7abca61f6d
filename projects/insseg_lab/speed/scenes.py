# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scans to time: files, made rooms, and rows of made rooms of any size."""

import argparse
import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from made_rooms import KINDS, make_points
from made_rooms.large import make_large_points

ROOM = 150_000
"""Points of the made room that the scenes of a scaling curve are cut from."""


def find_scans(folder: str | Path) -> list[Path]:
    """Return the scans of a folder: its ``.bin`` files, or those in its folder ``points``.

    Raises:
        FileNotFoundError: If there are none.
    """
    folder = Path(folder)
    for place in (folder, folder / 'points'):
        scans = sorted(place.glob('*.bin'))
        if scans:
            return scans
    raise FileNotFoundError(
        f'{folder}: no scans; expected .bin files (float32 x y z r g b) in it or in its folder '
        'points, as the prepare tools write them.'
    )


def scene_of_rooms(
    num_points: int, *, seed: int = 0, kinds: frozenset[str] = frozenset(KINDS)
) -> np.ndarray:
    """Return the points of a scene of any size at the density of a single scan.

    The scene is one end of a row of copies of a made room, so that the scenes of a scaling curve
    differ in size alone.

    Args:
        num_points: Points of the scene.
        seed: Seed of the made room.
        kinds: Kinds of objects in it.

    Returns:
        ``(num_points, 6)`` float32: x, y, z in metres, r, g, b from 0 to 255.
    """
    room = _room(seed, kinds)
    extent = np.ptp(room[:, 0]) + 0.1
    copies = -(-num_points // ROOM)
    points = np.tile(room, (copies, 1))
    points[:, 0] += np.arange(copies).repeat(ROOM) * extent
    return points[:num_points]


@functools.lru_cache(1)
def _room(seed: int, kinds: frozenset[str]) -> np.ndarray:
    room = make_points(seed=seed, num_points=ROOM, kinds=kinds)
    return room[np.argsort(room[:, 0], kind='stable')]


def add_scan_arguments(
    parser: argparse.ArgumentParser, *, warm_up: int, threads: int | None
) -> None:
    """Add the arguments of commands that time a scan several times.

    Args:
        parser: Parser of the command.
        warm_up: Default of ``--warm-up``.
        threads: Default of ``--threads``.
    """
    parser.add_argument('--scan', help='float32 file of x y z r g b; default: a made room')
    parser.add_argument(
        '--points',
        type=int,
        default=150_000,
        help='points of the made room; above 150,000 several rooms side by side, scanned densely',
    )
    parser.add_argument('--seed', type=int, default=0, help='which made room')
    parser.add_argument('--repeat', type=int, default=5, help='timed runs, for medians')
    parser.add_argument('--warm-up', type=int, default=warm_up, help='runs before them')
    parser.add_argument(
        '--threads',
        type=int,
        default=threads,
        help=f"torch's threads (default: {threads or 'all cores'})",
    )
    add_json_argument(parser)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a file for the figures."""
    parser.add_argument('--json', help='also write the figures to this file')


def read_points(args: argparse.Namespace) -> np.ndarray:
    """Return ``(P, 6)`` float32 points of the scan or of the made room that was asked for."""
    if args.scan:
        return np.fromfile(args.scan, dtype=np.float32).reshape(-1, 6)
    return make_large_points(seed=args.seed, num_points=args.points)


@contextlib.contextmanager
def chosen_scans(args: argparse.Namespace) -> Iterator[list[Path]]:
    """Yield the files of the scans to time; made rooms are in a folder that is removed after."""
    if args.scans:
        yield find_scans(args.scans)
    elif args.scan:
        yield [Path(args.scan)]
    else:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f'room{number}.bin' for number in range(args.rooms)]
            for number, path in enumerate(paths):
                make_large_points(
                    seed=args.seed + number, num_points=args.points, kinds=args.kinds
                ).tofile(path)
            yield paths
