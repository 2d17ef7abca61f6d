# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The shell of a room: floor, ceiling, walls around their openings, and lamps."""

import numpy as np

from ..shapes.materials import Material, draw_material
from ..shapes.surfaces import Surface, box, rectangle
from .layout import Layout
from .placed import Placed


def recess(layout: Layout) -> None:
    """Make the room L-shaped by walling off a corner."""
    rng, (width, depth, height) = layout.rng, layout.size
    w, d = width * rng.uniform(0.15, 0.3), depth * rng.uniform(0.15, 0.3)
    x = (0.0, width - w)[int(rng.integers(2))]
    y = (0.0, depth - d)[int(rng.integers(2))]
    corners = np.array([[x, y], [x + w, y], [x + w, y + d], [x, y + d]])
    surfaces = box((x, y, 0), (x + w, y + d, height), draw_material(rng, 'wall'), top=False)
    layout.placed.append(Placed.built_in('wall', surfaces, corners, (0.0, height)))


def shell(layout: Layout, rng: np.random.Generator, walls: tuple[int, ...]) -> list[Placed]:
    """Make the floor, the ceiling and the given walls, in this order."""
    width, depth, height = layout.size
    floor = rectangle(
        (0, 0, 0),
        (width, 0, 0),
        (0, depth, 0),
        draw_material(rng, 'carpet', 'parquet', 'tiles', 'wood'),
    )
    ceiling = rectangle((0, 0, height), (0, depth, 0), (width, 0, 0), draw_material(rng, 'white'))
    material, accent = draw_material(rng, 'wall'), draw_material(rng, 'wall', 'paint', 'tiles')
    parts = [('floor', [floor]), ('ceiling', [ceiling])]
    different = int(rng.integers(8))
    for k in walls:
        parts.append(('wall', _wall(layout, k, accent if k == different else material)))
    none = np.zeros((4, 2))
    return [Placed.built_in(label, surfaces, none, (0.0, 0.0)) for label, surfaces in parts]


def _wall(layout: Layout, k: int, material: Material) -> list[Surface]:
    """Make a wall as strips between, below and above its openings, facing inwards."""
    start, angle, length = layout.wall(k)
    height = layout.size[2]
    along = np.array([np.cos(angle), np.sin(angle), 0.0])
    strips, t = [], 0.0
    for a, b, z0, z1 in sorted(layout.holes[k]):
        strips += [(t, a, 0.0, height), (a, b, 0.0, z0), (a, b, z1, height)]
        t = b
    strips.append((t, length, 0.0, height))
    base = np.array([*start, 0.0])
    return [
        rectangle(base + b * along + (0, 0, z0), -(b - a) * along, (0, 0, z1 - z0), material)
        for a, b, z0, z1 in strips
        if b - a > 0.02 and z1 - z0 > 0.02
    ]


def lamps(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Draw the positions (L, 3) of lamps under the ceiling, metres."""
    width, depth, height = layout.size
    count = int(rng.integers(3, 5))
    return np.column_stack(
        [
            rng.uniform(0.15, 0.85, count) * width,
            rng.uniform(0.15, 0.85, count) * depth,
            np.full(count, height - 0.12),
        ]
    )
