# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Chairs and sofas."""

import numpy as np

from ..shapes.materials import Material, draw_material
from ..shapes.surfaces import Surface, box, cushion, lathe, pipe, sheet
from .base import Furniture, choose

Rng = np.random.Generator


def _curved_back(
    width: float,
    y: float,
    z0: float,
    z1: float,
    lean: float,
    bow: float,
    material: Material,
    thickness: float,
) -> list[Surface]:
    """Build the back of a chair, leaning backwards and curved around the sitter, facing +y."""
    u = np.linspace(-1.0, 1.0, 7)[::-1]
    v = np.linspace(0.0, 1.0, 4)
    lattice = np.empty((7, 4, 3))
    lattice[..., 0] = 0.5 * width * u[:, None] * (1 - 0.12 * v[None] ** 2)
    lattice[..., 1] = y + thickness + bow * u[:, None] ** 2 - lean * v[None]
    lattice[..., 2] = z0 + (z1 - z0) * v[None]
    return sheet(lattice, material, thickness=thickness)


def four_leg_chair(rng: Rng) -> Furniture:
    """Build a kitchen chair: four legs, a board or padded seat, a solid or slatted back."""
    w, d = rng.uniform(0.38, 0.50), rng.uniform(0.40, 0.52)
    seat, top = rng.uniform(0.42, 0.48), rng.uniform(0.78, 1.02)
    frame = draw_material(rng, 'wood', 'dark wood', 'metal', 'white')
    pad = frame if rng.random() < 0.4 else draw_material(rng, 'fabric', 'leather', 'plastic')
    leg, lean = rng.uniform(0.016, 0.026), rng.uniform(0.02, 0.09)
    x, y0, y1 = w / 2 - leg, 0.05 + lean, d - leg
    parts = cushion((-w / 2, y0 - leg, seat - 0.05), (w / 2, d, seat), pad, roundness=0.35)
    for side in (-x, x):
        parts += pipe([(side * 1.05, y1 + 0.01, 0), (side, y1, seat - 0.03)], leg, frame)
        parts += pipe(
            [(side * 1.05, y0 - 0.03, 0), (side, y0, seat), (side, y0 - lean, top)], leg, frame
        )
        if rng.random() < 0.5:
            parts += pipe([(side, y0, 0.2), (side, y1, 0.2)], 0.6 * leg, frame)
    if rng.random() < 0.55:
        z0 = seat + rng.uniform(0.05, 0.2)
        parts += _curved_back(
            w * 0.95,
            y0 - lean * 0.5,
            z0,
            top,
            lean * 0.6,
            rng.uniform(0, 0.05),
            choose(rng, frame, pad),
            0.025,
        )
    else:
        for z in np.linspace(seat + 0.14, top - 0.03, int(rng.integers(2, 5))):
            y = y0 - lean * (z - seat) / (top - seat)
            parts += box((-x, y - 0.012, z - 0.035), (x, y + 0.012, z + 0.035), frame, bottom=True)
    return Furniture('chair', parts)


def office_chair(rng: Rng) -> Furniture:
    """Build a swivel chair on a five-pointed base."""
    w, d = rng.uniform(0.46, 0.56), rng.uniform(0.46, 0.54)
    seat, top = rng.uniform(0.44, 0.54), rng.uniform(0.86, 1.16)
    pad, frame = draw_material(rng, 'fabric', 'leather', 'dark'), draw_material(rng, 'dark')
    centre, reach, turn = 0.08 + d / 2, rng.uniform(0.26, 0.33), rng.uniform(0, 2)
    parts = cushion(
        (-w / 2, 0.08, seat - rng.uniform(0.06, 0.10)),
        (w / 2, 0.08 + d, seat),
        pad,
        roundness=0.4,
        bulge=0.15,
        power=3.5,
    )
    parts += pipe([(0, centre, 0.1), (0, centre, seat - 0.06)], 0.035, frame)
    for k in range(5):
        t = turn + 2 * np.pi * k / 5
        tip = (reach * np.cos(t), centre + reach * np.sin(t))
        parts += pipe([(0, centre, 0.13), (*tip, 0.07)], 0.026, frame, sides=5)
        parts += lathe([(0.02, 0.0), (0.03, 0.03), (0.02, 0.06)], frame, sides=6, centre=tip)
    parts += pipe([(0, 0.12, seat - 0.04), (0, 0.03, seat + 0.15)], 0.025, frame)
    parts += _curved_back(
        w * rng.uniform(0.8, 1.0),
        0.03,
        seat + 0.08,
        top,
        rng.uniform(0.02, 0.10),
        rng.uniform(0.03, 0.08),
        pad,
        0.05,
    )
    if rng.random() < 0.65:
        for side in (-w / 2 - 0.02, w / 2 + 0.02):
            parts += pipe(
                [
                    (side * 0.85, centre, seat - 0.05),
                    (side, centre, seat),
                    (side, centre, seat + 0.19),
                ],
                0.018,
                frame,
                sides=5,
            )
            parts += box(
                (side - 0.03, centre - 0.13, seat + 0.19),
                (side + 0.03, centre + 0.13, seat + 0.22),
                frame,
                bottom=True,
            )
    return Furniture('office chair', parts)


