# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Tables, desks and counters."""

import numpy as np

from ..shapes.materials import Material, draw_material
from ..shapes.surfaces import Surface, box, lathe, pipe
from .base import Furniture, choose

Rng = np.random.Generator


def _legs(rng: Rng, w: float, d: float, top: float, material: Material) -> list[Surface]:
    """Build four legs at the corners: square or round, upright or splayed."""
    half, splay = rng.uniform(0.018, 0.045), choose(rng, 0.0, rng.uniform(0.02, 0.06))
    inset = half + splay + rng.uniform(0.0, 0.05)
    parts, round_legs = [], rng.random() < 0.5
    for x, y, sx, sy in (
        (-w / 2 + inset, inset, -1, -1),
        (w / 2 - inset, inset, 1, -1),
        (-w / 2 + inset, d - inset, -1, 1),
        (w / 2 - inset, d - inset, 1, 1),
    ):
        if round_legs or splay:
            parts += pipe([(x + sx * splay, y + sy * splay, 0), (x, y, top)], half, material)
        else:
            parts += box((x - half, y - half, 0), (x + half, y + half, top), material, top=False)
    return parts


def _rail(w: float, d: float, top: float, material: Material, inset: float) -> list[Surface]:
    return box(
        (-w / 2 + inset, inset, top - 0.08),
        (w / 2 - inset, d - inset, top),
        material,
        bottom=True,
        top=False,
    )


def four_leg_table(rng: Rng) -> Furniture:
    """Build a dining table."""
    w, d, h = rng.uniform(0.8, 1.9), rng.uniform(0.7, 1.0), rng.uniform(0.70, 0.78)
    wood = draw_material(rng, 'wood', 'dark wood', 'white')
    thick = rng.uniform(0.025, 0.05)
    parts = box((-w / 2, 0, h - thick), (w / 2, d, h), wood, bottom=True)
    frame = wood if rng.random() < 0.7 else draw_material(rng, 'metal', 'dark')
    parts += _legs(rng, w, d, h - thick, frame)
    if rng.random() < 0.6:
        parts += _rail(w, d, h - thick, frame, rng.uniform(0.03, 0.1))
    label = choose(rng, 'table', 'table', 'dining table')
    return Furniture(label, parts, tops=[(-0.45 * w, 0.1 * d, 0.45 * w, 0.9 * d, h)])


def round_table(rng: Rng) -> Furniture:
    """Build a table with a round top on a column or on legs."""
    r, h = rng.uniform(0.38, 0.65), rng.uniform(0.70, 0.77)
    wood = draw_material(rng, 'wood', 'dark wood', 'white', 'stone')
    centre = (0.0, r)
    parts = lathe(
        [(r - 0.01, h - 0.04), (r, h - 0.03), (r, h)], wood, sides=24, centre=centre, bottom=True
    )
    if rng.random() < 0.6:
        foot = rng.uniform(0.45, 0.7) * r
        parts += lathe(
            [(foot, 0), (foot, 0.03), (0.05, 0.08), (0.045, h - 0.1), (0.15, h - 0.04)],
            draw_material(rng, 'metal', 'dark wood'),
            centre=centre,
            top=False,
        )
    else:
        for t in np.arange(4) * np.pi / 2 + 0.6:
            x, y = np.cos(t), np.sin(t)
            parts += pipe(
                [(0.75 * r * x, r + 0.75 * r * y, 0), (0.6 * r * x, r + 0.6 * r * y, h - 0.04)],
                0.026,
                wood,
            )
    return Furniture('table', parts, tops=[(-0.6 * r, 0.4 * r, 0.6 * r, 1.6 * r, h)])


def low_table(rng: Rng) -> Furniture:
    """Build a coffee or end table."""
    w, d, h = rng.uniform(0.5, 1.2), rng.uniform(0.45, 0.7), rng.uniform(0.36, 0.5)
    wood = draw_material(rng, 'wood', 'dark wood', 'white')
    parts = box((-w / 2, 0, h - 0.04), (w / 2, d, h), wood, bottom=True)
    style = int(rng.integers(3))
    if style == 0:
        parts += _legs(rng, w, d, h - 0.04, wood)
    elif style == 1:
        for x in (-w / 2 + 0.03, w / 2 - 0.07):
            parts += box((x, 0.03, 0), (x + 0.04, d - 0.03, h - 0.04), wood, top=False)
    else:
        parts += _legs(rng, w, d, h - 0.04, wood)
        parts += box((-w / 2 + 0.06, 0.06, 0.12), (w / 2 - 0.06, d - 0.06, 0.15), wood, bottom=True)
    label = 'coffee table' if w > 0.75 else 'end table'
    return Furniture(label, parts, tops=[(-0.42 * w, 0.1 * d, 0.42 * w, 0.9 * d, h)])


def _desk_top(w: float, d: float, h: float, wood: Material) -> list[Surface]:
    return box((-w / 2, 0, h - 0.03), (w / 2, d, h), wood, bottom=True)


