# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Procedural furnished rooms, scanned as by a hand-held depth camera."""
from .furniture import KINDS
from .generate import synthesize_scannet
from .room import Room, RoomOptions, make_points, make_room

__all__ = ['KINDS', 'Room', 'RoomOptions', 'make_points', 'make_room', 'synthesize_scannet']