def armchair(rng: Rng) -> Furniture:
    """Build a padded chair with arms."""
    w, d = rng.uniform(0.68, 0.95), rng.uniform(0.70, 0.92)
    parts = _upholstered(rng, w, d, seats=1)
    return Furniture('armchair', parts)


def stool_chair(rng: Rng) -> Furniture:
    """Build a shell chair: one moulded seat and back on thin legs."""
    w, d = rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.50)
    seat, top = rng.uniform(0.42, 0.47), rng.uniform(0.74, 0.86)
    shell = draw_material(rng, 'plastic', 'wood', 'white')
    frame = draw_material(rng, 'metal', 'wood')
    profile = np.array(
        [
            (d, seat - 0.03),
            (d - 0.06, seat),
            (0.55 * d, seat - 0.03),
            (0.16, seat - 0.01),
            (0.09, seat + 0.07),
            (0.04, (seat + top) / 2),
            (0.02, top),
        ]
    )
    u = np.linspace(-1, 1, 7)
    lattice = np.empty((7, len(profile), 3))
    narrow = np.array([0.85, 0.95, 1.0, 1.0, 0.97, 0.92, 0.75])
    lattice[..., 0] = -0.5 * w * u[:, None] * narrow
    curl = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.05])
    lattice[..., 1] = profile[:, 0] + curl * u[:, None] ** 2 * (profile[:, 1] > seat)
    lattice[..., 2] = profile[:, 1] + 0.02 * u[:, None] ** 2
    normal = np.cross(lattice[1, 2] - lattice[0, 2], lattice[0, 3] - lattice[0, 2])
    if normal[2] < 0:
        lattice = lattice[::-1]
    back = lattice.copy()
    back[:, :4, 2] -= 0.015
    back[:, 3:, 1] -= 0.015
    parts = [
        Surface(lattice=lattice, closed=False, material=shell),
        Surface(
            lattice=np.ascontiguousarray(back.transpose(1, 0, 2)), closed=False, material=shell
        ),
    ]
    for x, y in ((-1, 0.08), (1, 0.08), (-1, d - 0.02), (1, d - 0.02)):
        parts += pipe(
            [(x * 0.46 * w, y, 0), (x * 0.3 * w, 0.5 * (y + 0.25), seat - 0.03)], 0.014, frame
        )
    return Furniture('chair', parts)


def bar_stool(rng: Rng) -> Furniture:
    """Build a round seat on legs or on a column, with a low back."""
    radius, seat = rng.uniform(0.18, 0.23), rng.uniform(0.46, 0.72)
    pad = draw_material(rng, 'wood', 'leather', 'plastic')
    frame = draw_material(rng, 'metal', 'wood')
    centre = (0.0, radius + 0.04)
    parts = lathe(
        [
            (0.9 * radius, seat - 0.06),
            (radius, seat - 0.04),
            (radius, seat - 0.01),
            (0.9 * radius, seat),
        ],
        pad,
        centre=centre,
        bottom=True,
    )
    if rng.random() < 0.5:
        parts += lathe(
            [(radius, 0.0), (radius, 0.02), (0.03, 0.05), (0.03, seat - 0.05)],
            frame,
            centre=centre,
            top=False,
        )
    else:
        for t in np.arange(4) * np.pi / 2 + np.pi / 4:
            cos, sin = np.cos(t), np.sin(t)
            parts += pipe(
                [
                    (1.05 * radius * cos, centre[1] + 1.0 * radius * sin, 0),
                    (0.7 * radius * cos, centre[1] + 0.7 * radius * sin, seat - 0.05),
                ],
                0.016,
                frame,
            )
    top = seat + rng.uniform(0.18, 0.32)
    parts += _curved_back(1.7 * radius, 0.02, seat + 0.06, top, 0.02, 0.06, pad, 0.02)
    for x in (-0.6 * radius, 0.6 * radius):
        parts += pipe([(x, 0.1, seat - 0.03), (x, 0.03, seat + 0.1)], 0.012, frame, sides=5)
    return Furniture('chair', parts)


