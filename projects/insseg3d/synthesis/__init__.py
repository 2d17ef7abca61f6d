# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Procedural furnished rooms, scanned as by a hand-held depth camera."""
from .furniture import KINDS
from .generate import synthesize_s3dis, synthesize_scannet
from .room import Room, RoomOptions, make_points, make_room
from .s3dis_faults import FAULTS
from .s3dis_room import OPTIONS as S3DIS_OPTIONS
from .s3dis_room import S3DISRoom, make_s3dis_room
from .s3dis_writer import RELEASES

__all__ = ['FAULTS', 'KINDS', 'RELEASES', 'S3DIS_OPTIONS', 'Room', 'RoomOptions', 'S3DISRoom',
           'make_points', 'make_room', 'make_s3dis_room', 'synthesize_s3dis',
           'synthesize_scannet']
