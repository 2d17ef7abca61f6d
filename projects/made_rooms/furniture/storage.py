# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Cabinets, bookshelves, refrigerators and other furniture."""

import numpy as np

from ..shapes.materials import Material, draw_material
from ..shapes.surfaces import Surface, box, cushion, lathe, pipe
from .base import Furniture, choose

Rng = np.random.Generator


def _front(
    rng: Rng,
    x0: float,
    x1: float,
    y: float,
    z0: float,
    z1: float,
    columns: int,
    rows: int,
    face: Material,
    knob: Material,
) -> list[Surface]:
    """Build doors or drawers on a front at depth y, with handles."""
    parts, gap = [], 0.012
    wide, high = (x1 - x0) / columns, (z1 - z0) / rows
    upright = high > wide
    for i in range(columns):
        for k in range(rows):
            a, c = x0 + i * wide + gap, z0 + k * high + gap
            b, e = x0 + (i + 1) * wide - gap, z0 + (k + 1) * high - gap
            parts += box((a, y - 0.004, c), (b, y + 0.018, e), face, bottom=True)
            if upright:
                hx = b - 0.05 if i % 2 == 0 else a + 0.05
                hz = (c + e) / 2
                parts += box(
                    (hx - 0.01, y + 0.018, hz - 0.07),
                    (hx + 0.01, y + 0.045, hz + 0.07),
                    knob,
                    bottom=True,
                )
            else:
                hx, hz = (a + b) / 2, e - 0.3 * (e - c)
                parts += box(
                    (hx - 0.07, y + 0.018, hz - 0.01),
                    (hx + 0.07, y + 0.045, hz + 0.01),
                    knob,
                    bottom=True,
                )
    return parts


def _cabinet(
    rng: Rng,
    w: float,
    d: float,
    h: float,
    columns: int,
    rows: int,
    *,
    foot: float = 0.0,
    z: float = 0.0,
    top: bool = True,
) -> list[Surface]:
    body = draw_material(rng, 'wood', 'dark wood', 'white', 'paint')
    face = body if rng.random() < 0.7 else draw_material(rng, 'wood', 'white', 'paint')
    parts = box((-w / 2, 0, z + foot), (w / 2, d, z + h), body, bottom=z + foot > 0, top=top)
    if foot:
        for x in (-w / 2 + 0.03, w / 2 - 0.03):
            for y in (0.03, d - 0.03):
                parts += pipe([(x, y, z), (x, y, z + foot + 0.01)], 0.02, body)
    return parts + _front(
        rng,
        -w / 2,
        w / 2,
        d,
        z + foot + 0.04,
        z + h - 0.03,
        columns,
        rows,
        face,
        draw_material(rng, 'metal', 'dark'),
    )


def low_cabinet(rng: Rng) -> Furniture:
    """Build a sideboard or chest with doors or drawers."""
    w, d, h = rng.uniform(0.7, 1.5), rng.uniform(0.38, 0.55), rng.uniform(0.65, 1.05)
    parts = _cabinet(
        rng,
        w,
        d,
        h,
        int(rng.integers(1, 4)),
        int(rng.integers(1, 5)),
        foot=choose(rng, 0.0, rng.uniform(0.05, 0.12)),
    )
    return Furniture('cabinet', parts, tops=[(-0.46 * w, 0.04, 0.46 * w, 0.9 * d, h)])


def tall_cabinet(rng: Rng) -> Furniture:
    """Build a cabinet of at least 1.5 metres in height."""
    w, d, h = rng.uniform(0.6, 1.3), rng.uniform(0.38, 0.62), rng.uniform(1.5, 2.1)
    return Furniture('cabinet', _cabinet(rng, w, d, h, 1 + int(w > 0.75), choose(rng, 1, 2)))


def file_cabinet(rng: Rng) -> Furniture:
    """Build a narrow cabinet of drawers."""
    w, d, rows = rng.uniform(0.38, 0.48), rng.uniform(0.5, 0.65), int(rng.integers(2, 5))
    h = 0.06 + 0.31 * rows
    return Furniture(
        'file cabinet',
        _cabinet(rng, w, d, h, 1, rows),
        tops=[(-0.4 * w, 0.05, 0.4 * w, 0.9 * d, h)],
    )


