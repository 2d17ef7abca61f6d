# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Single pieces and groups of furniture, each placed where it is usually found."""

from collections.abc import Callable

import numpy as np

from ..furniture import FAMILIES, Furniture, bathroom, clutter, openings, storage, tables
from .layout import Layout
from .pieces import build, draw_piece
from .placed import Placed

Rng = np.random.Generator


def stand(layout: Layout, kind: str) -> Placed | None:
    """Place one more piece of the kind where such pieces are usually found, if it fits."""
    if not layout.allows(kind):
        return None
    if kind in WALL_GROUPS:
        return WALL_GROUPS[kind](layout)
    # If a large piece does not fit, a smaller one of its kind may.
    for _ in range(3):
        placed = _stand_piece(layout, kind, draw_piece(layout, kind))
        if placed:
            return placed
    return None


def _stand_piece(layout: Layout, kind: str, piece: Furniture) -> Placed | None:
    rng = layout.rng
    if kind == 'chair':
        return layout.anywhere(piece, kind, tidy=rng.random() < 0.4, margin=0.3) or layout.at_wall(
            piece, kind
        )
    if kind == 'table' and rng.random() < 0.5:
        return layout.anywhere(piece, kind, margin=0.4) or layout.at_wall(piece, kind)
    return layout.at_wall(piece, kind, gap=0.0 if kind == 'picture' else None)


def _seat(
    layout: Layout,
    base: Placed,
    x: float,
    y: float,
    angle: float,
    under: float,
    family: int | None = None,
) -> Placed | None:
    """Push a chair towards the point (x, y) on a table's edge, facing along ``angle``."""
    if not layout.allows('chair'):
        return None
    rng = layout.rng
    piece = (
        draw_piece(layout, 'chair')
        if family is None
        else build(layout, 'chair', FAMILIES['chair'][family][0])
    )
    reach = piece.high[1] - under
    turn = angle + rng.normal(0, 0.18)
    at = (x + np.sin(angle) * reach, y - np.cos(angle) * reach)
    return layout.near(base, piece, 'chair', at, turn, ignore=(base,))


def dining(layout: Layout) -> None:
    """Place a table with chairs at its sides, most of them pushed under it."""
    rng = layout.rng
    if not layout.allows('table'):
        return
    family = int(rng.integers(2))
    piece = build(layout, 'table', FAMILIES['table'][family][0])
    table = layout.anywhere(piece, 'table', margin=0.8) or layout.at_wall(piece, 'table')
    if table is None:
        return
    high = piece.high
    w, d = high[0], high[1]
    spots = [(x, d, np.pi) for x in ((-0.3, 0.3) if w > 0.6 else (0.0,))]
    spots += [(x, 0.0, 0.0) for x in ((-0.3, 0.3) if w > 0.6 else (0.0,))]
    spots += [(w, d / 2, np.pi / 2), (-w, d / 2, -np.pi / 2)]
    style = int(rng.integers(4))
    for k in rng.permutation(len(spots))[: int(rng.integers(2, len(spots) + 1))]:
        _seat(layout, table, *spots[k], under=rng.uniform(0.0, 0.28), family=style)


def working(layout: Layout) -> None:
    """Place a desk with a chair in front of it and things on it."""
    rng = layout.rng
    desk = stand(layout, 'desk')
    if desk is None:
        return
    depth = desk.tops[0][3] / 0.9
    _seat(
        layout,
        desk,
        rng.uniform(-0.15, 0.15),
        depth,
        np.pi,
        rng.uniform(-0.05, 0.28),
        family=int(rng.choice([0, 1, 1, 3])),
    )
    layout.on_top(desk, clutter.monitor(rng), turn=0.15)


