# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Small things on tops, on the floor and on beds; few of them are annotated."""

import numpy as np

from ..shapes.materials import draw_material
from ..shapes.surfaces import box, cushion, lathe, moved, sheet
from .base import Furniture, choose

Rng = np.random.Generator


def monitor(rng: Rng) -> Furniture:
    """Build a flat screen on a foot, facing +y."""
    w, h = rng.uniform(0.42, 0.62), rng.uniform(0.27, 0.38)
    case, screen = draw_material(rng, 'dark', 'metal'), draw_material(rng, 'screen')
    parts = box((-0.1, 0.02, 0), (0.1, 0.2, 0.02), case)
    parts += box((-0.03, 0.06, 0), (0.03, 0.09, 0.2), case)
    parts += box((-w / 2, 0.09, 0.1), (w / 2, 0.11, 0.1 + h), case, bottom=True)
    parts += box((-w / 2 + 0.02, 0.1, 0.12), (w / 2 - 0.02, 0.118, 0.08 + h), screen, bottom=True)
    return Furniture('monitor', parts)


def laptop(rng: Rng) -> Furniture:
    """Build an open laptop."""
    case, w = draw_material(rng, 'metal', 'dark'), rng.uniform(0.3, 0.38)
    parts = box((-w / 2, 0.05, 0), (w / 2, 0.29, 0.02), case)
    parts += box((-w / 2, 0.03, 0.01), (w / 2, 0.05, 0.24), draw_material(rng, 'screen'))
    return Furniture('laptop', parts)


def stack(rng: Rng) -> Furniture:
    """Build a pile of books or papers."""
    parts, z = [], 0.0
    for _ in range(int(rng.integers(2, 6))):
        w, d, h = rng.uniform(0.16, 0.3), rng.uniform(0.14, 0.22), rng.uniform(0.015, 0.05)
        material = draw_material(rng, 'plastic', 'white')
        piece = box((-w / 2, -d / 2, z), (w / 2, d / 2, z + h), material)
        parts += moved(piece, angle=rng.uniform(-0.4, 0.4), offset=(0, 0.14, 0))
        z += h
    return Furniture('books', parts)


def carton(rng: Rng) -> Furniture:
    """Build a box."""
    w, d, h = rng.uniform(0.15, 0.5), rng.uniform(0.15, 0.4), rng.uniform(0.1, 0.4)
    return Furniture(
        'box', box((-w / 2, 0, 0), (w / 2, d, h), draw_material(rng, 'wood', 'plastic', 'white'))
    )


def bottle(rng: Rng) -> Furniture:
    """Build a bottle, jar or cup."""
    r, h = rng.uniform(0.03, 0.07), rng.uniform(0.1, 0.32)
    return Furniture(
        'bottle',
        lathe(
            [(r, 0), (r, 0.6 * h), (0.5 * r, 0.8 * h), (0.4 * r, h)],
            draw_material(rng, 'plastic', 'metal', 'ceramic'),
            sides=8,
            centre=(0, r),
        ),
    )


def bowl(rng: Rng) -> Furniture:
    """Build a bowl or plate."""
    r, h = rng.uniform(0.08, 0.15), rng.uniform(0.03, 0.09)
    return Furniture(
        'bowl',
        lathe(
            [(0.5 * r, 0), (r, h), (0.9 * r, h), (0.1 * r, 0.02)],
            draw_material(rng, 'ceramic', 'plastic'),
            sides=10,
            centre=(0, r),
            top=False,
        ),
    )


def table_lamp(rng: Rng) -> Furniture:
    """Build a lamp with a shade."""
    r, h = rng.uniform(0.1, 0.17), rng.uniform(0.35, 0.55)
    parts = lathe(
        [(0.6 * r, 0), (0.6 * r, 0.02), (0.02, 0.05), (0.02, h - 0.18)],
        draw_material(rng, 'metal', 'ceramic', 'wood'),
        centre=(0, r),
        sides=8,
        top=False,
    )
    parts += lathe(
        [(r, h - 0.2), (0.75 * r, h)],
        draw_material(rng, 'white', 'curtain'),
        centre=(0, r),
        sides=12,
    )
    return Furniture('lamp', parts)


def floor_lamp(rng: Rng) -> Furniture:
    """Build a lamp on a pole."""
    r, h = rng.uniform(0.14, 0.22), rng.uniform(1.35, 1.7)
    metal = draw_material(rng, 'metal', 'dark')
    parts = lathe(
        [(0.14, 0), (0.14, 0.02), (0.013, 0.04), (0.013, h - 0.2)],
        metal,
        sides=8,
        centre=(0, r),
        top=False,
    )
    parts += lathe(
        [(r, h - 0.28), (0.7 * r, h)],
        draw_material(rng, 'white', 'curtain'),
        centre=(0, r),
        sides=12,
    )
    return Furniture('lamp', parts)


