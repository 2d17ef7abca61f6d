# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Doors, windows, curtains and pictures: pieces on a wall or in it.

The plane of the wall is y = 0; recessed parts have negative y.
"""

import numpy as np

from ..shapes.materials import draw_material
from ..shapes.surfaces import Surface, box, lathe, pipe, rectangle, sheet
from .base import Furniture, choose

Rng = np.random.Generator


def _frame(
    w: float, z0: float, z1: float, wide: float, y0: float, y1: float, material, *, sill: bool
) -> list[Surface]:
    parts = []
    for x0, x1 in ((-w / 2 - wide, -w / 2), (w / 2, w / 2 + wide)):
        parts += box((x0, y0, z0), (x1, y1, z1 + wide), material)
    parts += box((-w / 2, y0, z1), (w / 2, y1, z1 + wide), material, bottom=True)
    if sill:
        parts += box(
            (-w / 2 - wide, y0, z0 - wide), (w / 2 + wide, y1 + 0.03, z0), material, bottom=True
        )
    return parts


def _leaf(rng: Rng, w: float, h: float, panels: int) -> list[Surface]:
    """Build a door leaf in its own plane y = 0, with panels and a handle."""
    body = draw_material(rng, 'wood', 'dark wood', 'white', 'paint')
    parts = box((0, -0.04, 0.01), (w, 0.0, h), body, bottom=True)
    edges = np.linspace(0.12, h - 0.12, panels + 1)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        parts += box((0.12, -0.05, low + 0.05), (w - 0.12, 0.012, high - 0.05), body, bottom=True)
    grip = draw_material(rng, 'metal', 'dark')
    for y in (0.03, -0.07):
        parts += pipe([(w - 0.06, y, 1.0), (w - 0.19, y, 1.0)], 0.013, grip)
    return parts


def closed_door(rng: Rng, w: float, h: float) -> Furniture:
    """Build a closed door in its frame."""
    parts = _frame(
        w,
        0.0,
        h,
        rng.uniform(0.05, 0.09),
        -0.06,
        0.015,
        draw_material(rng, 'wood', 'white', 'dark wood'),
        sill=False,
    )
    leaf = _leaf(rng, w, h, choose(rng, 0, 1, 2, 3))
    back = rng.uniform(0.0, 0.05)
    parts += [s._replace(lattice=s.lattice + (-w / 2, -back, 0)) for s in leaf]
    return Furniture('door', parts)


def open_door(rng: Rng, w: float, h: float) -> Furniture:
    """Build a door in its frame, open into the room."""
    parts = _frame(
        w,
        0.0,
        h,
        rng.uniform(0.05, 0.09),
        -0.06,
        0.015,
        draw_material(rng, 'wood', 'white', 'dark wood'),
        sill=False,
    )
    turn = np.deg2rad(rng.uniform(20, 95))
    cos, sin = np.cos(turn), np.sin(turn)
    rotate = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    leaf = [
        s._replace(lattice=s.lattice @ rotate + (-w / 2, 0.02, 0))
        for s in _leaf(rng, w, h, choose(rng, 0, 1, 2, 3))
    ]
    return Furniture('door', parts + leaf)


def window(rng: Rng, w: float, z0: float, z1: float) -> Furniture:
    """Build a window with bars; the camera misses most of its glass."""
    wood = draw_material(rng, 'white', 'wood', 'dark')
    deep = rng.uniform(0.04, 0.12)
    parts = _frame(w, z0, z1, 0.05, -deep, 0.015, wood, sill=True)
    columns, rows = 1 + int(w > 0.8) + int(w > 1.6), 1 + int(rng.random() < 0.5)
    for x in np.linspace(-w / 2, w / 2, columns + 1):
        parts += box((x - 0.03, -deep - 0.02, z0), (x + 0.03, -deep + 0.03, z1), wood)
    for z in np.linspace(z0, z1, rows + 1):
        parts += box(
            (-w / 2, -deep - 0.02, z - 0.03), (w / 2, -deep + 0.03, z + 0.03), wood, bottom=True
        )
    pane = draw_material(rng, 'glass')
    parts.append(rectangle((w / 2, -deep, z0), (-w, 0, 0), (0, 0, z1 - z0), pane))
    if rng.random() < 0.25:
        blind = draw_material(rng, 'white', 'curtain')
        low = rng.uniform(z0, 0.5 * (z0 + z1))
        parts.append(rectangle((w / 2, -0.01, low), (-w, 0, 0), (0, 0, z1 - low), blind))
    return Furniture('window', parts)


def _folds(rng: Rng, x0: float, x1: float, z0: float, z1: float, y: float) -> np.ndarray:
    """Build a hanging cloth (nu, 3, 3) with folds, facing +y."""
    folds = max(2, round((x1 - x0) / rng.uniform(0.09, 0.16)))
    t = np.linspace(1.0, 0.0, 6 * folds + 1)
    wave = np.sin(2 * np.pi * folds * t + rng.uniform(0, 6))
    lattice = np.empty((len(t), 3, 3))
    for k, (z, amplitude) in enumerate(((z0, 0.045), (0.5 * (z0 + z1), 0.035), (z1, 0.02))):
        lattice[:, k, 0] = x0 + (x1 - x0) * t
        lattice[:, k, 1] = y + amplitude * wave
        lattice[:, k, 2] = z
    return lattice


def curtain(rng: Rng, w: float, z0: float, z1: float) -> Furniture:
    """Build curtains on both sides of a window of width w, or drawn across it."""
    cloth = draw_material(rng, 'curtain', 'fabric')
    wide = rng.uniform(0.3, 0.55)
    sides = [(-w / 2 - 0.2, -w / 2 - 0.2 + wide), (w / 2 + 0.2 - wide, w / 2 + 0.2)]
    if rng.random() < 0.3:
        sides = [(-w / 2 - 0.2, w / 2 + 0.2)]
    parts = []
    for x0, x1 in sides:
        parts += sheet(_folds(rng, x0, x1, z0, z1, 0.09), cloth)
    parts += pipe(
        [(-w / 2 - 0.3, 0.09, z1 + 0.02), (w / 2 + 0.3, 0.09, z1 + 0.02)],
        0.013,
        draw_material(rng, 'metal', 'wood'),
    )
    return Furniture(choose(rng, 'curtain', 'curtain', 'curtains'), parts)


def shower_curtain(rng: Rng) -> Furniture:
    """Build a curtain that hangs from a rod in front of a tub."""
    w, z0 = rng.uniform(0.7, 1.4), rng.uniform(0.15, 0.35)
    cloth = draw_material(rng, 'curtain', 'white', 'plastic')
    parts = sheet(_folds(rng, -w / 2, w / 2, z0, rng.uniform(1.85, 2.0), 0.06), cloth)
    return Furniture('shower curtain', parts)


def picture(rng: Rng) -> Furniture:
    """Build a framed picture."""
    w, h, z = rng.uniform(0.3, 1.0), rng.uniform(0.3, 0.8), rng.uniform(1.35, 1.7)
    rim, deep = rng.uniform(0.015, 0.05), rng.uniform(0.015, 0.04)
    frame = draw_material(rng, 'dark wood', 'wood', 'white', 'dark')
    image = draw_material(rng, 'picture')
    parts = box((-w / 2, 0, z - h / 2), (w / 2, deep, z + h / 2), frame, bottom=True)
    parts.append(
        rectangle(
            (w / 2 - rim, deep + 0.006, z - h / 2 + rim),
            (2 * rim - w, 0, 0),
            (0, 0, h - 2 * rim),
            image,
        )
    )
    return Furniture(choose(rng, 'picture', 'picture', 'painting'), parts)


def poster(rng: Rng) -> Furniture:
    """Build a large picture without a frame."""
    w, h, z = rng.uniform(0.5, 0.9), rng.uniform(0.6, 1.1), rng.uniform(1.3, 1.6)
    return Furniture(
        'poster',
        box(
            (-w / 2, 0, z - h / 2),
            (w / 2, 0.012, z + h / 2),
            draw_material(rng, 'picture'),
            bottom=True,
        ),
    )


def mirror(rng: Rng) -> Furniture:
    """Build a mirror; the camera misses most of it."""
    w, h, z = rng.uniform(0.4, 0.7), rng.uniform(0.5, 0.9), rng.uniform(1.35, 1.55)
    return Furniture(
        'mirror',
        box(
            (-w / 2, 0, z - h / 2),
            (w / 2, 0.02, z + h / 2),
            draw_material(rng, 'glass'),
            bottom=True,
        ),
    )


def ceiling_lamp(rng: Rng, z: float) -> Furniture:
    """Build a lamp below the ceiling at height z."""
    r = rng.uniform(0.12, 0.22)
    return Furniture(
        'light',
        lathe(
            [(0.3 * r, z - 0.16), (r, z - 0.1), (0.9 * r, z - 0.02)],
            draw_material(rng, 'white'),
            centre=(0, r),
            bottom=True,
        ),
    )
