# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Procedural furnished rooms, scanned by a simulated depth camera."""

from .corridor import CorridorOptions, make_corridor
from .furniture import COMMON_KINDS, KINDS
from .layout.fittings import FITTINGS
from .layout.pieces import FURNITURE
from .options import RoomOptions
from .room import Room, make_points, make_room
from .scanning.poses import CAMERAS
from .scanning.wear import WEAR
from .writers.generate import synthesize_s3dis, synthesize_scannet
from .writers.s3dis import RELEASES
from .writers.s3dis_faults import FAULTS
from .writers.s3dis_room import OPTIONS as S3DIS_OPTIONS
from .writers.s3dis_room import S3DISRoom, make_s3dis_room

__all__ = [
    'CAMERAS',
    'COMMON_KINDS',
    'CorridorOptions',
    'FAULTS',
    'FITTINGS',
    'FURNITURE',
    'KINDS',
    'RELEASES',
    'Room',
    'RoomOptions',
    'S3DISRoom',
    'S3DIS_OPTIONS',
    'WEAR',
    'make_corridor',
    'make_points',
    'make_room',
    'make_s3dis_room',
    'synthesize_s3dis',
    'synthesize_scannet',
]
