# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Toilets, bathtubs and sinks."""

import numpy as np

from ..shapes.materials import Material, draw_material
from ..shapes.surfaces import Surface, box, cushion, lathe, loft, pipe, ring_at
from .base import Furniture, choose

Rng = np.random.Generator


def basin(rng: Rng, w: float, d: float) -> Furniture:
    """Build a basin for a worktop at z = 0; its rim is 2 cm above it, its bowl below."""
    deep = rng.uniform(0.10, 0.17)
    metal = draw_material(rng, 'ceramic', 'metal')
    power = choose(rng, 2.2, 6.0)
    profile = [
        (0.5, 0.0),
        (0.5, 0.02),
        (0.46, 0.022),
        (0.44, 0.0),
        (0.40, -0.7 * deep),
        (0.33, -deep),
        (0.02, -1.05 * deep),
    ]
    parts = [
        s._replace(lattice=s.lattice * (w, d, 1) + (0, d / 2, 0))
        for s in lathe(profile, metal, sides=20, power=power, top=False)
    ]
    parts += _tap(rng, 0.0)
    return Furniture('sink', parts)


def _tap(rng: Rng, y: float) -> list[Surface]:
    high, reach = rng.uniform(0.10, 0.26), rng.uniform(0.10, 0.18)
    return pipe(
        [(0, y, 0.0), (0, y, 0.8 * high), (0, y + 0.3 * reach, high), (0, y + reach, 0.85 * high)],
        0.014,
        draw_material(rng, 'metal'),
        sides=5,
    )


def wall_sink(rng: Rng) -> Furniture:
    """Build a washbasin on the wall, with or without a column."""
    w, d, h = rng.uniform(0.45, 0.65), rng.uniform(0.38, 0.5), rng.uniform(0.78, 0.88)
    white = draw_material(rng, 'ceramic')
    outline = [
        (0.6, h - 0.18),
        (0.9, h - 0.10),
        (1.0, h - 0.03),
        (1.0, h),
        (0.9, h + 0.003),
        (0.84, h - 0.02),
        (0.6, h - 0.11),
        (0.03, h - 0.13),
    ]
    parts = [
        s._replace(lattice=s.lattice * (w / 2, d / 2, 1) + (0, d / 2, 0))
        for s in lathe(outline, white, sides=20, power=3.0, top=False, bottom=True)
    ]
    if rng.random() < 0.6:
        parts += lathe(
            [(0.11, 0), (0.08, 0.15), (0.09, h - 0.16)], white, centre=(0, 0.16), top=False
        )
    parts += [s._replace(lattice=s.lattice + (0, 0, h)) for s in _tap(rng, 0.05)]
    return Furniture('sink', parts)


def tub_shape(w: float, d: float, h: float, rim: float, white: Material) -> list[Surface]:
    """Build outside, rim and bowl of a bathtub."""
    parts = loft(
        [
            ring_at(np.array([[-w / 2, 0], [w / 2, 0], [w / 2, d], [-w / 2, d]]), z)
            for z in (0.0, h)
        ],
        white,
        top=False,
    )
    bowl = cushion((-w / 2 + rim, rim, 0.0), (w / 2 - rim, d - rim, 1.0), white)[0].lattice[:, 3]
    ring = bowl[:, :2] - (0, d / 2)
    rings = [
        ring_at(ring, z, scale=s, centre=(0, d / 2))
        for z, s in ((h, 1.0), (0.6 * h, 0.95), (0.3 * h, 0.88), (0.2 * h, 0.75), (0.18 * h, 0.02))
    ]
    outer = np.column_stack(
        [np.clip(ring * 3, (-w / 2, -d / 2), (w / 2, d / 2)) + (0, d / 2), np.full(len(ring), h)]
    )
    parts.append(Surface(lattice=np.stack([outer, rings[0]], axis=1), closed=True, material=white))
    return parts + loft(rings, white, top=False)


