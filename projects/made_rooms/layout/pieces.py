# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pieces of furniture for a layout, in the usual sizes or stretched."""

from collections.abc import Callable, Mapping

import numpy as np

from ..furniture import FAMILIES, Furniture
from .layout import Layout

Ranges = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Factors of width, depth and height."""

STRETCHED: Mapping[str, Ranges] = {
    'bed': ((0.95, 1.75), (0.95, 1.12), (0.7, 1.6)),
    'bookshelf': ((0.7, 1.8), (0.8, 1.5), (0.6, 1.2)),
    'bathtub': ((0.9, 1.15), (0.9, 1.15), (0.85, 1.15)),
    'cabinet': ((0.7, 2.0), (0.7, 1.4), (0.7, 1.4)),
    'chair': ((0.9, 1.45), (0.9, 1.45), (0.75, 1.15)),
    'counter': ((1.0, 2.0), (0.85, 1.1), (0.9, 1.05)),
    'desk': ((0.9, 2.0), (0.9, 1.15), (0.95, 1.15)),
    'otherfurniture': ((0.7, 1.5), (0.7, 1.5), (0.7, 1.7)),
    'picture': ((0.3, 1.1), (0.5, 1.2), (0.4, 1.2)),
    'refrigerator': ((0.75, 1.15), (0.15, 1.15), (0.8, 1.15)),  # built-in ones show their front
    'shower curtain': ((0.8, 1.3), (1.0, 1.5), (0.9, 1.05)),
    'sink': ((0.8, 1.2), (0.8, 1.15), (0.8, 1.3)),
    'sofa': ((0.6, 1.2), (0.85, 1.3), (0.85, 1.2)),
    'table': ((0.7, 1.8), (0.6, 1.2), (0.75, 1.15)),
    'toilet': ((0.9, 1.5), (0.9, 1.15), (0.85, 1.1)),
}
"""Wider sizes than those of real scans."""

FURNITURE: dict[str, Mapping[str, Ranges]] = {'usual': {}, 'stretched': STRETCHED}
"""Sizes of furniture, by name: factors of each kind, none for the usual sizes."""


def build(layout: Layout, kind: str, maker: Callable[..., Furniture], *sizes) -> Furniture:
    """Build a piece, and stretch it if the layout has factors for its kind.

    Args:
        layout: The room.
        kind: Kind of the piece.
        maker: Shape family, called with a source of randomness and the sizes.
        sizes: Further arguments. A piece with given sizes is not stretched.
    """
    piece = maker(layout.rng, *sizes)
    if kind not in layout.stretch or sizes:
        return piece
    return stretched(piece, [layout.rng.uniform(*limits) for limits in layout.stretch[kind]])


def draw_piece(layout: Layout, kind: str) -> Furniture:
    """Build a piece of the kind, of a shape family drawn by weight."""
    families, weights = zip(*FAMILIES[kind], strict=True)
    weights = np.array(weights, dtype=np.float64)
    number = int(layout.rng.choice(len(families), p=weights / weights.sum()))
    return build(layout, kind, families[number])


def stretched(piece: Furniture, factors: tuple[float, float, float]) -> Furniture:
    """Stretch a piece along its width, depth and height; its bottom stays where it is."""
    x, y, z = factors
    bottom = piece.low[2]
    scale, shift = np.array([x, y, z]), np.array([0, 0, (1 - z) * bottom])
    return Furniture(
        label=piece.label,
        surfaces=[s._replace(lattice=s.lattice * scale + shift) for s in piece.surfaces],
        tops=[
            (x * x0, y * y0, x * x1, y * y1, z * top + shift[2])
            for x0, y0, x1, y1, top in piece.tops
        ],
    )