def sleeping(layout: Layout) -> None:
    """Place a bed with its head at a wall and small pieces next to it."""
    rng = layout.rng
    bed = stand(layout, 'bed')
    if bed is None:
        return
    half = np.abs((bed.corners - bed.offset[:2]) @ (np.cos(bed.angle), np.sin(bed.angle))).max()
    for side in (-1, 1):
        kind = ('table', 'cabinet')[int(rng.integers(2))]
        if not layout.allows(kind) or rng.random() < 0.35:
            continue
        maker = tables.low_table if kind == 'table' else storage.file_cabinet
        piece = build(layout, kind, maker)
        x = side * (half + piece.high[0] + rng.uniform(0.0, 0.05))
        base = layout.near(bed, piece, kind, (x, rng.uniform(0, 0.05)), 0.0)
        if base and rng.random() < 0.7:
            layout.on_top(base, clutter.table_lamp(rng))


def lounging(layout: Layout) -> None:
    """Place a sofa with a low table in front of it, and perhaps an armchair."""
    rng = layout.rng
    sofa = stand(layout, 'sofa')
    if sofa is None:
        return
    if layout.allows('table'):
        piece = build(layout, 'table', tables.low_table)
        layout.near(
            sofa,
            piece,
            'table',
            (rng.uniform(-0.3, 0.3), rng.uniform(1.15, 1.5)),
            rng.normal(0, 0.05),
        )
    if layout.allows('chair') and rng.random() < 0.6:
        side = float(rng.choice([-1.0, 1.0]))
        layout.near(
            sofa,
            build(layout, 'chair', FAMILIES['chair'][2][0]),
            'chair',
            (side * rng.uniform(1.5, 2.2), rng.uniform(1.0, 1.8)),
            side * np.pi / 2 + rng.normal(0, 0.2),
        )


def cooking(layout: Layout) -> None:
    """Place a worktop on cabinets, with a basin, wall cabinets and a refrigerator next to it."""
    rng = layout.rng
    if layout.allows('counter'):
        _worktop(layout)
    elif layout.allows('cabinet'):
        stand(layout, 'cabinet')
    stand(layout, 'refrigerator')
    if rng.random() < 0.5:
        stand(layout, 'otherfurniture')


def _worktop(layout: Layout) -> None:
    rng = layout.rng
    w, d = rng.uniform(1.2, 2.3), rng.uniform(0.58, 0.66)
    hole = None
    if layout.allows('sink'):
        wide, deep = rng.uniform(0.42, 0.62), rng.uniform(0.36, 0.44)
        hole = (rng.uniform(-1, 1) * (0.42 * w - wide / 2), wide, deep)
    top = layout.at_wall(tables.counter(rng, w, d, hole), 'counter', gap=0.0, tries=24)
    if top is None:
        return
    if hole is not None:
        basin = bathroom.basin(rng, hole[1] + 0.03, hole[2] + 0.03)
        layout.near(
            top, basin, 'sink', (hole[0], (d - hole[2]) / 2 - 0.015), 0.0, z=0.91, ignore=None
        )
    if layout.allows('cabinet'):
        if (
            layout.near(
                top,
                storage.under_counter(rng, w, d),
                'cabinet',
                (0.0, 0.0),
                0.0,
                ignore=[p for p in layout.placed if p.kind in ('counter', 'sink')],
            )
            is None
        ):
            return
    if layout.allows('cabinet') and rng.random() < 0.7:
        wide = w * rng.uniform(0.5, 1.0)
        layout.near(top, storage.wall_cabinet(rng, wide), 'cabinet', ((w - wide) / 2, 0.0), 0.0)


def washing(layout: Layout) -> None:
    """Place a tub with its curtain, a toilet and a washbasin."""
    rng = layout.rng
    tub = stand(layout, 'bathtub')
    if tub is not None and layout.allows('shower curtain') and rng.random() < 0.75:
        piece = draw_piece(layout, 'shower curtain')
        wide = np.linalg.norm(tub.corners[1] - tub.corners[0])
        deep = np.linalg.norm(tub.corners[2] - tub.corners[1])
        x = (wide - 2 * piece.high[0]) / 2 * float(rng.choice([-1.0, 1.0]))
        layout.near(tub, piece, 'shower curtain', (x, deep - 0.04), 0.0, ignore=(tub,))
    elif layout.allows('shower curtain') and rng.random() < 0.5:
        stand(layout, 'shower curtain')
    stand(layout, 'toilet')
    stand(layout, 'sink')
    if rng.random() < 0.6:
        layout.at_wall(openings.mirror(rng), None, gap=0.0)
    if rng.random() < 0.6:
        layout.at_wall(bathroom.towel_rail(rng), None, gap=0.0)


