# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Beds."""

import numpy as np

from ..shapes.materials import draw_material
from ..shapes.surfaces import Surface, box, cushion
from .base import Furniture, choose

Rng = np.random.Generator


def _blanket(rng: Rng, w: float, y0: float, y1: float, top: float, hang: float) -> list[Surface]:
    """Build a cover over the mattress: a wavy sheet that hangs down on both sides."""
    cloth = draw_material(rng, 'bedding', 'fabric')
    across = np.array(
        [
            -w / 2 - 0.03,
            -w / 2 - 0.02,
            -w / 2 + 0.03,
            -0.25 * w,
            0.0,
            0.25 * w,
            w / 2 - 0.03,
            w / 2 + 0.02,
            w / 2 + 0.03,
        ]
    )
    drop = np.array([-hang, -0.5 * hang, 0.02, 0.035, 0.035, 0.035, 0.02, -0.5 * hang, -hang])
    along = np.linspace(y0, y1, 9)
    lattice = np.empty((9, 9, 3))
    lattice[..., 0] = across[:, None] + rng.normal(0, 0.008, (9, 9))
    lattice[..., 1] = along[None]
    lattice[..., 2] = top + drop[:, None] + rng.normal(0, 0.012, (9, 9))
    return [Surface(lattice=lattice, closed=False, material=cloth)]


def _mattress_set(
    rng: Rng, w: float, length: float, base: float, top: float, pillows: int
) -> list[Surface]:
    sheet, pillow = draw_material(rng, 'bedding'), draw_material(rng, 'bedding')
    parts = cushion((-w / 2, 0.04, base), (w / 2, length, top), sheet, roundness=0.2, power=12.0)
    start = rng.uniform(0.35, 0.75)
    parts += _blanket(rng, w, start, length + 0.03, top + 0.01, rng.uniform(0.08, top - base + 0.1))
    edges = np.linspace(-w / 2, w / 2, pillows + 1)
    for x0, x1 in zip(edges[:-1], edges[1:], strict=True):
        deep = rng.uniform(0.35, 0.45)
        parts += cushion(
            (x0 + 0.06, 0.08, top - 0.02),
            (x1 - 0.06, 0.08 + deep, top + 0.13),
            pillow,
            roundness=0.45,
            bulge=0.2,
            power=3.5,
        )
    return parts


def framed_bed(rng: Rng) -> Furniture:
    """Build a bed with a headboard and sometimes a footboard."""
    w, length = choose(rng, 0.95, 1.05, 1.4, 1.6) + rng.uniform(-0.05, 0.08), rng.uniform(1.9, 2.1)
    wood, top = draw_material(rng, 'wood', 'dark wood', 'white', 'fabric'), rng.uniform(0.45, 0.62)
    base = rng.uniform(0.2, 0.3)
    parts = box(
        (-w / 2 - 0.03, 0, base - 0.15), (w / 2 + 0.03, length + 0.04, base), wood, bottom=True
    )
    for x in (-w / 2, w / 2 - 0.05):
        for y in (0.0, length - 0.02):
            parts += box((x, y, 0), (x + 0.05, y + 0.05, base - 0.1), wood, top=False)
    parts += cushion(
        (-w / 2 - 0.04, -0.05, 0),
        (w / 2 + 0.04, 0.03, rng.uniform(0.8, 1.2)),
        wood,
        roundness=0.03,
        power=20.0,
    )
    if rng.random() < 0.4:
        parts += box(
            (-w / 2 - 0.03, length + 0.03, 0),
            (w / 2 + 0.03, length + 0.07, rng.uniform(0.5, 0.75)),
            wood,
        )
    parts += _mattress_set(rng, w, length, base, top, 1 if w < 1.2 else 2)
    return Furniture('bed', _from_zero(parts), tops=[(-0.4 * w, 0.8, 0.4 * w, 1.7, top + 0.05)])


def divan_bed(rng: Rng) -> Furniture:
    """Build a bed on a closed base, without boards."""
    w, length = choose(rng, 0.95, 1.2, 1.55) + rng.uniform(-0.05, 0.1), rng.uniform(1.88, 2.05)
    top = rng.uniform(0.48, 0.66)
    parts = box(
        (-w / 2 + 0.01, 0.04, 0.04),
        (w / 2 - 0.01, length - 0.01, 0.6 * top),
        draw_material(rng, 'fabric', 'bedding'),
        bottom=True,
    )
    parts += _mattress_set(rng, w, length, 0.6 * top, top, 1 if w < 1.2 else 2)
    return Furniture('bed', _from_zero(parts), tops=[(-0.4 * w, 0.8, 0.4 * w, 1.7, top + 0.05)])


def bunk_bed(rng: Rng) -> Furniture:
    """Build two narrow beds, one above the other."""
    w, length, high = rng.uniform(0.92, 1.02), rng.uniform(1.92, 2.05), rng.uniform(1.25, 1.4)
    frame = draw_material(rng, 'wood', 'metal', 'white')
    parts = []
    for level in (0.25, high):
        parts += box((-w / 2, 0, level - 0.12), (w / 2, length, level), frame, bottom=True)
        parts += _mattress_set(rng, w - 0.08, length - 0.05, level, level + 0.18, 1)
    for x in (-w / 2, w / 2 - 0.06):
        for y in (0.0, length - 0.06):
            parts += box((x, y, 0), (x + 0.06, y + 0.06, high + 0.35), frame)
        parts += box(
            (x + 0.01, 0.06, high + 0.2), (x + 0.05, length - 0.06, high + 0.28), frame, bottom=True
        )
    return Furniture('bed', _from_zero(parts))


def _from_zero(parts: list[Surface]) -> list[Surface]:
    """Shift a piece so that its rearmost point lies at y = 0."""
    back = min(s.lattice[..., 1].min() for s in parts)
    return [s._replace(lattice=s.lattice - (0, back, 0)) for s in parts]
