# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Surfaces of made objects: lattices of control points, joined by bilinear patches.

Everything in a made room is a list of ``Surface``: a lattice (nu, nv, 3) in metres whose outward
side is ``d/du × d/dv``. Objects are built around the origin, z up, with their back at y = 0 and
their front towards +y. ``moved`` then places them in the room.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .materials import Material


class Surface(NamedTuple):
    """A lattice of bilinear patches.

    Attributes:
        lattice: (nu, nv, 3) float64 control points, metres.
        closed: Whether the last column of u is joined to the first.
        material: Colour and texture.
    """

    lattice: np.ndarray
    closed: bool
    material: Material


def moved(
    surfaces: Sequence[Surface], *, angle: float = 0.0, offset: Sequence[float] = (0.0, 0.0, 0.0)
) -> list[Surface]:
    """Turn surfaces about the z axis by ``angle`` (radians), then shift them by ``offset``."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    shift = np.asarray(offset, dtype=np.float64)
    return [s._replace(lattice=s.lattice @ turn + shift) for s in surfaces]


def bounds(surfaces: Sequence[Surface]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest corner (3,) of the control points."""
    low = np.min([s.lattice.min(axis=(0, 1)) for s in surfaces], axis=0)
    high = np.max([s.lattice.max(axis=(0, 1)) for s in surfaces], axis=0)
    return low, high


def rectangle(
    corner: Sequence[float], edge_u: Sequence[float], edge_v: Sequence[float], material: Material
) -> Surface:
    """Build a parallelogram whose outward side is ``edge_u × edge_v``."""
    c, u, v = (np.asarray(a, dtype=np.float64) for a in (corner, edge_u, edge_v))
    return Surface(
        lattice=np.stack([np.stack([c, c + v]), np.stack([c + u, c + u + v])]),
        closed=False,
        material=material,
    )


def loft(
    rings: Sequence[np.ndarray], material: Material, *, bottom: bool = False, top: bool = True
) -> list[Surface]:
    """Build a skin over rings (n, 3), listed from low to high.

    Args:
        rings: Outlines with the same number of points, counter-clockwise seen from above.
        material: Material of the skin and its lids.
        bottom: Whether to close the lowest ring with a lid.
        top: Whether to close the highest ring with a lid.

    Returns:
        The side, followed by the lids.
    """
    side = np.stack(rings, axis=1)
    surfaces = [Surface(lattice=side, closed=True, material=material)]
    if top:
        surfaces.append(_lid(side[:, -1], material, upwards=True))
    if bottom:
        surfaces.append(_lid(side[:, 0], material, upwards=False))
    return surfaces


def _lid(ring: np.ndarray, material: Material, *, upwards: bool) -> Surface:
    """Close a ring: four points as one quadrilateral, more as a fan around their centre."""
    if len(ring) == 4:
        a, b, c, d = ring
        grid = np.stack([np.stack([a, d]), np.stack([b, c])])
        return Surface(
            lattice=grid if upwards else grid.transpose(1, 0, 2), closed=False, material=material
        )
    centre = np.broadcast_to(ring.mean(axis=0), ring.shape)
    pair = (ring, centre) if upwards else (centre, ring)
    return Surface(lattice=np.stack(pair, axis=1), closed=True, material=material)


def circle(
    n: int,
    radius_x: float,
    radius_y: float | None = None,
    *,
    power: float = 2.0,
    phase: float = 0.0,
) -> np.ndarray:
    """Sample the outline (n, 2) of a superellipse.

    ``power`` 2 is an ellipse; the larger the power, the closer the outline to a rectangle.
    """
    t = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False) + phase
    cos, sin = np.cos(t), np.sin(t)
    radius = (np.abs(cos) ** power + np.abs(sin) ** power) ** (-1.0 / power)
    return np.stack(
        [radius_x * radius * cos, (radius_x if radius_y is None else radius_y) * radius * sin],
        axis=1,
    )


def ring_at(
    outline: np.ndarray, z: float, *, centre: Sequence[float] = (0.0, 0.0), scale: float = 1.0
) -> np.ndarray:
    """Place an outline (n, 2) at height ``z`` as a ring (n, 3)."""
    return np.column_stack([outline * scale + np.asarray(centre), np.full(len(outline), z)])