def toilet(rng: Rng) -> Furniture:
    """Build a toilet: a bowl with seat and lid, and a tank behind it."""
    white = draw_material(rng, 'ceramic')
    w, deep = rng.uniform(0.35, 0.42), rng.uniform(0.62, 0.74)
    seat, tank_top, tank = rng.uniform(0.38, 0.45), rng.uniform(0.70, 0.88), rng.uniform(0.16, 0.21)
    bowl = deep - tank - 0.02
    centre = (0.0, tank + bowl / 2 + 0.02)
    stretch = bowl / w
    parts = lathe(
        [
            (0.27 * w, 0.0),
            (0.26 * w, 0.08),
            (0.34 * w, 0.22),
            (0.48 * w, seat - 0.06),
            (0.5 * w, seat),
            (0.44 * w, seat + 0.02),
            (0.32 * w, seat),
            (0.25 * w, seat - 0.12),
            (0.02, seat - 0.2),
        ],
        white,
        centre=centre,
        stretch=stretch,
        sides=18,
        top=False,
    )
    parts += box((-0.2 * w, tank * 0.4, 0), (0.2 * w, tank + 0.12, seat - 0.04), white)
    parts += cushion(
        (-0.52 * w, 0.01, seat - 0.03),
        (0.52 * w, tank, tank_top - 0.03),
        white,
        roundness=0.05,
        power=7.0,
    )
    parts += cushion(
        (-0.55 * w, 0.0, tank_top - 0.03),
        (0.55 * w, tank + 0.012, tank_top),
        white,
        roundness=0.3,
        power=7.0,
    )
    lid = rng.random()
    if lid < 0.45:
        closed = lathe(
            [(0.5 * w, seat + 0.02), (0.5 * w, seat + 0.04), (0.44 * w, seat + 0.05)],
            white,
            centre=centre,
            stretch=stretch,
            sides=18,
        )
        parts += closed
    else:
        parts += cushion(
            (-0.46 * w, tank - 0.005, seat + 0.02),
            (0.46 * w, tank + 0.04, seat + 0.9 * bowl),
            white,
            roundness=0.3,
            power=4.0,
        )
    return Furniture('toilet', parts)


def bathtub(rng: Rng) -> Furniture:
    """Build a bathtub along the wall."""
    w, d, h = rng.uniform(1.4, 1.75), rng.uniform(0.68, 0.82), rng.uniform(0.42, 0.6)
    return Furniture(
        'bathtub', tub_shape(w, d, h, rng.uniform(0.05, 0.09), draw_material(rng, 'ceramic'))
    )


def oval_bathtub(rng: Rng) -> Furniture:
    """Build a freestanding bathtub with round ends."""
    w, d, h = rng.uniform(1.45, 1.75), rng.uniform(0.7, 0.85), rng.uniform(0.5, 0.62)
    outline = [
        (0.40, 0.0),
        (0.46, 0.3 * h),
        (0.5, h),
        (0.46, h + 0.01),
        (0.42, 0.7 * h),
        (0.36, 0.3 * h),
        (0.03, 0.2 * h),
    ]
    parts = [
        s._replace(lattice=s.lattice * (w, d, 1) + (0, d / 2, 0))
        for s in lathe(outline, draw_material(rng, 'ceramic'), sides=24, power=2.6, top=False)
    ]
    return Furniture('bathtub', parts)


def towel_rail(rng: Rng) -> Furniture:
    """Build a towel over a bar on the wall."""
    w = rng.uniform(0.4, 0.6)
    parts = pipe([(-w / 2, 0.06, 1.3), (w / 2, 0.06, 1.3)], 0.01, draw_material(rng, 'metal'))
    parts += cushion(
        (-0.4 * w, 0.03, rng.uniform(0.7, 0.95)),
        (0.4 * w, 0.09, 1.32),
        draw_material(rng, 'fabric', 'bedding'),
        roundness=0.05,
    )
    return Furniture('towel', parts)
