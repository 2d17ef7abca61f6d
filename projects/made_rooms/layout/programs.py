# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Types of rooms: their groups of furniture, and the pieces that fill them up."""

from collections.abc import Callable, Sequence

import numpy as np

from ..furniture import KINDS, clutter
from .groups import cooking, dining, lounging, sleeping, stand, storing, washing, working
from .layout import Layout

_ANYWHERE = ('chair', 'picture', 'cabinet', 'otherfurniture')
_DRY = (*_ANYWHERE, 'table', 'bookshelf')
# Types of rooms: groups in the order in which they are placed, then kinds of fillers.
PROGRAMS: dict[str, tuple[tuple[Callable[[Layout], None], ...], tuple[str, ...]]] = {
    'Bedroom / Hotel': ((sleeping, storing, working), (*_DRY, 'desk', 'curtain')),
    'Living room / Lounge': ((lounging, dining, storing), (*_DRY, 'sofa', 'curtain')),
    'Kitchen': ((cooking, dining, storing), (*_ANYWHERE, 'table', 'refrigerator', 'counter')),
    'Office': ((working, working, storing), (*_DRY, 'desk', 'sofa')),
    'Bathroom': ((washing, cooking), (*_ANYWHERE, 'sink', 'toilet', 'curtain')),
    'Apartment': ((sleeping, cooking, dining), (*_DRY, 'sofa', 'desk', 'curtain')),
    'Bookstore / Library': ((storing, storing, dining), (*_DRY, 'sofa', 'desk')),
    'Misc.': ((washing, sleeping, lounging), KINDS),
}
# Fillers: weight of each kind, and the greatest number of them in a room. Bulky kinds come first,
# because only an almost empty room has space for them.
FILLERS = {
    'bed': (1.5, 2),
    'sofa': (2, 2),
    'bathtub': (1.3, 1),
    'counter': (1, 2),
    'desk': (1.5, 3),
    'bookshelf': (2, 4),
    'cabinet': (2.5, 5),
    'refrigerator': (1.3, 1),
    'door': (0.5, 3),
    'window': (0.5, 3),
    'curtain': (1, 3),
    'table': (2, 4),
    'toilet': (1.3, 1),
    'sink': (1, 2),
    'shower curtain': (0.7, 1),
    'chair': (4.5, 12),
    'otherfurniture': (3, 4),
    'picture': (4, 5),
}


def furnish(layout: Layout, program: str, *, target: int, clutter_count: int) -> None:
    """Furnish an empty room.

    Args:
        layout: The room; changed in place.
        program: Key of ``PROGRAMS``.
        target: Number of objects of ``KINDS`` to aim at; fewer are placed if they do not fit.
        clutter_count: Number of small things to scatter.
    """
    rng = layout.rng
    for kind, times in (('door', (1, 3)), ('window', (0, 3))):
        for _ in range(int(rng.integers(*times))):
            stand(layout, kind)
    groups, fillers = PROGRAMS[program]
    for group in groups:
        group(layout)
    # If only some kinds are allowed, each of them may occur in any type of room.
    _fill_up(layout, fillers if layout.kinds == frozenset(KINDS) else KINDS, target)
    strew(layout, clutter_count)


def _fill_up(layout: Layout, kinds: Sequence[str], target: int) -> None:
    """Add pieces of some kinds until there are enough, in at most three rounds."""
    rng, bulk = layout.rng, list(FILLERS)
    for _ in range(3):
        present = [p.kind for p in layout.placed]
        left = {k: FILLERS[k][1] - present.count(k) for k in kinds if k in layout.kinds}
        wanted = []
        while len(wanted) < target - layout.count and any(n > 0 for n in left.values()):
            weights = np.array([FILLERS[k][0] * (n > 0) for k, n in left.items()])
            wanted.append(str(rng.choice(list(left), p=weights / weights.sum())))
            left[wanted[-1]] -= 1
        for kind in sorted(wanted, key=bulk.index):
            stand(layout, kind)


def strew(layout: Layout, count: int) -> None:
    """Scatter small things over tops and floor."""
    rng = layout.rng
    bases = [p for p in layout.placed if p.tops]
    for _ in range(count):
        if bases and rng.random() < 0.75:
            base = bases[int(rng.integers(len(bases)))]
            makers: Sequence = clutter.ON_TABLES
            if base.kind in ('bed', 'sofa'):
                makers = clutter.ON_SOFT
            elif base.kind == 'desk':
                makers = clutter.ON_DESKS
            layout.on_top(base, makers[int(rng.integers(len(makers)))](rng))
        else:
            maker = clutter.ON_FLOOR[int(rng.integers(len(clutter.ON_FLOOR)))]
            layout.anywhere(maker(rng), None, tidy=False, margin=0.15, tries=6)
    if rng.random() < 0.35:
        layout.anywhere(clutter.rug(rng), None, margin=0.6)
