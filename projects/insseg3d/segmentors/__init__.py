# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from .instance_segmentor import GroupingSegmentor3D, InstanceSegmentor3D
from .strategies import ScenePart, SharedQueries, VoxelFull
from .superpoint_vote import SuperpointVote
from .voxel_table import VoxelTablePreprocessor

__all__ = [
    'GroupingSegmentor3D',
    'InstanceSegmentor3D',
    'ScenePart',
    'SharedQueries',
    'SuperpointVote',
    'VoxelFull',
    'VoxelTablePreprocessor',
]