def _upholstered(rng: Rng, w: float, d: float, *, seats: int) -> list[Surface]:
    """Build base, seat cushions, back and arms of a sofa or armchair."""
    cloth = draw_material(rng, 'fabric', 'fabric', 'leather')
    seat, top = rng.uniform(0.38, 0.47), rng.uniform(0.70, 0.98)
    arm = rng.uniform(0.10, 0.24) if rng.random() < 0.88 else 0.0
    arm_top = seat + rng.uniform(0.12, 0.24)
    back, foot = rng.uniform(0.16, 0.28), choose(rng, 0.0, rng.uniform(0.05, 0.14))
    soft = rng.uniform(0.1, 0.4)
    parts = box(
        (-w / 2 + 0.02, 0.03, foot), (w / 2 - 0.02, d - 0.04, seat - 0.12), cloth, bottom=foot > 0
    )
    inner = w / 2 - arm
    edges = np.linspace(-inner, inner, seats + 1)
    for x0, x1 in zip(edges[:-1], edges[1:], strict=True):
        parts += cushion(
            (x0, back * 0.6, seat - 0.14), (x1, d, seat), cloth, roundness=soft, bulge=0.1
        )
        parts += cushion(
            (x0, 0.06, seat - 0.05), (x1, back, top), cloth, roundness=0.5 * soft, bulge=0.05
        )
    parts += cushion((-w / 2, 0.0, foot), (w / 2, back * 0.7, top - 0.05), cloth, roundness=0.08)
    for side in (-1, 1) if arm else ():
        x0, x1 = sorted((side * inner, side * w / 2))
        parts += cushion(
            (x0, 0.02, foot), (x1, d - 0.02, arm_top), cloth, roundness=0.5 * soft, bulge=0.05
        )
    if foot:
        leg = draw_material(rng, 'dark wood', 'metal')
        for x in (-w / 2 + 0.06, w / 2 - 0.06):
            for y in (0.06, d - 0.08):
                parts += pipe([(x, y, 0), (x, y, foot + 0.02)], 0.022, leg)
    return parts


def straight_sofa(rng: Rng) -> Furniture:
    """Build a sofa with two to four seats."""
    seats = int(rng.integers(2, 5))
    w, d = 0.36 + seats * rng.uniform(0.52, 0.66), rng.uniform(0.78, 1.0)
    return Furniture(
        choose(rng, 'couch', 'sofa'),
        _upholstered(rng, w, d, seats=seats),
        tops=[(-0.4 * w, 0.3, 0.4 * w, 0.7 * d, 0.45)],
    )


def corner_sofa(rng: Rng) -> Furniture:
    """Build a sofa with a long seat at one end."""
    seats = int(rng.integers(2, 4))
    w, d = 0.5 + seats * rng.uniform(0.55, 0.66), rng.uniform(0.82, 0.98)
    parts = _upholstered(rng, w, d, seats=seats)
    cloth, seat = parts[0].material, rng.uniform(0.38, 0.44)
    side, wide, long = choose(rng, -1, 1), rng.uniform(0.6, 0.8), rng.uniform(0.5, 0.75)
    x0, x1 = sorted((side * w / 2, side * (w / 2 - wide)))
    parts += cushion((x0, d - 0.1, 0.04), (x1, d + long, seat), cloth, roundness=0.15)
    return Furniture('couch', parts, tops=[(-0.3 * w, 0.3, 0.3 * w, 0.6 * d, 0.45)])