def box(
    low: Sequence[float],
    high: Sequence[float],
    material: Material,
    *,
    bottom: bool = False,
    top: bool = True,
) -> list[Surface]:
    """Build an upright box between two corners."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    outline = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
    return loft([ring_at(outline, z0), ring_at(outline, z1)], material, bottom=bottom, top=top)


def cushion(
    low: Sequence[float],
    high: Sequence[float],
    material: Material,
    *,
    roundness: float = 0.3,
    bulge: float = 0.0,
    power: float = 5.0,
) -> list[Surface]:
    """Build a box with soft edges.

    Args:
        low: Lowest corner of the bounding box.
        high: Highest corner of the bounding box.
        material: Material of the cushion.
        roundness: Share of the height over which the edge is rounded, 0 to 0.5.
        bulge: Rise of the top above its rim, as a share of the height.
        power: Superellipse power of the outline.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    half, centre, height = (high - low) / 2, (high + low) / 2, high[2] - low[2]
    outline = circle(20, half[0], half[1], power=power, phase=np.pi / 20)
    edge = roundness * height
    inset = min(edge, 0.45 * min(half[0], half[1])) / max(min(half[0], half[1]), 1e-6)
    rim = high[2] - bulge * height
    steps = (
        (low[2], 1 - inset),
        (low[2] + 0.5 * edge, 1 - 0.25 * inset),
        (low[2] + edge, 1.0),
        (rim - edge, 1.0),
        (rim - 0.5 * edge, 1 - 0.25 * inset),
        (rim, 1 - inset),
        (rim + 0.7 * (high[2] - rim), 0.55 * (1 - inset)),
        (high[2], 0.05),
    )
    rings = [ring_at(outline, z, centre=centre[:2], scale=s) for z, s in steps]
    return loft(rings, material, top=False)


def pipe(
    points: Sequence[Sequence[float]],
    radius: float,
    material: Material,
    *,
    sides: int = 6,
    caps: bool = True,
) -> list[Surface]:
    """Build a round bar along a polyline of at least two points."""
    path = np.asarray(points, dtype=np.float64)
    tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    helper = np.eye(3)[int(np.argmin(np.abs(tangents).max(axis=0)))]
    first = np.cross(tangents, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangents, first)
    outline = circle(sides, radius)
    rings = [
        p + outline[:, :1] * a + outline[:, 1:] * b
        for p, a, b in zip(path, first, second, strict=True)
    ]
    return loft(rings, material, bottom=caps, top=caps)


def lathe(
    profile: Sequence[tuple[float, float]],
    material: Material,
    *,
    sides: int = 14,
    centre: Sequence[float] = (0.0, 0.0),
    stretch: float = 1.0,
    power: float = 2.0,
    bottom: bool = False,
    top: bool = True,
) -> list[Surface]:
    """Turn a profile of (radius, z), listed along the skin, about a vertical axis.

    Args:
        profile: Radii and heights in metres; for a bowl, up its outside and down its inside.
        material: Material of the skin and its lids.
        sides: Number of points per ring.
        centre: Position (x, y) of the axis.
        stretch: Factor on y, for oval bowls.
        power: Superellipse power of the outline.
        bottom: Whether to close the first ring.
        top: Whether to close the last ring.
    """
    outline = circle(sides, 1.0, stretch, power=power, phase=np.pi / sides)
    rings = [ring_at(outline, z, centre=centre, scale=max(r, 1e-3)) for r, z in profile]
    return loft(rings, material, bottom=bottom, top=top)


def sheet(lattice: np.ndarray, material: Material, *, thickness: float = 0.008) -> list[Surface]:
    """Build a thin cloth or board: the lattice as its front, and a back at ``thickness``."""
    normal = np.cross(lattice[-1, 0] - lattice[0, 0], lattice[0, -1] - lattice[0, 0])
    normal /= np.linalg.norm(normal)
    back = (lattice - thickness * normal).transpose(1, 0, 2)
    return [
        Surface(lattice=np.array(lattice, dtype=np.float64), closed=False, material=material),
        Surface(lattice=np.ascontiguousarray(back), closed=False, material=material),
    ]
