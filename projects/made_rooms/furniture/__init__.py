# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Shape families of every kind of object, each with continuous parameters."""

from . import bathroom, beds, openings, seating, storage, tables
from .base import Furniture

# Pieces on the floor or hung on a wall, by ScanNet class: (shape family, weight).
FAMILIES = {
    'cabinet': ((storage.low_cabinet, 3), (storage.tall_cabinet, 2), (storage.file_cabinet, 1)),
    'bed': ((beds.framed_bed, 5), (beds.divan_bed, 3), (beds.bunk_bed, 1)),
    'chair': (
        (seating.four_leg_chair, 4),
        (seating.office_chair, 3),
        (seating.armchair, 2),
        (seating.stool_chair, 2),
        (seating.bar_stool, 1),
    ),
    'sofa': ((seating.straight_sofa, 3), (seating.corner_sofa, 1)),
    'table': ((tables.four_leg_table, 3), (tables.round_table, 2), (tables.low_table, 3)),
    'bookshelf': ((storage.open_bookshelf, 3), (storage.cube_bookshelf, 2)),
    'counter': ((tables.bar_counter, 1),),
    'desk': ((tables.plain_desk, 3), (tables.drawer_desk, 3), (tables.corner_desk, 2)),
    'refrigerator': ((storage.refrigerator, 3), (storage.side_by_side, 1)),
    'toilet': ((bathroom.toilet, 1),),
    'sink': ((bathroom.wall_sink, 1),),
    'bathtub': ((bathroom.bathtub, 3), (bathroom.oval_bathtub, 1)),
    'shower curtain': ((openings.shower_curtain, 1),),
    'otherfurniture': (
        (storage.trash_can, 4),
        (storage.radiator, 2),
        (storage.ottoman, 2),
        (storage.bench, 1),
    ),
    'picture': ((openings.picture, 3),),
}
# Kinds that need an opening in a wall, or a window to hang at.
WALL_KINDS = ('door', 'window', 'curtain')
KINDS = tuple(sorted((*FAMILIES, *WALL_KINDS)))
# The most common kinds that can be distinguished in coarse voxels.
COMMON_KINDS = ('bed', 'chair', 'sofa', 'table', 'cabinet', 'bookshelf', 'toilet', 'bathtub')

__all__ = ['COMMON_KINDS', 'FAMILIES', 'KINDS', 'WALL_KINDS', 'Furniture']