def plain_desk(rng: Rng) -> Furniture:
    """Build a desk on side panels or legs, with a wooden panel at its back."""
    w, d, h = rng.uniform(1.0, 1.7), rng.uniform(0.55, 0.8), rng.uniform(0.70, 0.77)
    wood = draw_material(rng, 'wood', 'dark wood', 'white')
    parts = _desk_top(w, d, h, wood)
    if rng.random() < 0.65:
        for x in (-w / 2, w / 2 - 0.04):
            parts += box((x, 0.02, 0), (x + 0.04, d - 0.02, h - 0.03), wood, top=False)
    else:
        parts += _legs(rng, w, d, h - 0.03, draw_material(rng, 'metal', 'dark'))
    parts += box(
        (-w / 2 + 0.04, 0.06, rng.uniform(0.2, 0.4)),
        (w / 2 - 0.04, 0.09, h - 0.03),
        wood,
        bottom=True,
        top=False,
    )
    return Furniture('desk', parts, tops=[(-0.46 * w, 0.05, 0.46 * w, 0.9 * d, h)])


def drawer_desk(rng: Rng) -> Furniture:
    """Build a desk with a chest of drawers on one side or on both."""
    w, d, h = rng.uniform(1.1, 1.7), rng.uniform(0.6, 0.82), rng.uniform(0.72, 0.78)
    wood = draw_material(rng, 'wood', 'dark wood', 'white')
    parts = _desk_top(w, d, h, wood)
    wide, sides = rng.uniform(0.35, 0.45), choose(rng, (-1,), (1,), (-1, 1))
    for side in (-1, 1):
        inner = side * (w / 2 - (wide if side in sides else 0.04))
        x0, x1 = sorted((side * (w / 2 - 0.01), inner))
        parts += box((x0, 0.03, 0), (x1, d - 0.04, h - 0.03), wood, top=False)
        for k in range(3 if side in sides else 0):
            high = (h - 0.14) / 3
            z = 0.08 + k * high
            parts += box(
                (x0 + 0.02, d - 0.04, z), (x1 - 0.02, d - 0.015, z + high - 0.03), wood, bottom=True
            )
    if rng.random() < 0.3:
        parts += box((-w / 2, 0, h), (w / 2, 0.24, h + rng.uniform(0.25, 0.45)), wood)
    return Furniture('desk', parts, tops=[(-0.46 * w, 0.26, 0.46 * w, 0.92 * d, h)])


def corner_desk(rng: Rng) -> Furniture:
    """Build an L-shaped desk."""
    w, d, h = rng.uniform(1.3, 1.8), rng.uniform(0.58, 0.72), rng.uniform(0.70, 0.76)
    side, wide, long = choose(rng, -1, 1), rng.uniform(0.45, 0.6), rng.uniform(0.4, 0.75)
    wood = draw_material(rng, 'wood', 'dark wood', 'white')
    parts = _desk_top(w, d, h, wood)
    x0, x1 = sorted((side * w / 2, side * (w / 2 - wide)))
    parts += box((x0, d, h - 0.03), (x1, d + long, h), wood, bottom=True)
    parts += box((x0, d + long - 0.04, 0), (x1, d + long, h - 0.03), wood, top=False)
    for x in (-w / 2, w / 2 - 0.04):
        parts += box((x, 0.02, 0), (x + 0.04, d - 0.02, h - 0.03), wood, top=False)
    parts += box(
        (-w / 2 + 0.04, 0.03, 0.3), (w / 2 - 0.04, 0.06, h - 0.03), wood, bottom=True, top=False
    )
    return Furniture('desk', parts, tops=[(-0.46 * w, 0.05, 0.46 * w, 0.9 * d, h)])


def counter(rng: Rng, w: float, d: float, hole: tuple[float, float, float] | None) -> Furniture:
    """Build a worktop with a splashback; the cabinets under it are separate objects.

    Args:
        rng: Source of randomness.
        w: Width, metres.
        d: Depth, metres.
        hole: Centre x, width and depth of an opening for a basin in metres, or None.
    """
    low, h = 0.86, 0.91
    stone = draw_material(rng, 'stone', 'wood', 'white')
    if hole is None:
        parts = box((-w / 2, 0, low), (w / 2, d, h), stone, bottom=True)
    else:
        x, wide, deep = hole
        x0, x1, y0, y1 = x - wide / 2, x + wide / 2, (d - deep) / 2, (d + deep) / 2
        parts = []
        for a, b, c, e in ((-w / 2, x0, 0, d), (x1, w / 2, 0, d), (x0, x1, 0, y0), (x0, x1, y1, d)):
            parts += box((a, c, low), (b, e, h), stone, bottom=True)
    parts += box((-w / 2, 0, h), (w / 2, 0.02, h + rng.uniform(0.08, 0.15)), stone)
    tops = [(-0.48 * w, 0.06, 0.48 * w, 0.9 * d, h)]
    if hole is not None:
        tops = [(-0.48 * w, 0.06, x0 - 0.05, 0.9 * d, h), (x1 + 0.05, 0.06, 0.48 * w, 0.9 * d, h)]
    return Furniture(choose(rng, 'counter', 'kitchen counter'), parts, tops=tops)


def bar_counter(rng: Rng) -> Furniture:
    """Build a freestanding counter on a solid base."""
    w, d, h = rng.uniform(1.1, 1.9), rng.uniform(0.45, 0.65), rng.uniform(0.95, 1.1)
    parts = box(
        (-w / 2, 0, h - 0.05), (w / 2, d, h), draw_material(rng, 'stone', 'wood'), bottom=True
    )
    parts += box(
        (-w / 2 + 0.04, 0.04, 0),
        (w / 2 - 0.04, d - 0.15, h - 0.05),
        draw_material(rng, 'paint', 'wood', 'white'),
        top=False,
    )
    return Furniture('counter', parts, tops=[(-0.45 * w, 0.05, 0.45 * w, 0.9 * d, h)])