def potted_plant(rng: Rng) -> Furniture:
    """Build a pot with leaves."""
    r, h, leaf = rng.uniform(0.1, 0.18), rng.uniform(0.15, 0.3), draw_material(rng, 'plant')
    parts = lathe(
        [(0.7 * r, 0), (r, h), (0.8 * r, h - 0.03)],
        draw_material(rng, 'ceramic', 'wood', 'plastic'),
        sides=10,
        centre=(0, r),
    )
    rise, spread = rng.uniform(0.25, 0.8), rng.uniform(0.18, 0.35)
    for _ in range(int(rng.integers(9, 18))):
        t, wide = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.06)
        x, y = np.cos(t), np.sin(t)
        reach, top = spread * rng.uniform(0.4, 1), rise * rng.uniform(0.5, 1)
        # Each leaf rises from the pot, bends over and points outwards.
        spine = np.array([(0.02, 0.0, 0.3), (0.35, 0.65, 0.8), (0.7, 1.0, 1.0), (1.0, 0.85, 0.1)])
        lattice = np.empty((2, 4, 3))
        for k, side in enumerate((1, -1)):
            lattice[k, :, 0] = reach * spine[:, 0] * x + side * wide * spine[:, 2] * y
            lattice[k, :, 1] = reach * spine[:, 0] * y - side * wide * spine[:, 2] * x + r
            lattice[k, :, 2] = h + top * spine[:, 1]
        parts += sheet(lattice, leaf, thickness=0.004)
    return Furniture('plant', parts)


def backpack(rng: Rng) -> Furniture:
    """Build a backpack on the floor."""
    w, d, h = rng.uniform(0.28, 0.4), rng.uniform(0.16, 0.26), rng.uniform(0.35, 0.5)
    return Furniture(
        choose(rng, 'backpack', 'bag'),
        cushion(
            (-w / 2, 0, 0),
            (w / 2, d, h),
            draw_material(rng, 'fabric', 'dark'),
            roundness=0.25,
            bulge=0.1,
            power=3.0,
        ),
    )


def cloth_heap(rng: Rng) -> Furniture:
    """Build a heap of clothes."""
    parts, cloth = [], draw_material(rng, 'fabric')
    for _ in range(int(rng.integers(2, 5))):
        s, h = rng.uniform(0.1, 0.24), rng.uniform(0.04, 0.14)
        lump = cushion(
            (-s, -0.7 * s, 0), (s, 0.7 * s, h), cloth, roundness=0.45, bulge=0.2, power=2.0
        )
        parts += moved(lump, angle=rng.uniform(0, 3), offset=(*rng.uniform(-0.12, 0.12, 2), 0))
    return Furniture('clothes', parts)


def loose_pillow(rng: Rng) -> Furniture:
    """Build a pillow on a bed or sofa."""
    w, d = rng.uniform(0.38, 0.6), rng.uniform(0.3, 0.42)
    return Furniture(
        'pillow',
        cushion(
            (-w / 2, -d / 2, 0),
            (w / 2, d / 2, rng.uniform(0.1, 0.18)),
            draw_material(rng, 'bedding', 'fabric'),
            roundness=0.45,
            bulge=0.2,
            power=3.0,
        ),
    )


def microwave(rng: Rng) -> Furniture:
    """Build a microwave oven."""
    w, d, h = rng.uniform(0.44, 0.52), rng.uniform(0.3, 0.38), rng.uniform(0.26, 0.3)
    parts = box((-w / 2, 0, 0), (w / 2, d, h), draw_material(rng, 'appliance', 'dark'))
    parts += box(
        (-w / 2 + 0.03, d - 0.01, 0.04),
        (w / 2 - 0.12, d + 0.01, h - 0.04),
        draw_material(rng, 'screen'),
        bottom=True,
    )
    return Furniture('microwave', parts)


def rug(rng: Rng) -> Furniture:
    """Build a mat on the floor."""
    w, d = rng.uniform(0.7, 1.8), rng.uniform(0.5, 1.2)
    return Furniture(
        'rug', box((-w / 2, 0, 0), (w / 2, d, 0.014), draw_material(rng, 'carpet', 'fabric'))
    )


ON_TABLES = (stack, carton, bottle, bowl, table_lamp, laptop, bottle, microwave)
ON_DESKS = (monitor, monitor, laptop, stack, bottle, table_lamp, carton)
ON_SOFT = (loose_pillow, loose_pillow, cloth_heap)
ON_FLOOR = (carton, backpack, cloth_heap, potted_plant, floor_lamp, carton)
