# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from .grouping_segmentor import GroupingSegmentor3D
from .instance_segmentor import InstanceSegmentor3D
from .strategies import SharedQueries, VoxelFull
from .voxel_segmentor import VoxelSegmentor3D
from .voxel_table import VoxelTablePreprocessor

__all__ = [
    'GroupingSegmentor3D',
    'InstanceSegmentor3D',
    'SharedQueries',
    'VoxelFull',
    'VoxelSegmentor3D',
    'VoxelTablePreprocessor',
]