def under_counter(rng: Rng, w: float, d: float) -> Furniture:
    """Build the cabinets below a worktop of the given width and depth."""
    parts = _cabinet(
        rng, w - 0.02, d - 0.05, 0.86, max(1, round(w / 0.5)), choose(rng, 1, 1, 2), top=False
    )
    return Furniture('kitchen cabinet', parts)


def wall_cabinet(rng: Rng, w: float) -> Furniture:
    """Build cabinets on the wall above a worktop."""
    parts = _cabinet(
        rng, w, rng.uniform(0.3, 0.38), rng.uniform(0.5, 0.75), max(1, round(w / 0.45)), 1, z=1.42
    )
    return Furniture('kitchen cabinet', parts)


def _books(rng: Rng, x0: float, x1: float, y: float, z: float, room: float) -> list[Surface]:
    """Build a row of books of uneven height and depth, in groups of one material."""
    parts, x = [], x0
    while x < x1 - 0.05:
        wide = min(rng.uniform(0.08, 0.35), x1 - x)
        if rng.random() < 0.82:
            high = room * rng.uniform(0.55, 0.95)
            parts += box(
                (x, 0.04, z),
                (x + wide, y * rng.uniform(0.6, 0.95), z + high),
                draw_material(rng, 'books'),
            )
        x += wide + 0.004
    return parts


def open_bookshelf(rng: Rng) -> Furniture:
    """Build a bookshelf of boards between two sides, with books."""
    w, d, h = rng.uniform(0.65, 1.25), rng.uniform(0.24, 0.36), rng.uniform(1.2, 2.1)
    wood = draw_material(rng, 'wood', 'dark wood', 'white')
    parts = box((-w / 2, 0, 0), (w / 2, 0.02, h), wood)
    columns = 1 + int(w > 0.95)
    for x in np.linspace(-w / 2, w / 2 - 0.025, columns + 1):
        parts += box((x, 0, 0), (x + 0.025, d, h), wood)
    heights = np.linspace(0.05, h - 0.03, max(3, round(h / 0.34)) + 1)
    for low, high in zip(heights[:-1], heights[1:], strict=True):
        parts += box((-w / 2, 0, low), (w / 2, d, low + 0.025), wood, bottom=True)
        for i in range(columns):
            x0 = -w / 2 + 0.03 + i * w / columns
            parts += _books(rng, x0, x0 + w / columns - 0.06, d, low + 0.025, high - low - 0.04)
    parts += box((-w / 2, 0, h - 0.03), (w / 2, d, h), wood, bottom=True)
    return Furniture(choose(rng, 'bookshelf', 'bookshelf', 'bookcase'), parts)


def cube_bookshelf(rng: Rng) -> Furniture:
    """Build a low shelf of square compartments, most of them with books."""
    n, rows = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    cell, d = rng.uniform(0.32, 0.4), rng.uniform(0.3, 0.4)
    w, h = n * cell, rows * cell
    wood = draw_material(rng, 'wood', 'dark wood', 'white')
    parts = box((-w / 2, 0, 0), (w / 2, 0.015, h), wood)
    for k in range(rows + 1):
        z = k * cell - (0.02 if k else 0)
        parts += box((-w / 2, 0, z), (w / 2, d, z + 0.025), wood, bottom=True)
    for i in range(n + 1):
        x = -w / 2 + i * cell - (0.025 if i == n else 0)
        parts += box((x, 0, 0), (x + 0.025, d, h), wood)
        for k in range(rows if i < n else 0):
            if rng.random() < 0.8:
                parts += _books(rng, x + 0.03, x + cell - 0.03, d, k * cell + 0.02, cell - 0.06)
    return Furniture('bookshelf', parts, tops=[(-0.45 * w, 0.04, 0.45 * w, 0.9 * d, h)])