def storing(layout: Layout) -> None:
    """Place shelves and cabinets."""
    for kind in layout.rng.permutation(['bookshelf', 'cabinet', 'bookshelf'])[:2]:
        stand(layout, str(kind))


def _open_wall(layout: Layout, w: float, z0: float, z1: float) -> tuple[int, float] | None:
    """Find a stretch of wall for an opening; return the wall and the middle of the stretch."""
    for _ in range(12):
        k = int(layout.rng.integers(4))
        _, _, length = layout.wall(k)
        if length < w + 0.5:
            continue
        t = layout.rng.uniform(w / 2 + 0.2, length - w / 2 - 0.2)
        if all(t + w / 2 + 0.25 < a or t - w / 2 - 0.25 > b for a, b, _, _ in layout.holes[k]):
            layout.holes[k].append((t - w / 2, t + w / 2, z0, z1))
            return k, t
    return None


def _fill(layout: Layout, k: int, t: float, piece: Furniture, kind: str) -> Placed:
    start, angle, _ = layout.wall(k)
    at = start + t * np.array([np.cos(angle), np.sin(angle)])
    return layout.put(piece, kind, angle, at, ignore=None)


def _zone(layout: Layout, k: int, t: float, w: float, deep: float) -> np.ndarray:
    """Return the corners (4, 2) of the floor in front of an opening."""
    start, angle, _ = layout.wall(k)
    along = np.array([np.cos(angle), np.sin(angle)])
    inward = np.array([-along[1], along[0]])
    return start + np.array(
        [
            (t - w / 2) * along,
            (t + w / 2) * along,
            (t + w / 2) * along + deep * inward,
            (t - w / 2) * along + deep * inward,
        ]
    )


def add_door(layout: Layout) -> Placed | None:
    """Place a door in a wall, and keep the floor in front of it free."""
    rng = layout.rng
    w, h = rng.uniform(0.75, 0.95), rng.uniform(1.95, 2.1)
    spot = _open_wall(layout, w, 0.0, h)
    if spot is None:
        return None
    is_open = rng.random() < 0.3
    layout.block(_zone(layout, *spot, w, 0.9 if is_open else 0.6), 0.0, 2.0)
    make = openings.open_door if is_open else openings.closed_door
    return _fill(layout, *spot, make(rng, w, h), 'door')


def add_window(layout: Layout) -> Placed | None:
    """Place a window in a wall, sometimes with curtains, and keep tall pieces away from it."""
    rng = layout.rng
    w, z0, z1 = rng.uniform(0.7, 1.9), rng.uniform(0.6, 1.05), rng.uniform(1.8, 2.15)
    spot = _open_wall(layout, w, z0, z1)
    if spot is None:
        return None
    layout.block(_zone(layout, *spot, w, 0.35), z0 + 0.05, z1)
    placed = _fill(layout, *spot, openings.window(rng, w, z0, z1), 'window')
    if layout.allows('curtain') and rng.random() < 0.65:
        low = rng.uniform(0.03, 0.2) if rng.random() < 0.6 else z0 - 0.15
        _fill(
            layout,
            *spot,
            openings.curtain(rng, w, low, min(z1 + 0.15, layout.size[2] - 0.1)),
            'curtain',
        )
    return placed


def add_curtain(layout: Layout) -> Placed | None:
    """Place a drawn curtain on a bare wall."""
    rng = layout.rng
    piece = openings.curtain(rng, rng.uniform(0.6, 1.2), 0.05, min(2.2, layout.size[2] - 0.1))
    return layout.at_wall(piece, 'curtain', gap=0.0)


WALL_GROUPS: dict[str, Callable[[Layout], Placed | None]] = {
    'door': add_door,
    'window': add_window,
    'curtain': add_curtain,
}
