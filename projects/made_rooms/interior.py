# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The interior of a made room: furnished, then scanned, not yet annotated."""

from typing import NamedTuple

import numpy as np

from .layout.fittings import build_in, hang
from .layout.layout import Layout
from .layout.pieces import FURNITURE
from .layout.placed import Placed
from .layout.programs import furnish
from .layout.shell import lamps, recess, shell
from .options import RoomOptions
from .scanning.poses import CAMERAS
from .scanning.scan import Scan, scan_surfaces
from .scanning.wear import WEAR


class Interior(NamedTuple):
    """A furnished room as scanned, before annotation.

    Attributes:
        pieces: Floor, ceiling, walls, furniture and small things.
        scan: The scan in room coordinates.
        owner: (P,) int32 index of the piece each vertex belongs to.
        seen: (pieces,) share of each piece's surface that the camera saw.
        scene_type: The type of room.
        rng: Source of randomness for the steps that follow.
        size: Width (x), depth (y), height (z) in metres.
    """

    pieces: list[Placed]
    scan: Scan
    owner: np.ndarray
    seen: np.ndarray
    scene_type: str
    rng: np.random.Generator
    size: tuple[float, float, float]


def make_interior(seed: int | tuple[int, ...], options: RoomOptions) -> Interior:
    """Make, furnish and scan a room.

    Args:
        seed: The same seed and options result in the same interior, bit for bit.
        options: Options of the room.

    Returns:
        The interior, with a number of vertices within ``options.vertices`` if one of eight
        attempts succeeds.
    """
    for attempt in range(8):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(attempt,)))
        layout, scene_type = _furnished(rng, options)
        interior = scanned(layout, scene_type, rng, options)
        if options.vertices[0] <= len(interior.scan.points) <= options.vertices[1]:
            break
    return interior


def scanned(
    layout: Layout,
    scene_type: str,
    rng: np.random.Generator,
    options: RoomOptions,
    *,
    walls: tuple[int, ...] = (0, 1, 2, 3),
) -> Interior:
    """Scan a furnished room; ``walls`` lists the walls that exist."""
    poses, reach = CAMERAS[options.camera]
    pieces = shell(layout, rng, walls) + layout.placed
    surfaces = [s for piece in pieces for s in piece.surfaces]
    owner_of = np.repeat(
        np.arange(len(pieces), dtype=np.int32), [len(piece.surfaces) for piece in pieces]
    )
    scan = scan_surfaces(
        surfaces,
        poses(layout, rng, frames=options.frames),
        lamps(layout, rng),
        rng,
        spacing=options.spacing,
        reach=reach,
        wear=WEAR[options.wear],
    )
    area = np.stack([np.bincount(owner_of, scan.seen[:, k], len(pieces)) for k in (0, 1)])
    seen = area[0] / np.maximum(area[1], 1e-12)
    return Interior(
        pieces=pieces,
        scan=scan,
        owner=owner_of[scan.surface],
        seen=seen,
        scene_type=scene_type,
        rng=rng,
        size=layout.size,
    )


def _furnished(rng: np.random.Generator, options: RoomOptions) -> tuple[Layout, str]:
    """Draw size and type of a room and furnish it; retry if its pieces are too few or far apart."""
    program = str(rng.choice(list(options.programs)))
    target = int(rng.integers(options.objects[0], options.objects[1] + 1))
    for _ in range(6):
        area, ratio = rng.uniform(*options.area), rng.uniform(0.62, 1.0)
        size = (
            float(np.sqrt(area / ratio)),
            float(np.sqrt(area * ratio)),
            float(rng.uniform(2.35, 2.7)),
        )
        layout = Layout(
            rng=rng,
            size=size,
            kinds=options.kinds,
            capacity=options.objects[1],
            stretch=FURNITURE[options.furniture],
        )
        if rng.random() < 0.3 and area > 11:
            recess(layout)
        build_in(layout, options.fittings)
        clutter = int(rng.integers(options.clutter[0], options.clutter[1] + 1))
        furnish(layout, program, target=target, clutter_count=clutter)
        hang(layout, options.fittings)
        if layout.count >= options.objects[0] and layout.touching() >= 0.4:
            break
    return layout, program
