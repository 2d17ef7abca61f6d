# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Parts of a building besides walls: columns, beams, boards; baseboards, sockets, posters."""

from collections.abc import Sequence

import numpy as np

from ..furniture import Furniture, openings
from ..furniture.base import choose
from ..shapes.materials import draw_material
from ..shapes.surfaces import Surface, box, moved, rectangle
from .layout import Layout
from .placed import Placed

OFFICE = ('column', 'beam', 'board')
"""Common in offices, rare in homes."""
FITTINGS = (*OFFICE, 'baseboard', 'socket', 'poster')


def build_in(layout: Layout, fittings: Sequence[str]) -> None:
    """Build columns and beams into an empty room; furniture is placed around them later."""
    rng = layout.rng
    if 'column' in fittings and rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 3))):
            _add_column(layout)
    if 'beam' in fittings and rng.random() < 0.6:
        _add_beams(layout, int(rng.integers(1, 3)))


def hang(layout: Layout, fittings: Sequence[str]) -> None:
    """Hang things on the bare walls of a furnished room, and add baseboards."""
    rng = layout.rng
    if 'board' in fittings and rng.random() < 0.75:
        for wide in (rng.uniform(1.2, 2.4), rng.uniform(0.6, 1.2)):
            if layout.at_wall(_board(rng, wide), None, gap=0.0, tries=32):
                break
    if 'poster' in fittings:
        for _ in range(int(rng.integers(0, 4))):
            if layout.allows('picture'):
                layout.at_wall(openings.poster(rng), 'picture', gap=0.0)
    if 'socket' in fittings:
        for _ in range(int(rng.integers(2, 9))):
            layout.at_wall(_socket(rng), None, gap=0.0, tries=4)
    if 'baseboard' in fittings and rng.random() < 0.7:
        _add_baseboards(layout)


def _block(
    layout: Layout, label: str, low: Sequence[float], high: Sequence[float], surfaces: list[Surface]
) -> None:
    """Put a block between two corners into the room, unless it collides."""
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    if layout.is_free(corners, low[2], high[2]):
        layout.placed.append(Placed.built_in(label, surfaces, corners, (low[2], high[2])))


def _add_column(layout: Layout) -> None:
    """Add a column in a corner, or in the open if the room is wide enough."""
    rng, (width, depth, height) = layout.rng, layout.size
    size = rng.uniform(0.22, 0.4, 2)
    spare = np.array([width, depth]) - size
    at = spare * rng.integers(0, 2, 2)
    if spare.min() > 2.6 and rng.random() < 0.6:
        at = rng.uniform(1.1, spare - 1.1)
    low, high = (*at, 0.0), (*(at + size), height)
    _block(
        layout,
        'column',
        low,
        high,
        box(low, high, draw_material(rng, 'wall', 'white', 'stone'), top=False),
    )


def _add_beams(layout: Layout, count: int) -> None:
    """Add parallel beams under the ceiling, from wall to wall."""
    rng, (width, depth, height) = layout.rng, layout.size
    wide, drop = rng.uniform(0.18, 0.4), rng.uniform(0.15, 0.3)
    material = draw_material(rng, 'wall', 'white', 'wood')
    along_x = rng.random() < 0.5
    for place in (np.arange(count) + rng.uniform(0.3, 0.7)) / count:
        a = place * ((depth if along_x else width) - wide)
        low = (0.0, a, height - drop) if along_x else (a, 0.0, height - drop)
        high = (width, a + wide, height) if along_x else (a + wide, depth, height)
        _block(layout, 'beam', low, high, box(low, high, material, bottom=True, top=False))


def _socket(rng: np.random.Generator) -> Furniture:
    """Build a socket or switch. Annotators count it as wall."""
    half, high = rng.uniform(0.04, 0.09), rng.uniform(0.08, 0.14)
    low = choose(rng, rng.uniform(0.25, 0.4), rng.uniform(1.0, 1.2))
    plate = draw_material(rng, 'white', 'plastic', 'metal')
    return Furniture('wall', box((-half, 0, low), (half, 0.012, low + high), plate, bottom=True))


def _add_baseboards(layout: Layout) -> None:
    """Add a baseboard to each wall, with gaps at its doors. Furniture may hide it."""
    rng = layout.rng
    high, deep = rng.uniform(0.05, 0.14), rng.uniform(0.008, 0.02)
    material = draw_material(rng, 'white', 'wood', 'dark wood', 'dark')
    for k in range(4):
        start, angle, length = layout.wall(k)
        doors = sorted((a, b) for a, b, z0, _ in layout.holes[k] if z0 < high)
        ends = [0.0, *(t for door in doors for t in door), length]
        surfaces = [
            surface
            for a, b in zip(ends[::2], ends[1::2], strict=True)
            if b - a > 0.05
            for surface in box((a, 0, 0), (b, deep, high), material)
        ]
        placed = moved(surfaces, angle=angle, offset=(*start, 0.0))
        layout.placed.append(Placed.built_in('wall', placed, np.zeros((4, 2)), (0.0, high)))


def _board(rng: np.random.Generator, wide: float) -> Furniture:
    """Build a white or black board with a frame and a ledge below it."""
    low, high = rng.uniform(0.75, 0.95), rng.uniform(1.75, 2.0)
    frame = draw_material(rng, 'metal', 'wood', 'white')
    face = draw_material(rng, 'ceramic', 'ceramic', 'dark')
    parts = box((-wide / 2, 0, low), (wide / 2, 0.02, high), frame, bottom=True)
    parts.append(
        rectangle(
            (wide / 2 - 0.03, 0.026, low + 0.03),
            (0.06 - wide, 0, 0),
            (0, 0, high - low - 0.06),
            face,
        )
    )
    parts += box((-0.4 * wide, 0.026, low), (0.4 * wide, 0.08, low + 0.02), frame, bottom=True)
    return Furniture('board', parts)