def refrigerator(rng: Rng) -> Furniture:
    """Build a refrigerator with two doors, one above the other, or a low one."""
    tall = rng.random() < 0.8
    w, d = rng.uniform(0.55, 0.78), rng.uniform(0.58, 0.75)
    h = rng.uniform(1.45, 1.85) if tall else rng.uniform(0.82, 1.0)
    body, grip = draw_material(rng, 'appliance'), draw_material(rng, 'metal', 'dark')
    parts = box((-w / 2, 0, 0.03), (w / 2, d - 0.06, h), body, bottom=True)
    split = h * choose(rng, 0.35, 0.68) if tall else h
    side = choose(rng, -1, 1)
    for low, high in ((0.05, split), (split, h)) if tall else ((0.05, h),):
        parts += cushion(
            (-w / 2, d - 0.07, low + 0.006),
            (w / 2, d, high - 0.006),
            body,
            roundness=0.02,
            power=9.0,
        )
        x, z = side * (w / 2 - 0.05), (low + high) / 2
        parts += pipe(
            [
                (x, d - 0.01, z - 0.15),
                (x, d + 0.035, z - 0.13),
                (x, d + 0.035, z + 0.13),
                (x, d - 0.01, z + 0.15),
            ],
            0.012,
            grip,
            sides=5,
        )
    return Furniture(
        choose(rng, 'refrigerator', 'fridge') if tall else 'mini fridge',
        parts,
        tops=[] if tall else [(-0.4 * w, 0.05, 0.4 * w, 0.8 * d, h)],
    )


def side_by_side(rng: Rng) -> Furniture:
    """Build a wide refrigerator with two doors side by side."""
    w, d, h = rng.uniform(0.82, 0.95), rng.uniform(0.65, 0.8), rng.uniform(1.65, 1.85)
    body, grip = draw_material(rng, 'appliance'), draw_material(rng, 'metal', 'dark')
    parts = box((-w / 2, 0, 0.03), (w / 2, d - 0.06, h), body, bottom=True)
    for side in (-1, 1):
        x0, x1 = sorted((side * 0.004, side * w / 2))
        parts += cushion((x0, d - 0.07, 0.06), (x1, d, h), body, roundness=0.02, power=9.0)
        parts += pipe([(side * 0.05, d + 0.03, 0.6), (side * 0.05, d + 0.03, 1.4)], 0.012, grip)
    return Furniture('refrigerator', parts)


def trash_can(rng: Rng) -> Furniture:
    """Build a round or square bin that is narrower at the bottom."""
    r, h = rng.uniform(0.12, 0.2), rng.uniform(0.28, 0.62)
    plastic = draw_material(rng, 'plastic', 'dark', 'metal', 'white')
    parts = lathe(
        [(0.78 * r, 0), (r, h), (0.92 * r, h), (0.72 * r, 0.05)],
        plastic,
        centre=(0, r),
        power=choose(rng, 2.0, 8.0),
        stretch=rng.uniform(0.7, 1.0),
    )
    return Furniture('trash can', parts)


def radiator(rng: Rng) -> Furniture:
    """Build a radiator of upright ribs."""
    w, d, h = rng.uniform(0.6, 1.2), rng.uniform(0.09, 0.16), rng.uniform(0.5, 0.75)
    white = draw_material(rng, 'white', 'appliance')
    parts = []
    for x in np.arange(-w / 2, w / 2 - 0.04, 0.09):
        parts += cushion((x, 0.03, 0.08), (x + 0.07, d, h), white, roundness=0.08)
    parts += box((-w / 2, 0.04, 0.12), (w / 2, d - 0.03, h - 0.06), white, bottom=True)
    return Furniture('radiator', parts)


def ottoman(rng: Rng) -> Furniture:
    """Build a padded footstool."""
    w, d, h = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.6), rng.uniform(0.35, 0.46)
    cloth = draw_material(rng, 'fabric', 'leather')
    parts = cushion(
        (-w / 2, 0, 0.03),
        (w / 2, d, h),
        cloth,
        roundness=0.15,
        bulge=0.12,
        power=choose(rng, 2.2, 6.0),
    )
    return Furniture('ottoman', parts)


def bench(rng: Rng) -> Furniture:
    """Build a low bench of boards."""
    w, d, h = rng.uniform(0.8, 1.4), rng.uniform(0.32, 0.42), rng.uniform(0.40, 0.47)
    wood = draw_material(rng, 'wood', 'dark wood')
    parts = box((-w / 2, 0, h - 0.05), (w / 2, d, h), wood, bottom=True)
    for x in (-w / 2 + 0.08, w / 2 - 0.14):
        parts += box((x, 0.03, 0), (x + 0.06, d - 0.03, h - 0.05), wood, top=False)
    return Furniture('bench', parts)
